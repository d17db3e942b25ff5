"""A namespace with something in each of its keys, every question that a user can ask about it, and some writes."""

# pyright: reportPrivateUsage=false
# A transition with everything in it is made of samples of the conformance suite that it keeps to itself.

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from redis_mob.connection.calls.replies import Reply
from redis_mob.contracts import HostStore
from redis_mob.errors import (
    AlreadyExistsError,
    CasConflictError,
    InternalError,
    RunAlreadyExistsError,
    SerializationError,
    VersionConflictError,
)
from redis_mob.fleet.outcome import NewAsk
from redis_mob.models import (
    MobCompleted,
    MobDefinition,
    MobEvent,
    MobRun,
    MobRunStatus,
    NewMobEvent,
    StoredRealmProfile,
)
from redis_mob.models.ask import Answer, PendingAsk
from redis_mob.models.base import SortedDict
from redis_mob.models.budget import Account, Amounts, BudgetScope, Reservation, Settlement, Window
from redis_mob.models.config import ConfigChangeEvent, Delete, Put
from redis_mob.models.conversation import Conversation
from redis_mob.models.debounce import Debounce
from redis_mob.models.execution import Execution, ExecutionKey, Serves
from redis_mob.models.host import AcquireMode, ScopeKind
from redis_mob.models.labels import LabelChange
from redis_mob.models.limits import Limit
from redis_mob.models.model_usage import UsedBy
from redis_mob.models.retention import RetentionPolicy, RunAges
from redis_mob.models.run_summary import RunFilter, RunSummary
from redis_mob.models.signal import Signal
from redis_mob.models.transition import Transition
from redis_mob.storage import MobStorage
from redis_mob.stores.deletion import RunDeletion
from redis_mob.stores.steering import RedisSteeringStore
from redis_mob.testing.conformance import transitions
from redis_mob.testing.samples import driven_runs
from redis_mob.testing.samples.compound import (
    COMPOUND,
    FRAME,
    INPUTS,
    LOOP,
    NEXT_FRAME,
    NEXT_RUN,
    OPERATIONS,
    RUN,
    scene,
)
from redis_mob.testing.samples.documents import authority, definition, overlay, profile
from redis_mob.testing.samples.driven_runs import (
    a_worker,
    keys_of,
    launched,
    pending,
    started,
    waiting,
)
from redis_mob.testing.samples.host import batch, changed, created, mob_scope, record_scope
from redis_mob.testing.samples.new_events import completed, numbered, step_failed
from redis_mob.testing.samples.schedules import schedule
from redis_mob.testing.samples.states import NOON, failure_entry, iteration_entry, step_entry
from redis_mob.testing.samples.webhooks import SECRET, letter, progress, webhook
from redis_mob.testing.waiting import LONG

Question = Callable[[MobStorage], Awaitable[Any]]


def _with_a_day(definition: MobDefinition) -> MobDefinition:
    """The mob with a day for each step: what a worker holds here does not become due while the damages are tried."""
    told = definition.model_dump(mode="json")
    for flow in told["flows"].values():
        for step in flow["steps"].values():
            step["timeout_ms"] = timedelta(days=1) // timedelta(milliseconds=1)
    return MobDefinition.model_validate(told)


ONE_STEP, STEPS_AND_LOOP, LIMITED = map(
    _with_a_day, (driven_runs.ONE_STEP, driven_runs.STEPS_AND_LOOP, driven_runs.LIMITED)
)

SETTLED = (AlreadyExistsError, CasConflictError, RunAlreadyExistsError, VersionConflictError)
"""How a write ends whose condition does not hold, and that therefore changes nothing."""


@dataclass(frozen=True)
class FullNamespace:
    """What was written: `stored` by the run store, `driven` and `waiting` by a fleet, `ended` with its terminal event.

    `definitions` are the digests of all. `transition` can be committed on `driven`, and `held` is an execution there
    that a worker has claimed. Of the two `asks` of a run the first is answered.
    """

    stored: MobRun
    driven: str
    waiting: str
    ended: MobRun
    definitions: tuple[str, ...]
    transition: Transition
    held: tuple[ExecutionKey, Execution]
    asks: tuple[PendingAsk, PendingAsk]


