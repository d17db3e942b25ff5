"""Calls of every method that changes something, on a server and in memory alike, whose answers must be the same.

A track is a sequence of calls about something that no other track calls about, so that any number of them can run at
the same time. What is in memory is the model: what the server told of each call, and holds in the end, must equal it.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

from redis_mob import contracts
from redis_mob.contracts.host_errors import HostFencedOutError
from redis_mob.models import MobCompleted, MobRunStatus, NewMobEvent
from redis_mob.models.flow_schedule import ScheduleRecord
from redis_mob.models.host import AcquireMode, ScopeKind
from redis_mob.models.retention import RetentionPolicy
from redis_mob.models.run_copy import RunCopy
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.documents import authority, definition, overlay
from redis_mob.testing.samples.driven_runs import ONE_STEP, pending
from redis_mob.testing.samples.host import batch, changed, created, mob_scope
from redis_mob.testing.samples.schedules import schedule
from redis_mob.testing.samples.states import NOON, authority_input, failure_entry, step_entry
from redis_mob.testing.samples.webhooks import SECRET, letter, progress, webhook
from tests.differential import calls
from tests.differential.calls import FEW, NAMES, NUMBERS, STATUSES, STEPS, Operation, flow
from tests.robustness import driving
from tests.robustness.caller import Call
from tests.robustness.turns import in_turn
from tests.robustness.twins import Twins

STORES: Mapping[str, type] = {
    "events": contracts.MobEventStore,
    "runs": contracts.MobRunStore,
    "specs": contracts.MobSpecStore,
    "runtime_metadata": contracts.MobRuntimeMetadataStore,
    "realm_profiles": contracts.RealmProfileStore,
    "records": contracts.RecordStore,
    "config": contracts.WatchableConfigStore,
    "executions": contracts.ExecutionStore,
    "asks": contracts.AskStore,
    "conversations": contracts.ConversationStore,
    "budgets": contracts.BudgetStore,
    "steering": contracts.SteeringStore,
    "operations": contracts.OperationsStore,
    "retention": contracts.RetentionStore,
    "schedules": contracts.ScheduleStore,
    "pauses": contracts.PauseStore,
    "webhooks": contracts.WebhookStore,
    "host": contracts.HostStore,
}
"""The stores of a storage, and their contracts."""

READS = {
    "events": {"poll", "replay_all", "latest_cursor"},
    "runs": {"get_run", "list_runs"},
    "specs": {"get_spec", "list_specs"},
    "runtime_metadata": {"load_supervisor_authority", "list_external_binding_overlays"},
    "realm_profiles": {"get", "list"},
    "records": {"get", "list", "collections"},
    "config": {"get", "lookup", "exists", "list", "snapshot", "change_token", "history"},
    "executions": {"load", "get_definition", "status", "workers", "held", "published", "items", "ended"},
    "asks": {"pending"},
    "conversations": {"history", "find", "page"},
    "budgets": {"accounts", "reservations", "shared", "usage"},
    "steering": {"deletions", "queues", "limit_loads", "published_of"},
    "schedules": {"get", "list", "now"},
    "pauses": {"pauses"},
    "webhooks": {"get", "list", "dead_letters"},
    # the timing is one of the handle
    "host": {"load_head", "list_heads", "read_rows", "fence_timing", "set_fence_timing"},
    # the index that they may complete is made of the runs, which stay as they are
    "operations": {"runs", "count", "find", "definitions", "summary", "standing", "index_runs"},
    "retention": {"policies", "oldest_runs", "oldest_of_flow", "count_runs", "count_events", "sizes"},
}
"""The methods that change nothing."""

WRITES = frozenset(
    f"{store}.{name}"
    for store, contract in STORES.items()
    for name, _ in inspect.getmembers(contract, inspect.iscoroutinefunction)
    if not name.startswith("_") and name not in READS[store]
)
"""All other methods of all stores."""

CALLS_OF_A_RUN = 100
"""A run is called about that many times, so that none grows for ever."""

Track: TypeAlias = Callable[[Twins, Random], AsyncGenerator[None]]
"""An endless series of calls: it yields after each, so that its consumer can end it there."""


def objects(operations: Mapping[str, Operation]) -> Track:
    """A track of calls that `tests.differential.calls` knows, about one thing."""

    async def track(twins: Twins, random: Random) -> AsyncGenerator[None]:
        for name in in_turn(random, list(operations)):
            await _call(operations[name], twins, random)
            yield

    return track


def runs_of(mob_id: str) -> Track:
    """A track of calls about the runs of a mob, one run after the other."""

    async def track(twins: Twins, random: Random) -> AsyncGenerator[None]:
        while True:
            run_id = str(UUID(int=random.getrandbits(128)))
            operations = {**calls.of_run(run_id, mob_id), **further_of_run(run_id)}
            await _call(operations["create_run"], twins, random)
            for name in islice(in_turn(random, list(operations)), CALLS_OF_A_RUN):
                await _call(operations[name], twins, random)
                yield

    return track


async def _call(operation: Operation, twins: Twins, random: Random) -> None:
    arguments = [random.choice(choices) for choices in operation.choices]
    await twins.both(lambda stores: operation.perform(stores, *arguments))


def further_of_run(run_id: str) -> dict[str, Operation]:
    """The operations of a run that `tests.differential.calls` leaves out."""
    return {
        "cas_run_snapshot": Operation(
            [STATUSES, FEW, [*STATUSES, *STATUSES, MobRunStatus.COMPLETED], FEW, NUMBERS],
            lambda s, status, one, next_status, two, number: s.runs.cas_run_snapshot(
                run_id,
                expected_status=status,
                expected_flow_state=flow(one),
                next_status=next_status,
                next_flow_state=flow(two),
                authority_inputs=[authority_input(number)],
            ),
        ),
        "begin_deletion": Operation([], lambda s: driving.deleted(s, run_id)),
        "import_run": Operation([NAMES], lambda s, name: s.steering.import_run(copied_run(run_id, name), ONE_STEP)),
        "move_run": Operation([NAMES], lambda s, name: s.steering.move_run(run_id, name)),
        "continue_deletion": Operation([], lambda s: s.steering.continue_deletion(run_id)),
        "append_step_entry": Operation(
            [STEPS, NUMBERS],
            lambda s, step, number: s.runs.append_step_entry(run_id, entry=step_entry(step, output=number)),
        ),
        "append_failure_entry": Operation(
            [STEPS, NUMBERS],
            lambda s, step, number: s.runs.append_failure_entry(run_id, entry=failure_entry(step, str(number))),
        ),
    }


def copied_run(run_id: str, name: str) -> RunCopy:
    """A run as it was exported before anything was done with it, for workers of a release."""
    run, launch = pending(ONE_STEP, run_id=run_id)
    launch = launch.model_copy(update={"release": name})
    return RunCopy(run=run.model_copy(update={"created_at": NOON}), launch=launch, launched_at=NOON, version=0)


FURTHER_METADATA = {
    "put_supervisor_authority": Operation(
        [FEW], lambda s, epoch: s.runtime_metadata.put_supervisor_authority("a", authority(epoch=epoch))
    ),
    "delete_external_binding_overlay": Operation(
        [FEW],
        lambda s, generation: s.runtime_metadata.delete_external_binding_overlay(
            "a", overlay().agent_identity, generation
        ),
    ),
    "reseal_all": Operation([], lambda s: s.runtime_metadata.reseal_all()),
}
"""The operations of runtime metadata that `tests.differential.calls` leaves out."""

AN_HOUR = timedelta(hours=1)
FLOWS = (None, "flow")

RETENTION = {
    "set_policy": Operation(
        [NAMES, FLOWS, NUMBERS],
        lambda s, mob, flow, number: s.retention.set_policy(
            RetentionPolicy(completed=AN_HOUR, max_runs=number), mob, flow, if_none=number == 1
        ),
    ),
    "clear_policy": Operation([NAMES, FLOWS], lambda s, mob, flow: s.retention.clear_policy(mob, flow)),
    "take_turn": Operation([NAMES], lambda s, name: s.retention.take_turn(name, AN_HOUR)),
}
"""The operations of policies, and of the turn to enforce them: the first one that takes it has it to the end."""


async def _groups(storage: MobStorage) -> Any:
    groups = (await storage.retention.policies()).groups
    return {str(group): policy.model_dump(mode="json") for group, policy in groups.items()}


async def _pruned(storage: MobStorage) -> int:
    """Prune events: in how many steps is up to the storage."""
    number = 0
    while (pruned := await storage.retention.prune_events(NOON.replace(hour=13))).after is not None:
        number += pruned.found
    return number + pruned.found


SCHEDULES = {
    "put": Operation(
        [FEW, [None, 0]],
        lambda s, number, revision: _has_put(
            s.schedules.put(schedule(f"s{number}", next_at=NOON), ONE_STEP, revision=revision)
        ),
    ),
    "advance": Operation([FEW, FEW], lambda s, number, fired: _advanced(s, f"s{number}", fired)),
    "delete": Operation([FEW], lambda s, number: s.schedules.delete(f"s{number}")),
    "take_due": Operation([], lambda s: _taken(s)),
}
"""Operations of schedules; no revision is told, since those of a server go on where a lost reply was sent again."""


PAUSES = {
    "pause_flow": Operation([NAMES, FLOWS], lambda s, mob, flow: s.pauses.pause_flow(mob, flow)),
    "resume_flow": Operation([NAMES, FLOWS], lambda s, mob, flow: s.pauses.resume_flow(mob, flow)),
    "set_aside": Operation([NAMES], lambda s, mob: s.pauses.set_aside(mob, "flow")),
    "bring_back": Operation([NAMES], lambda s, mob: s.pauses.bring_back(mob, "flow")),
}
"""Operations of pauses, of mobs without runs: what becomes of executions is a matter of tests/operations."""


async def _paused(storage: MobStorage) -> list[tuple[str, str | None]]:
    return [(pause.mob_id, pause.flow_id) for pause in await storage.pauses.pauses()]


async def _has_put(revision: Awaitable[int | None]) -> bool:
    return await revision is not None


async def _advanced(storage: MobStorage, name: str, fired: int) -> bool:
    stored = await storage.schedules.get(name)
    record = schedule(name, next_at=NOON, fired=fired)
    return stored is not None and await storage.schedules.advance(record, stored.revision)


async def _taken(storage: MobStorage) -> list[str]:
    """Nothing stays hidden, since the clocks of the two differ."""
    due = await storage.schedules.take_due(most=10, keep=timedelta())
    return sorted(stored.record.name for stored in due.schedules)


WEBHOOKS = {
    "put": Operation(
        [FEW, [None, 0]],
        lambda s, number, revision: _has_put(s.webhooks.put(webhook(f"w{number}"), SECRET, after=0, revision=revision)),
    ),
    "take_turn": Operation([FEW], lambda s, number: _has_turn(s, f"w{number}")),
    "advance": Operation([FEW, FEW], lambda s, number, cursor: _moved(s, f"w{number}", cursor)),
    "redeliver": Operation([FEW, FEW], lambda s, number, cursor: s.webhooks.redeliver(f"w{number}", [cursor])),
    "delete": Operation([FEW], lambda s, number: s.webhooks.delete(f"w{number}")),
}
"""Operations of webhooks; each turn is over at once, since the clocks of the two differ."""


async def _told(storage: MobStorage) -> int:
    told = NewMobEvent(mob_id="told", kind=MobCompleted(), timestamp=NOON)
    revision, _ = await storage.specs.put_spec_and_append_event("told", definition("told"), told)
    return revision


async def _has_turn(storage: MobStorage, name: str) -> bool:
    return await storage.webhooks.take_turn(name, "worker", timedelta()) is not None


async def _moved(storage: MobStorage, name: str, cursor: int) -> bool:
    turn = await storage.webhooks.take_turn(name, "worker", timedelta())
    if turn is None:
        return False
    moved = await storage.webhooks.advance(
        name, "worker", turn.number, progress(cursor), length=timedelta(), dead=[letter(cursor)], settled=turn.again
    )
    return moved is not None


FURTHER_LOG = {
    "prune_events": Operation([], _pruned),
    "put_spec_and_append_event": Operation([], _told),
}
"""What changes the log, and is no method of its store alone."""


HOST = {
    "acquire_fence": Operation([], lambda s: _acquired(s)),
    "renew_fence": Operation([range(1, 4)], lambda s, token: s.host.renew_fence(token)),
    "commit": Operation([NAMES, NUMBERS], lambda s, name, number: _committed(s, name, number)),
}
"""Operations of a host store; what is left of a lease is not told, since the clocks of the two differ."""


async def _acquired(storage: MobStorage) -> int:
    return (await storage.host.acquire_fence(AcquireMode.TAKEOVER)).token


async def _committed(storage: MobStorage, name: str, number: int) -> bool:
    """One more row, behind the current token; it is asked for with one that was never given."""
    try:
        await storage.host.renew_fence(10**9)
    except HostFencedOutError as error:
        token = error.current
    else:
        return False
    found = await storage.host.load_head(mob_scope(name))
    version, row = found.version if found else 0, b"%d" % number
    update = changed(mob_scope(name), version, row) if version else created(mob_scope(name), row)
    return token > 0 and await storage.host.commit(batch(f"{name} {version}", token, update))


TRACKS: Mapping[str, Track] = {
    "runs of a": runs_of("a"),
    "runs of b": runs_of("b"),
    "log": objects({**calls.LOG, **FURTHER_LOG}),
    "retention": objects(RETENTION),
    "specs": objects(calls.SPECS),
    "runtime metadata": objects({**calls.RUNTIME_METADATA, **FURTHER_METADATA}),
    "realm profiles": objects(calls.REALM_PROFILES),
    "records": objects(calls.RECORDS),
    "config": objects(calls.CONFIG),
    "schedules": objects(SCHEDULES),
    "pauses": objects(PAUSES),
    "webhooks": objects(WEBHOOKS),
    "host": objects(HOST),
}
"""The tracks of a namespace, which share nothing."""


async def _schedules(storage: MobStorage) -> list[ScheduleRecord]:
    return [stored.record for stored in await storage.schedules.list()]


async def _webhooks(storage: MobStorage) -> list[Any]:
    found = (await storage.webhooks.list()).webhooks
    letters = [await storage.webhooks.dead_letters(one.webhook.name) for one in found]
    return [[one.webhook, one.progress, one.dropped] for one in found] + letters


CONTENT: Sequence[Call] = [
    *(lambda s, mob=mob: s.runs.list_runs(mob) for mob in ("a", "b", "last", driving.MOB)),
    lambda s: s.events.latest_cursor(),
    lambda s: s.events.replay_all(),
    *(lambda s, name=name: s.specs.get_spec(name) for name in calls.NAMES),
    lambda s: s.runtime_metadata.load_supervisor_authority("a"),
    lambda s: s.runtime_metadata.list_external_binding_overlays("a"),
    lambda s: s.realm_profiles.list(),
    lambda s: s.records.list("c"),
    lambda s: _groups(s),
    lambda s: s.config.snapshot(["n"]),
    lambda s: s.config.change_token("n"),
    *(lambda s, id=id: s.config.history("n", id) for id in "abc"),
    lambda s: _schedules(s),
    lambda s: _paused(s),
    lambda s: _webhooks(s),
    lambda s: s.host.list_heads(ScopeKind.MOB),
    *(lambda s, name=name: s.host.read_rows(mob_scope(name), limit=100_000) for name in calls.NAMES),
]
"""Everything that a namespace holds in the end."""
