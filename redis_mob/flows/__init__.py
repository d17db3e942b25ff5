"""Flows written in Python: `Mob`, its steps, loops and conditions. They make the same definitions as TOML does."""

from redis_mob.flows.conditions import and_, eq, gt, in_, lt, not_, or_
from redis_mob.flows.mob import Flow, Mob
from redis_mob.flows.nodes import Loop, Step, loop, quorum, step, wait_for

__all__ = [
    "Flow",
    "Loop",
    "Mob",
    "Step",
    "and_",
    "eq",
    "gt",
    "in_",
    "loop",
    "lt",
    "not_",
    "or_",
    "quorum",
    "step",
    "wait_for",
]
