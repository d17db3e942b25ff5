"""Reads a run as it is at one moment, and verifies it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from redis_mob.codec.definitions import flow_of_run
from redis_mob.errors import NotFoundError, SerializationError
from redis_mob.fleet.items import target_of
from redis_mob.models.execution import Execution, ExecutionKey
from redis_mob.models.order import natural_key
from redis_mob.models.run import MobRun
from redis_mob.models.run_summary import RunFilter
from redis_mob.models.transition import RunView
from redis_mob.operations.run_list import every_run
from redis_mob.operations.verification import ReadRun, RunDifference, RunVerification, differences
from redis_mob.past.run_events import checked_run_id, events_of
from redis_mob.storage import MobStorage

_TRIES = 50
"""How often a run is read that changes meanwhile."""


async def verify(storage: MobStorage, run_id: str) -> RunVerification:
    """See `FleetAdmin.verify`."""
    run_id = checked_run_id(run_id)
    found: list[RunDifference] = []
    read: ReadRun | None = None
    try:
        read = await _read(storage, run_id)
        found.extend(differences(read))
    except SerializationError as error:  # kernel states are decoded when they are looked at
        found.append(RunDifference("storage", "what can be read", str(error)))
    return RunVerification(run_id, tuple(found), events_known=read is not None and read.events is not None)


async def verify_all(storage: MobStorage, which: RunFilter) -> AsyncIterator[RunVerification]:
    """See `FleetAdmin.verify_all`."""
    async for run in every_run(storage, which, None):
        if run.definition is not None:
            try:
                yield await verify(storage, run.run_id)
            except NotFoundError:
                continue  # it was deleted meanwhile


async def _read(storage: MobStorage, run_id: str) -> ReadRun:
    """The run at one moment. Raises NotFoundError, and SerializationError for what cannot be read."""
    view, run = await read_whole(storage, run_id)
    events = await events_of(storage.events, run_id, view.launched_at, view.run.completed_at)
    try:
        definition = await storage.executions.get_definition(view.launch.definition)
    except NotFoundError as error:
        raise SerializationError(f"run {run_id}: {error}") from None
    standing = await storage.operations.standing(run_id)
    if not run.status.is_terminal and await storage.executions.status(run_id) is not run.status:
        return await _read(storage, run_id)
    items = {node: await storage.executions.items(run_id, *node) for node in view.progress}
    return ReadRun(run, view, definition, items, standing, events)


async def read_whole(storage: MobStorage, run_id: str) -> tuple[RunView, MobRun]:
    """A run with all its executions, those of items that are over too, at one moment.

    Raises NotFoundError if there is none, or no fleet has started it; SerializationError if it changes for ever.
    """
    for _ in range(_TRIES):
        view = await storage.executions.load(run_id)
        run = None if view is None else await storage.runs.get_run(run_id)
        if view is None or run is None:
            raise NotFoundError.of_run(run_id, storage.namespace)
        whole = replace(view, executions={**view.executions, **await _ended(storage, view)})
        again = await storage.executions.load(run_id)
        if again is not None and _is_same(view, again):
            return whole, run
    raise SerializationError(f"run {run_id} changes too fast to be read: pause it, or try again")


def _is_same(one: RunView, other: RunView) -> bool:
    """Whether nothing has happened to a run between two reads."""
    return replace(one, now=other.now) == other


async def _ended(storage: MobStorage, view: RunView) -> dict[ExecutionKey, Execution]:
    """The executions of items that are over."""
    keys: list[ExecutionKey] = []
    definition = await storage.executions.get_definition(view.launch.definition) if view.progress else None
    for node, progress in view.progress.items():
        role = flow_of_run(definition, view.run).steps[progress.step_id].role if definition else ""
        members = sorted(view.launch.members.get(role, ()), key=natural_key)
        of_node = [ExecutionKey(*node, target_of(members, index)) for index in range(progress.begun)]
        keys += [key for key in of_node if key not in view.executions]
    return dict(zip(keys, await storage.executions.ended(view.run.run_id, keys), strict=True)) if keys else {}
