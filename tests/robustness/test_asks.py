"""Answers from many processes through bad networks count once each, and very many asks may be pending."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from redis_mob.models.ask import Ask, PendingAsk
from tests.robustness import asks, pending_asks
from tests.robustness.asks import judge
from tests.robustness.seeds import new_seed

ASKED = [
    PendingAsk(
        run_id="00000000-0000-4000-8000-000000000000",
        mob_id="mob",
        flow_id="flow",
        step_id="a",
        frame_id="f",
        node_id="n",
        target=f"t{number}",
        ask=Ask(id=str(number), kind="who", digest="d", payload=number, asked_at=datetime.now(UTC)),
    )
    for number in range(2)
]
NONE: list[list[str]] = [[], []]
OWN: dict[str, list[list[str]]] = {"p0": [["0"], ["0"]], "p1": [["1"], ["1"]]}


def result(item: int, by: str, value: str | None = None) -> Any:
    return {"item": item, "by": by, "value": value or by, "attempt": 1}


GOT = [result(0, "p0"), result(1, "p1")]


async def test_answers_count_once_each() -> None:
    report = await asks.run(seed=new_seed(), asks_in_all=16, processes=2, runs=2)
    assert report.broken == []
    assert report.figures["asks answered once"] == 16


async def test_many_asks_are_pending_on_four_slots() -> None:
    assert (await pending_asks.run(seed=new_seed(), number=50)).broken == []


def test_what_is_right() -> None:
    assert judge(ASKED, OWN, GOT) == []


@pytest.mark.parametrize(
    ("own", "got", "broken"),
    [
        ({**OWN, "p1": NONE}, GOT, "1 asks were answered by none: ['1']"),
        ({**OWN, "p0": [["0", "1"], ["0", "1"]]}, GOT, "1 asks were answered by two: ['1']"),
        ({**OWN, "p0": [["0"], *NONE[:1]]}, GOT, "p0 has changed its mind"),
        (OWN, [result(0, "p1"), GOT[1]], "1 handlers got another answer than the one that counts: ['0']"),
        (OWN, [result(0, "p0", "p1"), GOT[1]], "2 results of 2 asks, or of two answers at once"),
        (OWN, GOT[:1], "1 results of 2 asks, or of two answers at once"),
    ],
)
def test_each_fault_is_found(own: Any, got: Any, broken: str) -> None:
    assert broken in judge(ASKED, own, got)
