"""A call of every method that writes, prepared so that it has an effect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from redis_mob.fleet.outcome import NewAsk
from redis_mob.models import MobCreated, MobRunStatus, NewMobEvent
from redis_mob.models.ask import Answer
from redis_mob.models.budget import Account, Amounts, Bounds, BudgetScope, OnExceeded, Reservation, Settlement, Window
from redis_mob.models.config import Delete, Put
from redis_mob.models.conversation import Conversation
from redis_mob.models.debounce import Debounce
from redis_mob.models.host import AcquireMode
from redis_mob.models.labels import LabelChange
from redis_mob.models.model_usage import UsedBy
from redis_mob.models.retention import RetentionPolicy
from redis_mob.models.run_copy import RunCopy
from redis_mob.models.signal import Signal
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import COMPOUND, INPUTS, LOOP, NEXT_RUN, RUN, SIMPLE, scene
from redis_mob.testing.samples.documents import authority, definition, overlay, profile
from redis_mob.testing.samples.driven_runs import ONE_STEP, a_worker, awaited, keys_of, launched, pending, waiting
from redis_mob.testing.samples.host import batch, changed, created, mob_scope, record_scope
from redis_mob.testing.samples.new_events import completed, numbered, step_failed
from redis_mob.testing.samples.schedules import schedule
from redis_mob.testing.samples.states import NOON, failure_entry, iteration_entry, step_entry
from redis_mob.testing.samples.webhooks import SECRET, letter, progress, webhook

Write = Callable[[MobStorage], Awaitable[Any]]


async def every_write(storage: MobStorage) -> dict[str, Write]:
    """The calls by store and method, with what they are about already in the storage."""
    await storage.events.append(numbered(0, timestamp=NOON - timedelta(days=1)))
    return {
        **await _of_runs(storage),
        **await _of_executions(storage),
        **await _of_documents(storage),
        **await _of_metadata(storage),
        **await _of_schedules(storage),
        **await _of_pauses(storage),
        **await _of_budgets(storage),
        **await _of_host(storage),
        **await _of_webhooks(storage),
        "events.append": lambda s: s.events.append(numbered(1, timestamp=NOON)),
        "events.append_batch": lambda s: s.events.append_batch([numbered(2), completed(str(uuid4()))]),
        "events.append_terminal_event_if_absent": lambda s: s.events.append_terminal_event_if_absent(
            completed(str(uuid4()))
        ),
        "events.append_step_failed_event_if_absent": lambda s: s.events.append_step_failed_event_if_absent(
            step_failed(run_id=str(uuid4()))
        ),
        "events.prune": lambda s: s.events.prune(NOON),
        "events.clear": lambda s: s.events.clear(),
    }


async def _of_runs(storage: MobStorage) -> dict[str, Write]:
    calls: dict[str, Write] = {"runs.create_run": lambda s: s.runs.create_run(scene())}

    async def with_run(name: str, call: Callable[[MobStorage, str], Awaitable[Any]]) -> None:
        run = scene()
        await storage.runs.create_run(run)
        calls[f"runs.{name}"] = lambda s: call(s, run.run_id)

    for operation in (*COMPOUND, *SIMPLE):
        await with_run(
            operation.name,
            lambda s, run_id, operation=operation: operation.call(s.runs, run_id, authority_inputs=INPUTS),
        )
    await with_run(
        "cas_run_snapshot_and_append_terminal_event",
        lambda s, run_id: s.runs.cas_run_snapshot_and_append_terminal_event(
            run_id,
            expected_status=MobRunStatus.RUNNING,
            expected_flow_state=RUN,
            next_status=MobRunStatus.COMPLETED,
            next_flow_state=NEXT_RUN,
            event=completed(run_id),
            authority_inputs=INPUTS,
        ),
    )
    await with_run(
        "cas_run_status",
        lambda s, run_id: s.runs.cas_run_status(run_id, expected=MobRunStatus.RUNNING, next=MobRunStatus.COMPLETED),
    )
    await with_run("append_step_entry", lambda s, run_id: s.runs.append_step_entry(run_id, entry=step_entry(output=1)))
    await with_run(
        "append_step_entry_if_absent",
        lambda s, run_id: s.runs.append_step_entry_if_absent(run_id, entry=step_entry(output=1)),
    )
    await with_run("put_step_output", lambda s, run_id: s.runs.put_step_output(run_id, step_id="test", output=1))
    await with_run("append_failure_entry", lambda s, run_id: s.runs.append_failure_entry(run_id, entry=failure_entry()))
    await with_run(
        "append_failure_entry_if_absent",
        lambda s, run_id: s.runs.append_failure_entry_if_absent(run_id, entry=failure_entry()),
    )
    await with_run(
        "upsert_loop_snapshot",
        lambda s, run_id: s.runs.upsert_loop_snapshot(
            run_id, loop_instance_id="l", snapshot=LOOP, ledger_entry=iteration_entry()
        ),
    )
    return calls


async def _of_executions(storage: MobStorage) -> dict[str, Write]:
    run, launch = pending(ONE_STEP)
    to_gather, of_gathered = pending(ONE_STEP)
    to_import, of_import = pending(ONE_STEP)
    copy = RunCopy(run=to_import, launch=of_import, launched_at=NOON, version=0)
    to_cancel = await launched(storage.executions, ONE_STEP)
    to_move = await waiting(storage.executions, ONE_STEP)
    to_commit = await waiting(storage.executions, ONE_STEP)
    view = await to_commit.view()
    transition = to_commit.claimed(view, keys_of(view)[0])
    to_publish = await waiting(storage.executions, ONE_STEP)
    to_delete: list[str] = []
    for _ in range(2):
        canceled = await waiting(storage.executions, ONE_STEP)
        await storage.executions.request_cancel(canceled.run_id)
        await canceled.advance()
        to_delete.append(canceled.run_id)
    await storage.steering.begin_deletion(to_delete[1])
    key = keys_of(await to_publish.view())[0]
    await to_publish.claim(key)
    claimed = (await to_publish.view()).executions[key]
    for name in ("to leave", "to renew"):
        await storage.executions.join_workers(a_worker(name), timedelta(hours=1))
    to_answer = await waiting(storage.executions, ONE_STEP)
    [pending_ask] = await to_answer.ask(keys_of(await to_answer.view())[0], NewAsk("ok", 0, "digest", None))
    answered = Answer(approved=True)
    to_start, to_tell = await awaited(storage.executions), await awaited(storage.executions)
    await to_tell.end()
    to_begin, of_begun = pending(ONE_STEP)
    to_release, others = await _talked(storage)
    return {
        "conversations.start": lambda s: s.conversations.start(
            to_begin, of_begun, ONE_STEP, conversation=Conversation("another")
        ),
        "conversations.supersede": lambda s: s.conversations.supersede(others[0], rolls_back=True),
        "conversations.take_turn": lambda s: s.conversations.take_turn(others[1]),
        "conversations.release": lambda s: s.conversations.release(to_release, "to release"),
        "conversations.change": lambda s: s.conversations.change(
            to_publish.run_id, key, claimed, "c", 0, "append", [1, 2]
        ),
        "conversations.edit": lambda s: s.conversations.edit(Conversation("to edit"), "append", [1]),
        "conversations.delete": lambda s: s.conversations.delete("to delete"),
        "asks.answer": lambda s: s.asks.answer(to_answer.run_id, pending_ask.ask.id, answered, pending=pending_ask),
        "asks.forget": lambda s: s.asks.forget(to_delete[0], [pending_ask.place._replace(run_id=to_delete[0])]),
        "executions.start_child": lambda s: to_start.start(s.executions),
        "executions.tell_parent": lambda s: to_tell.tell(s.executions),
        "executions.start_debounced": lambda s: s.executions.start_debounced(
            to_gather, of_gathered, ONE_STEP, debounce=Debounce("key", timedelta(hours=1))
        ),
        "executions.start_run": lambda s: s.executions.start_run(run, launch, ONE_STEP),
        "executions.take_due": lambda s: s.executions.take_due(max_runs=10, max_executions=10, keep=timedelta(hours=1)),
        "executions.commit": lambda s: s.executions.commit(transition),
        "executions.join_workers": lambda s: s.executions.join_workers(a_worker("joins"), timedelta(hours=1)),
        "executions.renew_worker": lambda s: s.executions.renew_worker(a_worker("to renew"), timedelta(hours=2)),
        "executions.leave_workers": lambda s: s.executions.leave_workers("to leave"),
        "executions.send_signal": lambda s: s.executions.send_signal(to_publish.run_id, Signal(name="go")),
        "executions.publish": lambda s: s.executions.publish(to_publish.run_id, key, claimed, "name", 1),
        "executions.set_labels": lambda s: s.executions.set_labels(
            to_publish.run_id, LabelChange({"customer": "acme"}, "said", True), key=key, execution=claimed
        ),
        "executions.request_cancel": lambda s: s.executions.request_cancel(to_cancel.run_id),
        "steering.begin_deletion": lambda s: s.steering.begin_deletion(to_delete[0], keep_id_for=timedelta(hours=1)),
        "steering.import_run": lambda s: s.steering.import_run(copy, ONE_STEP),
        "steering.move_run": lambda s: s.steering.move_run(to_move.run_id, "new"),
        "steering.continue_deletion": lambda s: s.steering.continue_deletion(to_delete[1]),
    }


async def _talked(storage: MobStorage) -> tuple[str, tuple[str, ...]]:
    """A run that another program has ended in its conversation, and two that are under way in other ones."""
    runs = [pending(ONE_STEP) for _ in range(4)]
    for (run, launch), name in zip(runs, ("to release", "to cancel", "to wait", "to wait"), strict=True):
        await storage.conversations.start(run, launch, ONE_STEP, conversation=Conversation(name))
    ended = runs[0][0].run_id
    assert await storage.runs.cas_run_status(ended, expected=MobRunStatus.PENDING, next=MobRunStatus.FAILED)
    await storage.conversations.edit(Conversation("to delete"), "append", ["a"])
    return ended, (runs[1][0].run_id, runs[3][0].run_id)


async def _of_documents(storage: MobStorage) -> dict[str, Write]:
    for id in ("to delete", "to delete if", "to put if", "to apply"):
        await storage.config.put("n", id, 0)
    await storage.specs.put_spec("to delete", definition("to delete"))
    await storage.retention.set_policy(RetentionPolicy(max_runs=1), "to clear")
    await storage.events.append(numbered(1, timestamp=NOON))
    for name in ("to delete", "to update"):
        await storage.realm_profiles.create(name, profile())
    await storage.records.insert("c", "to put", 1)
    await storage.records.insert("c", "to delete", 1)
    return {
        "config.put": lambda s: s.config.put("n", "new", 1),
        "config.put_if_absent": lambda s: s.config.put_if_absent("n", "absent", 1),
        "config.put_if_revision": lambda s: s.config.put_if_revision("n", "to put if", 1, 0),
        "config.delete": lambda s: s.config.delete("n", "to delete"),
        "config.delete_if_revision": lambda s: s.config.delete_if_revision("n", "to delete if", 0),
        "config.apply": lambda s: s.config.apply([Put("n", "applied", 1), Delete("n", "to apply")]),
        "retention.set_policy": lambda s: s.retention.set_policy(RetentionPolicy(max_runs=1), "new"),
        "retention.clear_policy": lambda s: s.retention.clear_policy("to clear"),
        "retention.take_turn": lambda s: s.retention.take_turn("worker", timedelta(hours=1)),
        "retention.prune_events": lambda s: s.retention.prune_events(NOON + timedelta(seconds=1)),
        "specs.put_spec": lambda s: s.specs.put_spec("new", definition("new")),
        "specs.put_spec_and_append_event": lambda s: s.specs.put_spec_and_append_event(
            "told", definition("told"), NewMobEvent(mob_id="told", kind=MobCreated(definition=definition("told")))
        ),
        "specs.delete_spec": lambda s: s.specs.delete_spec("to delete"),
        "realm_profiles.create": lambda s: s.realm_profiles.create("new", profile()),
        "realm_profiles.update": lambda s: s.realm_profiles.update("to update", profile("other"), 1),
        "realm_profiles.delete": lambda s: s.realm_profiles.delete("to delete", 1),
        "records.insert": lambda s: s.records.insert("c", "new", 1),
        "records.compare_and_put": lambda s: s.records.compare_and_put("c", "to put", 1, 2),
        "records.compare_and_delete": lambda s: s.records.compare_and_delete("c", "to delete", 1),
    }


async def _of_schedules(storage: MobStorage) -> dict[str, Write]:
    for name in ("to advance", "to delete"):
        await storage.schedules.put(schedule(name), ONE_STEP)
    stored = await storage.schedules.get("to advance")
    assert stored is not None
    return {
        "schedules.put": lambda s: s.schedules.put(schedule("new"), ONE_STEP, revision=0),
        "schedules.advance": lambda s: s.schedules.advance(schedule("to advance", fired=1), stored.revision),
        "schedules.delete": lambda s: s.schedules.delete("to delete"),
        "schedules.take_due": lambda s: s.schedules.take_due(most=10, keep=timedelta(hours=1)),
    }


async def _of_budgets(storage: MobStorage) -> dict[str, Write]:
    driven = await waiting(storage.executions, ONE_STEP)
    key = keys_of(await driven.view())[0]
    own, shared = BudgetScope.of_run(driven.run_id), BudgetScope.shared("mob", "tenant", "acme")
    to_forget = BudgetScope.shared("mob", "tenant", "to forget")
    declared = {own: Account(), shared: Account()}
    to_begin = Reservation(driven.run_id, key, 1, 1, Amounts(), Amounts(tokens=5), (own, shared))
    to_end = to_begin._replace(number=2)
    await storage.budgets.reserve(to_end, declared)
    policy, to_reopen = OnExceeded.FAIL, BudgetScope.shared("mob", "tenant", "to reopen")
    told = Settlement(Amounts(1), by=UsedBy("mob", "flow"))
    was_shut = Account(window=Window(1, 1, refused_ms=1))
    await storage.budgets.set_bounds(to_reopen, Bounds(), was_shut, on_exceeded=OnExceeded.PAUSE, currency=None)
    await storage.budgets.set_bounds(to_forget, Bounds(), Account(), on_exceeded=policy, currency=None)
    return {
        "budgets.reserve": lambda s: s.budgets.reserve(to_begin, declared),
        "budgets.settle": lambda s: s.budgets.settle(to_end, told, declared, was_reserved=True),
        "budgets.set_bounds": lambda s: s.budgets.set_bounds(
            own, Bounds(tokens=7), Account(), on_exceeded=policy, currency=None
        ),
        "budgets.forget": lambda s: s.budgets.forget(to_forget),
        "budgets.reopened": lambda s: s.budgets.reopened(to_reopen),
    }


async def _of_host(storage: MobStorage) -> dict[str, Write]:
    token = (await storage.host.acquire_fence()).token
    rows = created(mob_scope(), b"0", b"1", b"2")
    await storage.host.commit(batch("first", token, rows, created(record_scope())))
    changes = (
        changed(mob_scope(), 1, b"x", truncate_after=2, drop_before=1, head=b"other"),
        changed(record_scope(), 1, delete=True),
        created(record_scope("new"), b"0"),
    )
    return {
        "host.renew_fence": lambda s: s.host.renew_fence(token),
        "host.commit": lambda s: s.host.commit(batch("second", token, *changes)),
        "host.acquire_fence": lambda s: s.host.acquire_fence(AcquireMode.TAKEOVER),
    }


async def _of_pauses(storage: MobStorage) -> dict[str, Write]:
    to_pause, to_resume, to_put_aside = [await waiting(storage.executions, ONE_STEP) for _ in range(3)]
    for run in (to_resume, to_put_aside):
        await storage.pauses.pause_run(run.run_id)
    view, pauses = await to_put_aside.view(), storage.pauses
    # what waits of these flows goes aside, and comes back
    aside = await waiting(storage.executions, ONE_STEP)
    mob, flow = (await aside.view()).run.mob_id, (await aside.view()).run.flow_id
    await pauses.pause_flow(mob, flow)
    await pauses.pause_flow("paused")
    return {
        "executions.put_aside": lambda s: s.executions.put_aside(view, keys_of(view)[:1]),
        "pauses.pause_run": lambda s: s.pauses.pause_run(to_pause.run_id, "why"),
        "pauses.resume_run": lambda s: s.pauses.resume_run(to_resume.run_id),
        "pauses.pause_flow": lambda s: s.pauses.pause_flow("new", "flow"),
        "pauses.set_aside": lambda s: s.pauses.set_aside(mob, flow),
        "pauses.resume_flow": lambda s: s.pauses.resume_flow(mob, flow),
        "pauses.bring_back": lambda s: s.pauses.bring_back(mob, flow),
    }


async def _of_metadata(storage: MobStorage) -> dict[str, Write]:
    metadata = storage.runtime_metadata
    for mob in ("to compare", "to compare and delete", "to delete"):
        await metadata.put_supervisor_authority(mob, authority())
    for mob in ("one to compare", "one to delete", "all to delete"):
        await metadata.upsert_external_binding_overlay(mob, overlay())
    identity, generation = overlay().agent_identity, overlay().generation
    return {
        "runtime_metadata.put_supervisor_authority": lambda s: s.runtime_metadata.put_supervisor_authority(
            "new", authority()
        ),
        "runtime_metadata.put_supervisor_authority_if_absent": lambda s: (
            s.runtime_metadata.put_supervisor_authority_if_absent("absent", authority())
        ),
        "runtime_metadata.compare_and_put_supervisor_authority": lambda s: (
            s.runtime_metadata.compare_and_put_supervisor_authority("to compare", authority(), authority(2))
        ),
        "runtime_metadata.compare_and_delete_supervisor_authority": lambda s: (
            s.runtime_metadata.compare_and_delete_supervisor_authority("to compare and delete", authority())
        ),
        "runtime_metadata.compare_and_put_external_binding_overlay": lambda s: (
            s.runtime_metadata.compare_and_put_external_binding_overlay(
                "one to compare", overlay(), overlay(status={"Failed": {"reason": "no"}})
            )
        ),
        "runtime_metadata.delete_supervisor_authority": lambda s: s.runtime_metadata.delete_supervisor_authority(
            "to delete"
        ),
        "runtime_metadata.put_external_binding_overlay_if_absent": lambda s: (
            s.runtime_metadata.put_external_binding_overlay_if_absent("absent", overlay())
        ),
        "runtime_metadata.upsert_external_binding_overlay": lambda s: (
            s.runtime_metadata.upsert_external_binding_overlay("new", overlay())
        ),
        "runtime_metadata.delete_external_binding_overlay": lambda s: (
            s.runtime_metadata.delete_external_binding_overlay("one to delete", identity, generation)
        ),
        "runtime_metadata.delete_external_binding_overlays": lambda s: (
            s.runtime_metadata.delete_external_binding_overlays("all to delete")
        ),
        "runtime_metadata.reseal_all": lambda s: s.runtime_metadata.reseal_all(),
    }


async def _of_webhooks(storage: MobStorage) -> dict[str, Write]:
    hour = timedelta(hours=1)
    for name in ("to take", "to advance", "to redeliver", "to delete"):
        await storage.webhooks.put(webhook(name), SECRET, after=0)
    turn = await storage.webhooks.take_turn("to advance", "worker", hour)
    other = await storage.webhooks.take_turn("to redeliver", "worker", hour)
    assert turn is not None
    assert other is not None
    await storage.webhooks.advance("to redeliver", "worker", other.number, progress(), length=hour, dead=[letter(1)])
    return {
        "webhooks.put": lambda s: s.webhooks.put(webhook("new"), SECRET, after=0, revision=0),
        "webhooks.take_turn": lambda s: s.webhooks.take_turn("to take", "worker", hour),
        "webhooks.advance": lambda s: s.webhooks.advance(
            "to advance", "worker", turn.number, progress(), length=hour, dead=[letter(2)]
        ),
        "webhooks.redeliver": lambda s: s.webhooks.redeliver("to redeliver", [1]),
        "webhooks.delete": lambda s: s.webhooks.delete("to delete"),
    }
