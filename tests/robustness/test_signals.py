"""Signals that race the steps through bad networks are taken once each, and the judge finds every fault."""

from __future__ import annotations

import pytest

from tests.robustness import signals
from tests.robustness.seeds import new_seed
from tests.robustness.signals import TakenSignal, judge

RIGHT = [TakenSignal(payload, payload % 2, payload // 2 + 1) for payload in range(8)]


async def test_signals_are_taken_once_each() -> None:
    report = await signals.run(seed=new_seed(), signals=40, processes=2, runs=2)
    assert report.broken == []
    assert report.figures["signals taken once"] == 40


def judged(taken: list[TakenSignal]) -> list[str]:
    return judge(taken, signals=8, runs=2, processes=4)


def test_what_is_right() -> None:
    assert judged(RIGHT) == []


@pytest.mark.parametrize(
    ("taken", "broken"),
    [
        (RIGHT[1:], "1 signals were lost: [0]"),
        ([*RIGHT, RIGHT[3]], "1 signals were taken twice: [3]"),
        ([*RIGHT, TakenSignal(8, 0, 9)], "1 signals were never sent: [8]"),
        ([RIGHT[0]._replace(run=1), *RIGHT[1:]], "1 signals went to another run: [0]"),
        ([RIGHT[4], *RIGHT[1:4], RIGHT[0], *RIGHT[5:]], "run 0 took the signals of process 0 in another order: [4, 0]"),
    ],
)
def test_each_fault_is_found(taken: list[TakenSignal], broken: str) -> None:
    assert broken in judged(taken)
