"""What the fleet keeps beside a run: how it was started, and the executions of its steps with their leases.

All of it is stored, since a decision looks at nothing else (contract: engine-1, executions-6).
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pydantic import Field

from redis_mob.models.ask import Ask
from redis_mob.models.base import (
    U32,
    U64,
    Items,
    JsonValue,
    Model,
    SortedDict,
    SortedSet,
    Timestamp,
    WireEnum,
    is_empty,
    is_none,
)
from redis_mob.models.budget import Budget
from redis_mob.models.execution_key import ExecutionKey as ExecutionKey
from redis_mob.models.fork import NOTHING_CARRIED, Carried, ForkedFrom, is_nothing_carried
from redis_mob.models.limits import Limit
from redis_mob.models.message import Message
from redis_mob.models.subflow import ChildRun, SubflowTerms

MOST_PRIORITY = 63
"""The greatest priority of a run; the least is as far below 0."""

END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)


def later(moment: datetime, milliseconds: int) -> datetime:
    """The moment that many milliseconds after another, the end of time if it is beyond that."""
    if milliseconds >= (END_OF_TIME - moment) // timedelta(milliseconds=1):
        return END_OF_TIME
    return moment + timedelta(milliseconds=milliseconds)


class ExecutionStatus(WireEnum):
    """Where the execution of a step by one member stands."""

    WAITING = "waiting"
    LEASED = "leased"
    REPORTED = "reported"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    AWAITING = "awaiting"
    ASKING = "asking"


OVER = (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELED)
"""How an execution ends."""


class Queue(NamedTuple):
    """Where executions of a role of a mob wait: of one release if their run asks for it, else of none (''), and of the
    definition with this digest."""

    mob_id: str
    role: str
    release: str = ""
    definition: str = ""


class Left(NamedTuple):
    """Queues that a worker leaves to others: of a definition, a role ('' for all), and a release ('' for none)."""

    definition: str
    role: str
    release: str

    @staticmethod
    def has(left: "frozenset[Left]", queue: Queue) -> bool:
        """Whether a queue is among those that are left."""
        return any(Left(queue.definition, role, queue.release) in left for role in ("", queue.role))


class Serves(NamedTuple):
    """Which queues a worker serves: of which mobs and roles, None for all of them; of no release, and of its own.

    It is made for the definitions with these digests, None if that does not matter. Queues of those that another living
    worker is made for and serves, and it is not made for, it leaves to that one.
    """

    mobs: frozenset[str] | None = None
    roles: frozenset[str] | None = None
    release: str = ""
    definitions: frozenset[str] | None = None

    def left_to(self, others: "Iterable[Serves]") -> frozenset[Left]:
        """What it leaves to other workers."""
        if self.definitions is None:
            return frozenset()
        return frozenset(
            Left(digest, role, release)
            for other in others
            for digest in (other.definitions or frozenset()) - self.definitions
            for role in other.roles or ("",)
            for release in {"", other.release}
        )

    def includes(self, queue: Queue) -> bool:
        """Whether the executions in a queue are for this worker, if it leaves none to others."""
        return (
            (self.mobs is None or queue.mob_id in self.mobs)
            and (self.roles is None or queue.role in self.roles)
            and queue.release in ("", self.release)
        )


EVERYTHING = Serves()
"""All queues of runs that ask for no release."""


class Lease(Model):
    """The right of one worker to execute; it is good as long as the worker's own lease is.

    `fencing_token` is greater than that of every earlier owner: a result is taken only from the latest. `deadline` is
    when the execution is out of time. Releases before 0.2 gave each execution a lease of its own, which expired.
    """

    owner: str
    fencing_token: U64
    expires_at: Timestamp | None = Field(default=None, exclude_if=is_none)
    deadline: Timestamp


class HowLost(WireEnum):
    """How a worker lost an execution, as lua/lib/worker_loss writes it.

    It stopped renewing its lease, and held this execution alone; or this one was the only suspect among those that it
    held; or others may as well have been the cause. Or it handed the execution back; or that, and it was a suspect
    from before.
    """

    ALONE = "a"
    ONLY_SUSPECT = "s"
    AMONG_OTHERS = "n"
    HANDED_BACK = "l"
    SUSPECT_HANDED_BACK = "p"

    @property
    def is_orderly(self) -> bool:
        """Whether the worker handed it back, so that nothing was lost."""
        return self in (HowLost.HANDED_BACK, HowLost.SUSPECT_HANDED_BACK)


class Loss(NamedTuple):
    """That a worker lost an execution: how, which worker on which host, and when, by the fleet's clock."""

    how: HowLost
    worker: str
    host: str
    at: datetime