async def fill(storage: MobStorage) -> FullNamespace:
    """Write something to every key."""
    stored = scene(
        step_ledger=[step_entry("build", output=12345), step_entry("test", output=[1])],
        failure_ledger=[failure_entry(), failure_entry("test")],
        loop_iteration_ledger=[iteration_entry(), iteration_entry("second", 1)],
        root_step_outputs={"build": 1234, "test": "text"},
        loop_iteration_outputs={"loop-1": [{"inner": -12.5}, {}, {}]},
    )
    await storage.runs.create_run(stored)
    assert await COMPOUND[0].call(storage.runs, stored.run_id, authority_inputs=INPUTS)
    assert await storage.runs.cas_run_status(stored.run_id, expected=MobRunStatus.RUNNING, next=MobRunStatus.COMPLETED)
    ended = scene(mob_id="other")
    await storage.runs.create_run(ended)
    assert await storage.runs.cas_run_snapshot_and_append_terminal_event(
        ended.run_id,
        expected_status=MobRunStatus.RUNNING,
        expected_flow_state=RUN,
        next_status=MobRunStatus.FAILED,
        next_flow_state=NEXT_RUN,
        event=completed(ended.run_id, mob="other"),
    )
    driven = await waiting(storage.executions, STEPS_AND_LOOP)
    for step in ("a", "in"):
        await driven.claim(*keys_of(await driven.view(), step))
        await driven.settle(*keys_of(await driven.view(), step))
    key = keys_of(await driven.view(), "b")[0]
    await driven.claim(key)
    claimed = (await driven.view()).executions[key]
    assert await storage.executions.publish(driven.run_id, key, claimed, "number", 1234)
    labelled = LabelChange({"customer": "acme", "tries": 12}, "what it does", True)
    await storage.executions.set_labels(driven.run_id, labelled)
    for number in range(12):
        await storage.executions.send_signal(
            driven.run_id, Signal(name="go", payload=number), idempotency_key="k" * number
        )
    asking = await waiting(storage.executions, ONE_STEP)
    asks = [NewAsk(kind, 0, "digest", {"text": kind}) for kind in ("ok", "name")]
    pending_asks = await asking.ask(keys_of(await asking.view())[0], *asks)
    assert await storage.asks.answer(
        asking.run_id, pending_asks[0].ask.id, Answer(approved=True), pending=pending_asks[0]
    )
    await storage.executions.request_cancel(driven.run_id)
    waiting_run = await launched(storage.executions, ONE_STEP)
    await gather_a_start(storage, 1)
    await talk(storage, TALKED, "said", "and heard")
    await storage.events.append_batch([numbered(1), completed(), step_failed()])
    await _fill_documents(storage)
    await _fill_workers(storage)
    await _fill_limits(storage)
    await _begin_a_deletion(storage)
    await _set_policies(storage)
    await storage.pauses.pause_flow("elsewhere", "flow", "the model is down")
    await storage.pauses.pause_flow("elsewhere too")
    for number in range(12):
        await storage.schedules.put(schedule(next_at=NOON + timedelta(minutes=number)), driven_runs.ONE_STEP)
    await _set_webhooks(storage)
    await _draw_on_budgets(storage, driven.run_id, key)
    view = await driven.view()
    return FullNamespace(
        stored,
        driven.run_id,
        waiting_run.run_id,
        ended,
        await storage.operations.definitions(),
        transitions._full(view),
        (key, claimed),
        (pending_asks[0], pending_asks[1]),
    )


TALKED = "0191a6a0-0000-4000-8000-0000000000c0"


async def talk(storage: MobStorage, run_id: str, *said: str) -> Any:
    """Start a run in a conversation, and say something there from outside."""
    run, launch = pending(ONE_STEP, run_id=run_id)
    conversation = Conversation("c")
    started = await storage.conversations.start(run, launch, ONE_STEP, conversation=conversation)
    await storage.conversations.edit(conversation, "append", said)
    return started.is_new


TEN_YEARS = 3_653 * 86_400_000


async def _draw_on_budgets(storage: MobStorage, run_id: str, key: ExecutionKey) -> None:
    scopes = (BudgetScope.of_run(run_id), BudgetScope.shared("mob", "tenant", "acme"))
    call = Reservation(run_id, key, 1, 1, Amounts(tool_calls=1), Amounts(tokens=5), scopes)
    declared = dict(zip(scopes, (Account(), Account(window=Window(TEN_YEARS))), strict=True))
    await storage.budgets.reserve(call, declared)
    used = Settlement(Amounts(tokens=4), by=UsedBy("mob", "flow", "small", 4))
    await storage.budgets.settle(call, used, declared, was_reserved=False)


