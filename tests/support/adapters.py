"""All that the adapters to LangGraph and pydantic-ai do on a server."""

from __future__ import annotations

from datetime import timedelta

from pydantic_ai.agent import Agent
from pydantic_ai.models.test import TestModel
from pydantic_ai_harness.step_persistence import StepPersistence

from redis_mob import MobStorage
from redis_mob.langgraph import RedisMobSaver, RedisMobStore
from redis_mob.pydantic_ai import Durable, RedisMobStepStore
from tests.langgraph.threads import config, grow


async def use_adapters(storage: MobStorage) -> None:
    """Call all methods that write, and those that read; nothing is left."""
    await _use_the_saver(storage)
    await _use_the_store(storage)
    await _use_agents(storage)


async def _use_the_saver(storage: MobStorage) -> None:
    for ttl in (timedelta(hours=1), None):
        saver = RedisMobSaver(storage, ttl=ttl)
        made = await grow(saver, 3)
        assert await saver.aget_tuple(made[-1]) == await saver.aget_tuple(config())
        assert len([one async for one in saver.alist(None)]) >= 3
        await saver.aget_delta_channel_history(config=made[-1], channels=["a"])
        await saver.acopy_thread("thread", "copy")
        await saver.aprune(["copy"])
        await saver.adelete_for_runs(["run"])
        await saver.adelete_thread("copy")
    await RedisMobSaver(storage).adelete_thread("thread")


async def _use_the_store(storage: MobStorage) -> None:
    store = RedisMobStore(storage)
    await store.aput(("a",), "k", {"x": 1}, ttl=5)
    assert await store.aget(("a",), "k") is not None
    assert len(await store.asearch(("a",))) == 1
    assert await store.alist_namespaces() == [("a",)]
    await store.adelete(("a",), "k")


async def _use_agents(storage: MobStorage) -> None:
    agent = Agent(TestModel(), name="test")
    for ttl in (timedelta(hours=1), None):
        steps = RedisMobStepStore(storage, ttl=ttl, max_snapshots_per_run=1)
        durable = Durable(storage, "run", ttl)
        await agent.run("go", capabilities=[durable, StepPersistence[object](store=steps, run_id=f"steps {ttl}")])
        [run] = [one for one in await steps.list_runs() if one.run_id == f"steps {ttl}"]
        found = await steps.latest_snapshot(run_id=run.run_id)
        assert found is not None
        for state in ("complete", "interrupted", "interrupted"):
            found.state, found.idempotency_key = state, None
            await steps.save_snapshot(found)
        await steps.list_events(run_id=run.run_id)
        await steps.list_unresolved_tool_effects(run_id=run.run_id)
        await durable.forget()
        assert await steps.delete_run(run.run_id)
