"""Calling handlers, and running flows, within a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol
from uuid import NAMESPACE_URL, uuid4, uuid5

from redis_mob.errors import DefinitionError, HandlerError, ValidationError, did_you_mean, shown
from redis_mob.fleet.asking import HandlerSuspended as HandlerSuspended
from redis_mob.fleet.asks import pending_of
from redis_mob.fleet.conversation import HandlerConversation as HandlerConversation
from redis_mob.fleet.conversation import KeptHistory as KeptHistory
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.items import target_of
from redis_mob.fleet.lease import DEFAULT_LEASE
from redis_mob.fleet.once import CheckpointKeeper, Once
from redis_mob.fleet.once import KeptCheckpoints as KeptCheckpoints
from redis_mob.fleet.spending import KeptSpending as KeptSpending
from redis_mob.fleet.spending import Spending, SpendKeeper
from redis_mob.fleet.step_context import (
    ALL_ROLES,
    Handler,
    PreviousFailure,
    StepContext,
    label_nowhere,
    publish_nowhere,
)
from redis_mob.fleet.step_profile import StepProfile
from redis_mob.fleet.telling import Silent, Teller
from redis_mob.flows.mob import Flow
from redis_mob.models.ask import Answer
from redis_mob.models.base import FrozenDict, SortedDict
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Escalation
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.labels import LabelChange
from redis_mob.models.message import Message
from redis_mob.models.profile import Profile
from redis_mob.models.run import MobRun
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS
from redis_mob.operations.asks import GivenAnswer
from redis_mob.operations.asks import answer as answer_ask
from redis_mob.storage import MobStorage
from redis_mob.testing.clock import virtual_time

STEP_TIMEOUT = timedelta(seconds=30)

RUN_TIMEOUT = timedelta(hours=1)


class FleetFactory(Protocol):
    """Makes a fleet on the storage of a test, as `Fleet` does on one that is given: the fixture `fleet`."""

    def __call__(
        self,
        definition: MobDefinition,
        handlers: Mapping[str, Handler],
        *,
        members: Mapping[str, int] | None = None,
        lease: timedelta = DEFAULT_LEASE,
        release: str | None = None,
    ) -> Fleet: ...


async def _held() -> bool:
    return True


def step_context(
    *,
    params: Any = None,
    outputs: Mapping[str, Any] | None = None,
    loops: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    message: Message = "",
    role: str = "worker",
    member: str | None = None,
    attempt: int = 1,
    iteration: int | None = None,
    item: Any = None,
    index: int | None = None,
    items: int | None = None,
    escalation: Escalation | None = None,
    previous_failure: PreviousFailure | None = None,
    mob_id: str = "mob",
    flow_id: str = "flow",
    run_id: str | None = None,
    step_id: str = "step",
    node_id: str | None = None,
    frame_id: str = "root",
    idempotency_key: str | None = None,
    fencing_token: int | None = None,
    deadline: datetime | None = None,
    cancelled: asyncio.Event | None = None,
    heartbeat: Callable[[], Awaitable[bool]] = _held,
    publish: Callable[[str, Any], Awaitable[None]] = publish_nowhere,
    profile: StepProfile | None = None,
    teller: Teller | None = None,
    label: Callable[[LabelChange], Awaitable[None]] = label_nowhere,
    checkpoints: CheckpointKeeper | Once | None = None,
    conversation: str | HandlerConversation | None = None,
    spending: SpendKeeper | Spending | None = None,
) -> StepContext:
    """What a handler is called with, for a test that calls it: each field has a value, of which a test gives some.

    The first member of the role makes its first attempt; the deadline is in 30 seconds, `heartbeat` says that the
    execution is still held; what it publishes goes nowhere; attributes and summary are checked, and go to `label`, or
    nowhere; what it reports and streams is checked, and goes to the `teller`, or nowhere; what it calls once is kept by
    `checkpoints`: give the same `KeptCheckpoints()` to several contexts, and the later ones find what the earlier ones
    have kept, and its `answer` says beforehand what people answer: what a handler asks beside that ends it with
    HandlerSuspended. Of a `conversation` that is named the history is empty at first; several contexts share it where
    each gets its own `HandlerConversation` of one `KeptHistory()`. Each call of `spend` may begin: a `KeptSpending()`
    as `spending` remembers what calls wanted, and what they told. The `profile` is empty. With an `item`, or an
    `index` where the item is None, the step has `for_each`: the item is the first one unless `index` is given, and the
    last one unless `items` is. As in a run, the idempotency key is the same for the same run, node, frame, member and
    index, and the fencing token is that of the attempt.
    """
    run, node, who = run_id or str(uuid4()), node_id or step_id, member or f"{role}-1"
    if index is None and item is not None:
        index = 0
    target = who if index is None else target_of([who], index)
    return StepContext(
        mob_id=mob_id,
        flow_id=flow_id,
        run_id=run,
        step_id=step_id,
        node_id=node,
        frame_id=frame_id,
        iteration=iteration,
        role=role,
        member=who,
        attempt=attempt,
        message=message,
        params=params,
        outputs=outputs or {},
        loops=loops or {},
        idempotency_key=idempotency_key or str(uuid5(NAMESPACE_URL, "\0".join((run, frame_id, node, target)))),
        fencing_token=attempt if fencing_token is None else fencing_token,
        deadline=deadline or datetime.now(UTC) + STEP_TIMEOUT,
        cancelled=cancelled or asyncio.Event(),
        heartbeat=heartbeat,
        previous_failure=previous_failure,
        item=item,
        index=index,
        items=index + 1 if items is None and index is not None else items,
        escalation=escalation,
        publish=publish,
        profile=StepProfile() if profile is None else profile,
        teller=teller or Silent(),
        label=label,
        talk=HandlerConversation(conversation, KeptHistory()) if isinstance(conversation, str) else conversation,
        checkpoints=checkpoints if isinstance(checkpoints, Once) else Once(checkpoints or KeptCheckpoints()),
        spending=spending if isinstance(spending, Spending) else Spending(spending or KeptSpending()),
    )


async def run_flow(
    flow: Flow | MobDefinition | FlowSpec,
    handlers: Mapping[str, Handler] | Handler | None = None,
    *,
    flow_id: str | None = None,
    params: Any = None,
    members: Mapping[str, int] | None = None,
    signals: Sequence[tuple[str, Any]] = (),
    answers: Mapping[str, Answer] = FrozenDict(),
    concurrency: int = 16,
    timeout: timedelta = RUN_TIMEOUT,
) -> MobRun:
    """Run a flow from start to end on a namespace of its own in memory, and return the run, also one that failed.

    Time is skipped (see `virtual_time`), so that retries and their pauses take milliseconds. `flow` is a flow of a
    `Mob`, which has handlers and members of its own: those that are given stand in the place of the mob's. Or it is a
    definition, with `flow_id` if it has several flows, or a flow alone. A single handler serves all roles. `params` is
    JSON, or what pydantic dumps as JSON. `signals` are names and payloads, sent in this order before the steps that
    wait for them begin to wait. What handlers ask is answered by `answers`, by its kind.

    Raises WaitTimeoutError, saying what the run waits for, if it is not over after the `timeout` of skipped time;
    DefinitionError for a definition with several flows, or none, of which `flow_id` names none; HandlerError for a
    handler of a role that the mob does not have; what `Fleet`, its `start` and its `signal` raise.
    """
    tested = given_flow(flow, handlers, flow_id, members or {})
    async with MobStorage.open("memory:", namespace=f"test-{uuid4().hex}") as storage:
        fleet = Fleet(storage, tested.definition, tested.handlers, members=tested.members)
        with virtual_time():
            async with fleet.working(concurrency, drain_timeout=timedelta()):
                run_id = await fleet.start(tested.flow_id, params)
                for name, payload in signals:
                    await fleet.signal(run_id, name, payload)
                async with _answering(storage, run_id, answers):
                    return await fleet.wait(run_id, timeout)


@asynccontextmanager
async def _answering(storage: MobStorage, run_id: str, answers: Mapping[str, Answer]) -> AsyncGenerator[None]:
    """Answer what the handlers of a run ask, as long as this is open."""

    async def answer() -> None:
        async with storage.executions.listen(run_id) as wake_up:
            while (view := await storage.executions.load(run_id)) is not None and not view.run.status.is_terminal:
                for one in pending_of(view):
                    if one.ask.kind in answers:
                        await answer_ask(storage, one.ask.id, GivenAnswer.of(answers[one.ask.kind]), run_id)
                await wake_up.wait(SWEEP_SECONDS)

    answering = asyncio.create_task(answer()) if answers else None
    try:
        yield
    finally:
        if answering is not None:
            answering.cancel()
            with suppress(asyncio.CancelledError):
                await answering


class GivenFlow(NamedTuple):
    """What is run by a test."""

    definition: MobDefinition
    flow_id: str
    handlers: Mapping[str, Handler]
    members: Mapping[str, int]


def given_flow(
    flow: Flow | MobDefinition | FlowSpec,
    handlers: Mapping[str, Handler] | Handler | None,
    flow_id: str | None,
    members: Mapping[str, int],
) -> GivenFlow:
    """The definition, the id, the handlers and the members of what a test gives; raises as `run_flow`."""
    given: Mapping[str, Handler] = {ALL_ROLES: handlers} if callable(handlers) else handlers or {}
    if not isinstance(flow, Flow):
        definition = flow if isinstance(flow, MobDefinition) else _alone(flow)
        return GivenFlow(definition, _flow_id(definition, flow_id), given, members)
    if flow_id not in (None, flow.id):
        raise ValidationError(f"flow_id {shown(flow_id)} is another flow than the one that is given, {shown(flow.id)}")
    definition = flow.mob.definition()
    for role in given:
        if role != ALL_ROLES and role not in definition.profiles:
            known = ", ".join(map(shown, definition.profiles))
            hint = did_you_mean(role, definition.profiles)
            raise HandlerError(f"mob {shown(flow.mob_id)} has no role {shown(role)}; it has: {known}{hint}")
    own: Mapping[str, Handler] = {} if callable(handlers) else flow.mob.handlers
    return GivenFlow(definition, flow.id, {**own, **given}, {**flow.mob.members, **members})


def _alone(flow: FlowSpec) -> MobDefinition:
    roles = {role: Profile(model="none") for role in flow.roles}
    return MobDefinition(id="test", profiles=SortedDict(roles), flows=SortedDict({"flow": flow}))


def _flow_id(definition: MobDefinition, flow_id: str | None) -> str:
    if flow_id is not None:
        return flow_id
    if len(definition.flows) != 1:
        known = ", ".join(map(repr, definition.flows)) or "none"
        raise DefinitionError(f"mob {shown(definition.id)} has these flows: {known}; name one with flow_id")
    return next(iter(definition.flows))
