"""What waits in a queue of executions, and what is under way there."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from redis_mob.models.execution import Queue
from redis_mob.models.limits import LimitLoad


class LimitedLoad(NamedTuple):
    """How many executions of a queue wait for a limit that is full, of a flow, and how full it is."""

    flow_id: str
    load: LimitLoad
    waiting: int


class QueueLoad(NamedTuple):
    """The executions of one queue: how many wait to be taken, how many are under way, and how many wait for a time.

    `delayed` are retries before their time, and what a worker has taken and not claimed yet; None if more stand in the
    schedule than were looked at. `oldest_since` is since when the one waits that waits for the longest, of those that
    were looked at: the first ones to be taken; None if none waits. `looked_at` is how many those were. `aside` wait
    until their run, or its flow, is resumed. `limited` says of those that wait for which limits they do, as far as
    these were looked at.
    """

    queue: Queue
    waiting: int
    running: int
    delayed: int | None
    oldest_since: datetime | None
    looked_at: int
    aside: int = 0
    limited: tuple[LimitedLoad, ...] = ()


class QueueLoads(NamedTuple):
    """All queues in which something waits or is under way, by name, and the fleet's time at which they were read."""

    queues: tuple[QueueLoad, ...]
    now: datetime
