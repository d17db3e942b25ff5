"""How a run stands."""

from __future__ import annotations

from redis_mob.models.base import WireEnum


class MobRunStatus(WireEnum):
    """The public status of a run."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_terminal(self) -> bool:
        """Whether the run is over: completed, failed or canceled."""
        return self in (MobRunStatus.COMPLETED, MobRunStatus.FAILED, MobRunStatus.CANCELED)


NOT_OVER = tuple(status for status in MobRunStatus if not status.is_terminal)
OVER = tuple(status for status in MobRunStatus if status.is_terminal)
