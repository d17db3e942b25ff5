"""Pauses runs with those of their steps, flows and mobs.

The state is one script; what a flow has waiting goes aside in steps after it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from redis_mob.errors import NotFoundError
from redis_mob.fleet.subflows import open_children
from redis_mob.models.pause import PauseChange
from redis_mob.storage import MobStorage


async def pause_run(storage: MobStorage, run_id: str, reason: str | None) -> PauseChange:
    """See `FleetAdmin.pause`. A child that a worker starts after the first call is paused from its start."""
    change = await storage.pauses.pause_run(run_id, reason)
    await _with_children(storage, run_id, lambda child: pause_run(storage, child, reason))
    return change


async def resume_run(storage: MobStorage, run_id: str) -> PauseChange:
    """See `FleetAdmin.resume`."""
    change = await storage.pauses.resume_run(run_id)
    await _with_children(storage, run_id, lambda child: resume_run(storage, child))
    return change


async def _with_children(storage: MobStorage, run_id: str, act: Callable[[str], Awaitable[object]]) -> None:
    view = await storage.executions.load(run_id)
    if view is None or view.run.status.is_terminal:
        return
    for execution in open_children(view).values():
        if execution.child is not None:
            with suppress(NotFoundError):  # it is not started yet, or deleted
                await act(execution.child.run_id)


async def pause_flow(storage: MobStorage, mob_id: str, flow_id: str | None, reason: str | None) -> bool:
    """See `FleetAdmin.pause_flow`. What is put aside here spares the workers to come to it one by one."""
    change = await storage.pauses.pause_flow(mob_id, flow_id, reason)
    if flow_id is not None:
        after = await storage.pauses.set_aside(mob_id, flow_id)
        while after is not None:
            after = await storage.pauses.set_aside(mob_id, flow_id, after)
    return change is PauseChange.DONE


async def resume_flow(storage: MobStorage, mob_id: str, flow_id: str | None) -> bool:
    """See `FleetAdmin.resume_flow`."""
    change = await storage.pauses.resume_flow(mob_id, flow_id)
    if flow_id is not None:
        while await storage.pauses.bring_back(mob_id, flow_id):
            pass
    return change is PauseChange.DONE
