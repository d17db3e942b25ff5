"""`Durable`: an agent that goes on after a crash asks nothing again."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic_ai import ModelRetry, ToolReturn

from redis_mob import MobStorage
from redis_mob.codec.counted_texts import name_digest
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import SerializationError, StorageUnavailableError, ValidationError
from redis_mob.pydantic_ai import Durable
from redis_mob.testing.faults import Fault, at_random, fault_proxy
from tests.pydantic_ai.scripted import Scripted


@pytest.fixture
async def storage(server_url: str, namespace: str) -> AsyncIterator[MobStorage]:
    async with MobStorage.open(server_url, namespace=namespace) as opened:
        yield opened


async def keys_there(connection: Client, keys: Keys) -> list[bytes]:
    return [key for key in await connection.router.request("KEYS", keys.pattern) if b"pydantic_ai" in key]


def killed_at_first(model: Scripted, called: Counter[str]) -> None:
    """Give the agent the tools `read`, and `fail`, whose first call ends the run."""

    @model.agent.tool_plain
    def read(number: int) -> ToolReturn[int]:
        called["read"] += 1
        return ToolReturn(number, content="seen", metadata={"page": 1})

    @model.agent.tool_plain
    def fail(number: int) -> int:
        called["fail"] += 1
        if called["fail"] == 1:
            raise RuntimeError("killed")
        return number


async def test_a_run_of_the_same_id_asks_neither_model_nor_tools_again(storage: MobStorage) -> None:
    model, called = Scripted("read", "read", "fail"), Counter[str]()
    killed_at_first(model, called)
    with pytest.raises(RuntimeError, match="killed"):
        await model.agent.run("go", capabilities=[Durable(storage, "one")])
    await model.agent.run("go", capabilities=[Durable(storage, "one")])
    result = await model.agent.run("go", capabilities=[Durable(storage, "one")])
    assert result.output == "0 1 2"
    assert called == {"read": 2, "fail": 2}
    assert model.requests == 4
    parts = [part for message in result.all_messages() for part in message.parts]
    assert [getattr(part, "metadata", None) for part in parts].count({"page": 1}) == 2


async def test_other_ids_and_other_prompts_are_asked_for(storage: MobStorage) -> None:
    model = Scripted()
    durable = Durable(storage, "one")
    await model.agent.run("go", capabilities=[durable])
    await model.agent.run("go", capabilities=[durable])
    assert model.requests == 1
    await model.agent.run("go", capabilities=[Durable(storage, "two")])
    assert model.requests == 2
    await model.agent.run("stop", capabilities=[durable])
    assert model.requests == 3
    await model.agent.run("stop", capabilities=[durable])
    assert model.requests == 3


async def test_that_a_tool_asks_for_another_try_is_kept(storage: MobStorage) -> None:
    model, called = Scripted("ask", "ask"), Counter[str]()

    @model.agent.tool_plain(retries=3)
    def ask(number: int) -> int:
        called["ask"] += 1
        if number == 0:
            raise ModelRetry("not this one")
        return number

    outputs = [(await model.agent.run("go", capabilities=[Durable(storage, "one")])).output for _ in range(2)]
    assert outputs[0] == outputs[1]
    assert called["ask"] == 2


async def test_forget_leaves_no_key(storage: MobStorage, connection: Client, keys: Keys) -> None:
    model, durable = Scripted(), Durable(storage, "one", timedelta(hours=1))
    await model.agent.run("go", capabilities=[durable])
    assert all(
        [await connection.router.request("PTTL", key) > 0 for key in keys.pydantic_ai.run(name_digest(b"one"))[:1]]
    )
    assert await durable.forget()
    assert not await durable.forget()
    assert await keys_there(connection, keys) == []
    await model.agent.run("go", capabilities=[durable])
    assert model.requests == 2


async def test_lost_connections_ask_nothing_twice(server_url: str, namespace: str) -> None:
    model, called = Scripted(*["read"] * 8), Counter[str]()
    killed_at_first(model, called)
    lost = (Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.TRUNCATED)
    async with fault_proxy(server_url, at_random(seed=2, one_in=3, faults=lost)) as proxy:
        async with MobStorage.open(proxy.url, namespace=namespace) as storage:
            for _ in range(2):
                await model.agent.run("go", capabilities=[Durable(storage, "one")])
        assert proxy.count(*lost) > 5
    assert model.requests == 9
    assert called == {"read": 8}


async def test_what_names_nothing_is_refused(storage: MobStorage) -> None:
    none: Any = None
    with pytest.raises(ValidationError, match="run_id must be a text that names a run"):
        Durable(storage, "")
    with pytest.raises(ValidationError, match="run_id must be a text"):
        Durable(storage, none)
    with pytest.raises(ValidationError, match=r"storage must be a redis_mob\.MobStorage"):
        Durable(none, "one")
    with pytest.raises(ValidationError, match="ttl must be a timedelta"):
        Durable(storage, "one", timedelta(0))
    async with MobStorage.open("memory:") as memory:
        with pytest.raises(StorageUnavailableError, match="memory: is none"):
            Durable(memory, "one")


async def test_a_damaged_result_is_told(storage: MobStorage, connection: Client, keys: Keys) -> None:
    model = Scripted()
    await model.agent.run("go", capabilities=[Durable(storage, "one")])
    records = keys.pydantic_ai.run(name_digest(b"one"))[0]
    [field] = await connection.router.request("HKEYS", records)
    await connection.router.request("HSET", records, field, b"\xc1")
    with pytest.raises(SerializationError, match="the checkpoint 'model_request' cannot be read"):
        await model.agent.run("go", capabilities=[Durable(storage, "one")])
