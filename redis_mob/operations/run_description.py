"""What an operator is told of one run: its frames, loops, steps and members, with states, times and reasons."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from redis_mob.models.ask import Ask
from redis_mob.models.base import U32, U64, Items, JsonValue, Model, RunId, SortedDict, Timestamp, is_empty, is_none
from redis_mob.models.fork import ForkedFrom
from redis_mob.models.labels import AttributeValue
from redis_mob.models.pause import Pause
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.states import State
from redis_mob.models.subflow import ParentRun
from redis_mob.operations.budget_lines import BudgetLine


class Attempt(Model):
    """One attempt of a member at a step, by the event log: None in `ended_at` while it is under way.

    `outcome` is that of the attempt: `lost` says that another one began without it having ended, since its worker was
    lost or has handed it back.
    """

    began_at: Timestamp
    ended_at: Timestamp | None = None
    outcome: Literal["running", "completed", "failed", "canceled", "lost"] = "running"
    reason: str | None = Field(default=None, exclude_if=is_none)
    traceback: str | None = Field(default=None, exclude_if=is_none)


class WaitsFor(Model):
    """What a run, a step or a member waits for: in words, and what a program can do with.

    Of a `signal` its name, and the schema that a payload has to fit. `until` is when the waiting ends by itself.
    `workers` are the ids of the living workers that serve what waits for a worker. `asks` are those of what waits for
    an `answer`.
    """

    kind: Literal[
        "begin",
        "cancel",
        "pause",
        "dependency",
        "slot",
        "signal",
        "retry",
        "throttle",
        "limit",
        "worker",
        "child",
        "answer",
        "turn",
    ]
    text: str
    until: Timestamp | None = Field(default=None, exclude_if=is_none)
    signal: str | None = Field(default=None, exclude_if=is_none)
    payload_schema: JsonValue | None = Field(default=None, exclude_if=is_none)
    workers: Items[str] | None = Field(default=None, exclude_if=is_none)
    asks: Items[Ask] = Field(default=(), exclude_if=is_empty)


class WorkerAtWork(Model):
    """The worker that executes; `host` and `pid` are None if it holds no lease any more."""

    id: str
    host: str | None = None
    pid: U32 | None = None


class ChildDescription(Model):
    """The run that a member stands for, of a step that runs a flow; `status` is None while it is not started."""

    run_id: RunId
    flow_id: str
    status: MobRunStatus | None = None


class MemberDescription(Model):
    """A member's part in a step. Of a step with `for_each`, `member` names the item too: `reader-1#0`.

    `queued_at` is when it was asked, `began_at` when its first attempt began, `ended_at` when it was over; what the run
    does not know is None. `lost` counts attempts that were lost with their workers. `deadline` is when the attempt that
    is under way is out of time. `reason` is that of the latest failed attempt. `attempts` are read when they are asked
    for. `child` is the run of its latest attempt, in a step that runs a flow.
    """

    member: str
    state: State
    attempt: U32
    lost: U32 = Field(default=0, exclude_if=is_empty)
    queued_at: Timestamp | None = None
    began_at: Timestamp | None = None
    ended_at: Timestamp | None = None
    seconds: float | None = None
    worker: WorkerAtWork | None = Field(default=None, exclude_if=is_none)
    deadline: Timestamp | None = Field(default=None, exclude_if=is_none)
    waits_for: WaitsFor | None = Field(default=None, exclude_if=is_none)
    reason: str | None = Field(default=None, exclude_if=is_none)
    output_bytes: U64 | None = Field(default=None, exclude_if=is_none)
    attempts: Items[Attempt] = Field(default=(), exclude_if=is_empty)
    child: ChildDescription | None = Field(default=None, exclude_if=is_none)


class ItemsDescription(Model):
    """How far a step with `for_each` is: of `items`, so many have completed, failed, or are `open`, and the rest was
    not begun. `reasons` says why the first ones failed."""

    items: U32
    completed: U32
    failed: U32
    open: U32
    not_begun: U32
    reasons: Items[str] = Field(default=(), exclude_if=is_empty)


class StepDescription(Model):
    """A step in one frame. Times as those of its members; `members` has of a step with `for_each` those that are open.

    `output_bytes` is how long its output is as JSON, `output` the output if that was asked for. One that `is_carried`
    has it from the run that this one was forked from: no member was asked.
    """

    kind: Literal["step"] = "step"
    step_id: str
    node_id: str
    role: str | None = None
    state: State
    began_at: Timestamp | None = None
    ended_at: Timestamp | None = None
    seconds: float | None = None
    waits_for: WaitsFor | None = Field(default=None, exclude_if=is_none)
    reason: str | None = Field(default=None, exclude_if=is_none)
    items: ItemsDescription | None = Field(default=None, exclude_if=is_none)
    members: Items[MemberDescription] = ()
    output_bytes: U64 | None = None
    output: JsonValue | None = Field(default=None, exclude_if=is_none)
    is_carried: bool = Field(default=False, exclude_if=is_empty)


class IterationDescription(Model):
    """One iteration of a loop, counted from 1, with what its body does."""

    number: U64
    frame_id: str
    state: State
    nodes: "Items[NodeDescription]" = ()


class LoopDescription(Model):
    """A loop in one frame. `is_exhausted` says that its iterations were used up without its condition holding."""

    kind: Literal["loop"] = "loop"
    loop_id: str
    node_id: str
    state: State
    max_iterations: U32
    is_exhausted: bool = Field(default=False, exclude_if=is_empty)
    waits_for: WaitsFor | None = Field(default=None, exclude_if=is_none)
    iterations: Items[IterationDescription] = ()


NodeDescription: TypeAlias = Annotated[StepDescription | LoopDescription, Field(discriminator="kind")]
"""A node of a frame, told apart by `kind`."""


class EscalationDescription(Model):
    """That the supervisor is told of a step which has failed: of how many failed ones, and why that one failed.

    `reason` is that of the step. `told` is how the supervisor's member does with that: `reason` there is why it could
    not be told. `answer` is what its handler gave, if outputs were asked for; it has to be over by `until`.
    """

    step_id: str
    reason: str
    failures: U32
    role: str
    told: MemberDescription
    until: Timestamp | None = Field(default=None, exclude_if=is_none)
    answer: JsonValue | None = Field(default=None, exclude_if=is_none)


class FailureDescription(Model):
    """A failure that no attempt has made good. `step_id` is None for one of the flow itself, `member` for one of a step
    as a whole; `iteration` is empty outside of loops, else the rounds of the loops around the step, outermost first."""

    step_id: str | None = None
    member: str | None = None
    iteration: Items[U64] = Field(default=(), exclude_if=is_empty)
    attempt: U32 | None = None
    at: Timestamp
    reason: str
    error_class: str | None = Field(default=None, exclude_if=is_none)
    detail: JsonValue | None = Field(default=None, exclude_if=is_none)
    traceback: str | None = Field(default=None, exclude_if=is_none)


class RunDescription(Model):
    """A run as it was at `now`, by the clock of its fleet, as all times of it.

    `begins_at` is when it was, or is, to begin. `steps` counts its steps by state, those of all iterations.
    `has_attempts` says whether the attempts of its members are known: they were asked for, and the log still has all
    events of the run. `signals` counts those that no step has taken yet, by name. `forked_from` says which run it comes
    from, if it was forked. `parent` says which step of which run runs it, if one does. `attributes` and `summary` are
    what it is found by, `conversation` is the id of that in which it was started. `pauses` are those by which it is
    paused: its own, its flow's, its mob's. `budgets` are the accounts that its calls draw on, as far as they bound
    anything or were used. `params` are its parameters, if outputs were asked for, or they take no more than 400 bytes
    (contract: operations-232). A run that no fleet has started has no `definition`, and its steps have no `role`
    (contract: operations-24).
    """

    run_id: RunId
    mob_id: str
    flow_id: str
    status: MobRunStatus
    now: Timestamp
    created_at: Timestamp
    begins_at: Timestamp
    completed_at: Timestamp | None = None
    seconds: float
    deadline: Timestamp | None = None
    definition: str | None
    release: str | None = None
    priority: int = 0
    forked_from: ForkedFrom | None = Field(default=None, exclude_if=is_none)
    parent: ParentRun | None = Field(default=None, exclude_if=is_none)
    attributes: SortedDict[AttributeValue] = Field(default=SortedDict(), exclude_if=is_empty)
    summary: str | None = Field(default=None, exclude_if=is_none)
    conversation: str | None = Field(default=None, exclude_if=is_none)
    cancel_requested: bool = False
    pauses: Items[Pause] = Field(default=(), exclude_if=is_empty)
    budgets: Items[BudgetLine] = Field(default=(), exclude_if=is_empty)
    params_bytes: U64
    params: JsonValue | None = Field(default=None, exclude_if=is_none)
    steps: SortedDict[U64] = SortedDict()
    signals: SortedDict[U64] = Field(default=SortedDict(), exclude_if=is_empty)
    waits_for: Items[WaitsFor] = Field(default=(), exclude_if=is_empty)
    failures: Items[FailureDescription] = ()
    escalations: Items[EscalationDescription] = Field(default=(), exclude_if=is_empty)
    has_attempts: bool = False
    nodes: "Items[NodeDescription]" = ()

    def each_step(self) -> Iterator[tuple[tuple[int, ...], StepDescription]]:
        """Each step in the order of the tree, behind the rounds of the loops around it, outermost first."""
        yield from _each_step(self.nodes, ())


def _each_step(
    nodes: tuple[NodeDescription, ...], rounds: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], StepDescription]]:
    for node in nodes:
        if isinstance(node, StepDescription):
            yield rounds, node
        else:
            for iteration in node.iterations:
                yield from _each_step(iteration.nodes, (*rounds, iteration.number))


def seconds_between(began: datetime | None, ended: datetime | None) -> float | None:
    """Seconds from one time to another, never less than 0; None if either is not known."""
    return None if began is None or ended is None else max((ended - began).total_seconds(), 0.0)
