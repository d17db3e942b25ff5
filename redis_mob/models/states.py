"""Where a step, or a member's part in it, stands, as people are told: one set of words for nodes, steps, executions."""

from __future__ import annotations

from redis_mob.models.base import WireEnum


class State(WireEnum):
    """Where a step, or a member's part in it, stands."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        """Whether it is over."""
        return self not in (State.WAITING, State.RUNNING)
