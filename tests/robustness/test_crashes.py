"""What was acknowledged survives the death of its server; where it does not, the client that wrote it is told."""

from __future__ import annotations

import pytest

from tests.robustness import crashes
from tests.robustness.seeds import new_seed


@pytest.mark.parametrize("mode", ["fsync", "always"])
async def test_nothing_that_was_acknowledged_is_lost_and_nothing_happens_twice(mode: str) -> None:
    report = await crashes.run(seed=new_seed(), crashes=3, modes=[mode])
    assert report.broken == []
    assert report.figures[mode]["crashes"] == 3


async def test_limits_and_pauses_hold_and_all_runs_end() -> None:
    report = await crashes.run(seed=new_seed(), crashes=3, modes=["limits"])
    assert report.broken == []
    figures = report.figures["limits"]
    assert all(figures[name] for name in ("attempts", "pauses", "debounced runs")), figures


async def test_a_client_that_lost_an_acknowledged_write_is_told() -> None:
    report = await crashes.run(seed=new_seed(), crashes=2, modes=["memory"])
    assert report.broken == []
    assert report.figures["memory"]["acknowledged writes lost"]


async def test_a_server_that_keeps_nothing_is_found_out() -> None:
    with crashes.server_of("memory") as server:
        _, broken = await crashes.durable(server, new_seed(), 1, durability="memory")
    assert broken
