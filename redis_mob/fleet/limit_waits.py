"""For which limits the executions of a run wait (contract: engine-67)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from redis_mob.errors import shown
from redis_mob.models.execution import Execution
from redis_mob.models.limits import Limit, LimitLoad
from redis_mob.models.transition import RunView
from redis_mob.storage import MobStorage

MOST_LIMITS = 500
"""How many limits of a run are looked at."""

MOST_NAMED = 5
"""Of how many limits it is told that something waits for them."""


async def loads_of(storage: MobStorage, view: RunView) -> Mapping[Limit, LimitLoad]:
    """How full the limits are of the executions that wait; a run without limits costs nothing."""
    waiting = (execution for execution in view.executions.values() if execution.waits(view.now))
    limits = list(dict.fromkeys(limit for execution in waiting for limit in execution.limits))[:MOST_LIMITS]
    if not limits:
        return {}
    loads = await storage.steering.limit_loads(view.run.mob_id, view.run.flow_id, limits)
    return {load.limit: load for load in loads}


def full_limit(execution: Execution, loads: Mapping[Limit, LimitLoad]) -> LimitLoad | None:
    """The first limit of an execution that is full."""
    found = (loads.get(limit) for limit in execution.limits)
    return next((load for load in found if load is not None and load.is_full), None)


def limited_work(view: RunView, loads: Mapping[Limit, LimitLoad]) -> list[str]:
    """Which steps wait for which limits, in words."""
    steps: defaultdict[Limit, set[str]] = defaultdict(set)
    full: dict[Limit, LimitLoad] = {}
    for execution in view.executions.values():
        load = full_limit(execution, loads) if execution.waits(view.now) else None
        if load is not None:
            steps[load.limit.bound].add(execution.step_id)
            full[load.limit.bound] = load
    told = [
        f"step {', '.join(map(shown, sorted(names)))} waits for its turn: {full[limit].said(view.run.flow_id)}"
        for limit, names in list(steps.items())[:MOST_NAMED]
    ]
    return told + ([f"{len(steps) - MOST_NAMED:,} more limits are full"] if len(steps) > MOST_NAMED else [])
