"""Where a run stands in the lists of its namespace."""

from __future__ import annotations

from typing import NamedTuple

from redis_mob.models.run_status import MobRunStatus


class RunStanding(NamedTuple):
    """Whether it `is_listed` among the runs of its mob, and at which `statuses` it stands in the index by status.

    If it `is_due` a worker looks at it, now or at some time. `has_ended` says whether the log has an event that ends
    it, or had one that was pruned since.
    """

    is_listed: bool
    statuses: tuple[MobRunStatus, ...]
    is_due: bool
    has_ended: bool