class Claim(NamedTuple):
    """An execution that a worker has taken from the schedule to claim it, and how another one lost it, if one did."""

    key: ExecutionKey
    loss: Loss | None = None


class ReportedFailure(Model):
    """How an execution failed, as its worker reported it; the run has not been decided since.

    `error_class` names the exception, `detail` is any JSON value that the handler added. The next attempt comes after
    `retry_after_ms` milliseconds, at the earliest.
    """

    reason: str
    retryable: bool = True
    error_class: str | None = Field(default=None, exclude_if=is_none)
    detail: JsonValue | None = Field(default=None, exclude_if=is_none)
    traceback: str | None = Field(default=None, exclude_if=is_none)
    retry_after_ms: U64 | None = Field(default=None, exclude_if=is_none)


class Item(Model):
    """The item that an execution of a step with `for_each` is for: the one at `index`, from 0, of so many `items`."""

    index: U32
    items: U32
    value: JsonValue | None = None


class Escalation(Model):
    """What a supervisor is told of: a step that failed, why, and how many steps of the run had failed by then."""

    step_id: str
    reason: str
    failures: U32


class ItemProgress(Model):
    """How far a step with `for_each` is in one frame.

    Of so many `items`, `begun` have an execution, or had one: those at the first indices. `completed` and `failed`
    count the ones that are over, unless they were canceled. `reasons` says why the first ones failed.
    """

    step_id: str
    items: U32
    begun: U32 = 0
    completed: U32 = 0
    failed: U32 = 0
    reasons: Items[str] = Field(default=(), exclude_if=is_empty)

    @property
    def open(self) -> int:
        """How many executions of its items are under way, or wait, as long as none was canceled."""
        return self.begun - self.completed - self.failed


class Execution(Model):
    """The execution of a step by one member: attempts, lease, and in the end its result.

    `attempt` counts from 1. A waiting execution may start at `due_at`. `lost` counts the workers that were lost while
    it was the one suspect among what they held, `lost_with_others` those that were lost while others may have been the
    cause. A `suspect` was under way when a worker was lost, and has not come to the end of an attempt since. One that
    is reported has its `output` or its `failure`, and waits for a decision. `reason`, `error_class` and `detail` are
    those of its latest failed attempt that was decided on; the last two are kept for the next attempt alone. `absent`
    are the paths that its message names and that led nowhere when it was rendered: `null` stands there. `item` is
    what it is for, in a step with `for_each`; its key names the member and the index then: `reader-1#0`. `limits` are
    those of its step and its flow, with the keys as they were rendered when it was dispatched.

    One that is awaiting has no member: it stands for its step, which waits for a signal since `due_at`, and until
    `wait_until` if it does not wait for ever. `signal` is the number of the signal that it took. One with a `child`
    waits for the end of that run, which begins at `due_at`; what tells of that is a signal, too.

    One with an `escalation` belongs to no node of a frame: the supervisor executes it, because the step `step_id` has
    failed. It has to be over at `wait_until`.

    One that is asking has ended its handler for as long as people are asked: no worker has it. `asks` are those that
    no one has answered; it keeps them while its handler runs once more, as long as they are pending. One that `resumes`
    waits to run again since one was answered: that is no dispatch of its own. So does one that was `throttled` by its
    service, so many times in turn.

    `trace` is the context of the span of its latest attempt, before its first one that of the attempt which led to it,
    in the form of W3C Trace Context: its next attempt has a link to that (contract: telemetry-3).
    """

    step_id: str
    role: str
    message: Message
    status: ExecutionStatus = ExecutionStatus.WAITING
    attempt: U32 = 1
    lost: U32 = 0
    lost_with_others: U32 = Field(default=0, exclude_if=is_empty)
    suspect: bool = Field(default=False, exclude_if=is_empty)
    due_at: Timestamp
    fencing_token: U64 = 0
    lease: Lease | None = Field(default=None, exclude_if=is_none)
    output: JsonValue | None = None
    failure: ReportedFailure | None = Field(default=None, exclude_if=is_none)
    reason: str | None = Field(default=None, exclude_if=is_none)
    error_class: str | None = Field(default=None, exclude_if=is_none)
    detail: JsonValue | None = Field(default=None, exclude_if=is_none)
    absent: Items[str] = Field(default=(), exclude_if=is_empty)
    wait_until: Timestamp | None = Field(default=None, exclude_if=is_none)
    signal: U64 | None = Field(default=None, exclude_if=is_none)
    item: Item | None = Field(default=None, exclude_if=is_none)
    child: ChildRun | None = Field(default=None, exclude_if=is_none)
    escalation: Escalation | None = Field(default=None, exclude_if=is_none)
    limits: Items[Limit] = Field(default=(), exclude_if=is_empty)
    asks: Items[Ask] = Field(default=(), exclude_if=is_empty)
    resumes: bool = Field(default=False, exclude_if=is_empty)
    throttled: U32 = Field(default=0, exclude_if=is_empty)
    trace: str | None = Field(default=None, exclude_if=is_none)

    @property
    def is_over(self) -> bool:
        """Whether it has come to its end."""
        return self.status in OVER

    @property
    def leaves(self) -> bool:
        """Whether it is put aside: one of many items that is over is not read with its run any more."""
        return self.item is not None and self.status in OVER

    @property
    def attempts_of_step(self) -> int:
        """The number of its attempt without those that were lost with their workers: these use up no retry."""
        return self.attempt - self.lost - self.lost_with_others

    def waits(self, now: datetime) -> bool:
        """Whether it waits, and may begin now."""
        return self.status is ExecutionStatus.WAITING and self.due_at <= now


