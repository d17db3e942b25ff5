"""Rules for limits: which of them nothing could ever begin under (contract: engine-90)."""

from __future__ import annotations

from collections.abc import Iterator

from redis_mob.errors import TemplateError, shown
from redis_mob.kernel.diagnostics import Diagnostic
from redis_mob.kernel.templates import Placeholder, parse
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.limits import Rates, RateSpec, rates_in, units_in


def validate_limits(location: str, flow: FlowSpec) -> Iterator[Diagnostic]:
    """Findings about units that are written as a text without a placeholder: it is known what they give."""
    yield from _rates(location, flow.rate)
    for step_id, spec in flow.steps.items():
        yield from _rates(f"{location}.steps.{step_id}", spec.rate)


def _rates(location: str, rates: Rates | None) -> Iterator[Diagnostic]:
    for number, rate in enumerate(rates_in(rates)):
        field = "rate" if isinstance(rates, RateSpec) else f"rate[{number}]"
        if isinstance(rate.units, str) and (problem := _problem(rate.units, rate.limit)) is not None:
            yield Diagnostic("invalid_limit", problem, f"{location}.{field}.units")


def _problem(units: str, limit: int) -> str | None:
    try:
        if any(isinstance(part, Placeholder) for part in parse(units)):
            return None
    except TemplateError:
        return None  # the rules of templates tell of it
    number = units_in(units)
    if number is None:
        return f"units must give a number above 0, and {shown(units)} gives none"
    return f"units, {number:,}, are more than the limit, {limit:,}: nothing would begin" if number > limit else None