async def gather_a_start(storage: MobStorage, number: int) -> str:
    run, launch = pending(ONE_STEP, params={"n": number})
    debounce = Debounce("key", timedelta(days=1))
    return await storage.executions.start_debounced(run, launch, ONE_STEP, debounce=debounce)


async def _said(storage: MobStorage) -> list[Any]:
    return [one.value for one in await storage.conversations.history("c")]


async def _fill_workers(storage: MobStorage) -> None:
    """One that is known and holds an execution, and one that has lost another."""
    run = await started(storage.executions, ONE_STEP, members=4, max_concurrency={"worker": 50})
    for key, owner in zip(keys_of(await run.view()), ("known", "gone"), strict=False):
        await storage.executions.join_workers(a_worker(owner), timedelta(days=1))
        await run.claim(key, owner=owner)
    await storage.executions.leave_workers("gone")
    await storage.executions.take_due(max_runs=0, max_executions=1, keep=timedelta(0))


async def _fill_limits(storage: MobStorage) -> None:
    """An execution with limits that has begun, and others that wait."""
    run = await started(storage.executions, LIMITED, members=4)
    serves = Serves(mobs=frozenset({LIMITED.id}))
    due = await storage.executions.take_due(max_runs=0, max_executions=1, keep=timedelta(days=1), serves=serves)
    await run.claim(due.executions[0].key, owner="known")
    # what else may be taken of it now is looked at, and found to be full
    await storage.executions.take_due(max_runs=0, max_executions=1, keep=timedelta(0), serves=serves)


async def _set_policies(storage: MobStorage) -> None:
    await storage.retention.set_policy(RetentionPolicy(completed=timedelta(days=36500), events=timedelta(days=36500)))
    await storage.retention.set_policy(RetentionPolicy(max_runs=12345), "mob")
    await storage.retention.set_policy(RetentionPolicy(max_runs=12345), "mob", "flow")
    await storage.retention.take_turn("worker", timedelta(days=1))


async def _begin_a_deletion(storage: MobStorage) -> None:
    """A run that is deleted, and of which something is left."""
    run = scene(mob_id="deleted", status=MobRunStatus.COMPLETED)
    await storage.runs.create_run(run)
    store = storage.steering
    assert isinstance(store, RedisSteeringStore)
    deletion = RunDeletion(store._client, store._keys, run.run_id)
    head = await deletion._read_head()
    assert head is not None
    assert await deletion._begin_deletion(head, 0, has_moved=False) == Reply.WON


async def _fill_documents(storage: MobStorage) -> None:
    for mob in ("m", "n", "gone"):
        for _ in range(12):  # a revision of two digits, which is another one when it is cut short
            await storage.specs.put_spec(mob, definition())
        await storage.realm_profiles.create(mob, profile())
        for collection in ("c", "other"):
            await storage.records.insert(collection, mob, {"of": mob})
        await storage.runtime_metadata.put_supervisor_authority(mob, authority())
        await storage.runtime_metadata.upsert_external_binding_overlay(mob, overlay(bootstrap_token="token"))  # noqa: S106
    await storage.realm_profiles.create("k", profile())
    await _fill_host(storage.host)
    await storage.specs.delete_spec("gone")
    await storage.realm_profiles.delete("gone", 1)
    await storage.runtime_metadata.delete_supervisor_authority("gone")
    await storage.runtime_metadata.delete_external_binding_overlays("gone")
    for value in range(12):
        await storage.config.put("n", "number", 1000 + value)
    for value in range(3):
        await storage.config.put("n", "text", {"value": value})
    await storage.config.put("other", "a", "b")
    await storage.config.delete("other", "a")


async def _fill_host(host: HostStore) -> None:
    """A scope of many versions, one that has dropped rows, and one that is deleted."""
    for _ in range(HOST_TOKEN):
        await host.acquire_fence(AcquireMode.TAKEOVER)
    assert all(await _commit_all(host))


async def _commit_all(host: HostStore) -> list[bool]:
    """Whether each batch happened now; in the end none does."""
    rows = [b"row %d" % number for number in range(12)]
    batches = [
        batch("first", HOST_TOKEN, created(mob_scope(), *rows), created(record_scope()), created(_GONE)),
        batch("second", HOST_TOKEN, changed(mob_scope(), 1, drop_before=10), changed(_GONE, 1, delete=True)),
    ]
    batches += [
        batch(f"{version}", HOST_TOKEN, changed(mob_scope(), version, head=b"head %d" % version))
        for version in range(2, 12)
    ]
    return [await host.commit(one) for one in batches]


