"""Limits of steps and flows as they are written, and as an execution has them (contract: engine-60)."""

import math
import re
from datetime import datetime, timedelta
from typing import Annotated, Any, NamedTuple, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from redis_mob.errors import shown
from redis_mob.models.base import U32_MAX, U64, Items, Model, WireEnum, is_empty, is_none

MOST_BYTES_OF_LIMIT_KEY = 1024
"""How long a rendered key may be, in UTF-8."""

MOST_DIGITS_OF_UNITS = 32
"""Characters of a number of units: as many as any that could fit a limit."""

MOST_RATES = 3
"""How many rates a step, or a flow, may have: an entry of the schedule has all its limits within 255 bytes."""

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


class Counts(WireEnum):
    """Which tokens a limit of units counts."""

    INPUT = "input"
    OUTPUT = "output"
    TOTAL = "total"


class RateSpec(Model):
    """How many executions may begin in any time of the length `per`, such as `1m`: of each `key`, or in all.

    With `units` it bounds how many tokens they use in that time: `units`, a number or a template that gives one, is the
    most that one is expected to use, and `counts` says which tokens; all of them unless it is given
    (contract: engine-90).
    """

    limit: Most
    per: Duration
    key: str | None = Field(default=None, exclude_if=is_none)
    units: Most | str | None = Field(default=None, exclude_if=is_none)
    counts: Counts | None = Field(default=None, exclude_if=is_none)

    @model_validator(mode="after")
    def _units_fit(self) -> Self:
        if self.units is None and self.counts is not None:
            raise ValueError("counts says which tokens are counted, and units is missing: how many one may use")
        if isinstance(self.units, int) and self.units > self.limit:
            raise ValueError(f"units, {self.units:,}, are more than the limit, {self.limit:,}: nothing would begin")
        return self

    @property
    def per_ms(self) -> int:
        """`per` in milliseconds."""
        return duration_ms(self.per)


def _few(rates: tuple[RateSpec, ...]) -> tuple[RateSpec, ...]:
    if not 1 <= len(rates) <= MOST_RATES:
        raise ValueError(f"these are {len(rates):,} rates; give 1 to {MOST_RATES}")
    counted = [(one.key, one.per_ms, None if one.units is None else one.counts or Counts.TOTAL) for one in rates]
    if len(set(counted)) < len(counted):
        raise ValueError("two of the rates count the same: with one key, within one time")
    return rates


def _rate_tag(value: object) -> str:
    return "several" if isinstance(value, list | tuple) else "one"


Rates: TypeAlias = Annotated[
    Annotated[RateSpec, Tag("one")] | Annotated[Items[RateSpec], AfterValidator(_few), Tag("several")],
    Discriminator(_rate_tag),
]
"""A rate, or several that hold together."""


def rates_in(rates: Rates | None) -> tuple[RateSpec, ...]:
    """All of them."""
    if rates is None:
        return ()
    return (rates,) if isinstance(rates, RateSpec) else rates


def units_in(text: str) -> int | None:
    """The number of units that a text gives, rounded up; None if that is no number above 0."""
    try:
        number = float(text) if len(text) <= MOST_DIGITS_OF_UNITS else math.inf
    except ValueError:
        return None
    return math.ceil(number) if 0 < number < math.inf else None


def in_two_digits(units: int) -> int:
    """A number rounded up to two significant digits: executions that reserve the same wait together."""
    unit = 10 ** max(len(str(units)) - 2, 0)
    return -(-units // unit) * unit


class Limit(Model):
    """A limit as it holds for one execution: its key is rendered.

    `step_id` is the step that it is of, None if it is of the flow. `per_ms` is None if it bounds how many are under
    way, else it bounds how many begin in that time. With `counts` it bounds the tokens that they use in it; the
    execution reserves so many `units`.
    """

    step_id: str | None = Field(default=None, exclude_if=is_none)
    key: str = Field(default="", exclude_if=is_empty)
    limit: Most
    per_ms: U64 | None = Field(default=None, exclude_if=is_none)
    counts: Counts | None = Field(default=None, exclude_if=is_none)
    units: Most | None = Field(default=None, exclude_if=is_none)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.counts is None) != (self.units is None) or (self.counts is not None and self.per_ms is None):
            raise ValueError("a limit of units has counts, units and per_ms")
        return self

    @property
    def bound(self) -> "Limit":
        """The same for all executions that it counts: what each of them reserves is left out."""
        return self if self.units is None else self.model_copy(update={"units": 1})


class TokenUse(NamedTuple):
    """The tokens that an attempt has used: those of what models were told, and those of their answers."""

    input_tokens: int = 0
    output_tokens: int = 0

    def plus(self, other: "TokenUse") -> "TokenUse":
        """Both together."""
        return TokenUse(self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens)

    def of(self, counts: Counts) -> int:
        """Those that a limit counts."""
        match counts:
            case Counts.INPUT:
                return self.input_tokens
            case Counts.OUTPUT:
                return self.output_tokens
            case Counts.TOTAL:
                return self.input_tokens + self.output_tokens


class LimitLoad(NamedTuple):
    """How full a limit is: how many were taken or are under way, and how many have begun in the time of a rate.

    Of one that counts units, `under_way` is how many are reserved, and `begun` how many were used in its time.
    `room_at` is when something may begin again, as far as a full one knows. A rate is `closed_until` a time if the
    service that it guards has asked for that.
    """

    limit: Limit
    under_way: int
    begun: int
    is_full: bool
    room_at: datetime | None
    closed_until: datetime | None = None

    def said(self, flow_id: str) -> str:
        """How full it is, in words."""
        limit = self.limit
        of = f"step {shown(limit.step_id)}" if limit.step_id is not None else f"flow {shown(flow_id)}"
        named = f"key {shown(limit.key)} of {of}" if limit.key else of
        if self.closed_until is not None:
            return f"{named} is throttled by its service"
        if limit.per_ms is None:
            return f"{named} has {self.under_way:,} of {limit.limit:,} under way"
        time = f"{limit.per_ms / 1000:g} s"
        if limit.counts is not None:
            tokens = "tokens" if limit.counts is Counts.TOTAL else f"{limit.counts} tokens"
            used = f"of {named} {self.begun:,} of {limit.limit:,} {tokens} were used within {time}"
            return f"{used}, and {self.under_way:,} are reserved" if self.under_way else used
        return f"of {named} {self.begun + self.under_way:,} of {limit.limit:,} have begun within {time}"
