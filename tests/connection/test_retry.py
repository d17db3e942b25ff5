"""How long a call may take, and how often it is tried again."""

from __future__ import annotations

import asyncio
import math
from dataclasses import fields
from typing import Any

import pytest

from redis_mob.connection.retry import LONGEST, RetryPolicy
from redis_mob.errors import ValidationError

FIELDS = [field.name for field in fields(RetryPolicy)]


class FakeClock:
    """The time of an event loop that passes only while a call sleeps, and as fast as it is asked to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now)
        monkeypatch.setattr(asyncio, "sleep", self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    "wrong", [-1, -1e-9, math.nan, math.inf, -math.inf, 1e16, LONGEST + 1, True, "1", None, b"1", [1], 1 + 0j]
)
def test_what_is_no_number_of_seconds_up_to_a_day_is_refused_by_field_and_value(field: str, wrong: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        RetryPolicy(**{field: wrong})
    assert field in str(refused.value)
    assert repr(wrong) in str(refused.value)


@pytest.mark.parametrize("field", FIELDS)
def test_only_the_deadline_may_be_zero(field: str) -> None:
    if field == "deadline":
        assert RetryPolicy(deadline=0).deadline == 0
    else:
        with pytest.raises(ValidationError, match=f"{field} must be"):
            RetryPolicy(**{field: 0})


def test_a_day_is_allowed_and_a_base_above_the_cap_is_not() -> None:
    assert RetryPolicy(*[LONGEST] * len(FIELDS)).cap == LONGEST
    with pytest.raises(ValidationError, match="base 2 is greater than cap 1"):
        RetryPolicy(base=2, cap=1)


def test_pauses_grow_up_to_a_cap() -> None:
    pauses = RetryPolicy(base=0.1, cap=1).pauses()
    first = [next(pauses) for _ in range(10)]
    assert all(low <= pause <= 2 * low for pause, low in zip(first, [0.05, 0.1, 0.2, 0.4, *[0.5] * 6], strict=True))


async def test_attempts_end_within_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(monkeypatch)
    attempts = RetryPolicy(deadline=10).attempts()
    while await attempts.wait():
        clock.now += 0.001  # an attempt
    assert attempts.until == 110
    assert 109 < clock.now < 110
    assert len(clock.slept) > 10


async def test_time_that_the_attempts_take_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(monkeypatch)
    attempts = RetryPolicy(deadline=10).attempts()
    clock.now += 6
    assert await attempts.wait()
    clock.now += 4
    assert not await attempts.wait()


async def test_a_pause_is_no_longer_than_half_of_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(monkeypatch)
    attempts = RetryPolicy(deadline=8, base=3600, cap=3600).attempts()
    assert await attempts.wait()
    assert await attempts.wait()
    assert clock.slept == [4, 2]


async def test_a_deadline_of_zero_is_a_single_attempt_without_another_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(monkeypatch)
    attempts = RetryPolicy(deadline=0).attempts()
    assert attempts.until is None
    assert not await attempts.wait()
    assert clock.slept == []
