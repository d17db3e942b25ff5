"""Calls that write beside those of `tests/attacks`: of the adapters, and of what handlers and upkeep do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from redis_mob.connection.calls.open_namespace import OpenNamespace
from redis_mob.fleet.run_deletion import finish_deletion
from redis_mob.langgraph.items import Items, NewItem
from redis_mob.langgraph.thread_records import NewCheckpoint
from redis_mob.langgraph.threads import Threads
from redis_mob.models import MobRunStatus
from redis_mob.models.checkpoint import Checkpoint
from redis_mob.models.progress import NewProgress, ProgressSource
from redis_mob.payloads.settings import PayloadSettings
from redis_mob.pydantic_ai.agent_runs import AgentRuns
from redis_mob.security.sealing import SealKeyring
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import scene
from redis_mob.testing.samples.driven_runs import ONE_STEP, keys_of, waiting
from tests.attacks.every_write import Write


async def other_writes(storage: MobStorage, server: OpenNamespace) -> dict[str, Write]:
    """The calls by what they do, in an order in which each has an effect."""
    threads, items, runs = Threads(server, 10**6), Items(server), AgentRuns(storage, timedelta(hours=1))
    new = NewCheckpoint(b"p", b"checkpoint", b"{}", [b"blob"], b"run", {b"blob": b"1"})
    item = NewItem(b"{}", 10**6)
    driven = await waiting(storage.executions, ONE_STEP)
    key = keys_of(await driven.view())[0]
    await driven.claim(key)
    claimed = (await driven.view()).executions[key]
    checkpoint = Checkpoint(name="c", ordinal=0, arguments="digest")
    told = NewProgress(ProgressSource("s", "n", "f", None, "m", 1, 1), "report", value=1)
    over = scene(status=MobRunStatus.COMPLETED)
    await storage.runs.create_run(over)

    async def delete(s: MobStorage) -> Any:
        await s.steering.begin_deletion(over.run_id, keep_id_for=timedelta(days=1))
        await finish_deletion(s.steering, over.run_id)

    return {
        "put a checkpoint": lambda _: threads.put_checkpoint(b"t", new),
        "put writes": lambda _: threads.put_writes(b"t", {b"a": b"1"}, {b"b": b"2"}),
        "copy a thread": lambda _: threads.copy_thread(b"t", b"u"),
        "delete checkpoints": lambda _: threads.delete_checkpoints(b"t", [b"p"]),
        "delete a thread": lambda _: threads.delete_thread(b"u"),
        "put items": lambda _: items.put_items({b"a": item, b"b": item}),
        "use items": lambda _: items.use_items([b"a"]),
        "delete an item": lambda _: items.put_items({b"b": None}),
        "register a run of an agent": lambda _: runs.register_run(b"r", b"record", 1, [b"a"]),
        "append an event": lambda _: runs.append_event(b"r", b"1", b"event"),
        "put a record": lambda _: runs.put_record(b"r", b"f", b"record"),
        "save a snapshot": lambda _: runs.save_snapshot(b"r", b"1", b"snapshot", 2, {b"m": b"message"}),
        "delete a run of an agent": lambda _: runs.delete_run(b"r"),
        "keep a checkpoint": lambda s: s.checkpoints.keep(driven.run_id, key, claimed, checkpoint),
        "tell of progress": lambda s: s.progress.append(driven.run_id, [told]),
        "delete a run": delete,
    }


def writes_with_another_key(url: str, namespace: str, ring: SealKeyring) -> dict[str, Write]:
    """Calls behind which secrets are sealed with the newest key of the ring."""

    async def reseal(_: MobStorage) -> Any:
        async with MobStorage.open(url, namespace=namespace, seal_key=ring) as other:
            return await other.runtime_metadata.reseal_all(adopt_unsealed=True)

    async def set_payloads(_: MobStorage) -> Any:
        async with MobStorage.open(url, namespace=namespace, seal_key=ring, payloads=PayloadSettings()):
            pass

    return {"seal anew": reseal, "set how payloads are stored": set_payloads}
