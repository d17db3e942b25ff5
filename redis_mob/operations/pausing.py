"""Pauses flows and mobs for operators: the state by one script, and then what waits goes aside in steps."""

from __future__ import annotations

from redis_mob.models.pause import PauseChange
from redis_mob.storage import MobStorage


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
