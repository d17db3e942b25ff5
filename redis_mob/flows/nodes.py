"""The parts of a flow as they are written in Python: steps, steps that wait for a signal, and loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from redis_mob.models.conditions import ConditionExpr
from redis_mob.models.flow_spec import CollectionPolicy, CollectQuorum, Message, RetrySpec

After = str | Sequence[str]
"""One id, or several."""

JoinMode = Literal["all", "any"]
Dispatch = Literal["one_to_one", "fan_out", "fan_in"]
Policy = Literal["all", "any"] | CollectionPolicy
OutputFormat = Literal["json", "text"]
OnTimeout = Literal["continue", "fail"]


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a flow; `step` makes it."""

    id: str
    message: Message
    role: str | None
    after: tuple[str, ...]
    mode: JoinMode
    policy: Policy | None
    dispatch: Dispatch | None
    when: ConditionExpr | None
    branch: str | None
    schema: Any
    output_format: OutputFormat | None
    retries: int | None
    retry: RetrySpec | Mapping[str, Any] | None
    timeout: float | timedelta | None
    isolated: bool
    allowed_tools: tuple[str, ...] | None
    blocked_tools: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Wait:
    """A step that waits for a signal; `wait_for` makes it."""

    id: str
    message: Message
    signal: str
    after: tuple[str, ...]
    mode: JoinMode
    when: ConditionExpr | None
    branch: str | None
    schema: Any
    timeout: float | timedelta | None
    on_timeout: OnTimeout


@dataclass(frozen=True, slots=True)
class Loop:
    """A part of a flow that is repeated; `loop` makes it."""

    id: str
    body: tuple[Node, ...]
    until: ConditionExpr
    max_iterations: int
    after: tuple[str, ...]
    mode: JoinMode


Node = Step | Wait | Loop
"""What a flow, and the body of a loop, is made of."""


def step(
    id: str,
    message: Message = "",
    *,
    role: str | None = None,
    after: After = (),
    mode: JoinMode = "all",
    policy: Policy | None = None,
    dispatch: Dispatch | None = None,
    when: ConditionExpr | None = None,
    branch: str | None = None,
    schema: Any = None,
    output_format: OutputFormat | None = None,
    retries: int | None = None,
    retry: RetrySpec | Mapping[str, Any] | None = None,
    timeout: float | timedelta | None = None,
    isolated: bool = False,
    allowed_tools: Sequence[str] | None = None,
    blocked_tools: Sequence[str] | None = None,
) -> Step:
    """A step, done by the members of `role`, which is the id of the step unless it is given.

    It begins when all steps and loops in `after` are completed, or with `mode="any"` one of them, and is skipped if
    `when` does not hold. Steps of one `branch` exclude each other: they wait for the same steps, and each has a `when`.

    One member does it, and the output is what that returned. If the role has several members or a `policy` is given,
    all do it, and the output is an object from member to value: of all members, or with `quorum(n)` of the first n;
    with policy "any" it is the value of the first. `dispatch` says otherwise: "one_to_one", "fan_out", or "fan_in",
    whose output is a list of objects with target and output.

    `schema` is a type, a JSON schema, or the path of a file with one: values that do not fit are tried again. Without
    it the return annotation of the handler counts. `retries` is how often a failed attempt is tried again, `retry` also
    says when, `timeout` is in seconds, for each attempt; where they are not given, those of the handler count, then the
    limits of the mob. `isolated` runs the handler in a process of its own.
    """
    return Step(
        id,
        message,
        role,
        _names(after),
        mode,
        policy,
        dispatch,
        when,
        branch,
        schema,
        output_format,
        retries,
        retry,
        timeout,
        isolated,
        None if allowed_tools is None else tuple(allowed_tools),
        None if blocked_tools is None else tuple(blocked_tools),
    )


def wait_for(
    id: str,
    message: Message = "",
    *,
    signal: str | None = None,
    after: After = (),
    mode: JoinMode = "all",
    when: ConditionExpr | None = None,
    branch: str | None = None,
    schema: Any = None,
    timeout: float | timedelta | None = None,
    on_timeout: OnTimeout = "continue",
) -> Wait:
    """A step that waits until `Fleet.signal` sends a signal to its run: `signal`, or the id of the step.

    Its output is an object with signal, payload and timed_out. Without a signal within `timeout` seconds it completes
    with `timed_out` true and no payload, or fails with `on_timeout="fail"`; without a `timeout` it waits as long as the
    flow may take. A payload must fit the `schema`, which is a type, a JSON schema, or the path of a file with one: else
    it is refused when it is sent. The message is for those who are to send the signal; `after`, `mode`, `when` and
    `branch` are those of `step`.
    """
    name = id if signal is None else signal
    return Wait(id, message, name, _names(after), mode, when, branch, schema, timeout, on_timeout)


def loop(
    id: str,
    body: Sequence[Node],
    *,
    until: ConditionExpr,
    max_iterations: int,
    after: After = (),
    mode: JoinMode = "all",
) -> Loop:
    """Steps that are repeated until a condition holds after them; the run fails if that takes too many iterations.

    Steps in the body wait for each other; for steps before the loop, the loop waits.
    """
    return Loop(id, tuple(body), until, max_iterations, _names(after), mode)


def quorum(n: int) -> CollectQuorum:
    """The policy of a step that is completed by the first `n` members that succeed."""
    return CollectQuorum(n=n)


def _names(after: After) -> tuple[str, ...]:
    return (after,) if isinstance(after, str) else tuple(after)
