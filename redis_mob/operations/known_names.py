"""Says which names of mobs and flows were mistyped, where nothing was found by them."""

from __future__ import annotations

from collections import defaultdict

from redis_mob.errors import MobStoreError, nearest, shown
from redis_mob.storage import MobStorage

_MOST_READ = 50
"""Definitions that are read for this."""


async def unknown_names(storage: MobStorage, mob: str | None, flow: str | None) -> str | None:
    """What is to be said of a mob or a flow that no definition of the namespace has; None if there is nothing."""
    if mob is None and flow is None:
        return None
    flows: defaultdict[str, set[str]] = defaultdict(set)
    for digest in (await storage.operations.definitions())[:_MOST_READ]:
        try:
            definition = await storage.executions.get_definition(digest)
        except MobStoreError:  # it was deleted, or is damaged: `redis-mob definitions` tells
            continue
        flows[definition.id] |= set(definition.flows)
    if not flows:
        return None
    if mob is not None and mob not in flows:
        return f"no run here is of mob {shown(mob)}; {nearest(mob, flows)}"
    known = set[str]().union(*flows.values()) if mob is None else flows[mob]
    if flow is not None and flow not in known:
        of = "" if mob is None else f" of mob {shown(mob)}"
        return f"no run here is of flow {shown(flow)}{of}; {nearest(flow, known)}"
    return None
