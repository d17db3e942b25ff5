"""The limits of an execution, with their keys rendered, as it is dispatched (contract: engine-60)."""

from __future__ import annotations

from typing import NamedTuple

from redis_mob.errors import TemplateError, shown
from redis_mob.kernel.context import ConditionContext
from redis_mob.kernel.templates import Placeholder, render
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.limits import MOST_BYTES_OF_LIMIT_KEY, ConcurrencySpec, Limit, RateSpec


class RenderedLimits(NamedTuple):
    """The limits of an execution, and the placeholders of their keys whose paths led nowhere."""

    limits: tuple[Limit, ...] = ()
    absent: tuple[Placeholder, ...] = ()


_NONE = RenderedLimits()


def limits_of(flow: FlowSpec, step_id: str, context: ConditionContext) -> RenderedLimits:
    """The limits of an execution of a step: those of the step, and those of the flow.

    Raises ValueError, which says which key cannot be rendered, or is too long.
    """
    if not flow.has_limits:
        return _NONE
    step = flow.steps[step_id]
    found = [
        _rendered(of, spec, context)
        for of, specs in ((step_id, (step.concurrency, step.rate)), (None, (flow.concurrency, flow.rate)))
        for spec in specs
        if spec is not None
    ]
    return RenderedLimits(tuple(limit for limit, _ in found), tuple(one for _, absent in found for one in absent))


def _rendered(
    step_id: str | None, spec: ConcurrencySpec | RateSpec, context: ConditionContext
) -> tuple[Limit, tuple[Placeholder, ...]]:
    field, per_ms = ("rate", spec.per_ms) if isinstance(spec, RateSpec) else ("concurrency", None)
    named = f"the key of its {field}" if step_id is not None else f"the key of the {field} of its flow"
    try:
        key, absent = render(spec.key or "", context)
    except TemplateError as error:
        raise ValueError(f"{named} cannot be rendered: {error}") from None
    text = str(key)
    if (length := len(text.encode(errors="replace"))) > MOST_BYTES_OF_LIMIT_KEY:
        raise ValueError(f"{named} has {length:,} bytes, {shown(text)}, and may have {MOST_BYTES_OF_LIMIT_KEY:,}")
    return Limit.unchecked(step_id=step_id, key=text, limit=spec.limit, per_ms=per_ms), absent