async def _refused(call: Awaitable[object]) -> str:
    """What a host store says of what it refuses."""
    try:
        return f"not refused: {await call}"
    except (CasConflictError, InternalError) as error:
        return str(error)


_GONE = record_scope("gone")
HOST_TOKEN = 12


def questions(there: FullNamespace) -> dict[str, Question]:
    """Every read, and every write whose condition does not hold: in any order, each has the same answer."""
    return {
        **_about_runs(there),
        **_about_executions(there),
        **_about_events(),
        **_about_documents(),
        **_about_metadata(),
        **_about_config(),
    }


async def settled(write: Awaitable[Any]) -> Any:
    """How a write ends that is refused, as an answer."""
    with suppress(*SETTLED):
        return await write
    return "refused"


async def _page(storage: MobStorage, which: RunFilter) -> Sequence[RunSummary]:
    return (await storage.operations.runs(which)).runs


async def _policies(storage: MobStorage) -> Any:
    return (await storage.retention.policies()).groups


async def _ages(storage: MobStorage) -> list[RunAges]:
    return [await _all_read(storage.retention.oldest_runs(status)) for status in MobRunStatus]


async def _all_read(reading: Awaitable[RunAges]) -> RunAges:
    ages = await reading
    for damage in ages.unreadable:
        raise SerializationError(damage)
    return ages


async def _listed(storage: MobStorage) -> list[Sequence[RunSummary]]:
    return [await _page(storage, RunFilter(statuses=(status,))) for status in MobRunStatus]


def _about_runs(there: FullNamespace) -> dict[str, Question]:
    run, ended = there.stored, there.ended
    return {
        "get_run": lambda s: s.runs.get_run(run.run_id),
        "get_run of a fleet": lambda s: s.runs.get_run(there.driven),
        "get_run, ended": lambda s: s.runs.get_run(ended.run_id),
        "get_run, absent": lambda s: s.runs.get_run("00000000-0000-4000-8000-000000000000"),
        "list_runs": lambda s: s.runs.list_runs("mob"),
        "lists by status": lambda s: _listed(s),
        "runs with an attribute": lambda s: _page(s, RunFilter(attributes=SortedDict({"customer": "acme"}))),
        "runs with another one": lambda s: _page(s, RunFilter(attributes=SortedDict({"tries": 12}))),
        "runs of a mob": lambda s: _page(s, RunFilter(mob_id="mob")),
        "count": lambda s: s.operations.count(),
        "find": lambda s: s.operations.find(run.run_id[:13]),
        "list_runs of another mob": lambda s: s.runs.list_runs("other"),
        "create_run": lambda s: settled(s.runs.create_run(run)),
        "cas_run_status": lambda s: s.runs.cas_run_status(
            run.run_id, expected=MobRunStatus.PENDING, next=MobRunStatus.RUNNING
        ),
        "cas_flow_state": lambda s: s.runs.cas_flow_state(run.run_id, expected=NEXT_RUN, next=RUN),
        "cas_frame_state": lambda s: COMPOUND[0].call(s.runs, run.run_id, expected=None),
        "append_step_entry_if_absent": lambda s: s.runs.append_step_entry_if_absent(
            run.run_id, entry=step_entry("build")
        ),
        "append_failure_entry_if_absent": lambda s: s.runs.append_failure_entry_if_absent(
            run.run_id, entry=failure_entry()
        ),
        "append_failure_entry_if_absent, another": lambda s: settled(
            s.runs.append_failure_entry_if_absent(run.run_id, entry=failure_entry(reason="another"))
        ),
        "terminate again": lambda s: s.runs.cas_run_snapshot_and_append_terminal_event(
            ended.run_id,
            expected_status=MobRunStatus.RUNNING,
            expected_flow_state=NEXT_RUN,
            next_status=MobRunStatus.FAILED,
            next_flow_state=RUN,
            event=completed(ended.run_id, mob="other"),
        ),
    }


