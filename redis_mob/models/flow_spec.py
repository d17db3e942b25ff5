"""Flows as they are written: steps, frames and loops (contract: definition-4, definition-6)."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self, TypeAlias, cast

from pydantic import Field, model_validator

from redis_mob.models.base import U8, U32, U32_MAX, U64, FrozenDict, Items, JsonValue, Model, WireEnum, is_none
from redis_mob.models.budget import Budget
from redis_mob.models.conditions import ConditionExpr
from redis_mob.models.limits import ConcurrencySpec, Rates, rates_in
from redis_mob.models.message import Message


class DispatchMode(WireEnum):
    """The members that a step goes to: all of its role, one, or all with the answers as a list."""

    FAN_OUT = "fan_out"
    ONE_TO_ONE = "one_to_one"
    FAN_IN = "fan_in"


class DependsOnMode(WireEnum):
    """Whether all dependencies must have completed, or any one of them."""

    ALL = "all"
    ANY = "any"


class OutputFormat(WireEnum):
    """How a textual answer of a member is taken."""

    JSON = "json"
    TEXT = "text"


class Isolation(WireEnum):
    """What the handler of a step shares with its worker: in a `process` of its own, nothing."""

    PROCESS = "process"


class CollectAll(Model):
    """Every target must succeed."""

    type: Literal["all"] = "all"


class CollectAny(Model):
    """One success is enough."""

    type: Literal["any"] = "any"


class CollectQuorum(Model):
    """At least `n` targets must succeed."""

    type: Literal["quorum"] = "quorum"
    n: U8


CollectionPolicy: TypeAlias = Annotated[CollectAll | CollectAny | CollectQuorum, Field(discriminator="type")]
"""How many targets of a step must succeed."""


LONGEST_PAUSE_SECONDS = 36_500 * 86_400
"""A hundred years: the present moment plus it is still a valid time."""

Seconds = Annotated[float, Field(ge=0, le=LONGEST_PAUSE_SECONDS, allow_inf_nan=False)]


class FailurePolicy(WireEnum):
    """What the failure of a node means for its frame; since meerkat 0.8. Fleets know `escalate` alone: it fails."""

    ESCALATE = "escalate"
    CONTINUE = "continue"


class RetrySpec(Model):
    """How often a member is asked again whose attempt has failed, and when (contract: definition-15, engine-17).

    `attempts` are all that there may be, the first among them; None leaves it to the mob's `max_step_retries`. The
    second one comes `first` seconds after the failure of the first, each further pause is `factor` times as long, and
    none is longer than `most` seconds. `jitter` is the part of each pause, 0 to 1, that is left to chance.
    """

    attempts: Annotated[int, Field(ge=1, le=U32_MAX)] | None = Field(default=None, exclude_if=is_none)
    first: Seconds = 0.1
    factor: float = Field(default=2.0, ge=1, allow_inf_nan=False)
    most: Seconds = 30.0
    jitter: float = Field(default=0.5, ge=0, le=1, allow_inf_nan=False)

    @model_validator(mode="after")
    def _bounds_agree(self) -> Self:
        if self.most < self.first:
            raise ValueError(f"most, {self.most:g} seconds, must not be less than first, {self.first:g} seconds")
        return self


class OnTimeout(WireEnum):
    """What becomes of a step whose signal has not come in time: it completes and says so, or it fails."""

    CONTINUE = "continue"
    FAIL = "fail"


class WaitSpec(Model):
    """What a step waits for: a signal of this name, sent to its run (contract: definition-22, engine-55).

    `timeout_ms` is how long it waits, in milliseconds; None means as long as its flow may take. A payload must fit the
    JSON schema, which is given as its text, or as the path of a file that holds it.
    """

    signal: str
    timeout_ms: U64 | None = Field(default=None, exclude_if=is_none)
    on_timeout: OnTimeout = Field(default=OnTimeout.CONTINUE, exclude_if=lambda what: what == OnTimeout.CONTINUE)
    schema_ref: str | None = Field(default=None, alias="schema", exclude_if=is_none)


class FlowStepSpec(Model):
    """One unit of work of a flow.

    `timeout_ms` is in milliseconds, per target and attempt; None means 30 seconds. `allowed_tools` None means no
    restriction. `output_format` None means that the step says nothing of it: its texts are read as JSON if it has a
    schema, and taken as they are if not (contract: definition-5, engine-21). `retry` None leaves retries to the mob's
    limits. `isolation` None runs the handler within its worker (contract: definition-16, engine-39). `strict` None
    leaves it to the flow what becomes of a message that names a value which does not exist (contract: definition-20).
    `for_each` is a path to a list: each item of it has an execution of its own, of which at most `max_parallel` are
    open at a time (contract: definition-21, engine-42).
    A step with `wait_for` waits for a signal: no member is asked, its role is empty, and so is its message unless it
    has one for those who are to send the signal (contract: definition-22).
    A step with `flow` runs that flow of the mob, as a run of its own, and asks no member either. `params` are the
    parameters of that run: JSON whose texts are rendered as messages are, but for one that is nothing but a
    placeholder: it becomes the value itself (contract: engine-70).
    `concurrency` and `rate` bound how many of its executions are under way, and how many begin, or how many tokens they
    use (contract: engine-60, engine-90). `failure_policy` is for other engines (contract: definition-25).
    """

    role: str
    message: Message
    depends_on: Items[str] = ()
    dispatch_mode: DispatchMode = DispatchMode.FAN_OUT
    collection_policy: CollectionPolicy = CollectAll.unchecked()
    condition: ConditionExpr | None = None
    timeout_ms: U64 | None = None
    expected_schema_ref: str | None = None
    branch: str | None = None
    depends_on_mode: DependsOnMode = DependsOnMode.ALL
    allowed_tools: Items[str] | None = None
    blocked_tools: Items[str] | None = None
    output_format: OutputFormat | None = Field(default=None, exclude_if=is_none)
    retry: RetrySpec | None = Field(default=None, exclude_if=is_none)
    isolation: Isolation | None = Field(default=None, exclude_if=is_none)
    strict: bool | None = Field(default=None, exclude_if=is_none)
    for_each: str | None = Field(default=None, exclude_if=is_none)
    max_parallel: Annotated[int, Field(ge=1, le=U32_MAX)] | None = Field(default=None, exclude_if=is_none)
    wait_for: WaitSpec | None = Field(default=None, exclude_if=is_none)
    flow: str | None = Field(default=None, exclude_if=is_none)
    params: JsonValue | None = Field(default=None, exclude_if=is_none)
    concurrency: ConcurrencySpec | None = Field(default=None, exclude_if=is_none)
    rate: Rates | None = Field(default=None, exclude_if=is_none)
    failure_policy: FailurePolicy | None = Field(default=None, exclude_if=is_none)

    @model_validator(mode="before")
    @classmethod
    def _needs_no_role(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and any(
            cast("Mapping[str, Any]", given).get(name) is not None for name in ("wait_for", "flow")
        ):
            return {"role": "", "message": "", **cast("Mapping[str, Any]", given)}
        return given  # pyright: ignore[reportUnknownVariableType]

    @property
    def has_members(self) -> bool:
        """Whether members of a role do it, and not a signal or another run."""
        return self.wait_for is None and self.flow is None

    @property
    def schema_text(self) -> str | None:
        """The JSON schema of what it gives: of a member's output, or of the payload that it waits for."""
        return self.expected_schema_ref if self.wait_for is None else self.wait_for.schema_ref

    @property
    def schema_field(self) -> str:
        """The field that holds this schema."""
        return "expected_schema_ref" if self.wait_for is None else "wait_for.schema"


