"""Scores of steps, which evaluations give after or while a run goes on (contract: telemetry-8)."""

from __future__ import annotations

from math import isfinite

from redis_mob.codec.arguments import optional_valid_text, text, valid_text
from redis_mob.codec.definitions import flow_of_run
from redis_mob.errors import NotFoundError, ValidationError, shown
from redis_mob.storage import MobStorage
from redis_mob.telemetry import active
from redis_mob.telemetry.scores import tell_score

MOST_TEXT = 256
"""Characters of the name of a score, and of its label."""


async def score(storage: MobStorage, run_id: object, step: object, name: object, value: object, label: object) -> None:
    """See `Fleet.score`."""
    active.activate()
    of_run, of_step = text("run_id", run_id), valid_text("step", step)
    named, labelled = _short("name", valid_text("name", name)), optional_valid_text("label", label)
    if labelled is not None:
        _short("label", labelled)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValidationError(f"value must be a finite number, not {shown(value)}; a truth value is a label")
    view = await storage.executions.load(of_run)
    if view is None:
        raise NotFoundError.of_run(of_run, storage.namespace)
    run = view.run
    definition = await storage.executions.get_definition(view.launch.definition)
    if of_step not in flow_of_run(definition, run).steps:
        raise NotFoundError(f"flow {shown(run.flow_id)} of run {run.run_id} has no step {shown(of_step)}")
    tell_score(
        start=view.launch.trace,
        mob=run.mob_id,
        flow=run.flow_id,
        run=run.run_id,
        step=of_step,
        name=named,
        value=float(value),
        label=labelled,
    )


def _short(what: str, given: str) -> str:
    if not given or len(given) > MOST_TEXT:
        raise ValidationError(f"{what} must have 1 to {MOST_TEXT} characters, not {len(given):,}")
    return given