def _about_executions(there: FullNamespace) -> dict[str, Question]:
    async def load(storage: MobStorage) -> Any:
        view = await storage.executions.load(there.driven)
        return view and (
            view.run,
            view.launch,
            view.executions,
            view.cancel_requested,
            view.launched_at,
            view.signals,
            view.labels,
        )

    async def take_all(storage: MobStorage) -> Any:
        taken: set[Any] = set()
        while True:
            due = await storage.executions.take_due(max_runs=100, max_executions=100, keep=timedelta(hours=1))
            if not (due.runs or due.executions):
                return taken
            taken |= {*due.runs, *due.executions}

    async def take_schedules(storage: MobStorage) -> Any:
        due = await storage.schedules.take_due(most=10, keep=timedelta())
        if due.unreadable:
            raise SerializationError(due.unreadable[0])
        return due.schedules

    async def list_webhooks(storage: MobStorage) -> Any:
        found = await storage.webhooks.list()
        if found.unreadable:
            raise SerializationError(found.unreadable[0])
        return found.webhooks

    async def start(storage: MobStorage) -> bool:
        run, launch = pending(ONE_STEP, run_id=there.driven)
        return await storage.executions.start_run(run, launch, ONE_STEP)

    return {
        "load": load,
        "status": lambda s: s.executions.status(there.driven),
        "status, stored": lambda s: s.executions.status(there.stored.run_id),
        **{
            f"get_definition {digest}": lambda s, digest=digest: s.executions.get_definition(digest)
            for digest in there.definitions
        },
        "start_run": start,
        "take_due": take_all,
        "workers": lambda s: s.executions.workers(),
        "held": lambda s: s.executions.held("known"),
        "limit_loads": lambda s: s.steering.limit_loads("limited", "flow", [Limit(step_id="a", key="all", limit=2)]),
        "deletions": lambda s: s.steering.deletions(),
        "policies": lambda s: _policies(s),
        "runs that are over": lambda s: _ages(s),
        "pauses": lambda s: s.pauses.pauses(),
        "pause again": lambda s: s.pauses.pause_flow("elsewhere", "flow"),
        "resume what is not paused": lambda s: s.pauses.resume_flow("elsewhere"),
        "oldest runs of a flow": lambda s: _all_read(s.retention.oldest_of_flow("mob", "flow")),
        "number of runs": lambda s: s.retention.count_runs("mob"),
        "schedule": lambda s: s.schedules.get("nightly"),
        "schedule, absent": lambda s: s.schedules.get("none"),
        "schedules": lambda s: s.schedules.list(),
        "webhook": lambda s: s.webhooks.get("audit"),
        "webhook, absent": lambda s: s.webhooks.get("none"),
        "webhooks": list_webhooks,
        "put webhook": lambda s: s.webhooks.put(webhook(), SECRET, after=0, revision=0),
        "take a turn": lambda s: s.webhooks.take_turn("audit", "other", timedelta()),
        "dead letters": lambda s: s.webhooks.dead_letters("audit"),
        "put schedule": lambda s: s.schedules.put(schedule(), revision=0),
        "take schedules": take_schedules,
        "asks": lambda s: s.asks.pending(),
        "answer again": lambda s: s.asks.answer(
            there.asks[0].run_id, there.asks[0].ask.id, Answer(approved=True), pending=there.asks[0]
        ),
        "conversation": lambda s: s.conversations.find("c"),
        "conversation, absent": lambda s: s.conversations.find("none"),
        "history": lambda s: _said(s),
        "take a turn of a run": lambda s: s.conversations.take_turn(TALKED),
        "start in a conversation again": lambda s: talk(s, TALKED),
        "accounts": lambda s: s.budgets.accounts(
            [BudgetScope.of_run(there.driven), BudgetScope.shared("mob", "tenant", "acme")]
        ),
        "reservations": lambda s: s.budgets.reservations(),
        "shared budgets": lambda s: s.budgets.shared(),
        "usage of models": lambda s: s.budgets.usage(),
        "host head": lambda s: s.host.load_head(mob_scope()),
        "host head, absent": lambda s: s.host.load_head(record_scope("none")),
        "host rows": lambda s: s.host.read_rows(mob_scope(), 10),
        "host rows, dropped": lambda s: _refused(s.host.read_rows(mob_scope(), 2)),
        "host rows, absent": lambda s: s.host.read_rows(record_scope("none")),
        "host heads of mobs": lambda s: s.host.list_heads(ScopeKind.MOB),
        "host heads of records": lambda s: s.host.list_heads(ScopeKind.RECORD),
        "host commit again": lambda s: _commit_all(s.host),
        "host commit, fenced out": lambda s: _refused(
            s.host.commit(batch("new", HOST_TOKEN - 1, created(record_scope("new"))))
        ),
        "host commit, conflict": lambda s: _refused(
            s.host.commit(batch("new", HOST_TOKEN, changed(mob_scope(), 5, b"x")))
        ),
        "host commit, deleted": lambda s: _refused(s.host.commit(batch("new", HOST_TOKEN, created(_GONE)))),
        "host renew, fenced out": lambda s: _refused(s.host.renew_fence(HOST_TOKEN - 1)),
        "published": lambda s: s.executions.published(there.driven, "number"),
        "published, absent": lambda s: s.executions.published(there.driven, "none"),
        "send_signal again": lambda s: s.executions.send_signal(
            there.driven, Signal(name="go", payload=3), idempotency_key="kkk"
        ),
    }


