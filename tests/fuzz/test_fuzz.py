"""Each target with a few inputs of hypothesis; `make fuzz` runs as many as it is told."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.drivers import at_random, with_hypothesis
from tests.fuzz.running import Figures, HangError, keep, run_one
from tests.fuzz.targets import TARGETS
from tests.support.examples import examples

WITH_A_SERVER = frozenset(("files", "replies", "scripts", "stored"))


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found(name: str, tmp_path: Path) -> None:
    inputs, seed = examples(40 if name in WITH_A_SERVER else 120), random.Random().randrange(2**31)
    print(f"seed {seed}")
    with TARGETS[name]() as run:
        figures = with_hypothesis(name, run, inputs, seed, tmp_path)
    assert figures.inputs > inputs // 2
    assert not figures.findings, {what: path.read_bytes() for what, path in figures.findings.items()}


def test_what_a_target_raises_is_kept_once_for_each_place(tmp_path: Path) -> None:
    def run(data: bytes) -> str:
        if data[:1] > b"\x80":
            raise IndexError(data)
        assert data[:1] < b"\x70", "a finding"
        return "fine"

    figures = at_random("planted", run, 500, 1, tmp_path)
    assert figures.inputs == 500
    assert {what.partition(" ")[0] for what in figures.findings} == {"IndexError", "AssertionError"}
    assert figures.endings["fine"] + figures.endings["found"] == 500
    kept = {path.read_bytes()[:1] for path in figures.findings.values()}
    assert len(kept) == 2 and min(kept) >= b"\x70"


def test_an_input_that_hangs_or_takes_too_much_memory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(_data: bytes) -> str:
        while True:
            pass

    monkeypatch.setattr("tests.fuzz.running.MOST_SECONDS", 0.05)
    with pytest.raises(HangError):
        run_one(hang, b"", Figures())
    figures = Figures()
    assert keep("planted", b"input", HangError("it takes more"), figures, tmp_path)
    assert not keep("planted", b"another", HangError("it takes more"), figures, tmp_path)
    monkeypatch.setattr("tests.fuzz.running.MOST_SECONDS", 60)
    monkeypatch.setattr("tests.fuzz.running.MOST_GROWTH", -1)
    with pytest.raises(AssertionError, match="bytes more"):
        run_one(lambda _: "fine", b"", Figures())
