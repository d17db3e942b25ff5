"""Porcupine judges histories as we do: those of each model, those that were recorded, those with a changed result."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from redis_mob.testing.history import History
from redis_mob.testing.history_files import Operation, write_history
from redis_mob.testing.serial_models import MODELS
from tests.robustness import histories, porcupine
from tests.robustness.report import BrokenError
from tests.robustness.seeds import new_seed
from tests.testing.test_history_files import serial


@pytest.mark.parametrize("name", sorted(MODELS))
async def test_porcupine_has_the_same_models(name: str, go_checker: Path, tmp_path: Path) -> None:
    honest, file = serial(name), tmp_path / "history.jsonl"
    write_history(file, honest)
    assert porcupine.verdict(go_checker, file).word == "ok"
    for left_out in range(len(honest.calls)):
        history = History[Operation](honest.calls[:left_out] + honest.calls[left_out + 1 :])
        write_history(file, history)
        agreed = "ok" if await histories.refusal(history) is None else "violation"
        assert porcupine.verdict(go_checker, file).word == agreed


async def test_porcupine_judges_a_recorded_history_as_we_do(server_url: str, go_checker: Path, tmp_path: Path) -> None:
    seed, file = new_seed(), tmp_path / "history.jsonl"
    history = await histories.record(server_url, seed=seed, operations=600, clients=8)
    write_history(file, history)
    assert porcupine.verdict(go_checker, file).word == "ok"
    for number in range(3):
        changed = histories.sabotaged(history, Random(seed + number))
        write_history(file, changed)
        assert await histories.refusal(changed) is not None
        assert porcupine.verdict(go_checker, file).word == "violation"


def test_a_machine_without_go_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(porcupine, "go_program", lambda: None)
    with pytest.raises(BrokenError, match="there is no Go: install it"):
        porcupine.build(tmp_path)


def test_a_file_that_is_no_history_is_an_error_and_no_verdict(go_checker: Path, tmp_path: Path) -> None:
    (tmp_path / "h.jsonl").write_text('{"format": "another"}')
    with pytest.raises(BrokenError, match="is no history of version 1"):
        porcupine.verdict(go_checker, tmp_path / "h.jsonl")
