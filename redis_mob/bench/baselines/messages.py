"""A message from one process to another, with nothing that stores it: PUBLISH."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from redis_mob.bench.child import Child
from redis_mob.bench.scenario import Scenario, Taken
from redis_mob.bench.scenarios.events import latency_told
from redis_mob.bench.target import Target, redis_py


class Published(Scenario):
    """From PUBLISH in this process to the message in another one, both with redis-py."""

    name = "publish-redis-py"
    operation = "from PUBLISH to the message in another process, through redis-py's asyncio client"

    def __init__(self, size: int = 0) -> None:
        super().__init__(size)
        self._resources = AsyncExitStack()

    async def set_up(self, target: Target) -> None:
        self._client: Any = await self._resources.enter_async_context(redis_py(target.url))
        self._channel = target.key("channel")
        order = {"url": target.url, "channel": self._channel}
        self._child = await Child.start("listener", order)
        self._resources.push_async_callback(self._child.end)

    async def operate(self, agent: int) -> Taken:
        return await latency_told(self._child, self._client.publish(self._channel, b"event"))

    async def clean_up(self) -> None:
        await self._resources.aclose()