def _about_events() -> dict[str, Question]:
    return {
        "poll": lambda s: s.events.poll(0, 1000),
        "poll the end": lambda s: s.events.poll(3, 1000),
        "replay_all": lambda s: s.events.replay_all(),
        "latest_cursor": lambda s: s.events.latest_cursor(),
        "subscribe": lambda s: followed(s.events.subscribe(0), 5),
        "append_terminal_event_if_absent": lambda s: s.events.append_terminal_event_if_absent(completed()),
        "append_step_failed_event_if_absent": lambda s: s.events.append_step_failed_event_if_absent(step_failed()),
        "append_step_failed_event_if_absent, another": lambda s: settled(
            s.events.append_step_failed_event_if_absent(step_failed(reason="another"))
        ),
    }


def writes(there: FullNamespace) -> dict[str, Question]:
    """Writes that change something; what one answers does not depend on the others."""
    return {**_writes_of_runs(there), **_writes_of_documents(), **_writes_of_events()}


def _writes_of_runs(there: FullNamespace) -> dict[str, Question]:
    run = there.stored.run_id
    return {
        "cas_grant_body_frame_start": lambda s: OPERATIONS["cas_grant_body_frame_start"].call(
            s.runs, run, ledger_entry=iteration_entry("body", 2)
        ),
        "cas_complete_step_and_record_output": lambda s: OPERATIONS["cas_complete_step_and_record_output"].call(
            s.runs, run, expected_frame=NEXT_FRAME, next_frame=FRAME, loop_context=("loop-1", 4)
        ),
        "cas_flow_state, won": lambda s: s.runs.cas_flow_state(there.ended.run_id, expected=NEXT_RUN, next=RUN),
        "append_step_entry_if_absent, new": lambda s: s.runs.append_step_entry_if_absent(
            run, entry=step_entry("new", output=1)
        ),
        "append_failure_entry_if_absent, new": lambda s: s.runs.append_failure_entry_if_absent(
            run, entry=failure_entry("new")
        ),
        "append_step_entry": lambda s: s.runs.append_step_entry(run, entry=step_entry("build")),
        "append_failure_entry": lambda s: s.runs.append_failure_entry(run, entry=failure_entry()),
        "upsert_loop_snapshot": lambda s: s.runs.upsert_loop_snapshot(
            run, loop_instance_id="other", snapshot=LOOP, ledger_entry=iteration_entry("other")
        ),
        "put_step_output": lambda s: s.runs.put_step_output(run, step_id="build", output={"again": 1}),
        "commit": lambda s: s.executions.commit(there.transition),
        "answer": lambda s: s.asks.answer(
            there.asks[1].run_id, there.asks[1].ask.id, Answer(approved=False), pending=there.asks[1]
        ),
        "publish": lambda s: s.executions.publish(there.driven, *there.held, "text", "value"),
        "set_labels": lambda s: s.executions.set_labels(there.driven, LabelChange({"tries": 13, "customer": None})),
        "set_labels, waiting": lambda s: s.executions.set_labels(there.waiting, LabelChange({"tries": 13})),
        "send_signal": lambda s: s.executions.send_signal(there.driven, Signal(name="go")),
        "send_signal, waiting": lambda s: s.executions.send_signal(
            there.waiting, Signal(name="go"), idempotency_key="k"
        ),
        "request_cancel": lambda s: s.executions.request_cancel(there.driven),
        "cas_run_status, won": lambda s: s.runs.cas_run_status(
            there.waiting, expected=MobRunStatus.PENDING, next=MobRunStatus.RUNNING
        ),
        "start in a conversation": lambda s: talk(s, "0191a6a0-0000-4000-8000-0000000000c1"),
        "start_debounced, again": lambda s: gather_a_start(s, 2),
        "create_run, new": lambda s: s.runs.create_run(_ANOTHER),
    }


_ANOTHER = scene()


