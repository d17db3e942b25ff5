"""`RedisMobStepStore`: what `StepPersistence` of pydantic-ai-harness keeps in it, and gets back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic_ai import BinaryContent
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolReturnPart, UserPromptPart
from pydantic_ai_harness.step_persistence import (
    ContinuableSnapshot,
    InMemoryStepStore,
    RunRecord,
    StepEvent,
    StepPersistence,
    StepStore,
    ToolEffectRecord,
    continue_run,
)
from pydantic_ai_harness.step_persistence.recovery import inspect_recovery

from redis_mob import MobStorage
from redis_mob.codec.counted_texts import name_digest
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import SerializationError, ValidationError
from redis_mob.pydantic_ai import RedisMobStepStore
from redis_mob.testing.faults import Fault, at_random, fault_proxy
from tests.pydantic_ai.scripted import Scripted

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
async def storage(server_url: str, namespace: str) -> AsyncIterator[MobStorage]:
    async with MobStorage.open(server_url, namespace=namespace) as opened:
        yield opened


@pytest.fixture
def store(storage: MobStorage) -> RedisMobStepStore:
    return RedisMobStepStore(storage)


def messages(number: int) -> list[ModelMessage]:
    """A history of so many turns, the first of which has bytes."""
    found: list[ModelMessage] = []
    for turn in range(number):
        attached = [BinaryContent(b"\xff\x00", media_type="application/pdf")] if turn == 0 else []
        found.append(ModelRequest([UserPromptPart([f"question {turn}", *attached], timestamp=NOON)]))
        found.append(ModelResponse([TextPart(f"answer {turn}")], timestamp=NOON))
    return found


def snapshot(number: int, key: str | None = None, state: Any = "complete", run: str = "run") -> ContinuableSnapshot:
    return ContinuableSnapshot(
        run_id=run, step_index=number, messages=messages(number), timestamp=NOON, state=state, idempotency_key=key
    )


async def message_fields(connection: Client, keys: Keys) -> int:
    fields: list[bytes] = await connection.router.request("HKEYS", keys.pydantic_ai.run(name_digest(b"run"))[0])
    return sum(field.startswith(b"m") for field in fields)


async def test_it_is_a_step_store(store: RedisMobStepStore) -> None:
    assert isinstance(store, StepStore)


async def fill(store: StepStore) -> None:
    """What a run does that is killed within a tool, and one that it had begun."""
    for run, parent in (("run", None), ("child", "run")):
        began = NOON + timedelta(seconds=parent is None)
        record = RunRecord(
            run_id=run, conversation_id="talk", parent_run_id=parent, metadata={"a": "b"}, started_at=began
        )
        await store.register_run(record)
        await store.register_run(record)
    for number in (0, 1, 1, 2):
        event = StepEvent(run_id="run", kind="model_request_started", step_index=number, timestamp=NOON)
        event.idempotency_key = f"{number}:{number}"
        await store.append_event(event)
    await store.append_event(StepEvent(run_id="run", kind="run_failed", step_index=3, timestamp=NOON, error="é"))
    await store.append_event(StepEvent(run_id="run", kind="run_failed", step_index=3, timestamp=NOON, error="é"))
    for number, key, state in ((1, "0:1", "complete"), (1, "0:1", "complete"), (2, "1:2", "interrupted")):
        await store.save_snapshot(snapshot(number, key, state))
    for call, status in (("one", "started"), ("one", "completed"), ("two", "started")):
        effect: Any = {"tool_call_id": call, "tool_name": "write", "run_id": "run", "status": status}
        await store.record_tool_effect(ToolEffectRecord(**effect, started_at=NOON))


QUESTIONS: dict[str, Callable[[StepStore], Awaitable[Any]]] = {
    "run": lambda store: store.get_run(run_id="run"),
    "no run": lambda store: store.get_run(run_id="none"),
    "all": lambda store: store.list_runs(),
    "talk": lambda store: store.list_runs(conversation_id="talk"),
    "parent": lambda store: store.list_runs(parent_run_id="run"),
    "both": lambda store: store.list_runs(parent_run_id="run", conversation_id="talk"),
    "neither": lambda store: store.list_runs(parent_run_id="run", conversation_id="none"),
    "events": lambda store: store.list_events(run_id="run"),
    "complete": lambda store: store.latest_snapshot(run_id="run"),
    "interrupted": lambda store: store.latest_snapshot(run_id="run", include_interrupted=True),
    "no snapshot": lambda store: store.latest_snapshot(run_id="child"),
    "effect": lambda store: store.get_tool_effect(run_id="run", tool_call_id="one"),
    "no effect": lambda store: store.get_tool_effect(run_id="run", tool_call_id="none"),
    "unresolved": lambda store: store.list_unresolved_tool_effects(run_id="run"),
    "recovery": lambda store: inspect_recovery(store=store, run_id="run"),
}


async def test_it_answers_as_memory_does(store: RedisMobStepStore) -> None:
    memory = InMemoryStepStore()
    await fill(store)
    await fill(memory)
    for name, question in QUESTIONS.items():
        assert await question(store) == await question(memory), name


async def test_many_events_and_runs_come_in_pages(store: RedisMobStepStore) -> None:
    for number in range(501):
        await store.append_event(StepEvent(run_id="run", kind="tool_call_started", step_index=number))
    assert [one.step_index for one in await store.list_events(run_id="run")] == list(range(501))
    for number in range(201):
        began = NOON + timedelta(seconds=number)
        await store.register_run(RunRecord(run_id=str(number), started_at=began))
    assert [one.run_id for one in await store.list_runs()] == [str(number) for number in range(201)]


async def test_a_message_is_stored_once(store: RedisMobStepStore, connection: Client, keys: Keys) -> None:
    for number in range(1, 11):
        await store.save_snapshot(snapshot(number, f"{number}:{number}"))
        await store.save_snapshot(snapshot(number, f"{number}:{number}"))
    assert await connection.router.request("LLEN", keys.pydantic_ai.run(name_digest(b"run"))[2]) == 10
    assert await message_fields(connection, keys) == 20
    found = await store.latest_snapshot(run_id="run")
    assert found is not None
    assert found.messages == messages(10)


async def test_the_newest_snapshots_stay_and_the_newest_that_is_complete(
    storage: MobStorage, connection: Client, keys: Keys
) -> None:
    store = RedisMobStepStore(storage, max_snapshots_per_run=2)
    for number, state in ((1, "complete"), (2, "complete"), (3, "interrupted"), (4, "interrupted"), (5, "interrupted")):
        await store.save_snapshot(snapshot(number, state=state))
    snapshots = keys.pydantic_ai.run(name_digest(b"run"))[2]
    assert await connection.router.request("LLEN", snapshots) == 3
    assert await store.latest_snapshot(run_id="run") == snapshot(2)
    assert await store.latest_snapshot(run_id="run", include_interrupted=True) == snapshot(5, state="interrupted")
    shorter = snapshot(6)
    shorter.messages = messages(7)[10:]
    await store.save_snapshot(shorter)
    await store.save_snapshot(shorter)
    assert await message_fields(connection, keys) == 4


async def test_what_another_store_has_deleted_is_sent_again(storage: MobStorage) -> None:
    one, two = RedisMobStepStore(storage), RedisMobStepStore(storage)
    await one.save_snapshot(snapshot(1))
    assert await two.delete_run("run")
    await one.save_snapshot(snapshot(2))
    assert await two.latest_snapshot(run_id="run") == snapshot(2)


async def test_a_deleted_run_leaves_no_key(store: RedisMobStepStore, connection: Client, keys: Keys) -> None:
    await fill(store)
    assert await store.delete_run("run")
    assert not await store.delete_run("run")
    assert [one.run_id for one in await store.list_runs()] == ["child"]
    assert await store.delete_run("child")
    assert [key for key in await connection.router.request("KEYS", keys.pattern) if b"pydantic_ai" in key] == []


async def test_a_run_expires_as_a_whole(storage: MobStorage, connection: Client, keys: Keys) -> None:
    own = keys.pydantic_ai.run(name_digest(b"run"))
    await fill(RedisMobStepStore(storage, ttl=timedelta(hours=1)))
    assert len({await connection.router.request("PEXPIRETIME", key) for key in own}) == 1
    assert await connection.router.request("PTTL", own[0]) > 0
    # as if its hour were over
    await connection.router.request("DEL", *own)
    await connection.router.request("ZADD", keys.pydantic_ai.expiry, 1, "run")
    later = RedisMobStepStore(storage, ttl=timedelta(hours=1))
    await later.append_event(StepEvent(run_id="child", kind="run_started", step_index=0))
    assert [one.run_id for one in await later.list_runs()] == ["child"]
    await RedisMobStepStore(storage).append_event(StepEvent(run_id="child", kind="run_completed", step_index=0))
    assert await connection.router.request("EXISTS", keys.pydantic_ai.expiry) == 0


async def test_an_agent_goes_on_from_its_last_snapshot(store: RedisMobStepStore) -> None:
    model, called = Scripted("read", "fail"), list[int]()

    @model.agent.tool_plain
    def read(number: int) -> int:
        called.append(number)
        return number

    @model.agent.tool_plain
    def fail(number: int) -> int:
        raise RuntimeError(f"killed at {number}")

    steps = StepPersistence[None](store=store)
    with pytest.raises(RuntimeError, match="killed at 1"):
        await model.agent.run("go", conversation_id="talk", capabilities=[steps])
    [run] = await store.list_runs(conversation_id="talk")
    [effect] = [one for one in [await store.get_tool_effect(run_id=run.run_id, tool_call_id="call-1")] if one]
    assert effect.status == "failed"
    kinds = [one.kind for one in await store.list_events(run_id=run.run_id)]
    assert kinds[0] == "run_started"
    assert kinds[-2:] == ["tool_call_failed", "run_failed"]
    history = await continue_run(store, run_id=run.run_id)
    returned = [part for message in history for part in message.parts if isinstance(part, ToolReturnPart)]
    assert [part.content for part in returned] == [0]
    assert called == [0]


async def test_lost_connections_double_nothing(server_url: str, namespace: str) -> None:
    lost, memory = (Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.TRUNCATED), InMemoryStepStore()
    await fill(memory)
    async with fault_proxy(server_url, at_random(seed=4, one_in=2, faults=lost)) as proxy:
        async with MobStorage.open(proxy.url, namespace=namespace) as storage:
            store = RedisMobStepStore(storage)
            await fill(store)
            for name, question in QUESTIONS.items():
                assert await question(store) == await question(memory), name
        assert proxy.count(*lost) > 5


async def test_what_names_nothing_is_refused(storage: MobStorage, store: RedisMobStepStore) -> None:
    wrong: Any = "event"
    with pytest.raises(ValidationError, match="event must be"):
        await store.append_event(wrong)
    with pytest.raises(ValidationError, match="run_id must be a text that names a run"):
        await store.save_snapshot(snapshot(1, run=""))
    with pytest.raises(ValidationError, match="max_snapshots_per_run must be an integer from 1, not 0"):
        RedisMobStepStore(storage, max_snapshots_per_run=0)


async def test_damaged_records_are_told(store: RedisMobStepStore, connection: Client, keys: Keys) -> None:
    await fill(store)
    records, events, _ = keys.pydantic_ai.run(name_digest(b"run"))
    await connection.router.request("RPUSH", events, "{")
    with pytest.raises(SerializationError, match="a record of a run of an agent cannot be read"):
        await store.list_events(run_id="run")
    await connection.router.request("DEL", records)
    with pytest.raises(SerializationError, match="the newest snapshot of run 'run' lacks messages"):
        await store.latest_snapshot(run_id="run")
