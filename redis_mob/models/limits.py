"""Limits of steps and flows as they are written, and as an execution has them (contract: engine-60)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field

from redis_mob.errors import shown
from redis_mob.models.base import U32_MAX, U64, Model, is_empty, is_none

MOST_BYTES_OF_LIMIT_KEY = 1024
"""How long a rendered key may be, in UTF-8."""

_DURATION = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)")
_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONGEST_MS = 36_500 * 86_400_000


def _duration(value: Any) -> Any:
    """The same duration as text. Raises ValueError for what is none, or is not more than 0."""
    if isinstance(value, timedelta):
        value = f"{value // timedelta(milliseconds=1)}ms"
    if not isinstance(value, str) or not 0 < duration_ms(value) <= _LONGEST_MS:
        raise ValueError(
            f"{shown(value)} is no duration that is more than 0 and at most 36500d: write a number and one of "
            "ms, s, m, h, d, as in '30s'"
        )
    return value


def duration_ms(text: str) -> int:
    """A duration as text in milliseconds, 0 if it is none."""
    match = _DURATION.fullmatch(text)
    return int(match[1]) * _MILLISECONDS[match[2]] if match else 0


Most = Annotated[int, Field(ge=1, le=U32_MAX)]

Duration = Annotated[str, BeforeValidator(_duration)]
"""A length of time as text, such as `30s`."""


class ConcurrencySpec(Model):
    """How many executions may be under way at a time, on all workers: of each `key`, a template, or in all."""

    limit: Most
    key: str | None = Field(default=None, exclude_if=is_none)


class RateSpec(Model):
    """How many executions may begin in any time of the length `per`, such as `1m`: of each `key`, or in all."""

    limit: Most
    per: Duration
    key: str | None = Field(default=None, exclude_if=is_none)

    @property
    def per_ms(self) -> int:
        """`per` in milliseconds."""
        return duration_ms(self.per)


class Limit(Model):
    """A limit as it holds for one execution: its key is rendered.

    `step_id` is the step that it is of, None if it is of the flow. `per_ms` is None if it bounds how many are under
    way, else it bounds how many begin in that time.
    """

    step_id: str | None = Field(default=None, exclude_if=is_none)
    key: str = Field(default="", exclude_if=is_empty)
    limit: Most
    per_ms: U64 | None = Field(default=None, exclude_if=is_none)


class LimitLoad(NamedTuple):
    """How full a limit is: how many were taken or are under way, and how many have begun in the time of a rate.

    `room_at` is when something may begin again, as far as a full one knows.
    """

    limit: Limit
    under_way: int
    begun: int
    is_full: bool
    room_at: datetime | None

    def said(self, flow_id: str) -> str:
        """How full it is, in words."""
        limit = self.limit
        of = f"step {shown(limit.step_id)}" if limit.step_id is not None else f"flow {shown(flow_id)}"
        named = f"key {shown(limit.key)} of {of}" if limit.key else of
        if limit.per_ms is None:
            return f"{named} has {self.under_way:,} of {limit.limit:,} under way"
        time = f"{limit.per_ms / 1000:g} s"
        return f"of {named} {self.begun + self.under_way:,} of {limit.limit:,} have begun within {time}"
