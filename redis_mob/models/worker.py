"""A worker as the others know it."""

from datetime import datetime
from typing import NamedTuple

from redis_mob.models.base import U32, Items, Model, Timestamp
from redis_mob.models.execution import Queue, Serves
from redis_mob.version import ANNOUNCED_SCHEMA

RENEWALS_PER_LEASE = 3
"""A third of the lease between two renewals: one may fail, and the next still comes before the lease expires."""


class WorkerRecord(Model):
    """What a worker says of itself.

    `id` is its alone: no other worker ever has it. It serves these mobs and roles, None for all of them, in runs of no
    release and of its own, and is made for the definitions with these digests. `slots` is how many handlers it runs at
    a time. `version` is that of the library that it runs, and `schema_version` the newest layout of a namespace that
    this reads; both are None of a worker that does not say it (decision 0069).
    """

    id: str
    host: str
    pid: U32
    mobs: Items[str] | None = None
    roles: Items[str] | None = None
    release: str | None = None
    definitions: Items[str] | None = None
    slots: U32
    started_at: Timestamp
    version: str | None = None
    schema_version: U32 | None = None

    @property
    def reads_schema(self) -> int:
        """The newest layout of a namespace that it reads, as far as it has said it."""
        return ANNOUNCED_SCHEMA if self.schema_version is None else self.schema_version

    @property
    def serves(self) -> Serves:
        """Which queues it serves."""
        mobs, roles, definitions = (
            None if names is None else frozenset(names) for names in (self.mobs, self.roles, self.definitions)
        )
        return Serves(mobs, roles, self.release or "", definitions)

    def is_for(self, queue: Queue) -> bool:
        """Whether it takes the executions in a queue."""
        return self.serves.includes(queue)


class LiveWorker(NamedTuple):
    """A worker that holds a lease, which expires at this time of the fleet's clock unless it is renewed."""

    record: WorkerRecord
    expires_at: datetime
