"""Every public method of the stores with arguments that are right, and what is in the storage they are tried on."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, NamedTuple, cast

from redis_mob.contracts import (
    AskStore,
    BudgetStore,
    ConversationStore,
    ExecutionStore,
    HostStore,
    MobEventStore,
    MobRunStore,
    MobRuntimeMetadataStore,
    MobSpecStore,
    OperationsStore,
    PauseStore,
    ProgressStore,
    RealmProfileStore,
    RecordStore,
    RetentionStore,
    ScheduleStore,
    SteeringStore,
    WatchableConfigStore,
    WebhookStore,
)
from redis_mob.kernel.seeds import root_frame_id
from redis_mob.models import MobCreated, MobRunStatus, NewMobEvent, Put
from redis_mob.models.ask import Answer, Ask, PendingAsk
from redis_mob.models.base import SortedDict
from redis_mob.models.budget import Account, Amounts, Bounds, BudgetScope, OnExceeded, Reservation, Settlement, Window
from redis_mob.models.conversation import Conversation
from redis_mob.models.debounce import Debounce
from redis_mob.models.execution import EVERYTHING, Execution, ExecutionKey
from redis_mob.models.host import AcquireMode, FenceGrant, FenceTiming, ScopeKind
from redis_mob.models.labels import LabelChange, Labels
from redis_mob.models.limits import Counts, Limit
from redis_mob.models.model_usage import UsedBy
from redis_mob.models.progress import NewProgress, ProgressSource
from redis_mob.models.queue_load import QueueLoads
from redis_mob.models.retention import NamespaceSizes, RetentionPolicies, RetentionPolicy
from redis_mob.models.run_copy import RunCopy
from redis_mob.models.run_summary import RunFilter
from redis_mob.models.signal import Signal
from redis_mob.models.subflow import ParentRun
from redis_mob.models.transition import RunView
from redis_mob.models.webhook import StoredWebhook, Webhooks, WebhookTurn
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import FRAME, INPUTS, LOOP, NEXT_FRAME, NEXT_LOOP, NEXT_RUN, RUN, scene
from redis_mob.testing.samples.documents import FULL_DEFINITION, FULL_PROFILE, authority, overlay, rotation
from redis_mob.testing.samples.driven_runs import ONE_STEP, DrivenRun, a_worker, keys_of, over_items, pending
from redis_mob.testing.samples.host import batch, changed, created, mob_scope, record_scope
from redis_mob.testing.samples.new_events import completed, failed, numbered, step_failed
from redis_mob.testing.samples.schedules import schedule
from redis_mob.testing.samples.states import NOON, failure_entry, frame, iteration_entry, loop, step_entry
from redis_mob.testing.samples.webhooks import SECRET, letter, progress, webhook

CONTRACTS: Mapping[str, type] = {
    "asks": AskStore,
    "budgets": BudgetStore,
    "conversations": ConversationStore,
    "events": MobEventStore,
    "host": HostStore,
    "runs": MobRunStore,
    "specs": MobSpecStore,
    "runtime_metadata": MobRuntimeMetadataStore,
    "realm_profiles": RealmProfileStore,
    "records": RecordStore,
    "config": WatchableConfigStore,
    "executions": ExecutionStore,
    "operations": OperationsStore,
    "pauses": PauseStore,
    "progress": ProgressStore,
    "retention": RetentionStore,
    "schedules": ScheduleStore,
    "steering": SteeringStore,
    "webhooks": WebhookStore,
}

RUN_ID, FLEET_RUN = "0191a6a0-0000-4000-8000-00000000000a", "0191a6a0-0000-4000-8000-00000000000f"
ITEMS_RUN = "0191a6a0-0000-4000-8000-000000000010"
ITEM = ExecutionKey(root_frame_id(ITEMS_RUN), "a", "worker-1#0")
JSON = {"ok": [1, 1.5, None, True, "é"]}
PENDING = PendingAsk(
    run_id=FLEET_RUN,
    mob_id="mob",
    flow_id="flow",
    step_id="a",
    frame_id="root",
    node_id="a",
    target="worker-1",
    ask=Ask(id="0123456789abcdef", kind="ok", digest="d", payload=JSON, value_schema={}, asked_at=NOON, until=NOON),
)
PARENT = ParentRun(run_id=FLEET_RUN, step_id="a", frame_id="root", node_id="a", target="flow:inner", flows=("flow",))
OWN, SHARED = BudgetScope.of_run(FLEET_RUN), BudgetScope.shared("mob", "tenant", "acme")
CALL = Reservation(FLEET_RUN, ITEM, 1, 1, Amounts(tool_calls=1), Amounts(tokens=5), (OWN, SHARED))
DECLARED = {OWN: Account(bounds=Bounds(tokens=100)), SHARED: Account(window=Window(3_653 * 86_400_000))}
DIGEST = pending(ONE_STEP)[1].definition

_COPIED, _LAUNCH = pending(ONE_STEP, run_id="0191a6a0-0000-4000-8000-000000000011")
COPY = RunCopy(run=_COPIED, launch=_LAUNCH, launched_at=NOON, version=0)

TOKEN: Mapping[str, Any] = {"bootstrap_token": "token"}

ANY_JSON = ("value", "output", "step_output")
"""Arguments that take any JSON value."""


class Method(NamedTuple):
    """A method of a store."""

    store: str
    name: str

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """What the contract says that it takes."""
        found = dict(inspect.signature(getattr(CONTRACTS[self.store], self.name)).parameters)
        del found["self"]
        return found

    def call(self, storage: MobStorage, arguments: Mapping[str, Any]) -> Awaitable[Any]:
        """Call it, and go on as far as its result lets one."""
        positional = [
            arguments[name]
            for name, parameter in self.parameters.items()
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        ]
        named = {name: value for name, value in arguments.items() if self.parameters[name].kind.name == "KEYWORD_ONLY"}
        return ended(lambda: getattr(getattr(storage, self.store), self.name)(*positional, **named))


METHODS = [
    Method(store, name)
    for store, contract in CONTRACTS.items()
    for name, _ in inspect.getmembers(contract, inspect.isfunction)
    if not name.startswith("_")
]


async def ended(begin: Any) -> Any:
    """The result of a call: awaited, entered and left, or read to its end."""
    result = begin()
    if inspect.isawaitable(result):
        return readable(await result)
    if isinstance(result, AbstractAsyncContextManager):
        async with cast("AbstractAsyncContextManager[Any]", result):
            return None
    if isinstance(result, AsyncIterator):
        return [item async for item in cast("AsyncIterator[Any]", result)]
    return None


RIGHT: Mapping[str, Any] = {
    # by the name of the argument, or of the method and the argument where several have the same
    "event": numbered(9),
    "append_terminal_event_if_absent.event": failed(RUN_ID),
    "append_step_failed_event_if_absent.event": step_failed("other"),
    "cas_run_snapshot_and_append_terminal_event.event": completed(RUN_ID),
    "events": [numbered(7), completed("0191a6a0-0000-4000-8000-000000000003")],
    "after_cursor": 1,
    "after": 1,
    "runs.after": "1",
    "which": RunFilter(),
    "prefix": FLEET_RUN,
    "limit": 2,
    "policy": RetentionPolicy(completed=timedelta(days=7), max_runs=5),
    "if_none": False,
    "holder": "worker",
    "length": timedelta(hours=1),
    "status": MobRunStatus.COMPLETED,
    "count_events.after": "0",
    "older_than": NOON,
    "newest": 1000,
    "structural": False,
    "run": scene(run_id="0191a6a0-0000-4000-8000-00000000000b", step_ledger=[step_entry(output=1)]),
    "start_run.run": pending(ONE_STEP, run_id="0191a6a0-0000-4000-8000-00000000000c")[0],
    "start_debounced.run": pending(ONE_STEP, run_id="0191a6a0-0000-4000-8000-00000000000e")[0],
    "debounce": Debounce("key", timedelta(hours=1), timedelta(hours=2)),
    "start_child.run": pending(ONE_STEP, run_id="0191a6a0-0000-4000-8000-00000000000d")[0],
    "parent": PARENT,
    "start_child.execution": Execution(step_id="a", role="", message="", due_at=NOON),
    "tell_parent.run_id": FLEET_RUN,
    "run_id": RUN_ID,
    "load.run_id": FLEET_RUN,
    "items.run_id": ITEMS_RUN,
    "items.frame_id": root_frame_id(ITEMS_RUN),
    "node_id": "a",
    "ended.run_id": ITEMS_RUN,
    "keys": [ITEM],
    "limits": [
        Limit(step_id="a", key="acme", limit=2),
        Limit(limit=3, per_ms=1000),
        Limit(limit=9, per_ms=1000, counts=Counts.INPUT, units=2),
    ],
    "worker": a_worker("right"),
    "lease": timedelta(hours=1),
    "on_loss": print,
    "worker_id": "one",
    "is_orderly": True,
    "only_end": True,
    "serves": EVERYTHING,
    "max_suspects": 1,
    "at": NOON,
    "leads": [FLEET_RUN],
    "patience": timedelta(hours=1),
    "request_cancel.run_id": FLEET_RUN,
    "pause_run.run_id": FLEET_RUN,
    "resume_run.run_id": FLEET_RUN,
    "set_aside.after": None,
    "reason": "the model is down",
    "send_signal.run_id": FLEET_RUN,
    "publish.run_id": FLEET_RUN,
    "published.run_id": FLEET_RUN,
    "set_labels.run_id": FLEET_RUN,
    "change": LabelChange({"customer": "acme", "old": None}, "said", True),
    "labels": Labels(attributes=SortedDict({"customer": "acme", "tries": 3}), summary="said"),
    "signal": Signal(name="go", payload=JSON),
    "answer.run_id": FLEET_RUN,
    "ask_id": "0123456789abcdef",
    "answer": Answer(approved=True, value=JSON, edited=True, message="it is fine", by="ann"),
    "pending": PENDING,
    "pending.after": PENDING.place,
    "forget.run_id": FLEET_RUN,
    "places": [PENDING.place],
    "start.run": pending(ONE_STEP, run_id="0191a6a0-0000-4000-8000-000000000012")[0],
    "start.definition": ONE_STEP,
    "start.conversation": Conversation("c", timedelta(hours=1), 5, 500),
    "edit.conversation": Conversation("c", timedelta(hours=1), 5, 500),
    "rejects": True,
    "rolls_back": True,
    "conversation": "c",
    "supersede.run_id": FLEET_RUN,
    "take_turn.run_id": FLEET_RUN,
    "change.run_id": FLEET_RUN,
    "kind": "append",
    "items": [JSON, None],
    "change.after": "0123",
    "before": 5,
    "call": CALL,
    "declared": DECLARED,
    "set_bounds.declared": DECLARED[SHARED],
    "settlement": Settlement(
        Amounts(tokens=3, cost=2), unpriced_tokens=1, currency="USD", by=UsedBy("mob", "flow", "small", 3)
    ),
    "was_reserved": False,
    "is_lost": False,
    "scope": SHARED,
    "scopes": [OWN, SHARED],
    "bounds": Bounds(tokens=7, cost=9),
    "on_exceeded": OnExceeded.FAIL,
    "currency": "USD",
    "idempotency_key": "key",
    "mob_id": "mob",
    "flow_id": "review",
    "expected": RUN,
    "next": NEXT_RUN,
    "cas_run_status.expected": MobRunStatus.RUNNING,
    "cas_run_status.next": MobRunStatus.PENDING,
    "cas_frame_state.expected": FRAME,
    "cas_frame_state.next": NEXT_FRAME,
    "expected_status": MobRunStatus.RUNNING,
    "next_status": MobRunStatus.PENDING,
    "expected_flow_state": RUN,
    "next_flow_state": NEXT_RUN,
    "expected_run_state": RUN,
    "next_run_state": NEXT_RUN,
    "frame_id": "root",
    "expected_frame": FRAME,
    "next_frame": NEXT_FRAME,
    "initial_frame": frame("body"),
    "loop_instance_id": "loop-1",
    "expected_loop": LOOP,
    "next_loop": NEXT_LOOP,
    "initial_loop": loop("loop-2"),
    "snapshot": loop(),
    "authority_inputs": INPUTS,
    "entry": step_entry(output=JSON),
    "append_failure_entry.entry": failure_entry(),
    "append_failure_entry_if_absent.entry": failure_entry(),
    "ledger_entry": iteration_entry(),
    "step_id": "build",
    "output": JSON,
    "step_output_key": "build",
    "step_output": JSON,
    "loop_context": ("refine", 1),
    "definition": FULL_DEFINITION,
    "start_run.definition": ONE_STEP,
    "start_child.definition": ONE_STEP,
    "start_debounced.definition": ONE_STEP,
    "revision": 1,
    "record": authority(1, epoch=3, pending=rotation()),
    "put_external_binding_overlay_if_absent.record": overlay("other", **TOKEN),
    "upsert_external_binding_overlay.record": overlay(**TOKEN),
    "compare_and_put_supervisor_authority.expected": authority(),
    "compare_and_delete_supervisor_authority.expected": authority(),
    "compare_and_put_external_binding_overlay.expected": overlay(**TOKEN),
    "compare_and_put_external_binding_overlay.record": overlay(**TOKEN, status={"Failed": {"reason": "no route"}}),
    "put_spec_and_append_event.event": NewMobEvent(mob_id="mob", kind=MobCreated(definition=FULL_DEFINITION)),
    "agent_identity": "agent",
    "generation": 0,
    "adopt_unsealed": False,
    "name": "profile",
    "collection": "collection",
    "key": "record",
    "list.after": "a",
    "compare_and_put.expected": JSON,
    "compare_and_delete.expected": JSON,
    "profile": FULL_PROFILE,
    "expected_revision": 1,
    "namespace": "agents",
    "id": "a",
    "value": JSON,
    "offset": 0,
    "page_size": 10,
    "writes": [Put("agents", "b", JSON)],
    "namespaces": ["agents"],
    "scope_id": "scope",
    "launch": pending(ONE_STEP)[1],
    "digest": DIGEST,
    "max_runs": 0,
    "max_executions": 0,
    "keep": timedelta(milliseconds=1),
    "put.record": schedule(),
    "put.definition": ONE_STEP,
    "advance.record": schedule(next_at=NOON + timedelta(hours=1)),
    "advance.revision": 1,
    "look_at": NOON,
    "webhook": webhook("profile"),
    "secret": SECRET,
    "number": 2,
    "progress": progress(2),
    "dead": [letter(1)],
    "settled": [letter(3)],
    "cursors": [5],
    "most": 0,
    "keep_id_for": timedelta(hours=1),
    "roles": ["worker"],
    "move_run.run_id": FLEET_RUN,
    "release": "new",
    "summary.run_id": FLEET_RUN,
    "standing.run_id": FLEET_RUN,
    "published_of.run_id": FLEET_RUN,
    "copy": COPY,
    "import_run.definition": ONE_STEP,
    "mode": AcquireMode.TAKEOVER,
    "token": 1,
    "timing": FenceTiming(timedelta(seconds=5), timedelta(seconds=20), timedelta(seconds=6), timedelta(seconds=1)),
    "load_head.scope": mob_scope(),
    "read_rows.scope": mob_scope(),
    "read_rows.start": 1,
    "list_heads.kind": ScopeKind.MOB,
    "list_heads.after": "a",
    "batch": batch("second", 1, changed(mob_scope(), 1, b"2", head=b"other"), created(record_scope())),
    "entries": [NewProgress(ProgressSource("a", "a", "root", None, "worker-1", 1, 1), "chunk", "output", value=JSON)],
}


class Scene(NamedTuple):
    """What was read of the fleet's run in one storage: its content depends on the storage's clock."""

    view: RunView
    key: ExecutionKey
    driven: DrivenRun


async def prepared(storage: MobStorage) -> Scene:
    """Put something into every store, and read what the methods of executions are tried with."""
    await storage.events.append_batch([numbered(1, timestamp=NOON), numbered(2), step_failed()])
    await storage.runs.create_run(scene(run_id=RUN_ID, step_ledger=[step_entry()], failure_ledger=[failure_entry()]))
    await storage.specs.put_spec("mob", FULL_DEFINITION)
    await storage.runtime_metadata.put_supervisor_authority("mob", authority())
    await storage.runtime_metadata.upsert_external_binding_overlay("mob", overlay(**TOKEN))
    await storage.realm_profiles.create("profile", FULL_PROFILE)
    token = (await storage.host.acquire_fence()).token
    await storage.host.commit(batch("first", token, created(mob_scope(), b"0", b"1")))
    await storage.records.insert("collection", "record", JSON)
    await storage.config.put("agents", "a", {"meta": {"revision": 1}})
    await storage.schedules.put(schedule(), ONE_STEP)
    await storage.webhooks.put(webhook("profile"), SECRET, after=0)
    run, launch = pending(ONE_STEP, run_id=FLEET_RUN)
    run = run.model_copy(update={"created_at": NOON})
    assert await storage.executions.start_run(run, launch, ONE_STEP)
    items = await over_items(storage.executions, ITEMS_RUN)
    await items.end_items()
    driven = DrivenRun(storage.executions, ONE_STEP, FLEET_RUN)
    await driven.advance()
    [key, _] = keys_of(await driven.view())
    await driven.claim(key)
    return Scene(await driven.view(), key, driven)


def right_arguments(method: Method, scene: Scene) -> dict[str, Any]:
    """Arguments that are right in a storage as it was prepared. Raises KeyError for one that the table lacks."""
    read: Mapping[str, Any] = {
        "commit.transition": scene.driven.settled(scene.view, scene.key),
        "put_aside.view": scene.view,
        "publish.key": scene.key,
        "publish.execution": scene.view.executions[scene.key],
        "change.key": scene.key,
        "change.execution": scene.view.executions[scene.key],
        "set_labels.key": scene.key,
        "set_labels.execution": scene.view.executions[scene.key],
    }
    assert read.keys() == READ
    known = {**RIGHT, **read}
    return {name: known.get(f"{method.name}.{name}", known.get(name)) for name in method.parameters}


READ = {
    "commit.transition",
    "put_aside.view",
    "publish.key",
    "publish.execution",
    "change.key",
    "change.execution",
    "set_labels.key",
    "set_labels.execution",
}
"""Arguments whose right values are read from the storage."""


def lacking(method: Method) -> list[str]:
    """The parameters that the table has no right value for."""
    known = RIGHT.keys() | READ
    return [name for name in method.parameters if not {name, f"{method.name}.{name}"} & known]


async def everything(storage: MobStorage) -> Any:
    """All that can be read of a storage."""
    specs = await storage.specs.list_specs()
    mobs = ["mob", "", "1"]
    return [
        await storage.events.replay_all(),
        await storage.events.latest_cursor(),
        [await storage.runs.list_runs(mob) for mob in mobs],
        [await storage.runs.get_run(run_id) for run_id in (RUN_ID, FLEET_RUN)],
        [(mob, await storage.specs.get_spec(mob)) for mob in specs],
        [await storage.runtime_metadata.load_supervisor_authority(mob) for mob in mobs],
        [await storage.runtime_metadata.list_external_binding_overlays(mob) for mob in mobs],
        await storage.realm_profiles.list(),
        [(name, await storage.records.list(name)) for name in await storage.records.collections()],
        await storage.config.snapshot(["agents", "1", "red"]),
        [await storage.config.change_token(name) for name in ("agents", "1")],
        [await storage.config.history("agents", id) for id in ("a", "b", "1")],
        readable(await storage.executions.load(FLEET_RUN)),
        await storage.executions.status(FLEET_RUN),
        await storage.operations.runs(),
        await storage.operations.count(),
        [(str(group), one.model_dump_json()) for group, one in (await storage.retention.policies()).groups.items()],
        await storage.schedules.list(),
        [(one.mob_id, one.flow_id, one.reason) for one in await storage.pauses.pauses()],
        readable(await storage.webhooks.list()),
        [[one.value for one in await storage.conversations.history(name)] for name in ("c", "1")],
        [await storage.executions.published(FLEET_RUN, name) for name in ("profile", "1")],
        [(str(scope), one.model_dump_json()) for scope, one in (await storage.budgets.shared()).items()],
        await storage.budgets.usage(),
        [await storage.host.list_heads(kind) for kind in ScopeKind],
        await storage.host.read_rows(mob_scope()),
    ]


def readable(result: Any) -> Any:
    """A result that has a text, of what every backend knows."""
    if isinstance(result, FenceGrant):
        return result.token
    if isinstance(result, FenceTiming):
        return str(result)
    if isinstance(result, Webhooks):
        return [result.webhooks, result.unreadable]
    if isinstance(result, WebhookTurn):
        return [result.number, result.revision, result.again, result.progress]
    if isinstance(result, StoredWebhook):
        return result.model_copy(update={"turn_until": None})
    if isinstance(result, RetentionPolicies):
        return {mob: policy.model_dump(mode="json") for mob, policy in result.groups.items()}
    if isinstance(result, QueueLoads):
        # what becomes due in this very millisecond is with what waits, or still with what is delayed
        return [[one.queue, one.waiting + (one.delayed or 0), one.running] for one in result.queues]
    if isinstance(result, NamespaceSizes):
        return [result.events, result.oldest_event, result.definitions]
    if not isinstance(result, RunView):
        return result
    executions = [[*key, execution] for key, execution in sorted(result.executions.items())]
    return [result.run, result.launch, executions, result.cancel_requested, result.signals, result.labels]