def may_stand_aside(execution: Execution, now: datetime) -> bool:
    """Whether an execution may be put aside: it waits, or a worker has it, which may have lost it."""
    return execution.waits(now) or execution.status is ExecutionStatus.LEASED


def member_of(key: ExecutionKey, execution: Execution) -> str:
    """The member that an execution is for; the target of an item names its index too."""
    return key.target if execution.item is None else key.target.rpartition("#")[0]


OVERDUE = timedelta(seconds=10)
"""How long after its deadline an execution is taken from a worker that has not ended it, as one that is stuck."""


class RunLaunch(Model):
    """What a run was started with; it never changes, but for its release (contract: operations-202).

    `definition` is the digest under which the store keeps the whole definition. `members` names the members of each
    role, `schemas` the JSON schema of each step that has one, and `parsed_steps` are those whose members' texts are
    read as JSON. `max_duration_ms` is how long the flow may take, None if as long as it likes. Of two runs that wait
    the one with the greater `priority` goes first. With a `release` only workers of that release execute its steps.
    `max_concurrency` says how many executions of a role may be under way at a time, in all runs of the mob together.
    `max_output_bytes` bounds what one execution may return; None is the default of the engine. `forked_from` says which
    run a forked one comes from, and `carried` what is carried over from there. `subflows` holds what the run and its
    children need of the flows that their steps run. A run that `escalates` tells the supervisor of its mob of steps
    that fail; one that was started by a release that knew no escalations does not. `budget` was given
    when it was started: it goes before that of its flow. `trace` is the context of the span of its start, which is the
    parent of the spans of its attempts (contract: telemetry-2).
    """

    definition: str
    members: SortedDict[Items[str]]
    schemas: SortedDict[JsonValue] = SortedDict()
    parsed_steps: SortedSet[str] = ()
    max_duration_ms: U64 | None = None
    priority: int = Field(default=0, exclude_if=is_empty)
    release: str | None = Field(default=None, exclude_if=is_none)
    max_concurrency: SortedDict[U64] = Field(default=SortedDict(), exclude_if=is_empty)
    max_output_bytes: U64 | None = Field(default=None, exclude_if=is_none)
    forked_from: ForkedFrom | None = Field(default=None, exclude_if=is_none)
    carried: Carried = Field(default=NOTHING_CARRIED, exclude_if=is_nothing_carried)
    subflows: SortedDict[SubflowTerms] = Field(default=SortedDict(), exclude_if=is_empty)
    escalates: bool = Field(default=False, exclude_if=is_empty)
    budget: Budget | None = Field(default=None, exclude_if=is_none)
    trace: str | None = Field(default=None, exclude_if=is_none)
