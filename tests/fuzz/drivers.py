"""What makes inputs: hypothesis, which is always there, and atheris, where it installs."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.running import Figures, HangError, Run, keep, run_one

MOST_BYTES = 256


def with_hypothesis(name: str, run: Run, inputs: int, chosen_seed: int, folder: Path) -> Figures:
    """Run so many inputs. Findings are kept as files, one for each place in which they end."""
    figures = Figures()

    @seed(chosen_seed)
    @settings(
        max_examples=inputs,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
    @given(st.binary(max_size=MOST_BYTES))
    def tried(data: bytes) -> None:
        _try(name, run, data, figures, folder)

    tried()
    return figures


def at_random(name: str, run: Run, inputs: int, chosen_seed: int, folder: Path) -> Figures:
    """The same with bytes of a random generator, which takes a hundredth of the time of hypothesis."""
    figures, generator = Figures(), random.Random(chosen_seed)
    for _ in range(inputs):
        _try(name, run, generator.randbytes(generator.randrange(MOST_BYTES)), figures, folder)
    return figures


def with_atheris(
    name: str, run: Run, inputs: int, chosen_seed: int, folder: Path, end: Callable[[Figures], None]
) -> None:
    """Run so many inputs that atheris makes; it ends the process, so that `end` gets the figures before."""
    import atheris  # pyright: ignore[reportMissingModuleSource]

    figures = Figures()

    def tried(data: bytes) -> None:
        _try(name, run, data, figures, folder)
        if figures.inputs + len(figures.findings) >= inputs:
            end(figures)

    atheris.Setup(["fuzz", f"-seed={chosen_seed}", f"-max_len={MOST_BYTES}", "-timeout=0", "-rss_limit_mb=0"], tried)
    atheris.Fuzz()


def _try(name: str, run: Run, data: bytes, figures: Figures, folder: Path) -> None:
    try:
        run_one(run, data, figures)
    except (Exception, HangError) as error:  # noqa: BLE001 - each of them is a finding
        figures.inputs += 1
        figures.endings["found"] += 1
        keep(name, data, error, figures, folder)