def _writes_of_documents() -> dict[str, Question]:
    return {
        "put_spec": lambda s: s.specs.put_spec("m", definition()),
        "put_spec, another": lambda s: s.specs.put_spec("n", definition()),
        "put_spec, new": lambda s: s.specs.put_spec("new", definition()),
        "put_spec, deleted": lambda s: s.specs.put_spec("gone", definition()),
        "delete_spec, won": lambda s: s.specs.delete_spec("m"),
        "create profile, new": lambda s: _revision(s.realm_profiles.create("new", profile())),
        "create profile, deleted": lambda s: _revision(s.realm_profiles.create("gone", profile())),
        "update profile, won": lambda s: _revision(s.realm_profiles.update("m", profile(), 1)),
        "update another profile": lambda s: _revision(s.realm_profiles.update("n", profile(), 1)),
        "delete profile": lambda s: _revision(s.realm_profiles.delete("k", 1)),
        "insert record, new": lambda s: s.records.insert("c", "new", 1),
        "put record": lambda s: s.records.compare_and_put("c", "m", {"of": "m"}, 10),
        "delete record": lambda s: s.records.compare_and_delete("c", "n", {"of": "n"}),
        "put_spec and its event": lambda s: s.specs.put_spec_and_append_event(
            "n", definition(), NewMobEvent(mob_id="n", kind=MobCompleted(), timestamp=NOON)
        ),
        "delete supervisor, compared": lambda s: s.runtime_metadata.compare_and_delete_supervisor_authority(
            "n", authority()
        ),
        "put overlay, compared": lambda s: s.runtime_metadata.compare_and_put_external_binding_overlay(
            "m",
            overlay(bootstrap_token="token"),  # noqa: S106
            overlay(bootstrap_token="other"),  # noqa: S106
        ),
        "put supervisor, new": lambda s: s.runtime_metadata.put_supervisor_authority_if_absent("new", authority()),
        "delete supervisor": lambda s: s.runtime_metadata.delete_supervisor_authority("m"),
        "put overlay, new": lambda s: s.runtime_metadata.put_external_binding_overlay_if_absent("new", overlay()),
        "upsert overlay": lambda s: s.runtime_metadata.upsert_external_binding_overlay("m", overlay()),
        "delete overlays": lambda s: s.runtime_metadata.delete_external_binding_overlays("n"),
        "host commit, won": lambda s: s.host.commit(
            batch("won", HOST_TOKEN, changed(mob_scope(), 12, b"x"), created(record_scope("new")))
        ),
        "config put": lambda s: s.config.put("n", "number", 1),
        "config put_if_absent, new": lambda s: s.config.put_if_absent("other", "a", 1),
        "config apply": lambda s: s.config.apply([Put("n", "new", 1), Delete("n", "text")]),
    }


def _writes_of_events() -> dict[str, Question]:
    return {
        "append": lambda s: _is_there(s.events.append(numbered(7))),
        "append_terminal_event_if_absent, new": lambda s: _is_there(
            s.events.append_terminal_event_if_absent(completed(_ANOTHER.run_id))
        ),
    }


def after_writes(there: FullNamespace) -> dict[str, Question]:
    """Reads that tell what all these writes have left."""

    async def load(storage: MobStorage) -> Any:
        view = await storage.executions.load(there.driven)
        return view and (view.run, view.executions)

    async def overlays(storage: MobStorage) -> Any:
        return [await storage.runtime_metadata.list_external_binding_overlays(mob) for mob in ("m", "n", "new")]

    return {
        "get_run, after": lambda s: s.runs.get_run(there.stored.run_id),
        "load, after": load,
        "latest_cursor, after": lambda s: s.events.latest_cursor(),
        "list_specs, after": lambda s: s.specs.list_specs(),
        "overlays, after": overlays,
        "config, after": lambda s: s.config.snapshot(["n", "other"]),
        "change_token, after": lambda s: s.config.change_token("n"),
        "prune": lambda s: s.events.prune(NOON + timedelta(days=36_500)),
    }


def the_end() -> dict[str, Question]:
    """What makes a log good again, and what it has then."""
    return {"clear": lambda s: s.events.clear(), "replay_all, after": lambda s: s.events.replay_all()}


async def _revision(write: Awaitable[StoredRealmProfile]) -> int:
    return (await write).revision


async def _is_there(write: Awaitable[MobEvent | None]) -> bool:
    """Whether an event was written; its cursor depends on what was written before."""
    return await write is not None


