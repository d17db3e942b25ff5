"""Limits hold while workers are killed, and a judge that is shown one fault finds it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.robustness import limited_keys
from tests.robustness.seeds import new_seed

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.slow
async def test_limits_hold_while_workers_are_killed() -> None:
    report = await limited_keys.run(seed=new_seed(), seconds=5, keys=100, each=8)
    # a machine that gives the workers no time lets less begin, never more
    assert [text for text in report.broken if "only" not in text] == []
    assert report.figures["workers killed"]
    assert 0 < report.figures["most of one key"] <= limited_keys.OF_A_KEY
    assert 0 < report.figures["most in a second"] <= limited_keys.PER_SECOND


def evenly(count: int, seconds: float) -> list[datetime]:
    return [BEGIN + timedelta(seconds=seconds * number / count) for number in range(count)]


def test_what_keeps_to_its_rate_is_not_complained_of() -> None:
    assert limited_keys.seconds_broken(evenly(250, 5.001)) == (50, 49, [])


def test_one_too_many_in_a_second_is_found() -> None:
    most, _, broken = limited_keys.seconds_broken([*evenly(250, 5.001), BEGIN + timedelta(seconds=2.5)])
    assert most == 51
    assert broken == ["51 began within a second, and 50 may"]


def test_a_gap_is_found() -> None:
    times = [at for at in evenly(250, 5.001) if not 2.5 < (at - BEGIN).total_seconds() < 2.65]
    _, least, broken = limited_keys.seconds_broken(times)
    assert least < limited_keys.LEAST_PER_SECOND
    assert broken == [f"only {least} began within a second, while others waited"]
