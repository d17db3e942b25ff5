"""A limit in tokens holds while workers are killed, and a judge that is shown one fault finds it."""

from __future__ import annotations

import pytest

from tests.robustness import token_limit
from tests.robustness.seeds import new_seed
from tests.robustness.token_limit import LIMIT


@pytest.mark.slow
async def test_a_limit_in_tokens_holds_while_workers_are_killed() -> None:
    report = await token_limit.run(seed=new_seed(), per=5, times=3, every=3, lease=1)
    # a machine that gives the workers no time lets less be used, never more
    assert [text for text in report.broken if "only" not in text] == []
    assert report.figures["workers killed"]
    assert report.figures["tokens"] > LIMIT


def evenly(minutes: float, tokens: int) -> list[tuple[float, int]]:
    """Sixty calls a minute."""
    return [(number + 0.5, tokens) for number in range(round(60 * minutes))]


def test_what_keeps_to_its_limit_is_not_complained_of() -> None:
    assert token_limit.judged(evenly(5, LIMIT // 60), 60) == (LIMIT, pytest.approx(1.0), [])


def test_a_burst_each_minute_is_used_up() -> None:
    calls = [(61 * minute + number / 1000, LIMIT // 100) for minute in range(6) for number in range(100)]
    most, used, broken = token_limit.judged(calls, 60)
    assert (most, broken) == (LIMIT, [])
    assert used == pytest.approx(60 / 61, abs=0.002)


def test_one_token_too_many_is_found() -> None:
    most, _, broken = token_limit.judged([*evenly(5, LIMIT // 60), (100.2, 1)], 60)
    assert most == LIMIT + 1
    assert broken == ["60,001 tokens were used within 60 s, and 60,000 may be"]


def test_what_is_not_used_is_found() -> None:
    _, used, broken = token_limit.judged(evenly(6, round(LIMIT / 60 * 0.93)), 60)
    assert used == pytest.approx(0.93, abs=0.01)
    assert broken == [f"only {used:.1%} of what may be used was, while others waited"]