async def followed(subscription: Any, count: int) -> list[MobEvent | ConfigChangeEvent]:
    """The first entries of a log, as a subscriber sees them."""
    async with asyncio.timeout(LONG), subscription as entries:
        return [await anext(entries) for _ in range(count)]


def _about_documents() -> dict[str, Question]:
    return {
        "get_spec": lambda s: s.specs.get_spec("m"),
        "get_spec of another": lambda s: s.specs.get_spec("n"),
        "get_spec, absent": lambda s: s.specs.get_spec("x"),
        "list_specs": lambda s: s.specs.list_specs(),
        "delete_spec": lambda s: s.specs.delete_spec("m", 99),
        "delete_spec, absent": lambda s: s.specs.delete_spec("x"),
        "profile": lambda s: s.realm_profiles.get("m"),
        "profile, absent": lambda s: s.realm_profiles.get("x"),
        "profiles": lambda s: s.realm_profiles.list(),
        "record": lambda s: s.records.get("c", "m"),
        "record, absent": lambda s: s.records.get("c", "x"),
        "records": lambda s: s.records.list("c"),
        "records behind": lambda s: s.records.list("c", "a", 1),
        "collections": lambda s: s.records.collections(),
        "insert record, again": lambda s: s.records.insert("c", "gone", {"of": "gone"}),
        "put record, lost": lambda s: s.records.compare_and_put("c", "m", 1, 2),
        "delete record, absent": lambda s: s.records.compare_and_delete("c", "x", None),
        "create profile": lambda s: settled(s.realm_profiles.create("m", profile())),
        "update profile": lambda s: settled(s.realm_profiles.update("m", profile(), 99)),
    }


def _about_metadata() -> dict[str, Question]:
    return {
        "supervisor": lambda s: s.runtime_metadata.load_supervisor_authority("m"),
        "supervisor of another": lambda s: s.runtime_metadata.load_supervisor_authority("n"),
        "supervisor, absent": lambda s: s.runtime_metadata.load_supervisor_authority("x"),
        "put supervisor": lambda s: s.runtime_metadata.put_supervisor_authority_if_absent("m", authority()),
        "compare supervisor": lambda s: s.runtime_metadata.compare_and_put_supervisor_authority(
            "m", authority(9), authority()
        ),
        "overlays": lambda s: s.runtime_metadata.list_external_binding_overlays("m"),
        "overlays, absent": lambda s: s.runtime_metadata.list_external_binding_overlays("x"),
        "put overlay": lambda s: s.runtime_metadata.put_external_binding_overlay_if_absent("m", overlay()),
        "reseal": lambda s: s.runtime_metadata.reseal_all(),
    }


def _about_config() -> dict[str, Question]:
    async def walk(storage: MobStorage) -> Any:
        return [item async for item in storage.config.walk("n", 1)]

    return {
        "get": lambda s: s.config.get("n", "number"),
        "get text": lambda s: s.config.get("n", "text"),
        "get, absent": lambda s: s.config.get("other", "a"),
        "exists": lambda s: s.config.exists("n", "number"),
        "exists, absent": lambda s: s.config.exists("other", "a"),
        "list": lambda s: s.config.list("n"),
        "list, absent": lambda s: s.config.list("other"),
        "walk": walk,
        "snapshot": lambda s: s.config.snapshot(["n", "other"]),
        "change_token": lambda s: s.config.change_token("n"),
        "change_token of another": lambda s: s.config.change_token("other"),
        "history": lambda s: s.config.history("n", "number"),
        "history of text": lambda s: s.config.history("n", "text"),
        "history, absent": lambda s: s.config.history("other", "a"),
        "put_if_absent": lambda s: settled(s.config.put_if_absent("n", "number", 1)),
        "put_if_revision": lambda s: settled(s.config.put_if_revision("n", "number", 1, 99)),
        "follow": lambda s: followed(s.config.subscribe(0), 17),
    }


async def _set_webhooks(storage: MobStorage) -> None:
    """A webhook whose turn another worker has, with letters that are dead, and one that is to be delivered again."""
    for _ in range(12):
        await storage.webhooks.put(webhook(), SECRET, after=0)
    turn = await storage.webhooks.take_turn("audit", "worker", timedelta(days=1))
    assert turn is not None
    await storage.webhooks.advance(
        "audit", "worker", turn.number, progress(), length=timedelta(days=1), dead=[letter(1), letter(2), letter(3)]
    )
    await storage.webhooks.redeliver("audit", [3])
