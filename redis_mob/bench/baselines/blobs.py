"""A run as one JSON document in one key, as it is written in an afternoon: guarded by WATCH, or by a lock."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import Any

from redis.exceptions import WatchError

from redis_mob.bench.scenario import Scenario
from redis_mob.bench.scenarios.runs import run_of
from redis_mob.bench.target import Target, redis_py

_LOCK_SECONDS = 10.0


def document_of(steps: int) -> dict[str, Any]:
    """The JSON of a run of so many steps: its states, without what was never recorded."""
    run = run_of(steps)
    return json.loads(run.model_dump_json(include={"run_id", "status", "flow_state", "frames", "loops"}))


def changed(document: dict[str, Any]) -> dict[str, Any]:
    """The document after a node got a slot; it is changed in place."""
    state = document["flow_state"]
    state["active_node_count"] = 1 - state["active_node_count"]
    nodes = document["frames"]["frame-0"]["kernel_state"]["node_status"]
    middle = list(nodes)[len(nodes) // 2]
    nodes[middle] = "Running" if nodes[middle] != "Running" else "Pending"
    return document


class Blob(Scenario):
    """JSON documents that agents change with redis-py: each its own, or all the same."""

    unit = "steps"

    def __init__(self, size: int, agents: int = 1, *, shared: bool = False) -> None:
        super().__init__(size)
        self.agents = agents
        if agents > 1:
            self.name = f"{self.name}-{'one' if shared else 'own'}-{agents}"
        self._shared = shared
        self._resources = AsyncExitStack()

    async def set_up(self, target: Target) -> None:
        self._client: Any = await self._resources.enter_async_context(redis_py(target.url))
        self._keys = [target.key(f"run:{0 if self._shared else agent}") for agent in range(self.agents)]
        document = json.dumps(document_of(self.size), separators=(",", ":"))
        for key in set(self._keys):
            await self._client.set(key, document)

    async def clean_up(self) -> None:
        await self._resources.aclose()


class Watched(Blob):
    """Optimistic: WATCH and GET, then MULTI, SET and EXEC, again until no other agent was in between."""

    name = "watch-json"
    operation = "a JSON document is changed with WATCH, GET, MULTI, SET and EXEC, through redis-py"

    async def operate(self, agent: int) -> None:
        key = self._keys[agent]
        async with self._client.pipeline() as pipeline:
            while True:
                try:
                    await pipeline.watch(key)
                    document = changed(json.loads(await pipeline.get(key)))
                    pipeline.multi()
                    pipeline.set(key, json.dumps(document, separators=(",", ":")))
                    await pipeline.execute()
                    return
                except WatchError:
                    continue


class Locked(Blob):
    """Pessimistic: redis-py's lock, then GET and SET, then the release of the lock."""

    name = "lock-json"
    operation = "a JSON document is changed with GET and SET under redis-py's lock"

    async def operate(self, agent: int) -> None:
        key = self._keys[agent]
        # asked for again after a millisecond, since the default of a hundred would be all that is measured
        async with self._client.lock(f"{key}:lock", timeout=_LOCK_SECONDS, sleep=0.001):
            document = changed(json.loads(await self._client.get(key)))
            await self._client.set(key, json.dumps(document, separators=(",", ":")))
