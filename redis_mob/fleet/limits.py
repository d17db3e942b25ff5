"""The limits of an execution, with their keys rendered, as it is dispatched (contract: engine-60)."""

from __future__ import annotations

from typing import NamedTuple

from redis_mob.errors import TemplateError, shown
from redis_mob.kernel.context import ConditionContext
from redis_mob.kernel.templates import Placeholder, render
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.limits import MOST_BYTES_OF_LIMIT_KEY, Counts, Limit, RateSpec, in_two_digits, rates_in, units_in


class RenderedLimits(NamedTuple):
    """The limits of an execution, and the placeholders of their keys and units whose paths led nowhere."""

    limits: tuple[Limit, ...] = ()
    absent: tuple[Placeholder, ...] = ()


_NONE = RenderedLimits()


def limits_of(flow: FlowSpec, step_id: str, context: ConditionContext) -> RenderedLimits:
    """The limits of an execution of a step: those of the step, and those of the flow.

    Raises ValueError, which says which key cannot be rendered, or is too long, or which units are none.
    """
    if not flow.has_limits:
        return _NONE
    found: list[Limit] = []
    absent: list[Placeholder] = []
    for of, spec in ((step_id, flow.steps[step_id]), (None, flow)):
        if spec.concurrency is not None:
            key = _key("concurrency", of, spec.concurrency.key, context, absent)
            found.append(Limit.unchecked(step_id=of, key=key, limit=spec.concurrency.limit))
        for rate in rates_in(spec.rate):
            key = _key("rate", of, rate.key, context, absent)
            counts, units = None, None
            if rate.units is not None:
                counts, units = rate.counts or Counts.TOTAL, _units(rate, of, context, absent)
            found.append(
                Limit.unchecked(step_id=of, key=key, limit=rate.limit, per_ms=rate.per_ms, counts=counts, units=units)
            )
    return RenderedLimits(tuple(found), tuple(absent))


def _key(
    field: str, step_id: str | None, template: str | None, context: ConditionContext, absent: list[Placeholder]
) -> str:
    named = _named("key", field, step_id)
    text = _rendered(named, template or "", context, absent)
    if (length := len(text.encode(errors="replace"))) > MOST_BYTES_OF_LIMIT_KEY:
        raise ValueError(f"{named} has {length:,} bytes, {shown(text)}, and may have {MOST_BYTES_OF_LIMIT_KEY:,}")
    return text


def _units(rate: RateSpec, step_id: str | None, context: ConditionContext, absent: list[Placeholder]) -> int:
    """How many units an execution reserves: rounded up to two digits, as far as its limit has room for that."""
    named = _named("units", "rate", step_id)
    units = rate.units if isinstance(rate.units, int) else _number(named, rate.units or "", context, absent)
    if units > rate.limit:
        raise ValueError(
            f"{named} are {units:,}, more than its limit, {rate.limit:,}: it would never begin; raise the limit, or "
            "do it in parts"
        )
    return min(in_two_digits(units), rate.limit)


def _number(named: str, template: str, context: ConditionContext, absent: list[Placeholder]) -> int:
    text = _rendered(named, template, context, absent)
    if (number := units_in(text)) is None:
        raise ValueError(f"{named} must give a number above 0, and give {shown(text)}")
    return number


def _rendered(named: str, template: str, context: ConditionContext, absent: list[Placeholder]) -> str:
    try:
        text, missing = render(template, context)
    except TemplateError as error:
        raise ValueError(f"{named} cannot be rendered: {error}") from None
    absent += missing
    return str(text)


def _named(part: str, field: str, step_id: str | None) -> str:
    of = f"its {field}" if step_id is not None else f"the {field} of its flow"
    return f"the {part} of {of}"
