"""Ends runs for operators: the definition comes from the store, and no worker is needed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from redis_mob.errors import NotFoundError, SerializationError
from redis_mob.fleet.children import end_left, tell_parent
from redis_mob.fleet.engine import advance, enter_anew
from redis_mob.fleet.items import ItemsUnreadError
from redis_mob.fleet.run_end import cancel as cancel_run
from redis_mob.fleet.traced_commits import tell_committed
from redis_mob.fleet.transition_builder import TransitionBuilder
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import NewMobEvent
from redis_mob.models.flow_events import FlowCanceled
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import RunView, Transition
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS
from redis_mob.storage import MobStorage

WORKER_SECONDS = 5.0
"""How long a worker is waited for that is to end a run: it may be alive and stand still all the same."""


async def cancel(storage: MobStorage, run_id: str, *, wait: bool) -> bool:
    """See `FleetAdmin.cancel`."""
    if not await _is_driven(storage, run_id):
        return await _end_undriven(storage, run_id)
    if not await storage.executions.request_cancel(run_id):
        return False
    # any worker looks after any run, also of a mob that it does not serve
    if not await storage.executions.workers() or (wait and not await _ends_by_itself(storage, run_id)):
        await _end(storage, run_id, settles=True)
    return True


async def terminate(storage: MobStorage, run_id: str) -> bool:
    """See `FleetAdmin.terminate`."""
    if not await _is_driven(storage, run_id):
        return await _end_undriven(storage, run_id)
    # From the request on no worker decides anything but the end, so that few commits are in the way of this one.
    if not await storage.executions.request_cancel(run_id):
        return False
    return await _end(storage, run_id, settles=False)


async def end_to_delete(storage: MobStorage, run_id: str) -> None:
    """End a run as `terminate` does, and also one whose flow its definition does not have, which no worker can end."""
    try:
        await terminate(storage, run_id)
    except SerializationError:
        view = await storage.executions.load(run_id)
        if view is None:
            return
        definition = await storage.executions.get_definition(view.launch.definition)
        if view.run.flow_id in definition.flows:
            raise
        await _end_undriven(storage, run_id)


async def _is_driven(storage: MobStorage, run_id: str) -> bool:
    """Whether a fleet drives a run. Raises NotFoundError if there is none."""
    status = await storage.executions.status(run_id)
    if status is None:
        raise NotFoundError.of_run(run_id, storage.namespace)
    if status.is_terminal:
        return True
    try:
        return await storage.executions.load(run_id) is not None
    except NotFoundError:
        return False
    except SerializationError:
        return True  # what is damaged may be read once its end is asked for


async def _ends_by_itself(storage: MobStorage, run_id: str) -> bool:
    """Whether a worker ends a run in time."""
    try:
        async with asyncio.timeout(WORKER_SECONDS), storage.executions.listen(run_id, only_end=True) as wake_up:
            while True:
                await wake_up.wait(SWEEP_SECONDS)
                status = await storage.executions.status(run_id)
                if status is None or status.is_terminal:
                    return True
    except TimeoutError:
        return False


async def _end(storage: MobStorage, run_id: str, *, settles: bool) -> bool:
    """Commit the end of a run whose cancellation was requested; True if it is canceled then.

    It is one transition: what a worker reports after it finds its lease gone. With `settles` outcomes that were
    reported before are taken first, as a worker would do it.
    """
    while True:
        view = await storage.executions.load(run_id)
        if view is None or view.run.status.is_terminal:
            return view is not None and view.run.status is MobRunStatus.CANCELED
        definition = await storage.executions.get_definition(view.launch.definition)
        transition = await _settled(storage, view, definition) if settles else _canceled(view, definition)
        if transition is None:
            continue
        end = partial(cancel, storage, wait=False) if settles else partial(terminate, storage)
        await end_left(storage.executions, transition, definition, end)
        if await storage.executions.commit(transition):
            tell_committed(transition)
            await tell_parent(storage.executions, transition.after(), definition)


def _canceled(view: RunView, definition: MobDefinition) -> Transition | None:
    builder = TransitionBuilder(view, definition)
    enter_anew(builder)
    cancel_run(builder)
    return builder.transition()


async def _settled(storage: MobStorage, view: RunView, definition: MobDefinition) -> Transition | None:
    while True:
        try:
            return advance(view, definition)
        except ItemsUnreadError as unread:
            run_id = view.run.run_id
            if unread.ended:
                found = await storage.executions.ended(run_id, unread.ended)
                view = replace(view, ended={**view.ended, **dict(zip(unread.ended, found, strict=True))})
            else:
                items = await storage.executions.items(run_id, *unread.node)
                view = replace(view, items={**view.items, unread.node: items})


async def _end_undriven(storage: MobStorage, run_id: str) -> bool:
    """End a run that no fleet has started: nothing else would, and it has no executions."""
    while True:
        run = await storage.runs.get_run(run_id)
        if run is None:
            raise NotFoundError.of_run(run_id, storage.namespace)
        if run.status.is_terminal:
            return False
        told = await storage.runs.cas_run_snapshot_and_append_terminal_event(
            run_id,
            expected_status=run.status,
            expected_flow_state=run.flow_state,
            next_status=MobRunStatus.CANCELED,
            next_flow_state=run.flow_state,
            event=NewMobEvent(mob_id=run.mob_id, kind=FlowCanceled(run_id=run.run_id, flow_id=run.flow_id)),
        )
        # none is told twice: the log may have the end of a run whose status was not changed with it
        if told is not None or await storage.runs.cas_run_status(
            run_id, expected=run.status, next=MobRunStatus.CANCELED
        ):
            return True