class FrameStepSpec(Model):
    """A node of a frame that runs one step. Its own dependencies and branch count, not those of the step."""

    kind: Literal["step"] = "step"
    step_id: str
    depends_on: Items[str]
    depends_on_mode: DependsOnMode
    branch: str | None = None
    failure_policy: FailurePolicy | None = Field(default=None, exclude_if=is_none)


class RepeatUntilSpec(Model):
    """A node of a frame that runs `body` until the condition holds, at most `max_iterations` times."""

    kind: Literal["repeat_until"] = "repeat_until"
    loop_id: str
    depends_on: Items[str]
    depends_on_mode: DependsOnMode
    body: "FrameSpec"
    until: ConditionExpr
    max_iterations: U32
    failure_policy: FailurePolicy | None = Field(default=None, exclude_if=is_none)


FrameNodeSpec: TypeAlias = Annotated[FrameStepSpec | RepeatUntilSpec, Field(discriminator="kind")]
"""One node of a frame, told apart by `kind`."""


class FrameSpec(Model):
    """A graph of nodes, in the order in which they were written."""

    nodes: FrozenDict[str, FrameNodeSpec]


class FlowSpec(Model):
    """One flow: its steps in the order in which they were written, and how they hang together.

    Without a `root`, every step is a node of its own and the dependencies of the steps count. `params_schema_ref` is a
    JSON schema, or names a file that holds one: a run with other parameters is refused (contract: definition-18). With
    `strict` true, a step fails whose message names a value that does not exist; else that is `null`, and a warning.
    `output` is the path of what a step gets that runs this flow; without one it is an object from step to output
    (contract: engine-73). `concurrency` and `rate` bound the executions of all its steps together
    (contract: engine-60). `budget` bounds what the calls of handlers may use in each of its runs (contract: budget-1).
    """

    description: str | None = None
    steps: FrozenDict[str, FlowStepSpec] = FrozenDict()
    root: FrameSpec | None = None
    params_schema_ref: str | None = Field(default=None, exclude_if=is_none)
    strict: bool | None = Field(default=None, exclude_if=is_none)
    output: str | None = Field(default=None, exclude_if=is_none)
    concurrency: ConcurrencySpec | None = Field(default=None, exclude_if=is_none)
    rate: Rates | None = Field(default=None, exclude_if=is_none)
    budget: Budget | None = Field(default=None, exclude_if=is_none)

    def is_strict(self, step_id: str) -> bool:
        """Whether a step fails whose message names a value that does not exist."""
        of_step = self.steps[step_id].strict
        return bool(self.strict if of_step is None else of_step)

    @cached_property
    def root_frame(self) -> FrameSpec:
        """The frame a run starts with: `root`, or else one step node per step under the step's own id."""
        if self.root is not None:
            return self.root
        return FrameSpec.unchecked(
            nodes=FrozenDict(
                (
                    step_id,
                    FrameStepSpec.unchecked(
                        step_id=step_id,
                        depends_on=step.depends_on,
                        depends_on_mode=step.depends_on_mode,
                        branch=step.branch,
                    ),
                )
                for step_id, step in self.steps.items()
            )
        )

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles whose members its steps go to, in the order in which steps name them."""
        return tuple(dict.fromkeys(step.role for step in self.steps.values() if step.has_members))

    @cached_property
    def has_limits(self) -> bool:
        """Whether it, or one of its steps, bounds how many executions are under way or begin."""
        return any(one.concurrency is not None or one.rate is not None for one in (self, *self.steps.values()))

    @cached_property
    def limits_units(self) -> bool:
        """Whether it, or one of its steps, has a rate that counts units, or several rates."""
        rates = [one.rate for one in (self, *self.steps.values())]
        return any(isinstance(rate, tuple) or any(one.units is not None for one in rates_in(rate)) for rate in rates)

    @cached_property
    def waits(self) -> dict[str, WaitSpec]:
        """The steps that wait for a signal, and for what."""
        return {step_id: step.wait_for for step_id, step in self.steps.items() if step.wait_for is not None}

    @cached_property
    def subflows(self) -> dict[str, str]:
        """The steps that run another flow, and which."""
        return {step_id: step.flow for step_id, step in self.steps.items() if step.flow is not None}

    @cached_property
    def without_members(self) -> frozenset[str]:
        """The steps that ask no member: while they run they hold no slot of their run."""
        return frozenset(step_id for step_id, step in self.steps.items() if not step.has_members)
