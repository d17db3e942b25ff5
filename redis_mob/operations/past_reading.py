"""Reads the past of a run: its events, its definition, and what came of the conditions of its loops."""

from __future__ import annotations

from typing import NamedTuple

from redis_mob.errors import NotFoundError
from redis_mob.fleet.definitions import Definitions
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import MobEvent
from redis_mob.models.transition import RunView
from redis_mob.operations.audit import concerned_run
from redis_mob.past.loop_answers import LoopAnswers
from redis_mob.past.run_events import checked_run_id, events_missing, events_of, place_in
from redis_mob.past.time_travel import RunMoment, RunPast
from redis_mob.storage import MobStorage


class ReadPast(NamedTuple):
    """A run as it is stored, and its past up to the newest event that the log had before that was read.

    `actions` are the events of what operators did with it.
    """

    view: RunView
    definition: MobDefinition
    events: list[MobEvent]
    past: RunPast
    actions: list[MobEvent]


async def read_past(storage: MobStorage, run_id: str, definitions: Definitions | None = None) -> ReadPast:
    """Read the past of a run. Raises NotFoundError as `FleetAdmin.state_at`."""
    executions = storage.executions
    run_id = checked_run_id(run_id)
    first = await executions.load(run_id)
    if first is None:
        raise NotFoundError.of_run(run_id, storage.namespace)
    run = first.run
    has_begun = bool(run.frames)
    found = await events_of(
        storage.events,
        run_id,
        first.launched_at,
        run.completed_at,
        from_its_start=has_begun,
        concerned=concerned_run,
    )
    if found is None:
        raise events_missing(run_id)
    events = [event for event in found if event.run_id is not None]
    actions = [event for event in found if event.run_id is None]
    # What is read after the events knows of each of them what came of it.
    view = first if run.status.is_terminal else await executions.load(run_id)
    if view is None:
        raise NotFoundError.of_run(run_id, storage.namespace)
    definition = await (definitions or Definitions(executions)).of(view)
    answers = {loop_id: LoopAnswers.of(loop.kernel_state) for loop_id, loop in view.run.loops.items()}
    past = RunPast.of(definition, run_id, view.run.flow_id, events, answers)
    return ReadPast(view, definition, events, past, actions)


async def state_at(storage: MobStorage, run_id: str, at: object) -> RunMoment:
    """See `FleetAdmin.state_at`."""
    place = await place_in(storage.events, "at", at)
    moment = (await read_past(storage, run_id)).past.at(place.cursor)
    # without an event up to there it may have waited, or not have been created: views of the past tell which
    if moment.at is None and await storage.at(place.cursor).runs.past_of(moment.run_id) is None:
        raise NotFoundError(f"run {moment.run_id} was not there at {place.name}")
    return moment
