"""When a flow is started again and again, and how far that is."""

from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b

from pydantic import Field

from redis_mob.models.base import U64, Items, JsonValue, Model, SortedDict, Timestamp, is_empty, is_none
from redis_mob.models.labels import AttributeValue


class CatchUp(StrEnum):
    """What becomes of due times that passed more than a minute before a worker came to them (contract: operations-103).

    NONE: nothing. LAST: the last of them is fired. ALL: each of them is, the oldest first, the newest 1,000 at most.
    """

    NONE = "none"
    LAST = "last"
    ALL = "all"


class Overlap(StrEnum):
    """What is done at a due time while the run of the due time before it goes on (contract: operations-104).

    ALLOW: another run is started beside it. SKIP: none is. QUEUE: it is started when the other one is over.
    CANCEL_RUNNING: the other one is cancelled, and it is started when that is over.
    """

    ALLOW = "allow"
    SKIP = "skip"
    QUEUE = "queue"
    CANCEL_RUNNING = "cancel_running"


class FlowSchedule(Model):
    """What is started when. It has either a `cron` text or `every`, in milliseconds.

    `definition` is the digest under which the store keeps the whole definition; `members` names the members of each
    role. The fields of `cron` are times of the `timezone`. A run begins at its due time, and up to `jitter_ms` later,
    which is another delay for each due time, and always the same for one. No due time lies before `starts_at`, or after
    `ends_at`. `every` counts from `starts_at`, or else from `created_at`, the time of the server. Each run has the
    `attributes`.
    """

    name: str
    mob_id: str
    flow_id: str
    definition: str
    members: SortedDict[Items[str]]
    params: JsonValue = None
    cron: str | None = Field(default=None, exclude_if=is_none)
    every_ms: U64 | None = Field(default=None, exclude_if=is_none)
    timezone: str = "UTC"
    jitter_ms: U64 = Field(default=0, exclude_if=is_empty)
    catch_up: CatchUp = CatchUp.LAST
    overlap: Overlap = Overlap.ALLOW
    priority: int = Field(default=0, exclude_if=is_empty)
    release: str | None = Field(default=None, exclude_if=is_none)
    starts_at: Timestamp | None = Field(default=None, exclude_if=is_none)
    ends_at: Timestamp | None = Field(default=None, exclude_if=is_none)
    attributes: SortedDict[AttributeValue] = Field(default=SortedDict(), exclude_if=is_empty)
    created_at: Timestamp

    @property
    def every(self) -> timedelta | None:
        """The interval, if it has one."""
        return None if self.every_ms is None else timedelta(milliseconds=self.every_ms)

    @property
    def longest_jitter(self) -> timedelta:
        """How long after a due time its run begins at the latest."""
        return timedelta(milliseconds=self.jitter_ms)

    def jitter(self, due: datetime) -> timedelta:
        """How long after this due time its run begins."""
        if not self.jitter_ms:
            return timedelta()
        drawn = blake2b(f"{self.mob_id}\0{self.name}\0{due.timestamp()}".encode(), digest_size=8).digest()
        return timedelta(milliseconds=int.from_bytes(drawn) % (self.jitter_ms + 1))

    def says_the_same(self, other: "FlowSchedule") -> bool:
        """Whether both start the same at the same times; when they were created does not count."""
        return self.model_copy(update={"created_at": other.created_at}) == other


class ScheduleRecord(Model):
    """A schedule, and how far it is.

    `next_at` is the next due time that was not dealt with, None if there is none. `waits` says that its run is to be
    started as soon as the one before it is over. A paused one starts nothing; `note` says why, if a worker has paused
    it, or what else is to be known. `fired` counts the due times for which there is a run, `skipped` those at which
    the run before was under way.
    """

    schedule: FlowSchedule
    next_at: Timestamp | None = Field(default=None, exclude_if=is_none)
    waits: bool = Field(default=False, exclude_if=is_empty)
    paused: bool = Field(default=False, exclude_if=is_empty)
    note: str | None = Field(default=None, exclude_if=is_none)
    last_due_at: Timestamp | None = Field(default=None, exclude_if=is_none)
    last_run_id: str | None = Field(default=None, exclude_if=is_none)
    fired: U64 = Field(default=0, exclude_if=is_empty)
    skipped: U64 = Field(default=0, exclude_if=is_empty)

    @property
    def name(self) -> str:
        """The name of the schedule."""
        return self.schedule.name

    @property
    def begins_at(self) -> datetime | None:
        """When a run begins next, as far as it is known: the next due time with its jitter, None while it is paused."""
        if self.paused or self.next_at is None:
            return None
        return self.next_at + self.schedule.jitter(self.next_at)


class StoredSchedule(Model):
    """A schedule with the revision that a compare-and-swap compares: no two writes of a namespace have the same."""

    record: ScheduleRecord
    revision: U64


class DueSchedules(Model):
    """What is due now, hidden from others for a while. `next_at` is when it is worth looking again, None if there is
    nothing that will be due; `more` says that more is due than was asked for, `unreadable` what is damaged."""

    schedules: Items[StoredSchedule]
    now: Timestamp
    next_at: Timestamp | None = None
    more: bool = False
    unreadable: Items[str] = ()
