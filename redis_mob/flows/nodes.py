"""The parts of a flow as they are written in Python: steps and loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from redis_mob.codec.arguments import valid_text
from redis_mob.errors import DefinitionError, shown
from redis_mob.fleet.flow_choice import NamedFlow
from redis_mob.flows.values import ids, listed, name, texts
from redis_mob.models.base import U8_MAX
from redis_mob.models.conditions import ConditionExpr
from redis_mob.models.flow_spec import CollectionPolicy, CollectQuorum, RetrySpec
from redis_mob.models.limits import ConcurrencySpec, RateSpec
from redis_mob.models.message import Message

After = str | Sequence[str]
"""One id, or several."""

JoinMode = Literal["all", "any"]
Dispatch = Literal["one_to_one", "fan_out", "fan_in"]
OnTimeout = Literal["continue", "fail"]
Policy = Literal["all", "any"] | CollectionPolicy
OutputFormat = Literal["json", "text"]
Concurrency = int | ConcurrencySpec | Mapping[str, Any]
Rate = RateSpec | Mapping[str, Any] | Sequence[RateSpec | Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a flow; `step` makes it, or `wait_for` if it waits for a `signal`."""

    id: str
    message: Message
    after: tuple[str, ...]
    mode: JoinMode
    when: ConditionExpr | None
    branch: str | None
    schema: Any
    timeout: float | timedelta | None
    role: str | None = None
    policy: Policy | None = None
    dispatch: Dispatch | None = None
    for_each: str | None = None
    max_parallel: int | None = None
    output_format: OutputFormat | None = None
    retries: int | None = None
    retry: RetrySpec | Mapping[str, Any] | None = None
    isolated: bool = False
    allowed_tools: tuple[str, ...] | None = None
    blocked_tools: tuple[str, ...] | None = None
    signal: str | None = None
    on_timeout: OnTimeout = "continue"
    flow: str | NamedFlow | None = None
    params: Any = None
    concurrency: Concurrency | None = None
    rate: Rate | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """A part of a flow that is repeated; `loop` makes it."""

    id: str
    body: tuple[Step | Loop, ...]
    until: ConditionExpr
    max_iterations: int
    after: tuple[str, ...]
    mode: JoinMode


def step(
    id: str,
    message: Message = "",
    *,
    role: str | None = None,
    after: After = (),
    mode: JoinMode = "all",
    policy: Policy | None = None,
    dispatch: Dispatch | None = None,
    for_each: str | None = None,
    max_parallel: int | None = None,
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
    flow: str | NamedFlow | None = None,
    params: Any = None,
    concurrency: Concurrency | None = None,
    rate: Rate | None = None,
) -> Step:
    """A step, done by the members of `role`, which is the id of the step unless it is given.

    It begins when all steps and loops in `after` are completed, or with `mode="any"` one of them, and is skipped if
    `when` does not hold. Steps of one `branch` exclude each other: they wait for the same steps, and each has a `when`.

    One member does it, and the output is what that returned. If the role has several members or a `policy` is given,
    all do it, and the output is an object from member to value: of all members, or with `quorum(n)` of the first n;
    with policy "any" it is the value of the first. `dispatch` says otherwise: "one_to_one", "fan_out", or "fan_in",
    whose output is a list of objects with target and output.

    `for_each` is the path of a list, such as "steps.inventory" or "params.files". Each item is done by itself, at most
    `max_parallel` at a time; the members take turns, and the output is the list of what they returned, in the order of
    the items. A handler gets the item as its parameter `item`, and where that stands as `index`.

    `schema` is a type, a JSON schema, or the path of a file with one: values that do not fit are tried again. Without
    it the return annotation of the handler counts. `retries` is how often a failed attempt is tried again, `retry` also
    says when, `timeout` is in seconds, for each attempt; where they are not given, those of the handler count, then the
    limits of the mob. `isolated` runs the handler in a process of its own.

    `concurrency` bounds how many of its executions are under way in the whole fleet, `rate` how many begin: `5`, or
    `{"limit": 5, "key": "{{ params.tenant }}"}` for 5 of each tenant; `{"limit": 100, "per": "1m"}`, also with a key. A
    rate with `"units": 2000` bounds how many tokens they use in that time, of which each is expected to use 2,000 at
    most; several rates in a list hold together.

    With `flow`, the id of a flow of the mob or what `Mob.flow` returned, it runs that flow instead of asking members,
    and its output is that of the flow; with `for_each` one run for each item. `params` are the parameters of the run:
    JSON whose texts may have placeholders, as `{"file": "{{ item }}"}`; one that is nothing but a placeholder is the
    value itself. `timeout` is how long the run may take, as long as it likes without one.
    """
    here = f"step {shown(name('id', id))}"
    return Step(
        id,
        message,
        ids(f"{here}: after", after),
        mode,
        when,
        branch,
        schema,
        timeout,
        role,
        policy,
        dispatch,
        for_each,
        max_parallel,
        output_format,
        retries,
        retry,
        isolated,
        None if allowed_tools is None else texts(f"{here}: allowed_tools", allowed_tools),
        None if blocked_tools is None else texts(f"{here}: blocked_tools", blocked_tools),
        flow=flow,
        params=params,
        concurrency=concurrency,
        rate=rate,
    )


def wait_for(
    signal: str,
    message: Message = "",
    *,
    id: str | None = None,
    after: After = (),
    mode: JoinMode = "all",
    when: ConditionExpr | None = None,
    branch: str | None = None,
    schema: Any = None,
    timeout: float | timedelta | None = None,
    on_timeout: OnTimeout = "continue",
) -> Step:
    """A step that waits until `signal` is sent to its run, with `Fleet.signal`; its id is that name unless it is given.

    Its output is an object with `signal`, `payload` and `timed_out`. `schema` is what a payload must be like: a type, a
    JSON schema, or the path of a file with one. After `timeout` seconds it completes without a payload, or fails with
    `on_timeout="fail"`; without one it waits as long as its flow may take. `message` is for those who send the signal.
    """
    named = valid_text("signal", signal)
    step_id = named if id is None else name("id", id)
    whole = ids(f"step {shown(step_id)}: after", after), mode, when, branch, schema, timeout
    return Step(step_id, message, *whole, signal=named, on_timeout=on_timeout)


def loop(
    id: str,
    body: Sequence[Step | Loop],
    *,
    until: ConditionExpr,
    max_iterations: int,
    after: After = (),
    mode: JoinMode = "all",
) -> Loop:
    """Steps that are repeated until a condition holds after them; the run fails if that takes too many iterations.

    Steps in the body wait for each other; for steps before the loop, the loop waits.
    """
    here = f"loop {shown(name('id', id))}"
    nodes = tuple(listed(f"{here}: body", body, "steps and loops"))
    return Loop(id, nodes, until, max_iterations, ids(f"{here}: after", after), mode)


def quorum(n: int) -> CollectQuorum:
    """The policy of a step that is completed by the first `n` members that succeed.

    Raises DefinitionError unless `n` is from 1 to 255: a definition has a byte for it.
    """
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= U8_MAX:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DefinitionError(f"quorum: n must be a number from 1 to {U8_MAX}, not {shown(n)}")
    return CollectQuorum(n=n)
