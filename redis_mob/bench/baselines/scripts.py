"""The least that a server can be asked: scripts that do nothing, or next to nothing."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from redis_mob.bench.scenario import Scenario
from redis_mob.bench.target import Target, redis_py, without_namespace
from redis_mob.connection.calls.scripts import library

_NOTHING = "return 1"
_TWO_FIELDS = """
local run, frame = redis.call('HGET', KEYS[1], 'digest'), redis.call('HGET', KEYS[2], 'digest')
if run == ARGV[1] and frame == ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'digest', ARGV[2])
redis.call('HSET', KEYS[2], 'digest', ARGV[2])
return 1
"""


class NothingRedisPy(Scenario):
    """EVALSHA of a script that does nothing, through redis-py: what any call with it costs at least."""

    name = "evalsha-redis-py"
    operation = "EVALSHA of a script that does nothing, through redis-py's asyncio client"
    script = _NOTHING

    def __init__(self, size: int = 0, agents: int = 1) -> None:
        super().__init__(size)
        self.agents = agents
        if agents > 1:
            self.name = f"{self.name}-{agents}"
        self._resources = AsyncExitStack()

    async def set_up(self, target: Target) -> None:
        self._client: Any = await self._resources.enter_async_context(redis_py(target.url))
        self._sha = await self._client.script_load(self.script)
        self._key = target.key("nothing")

    async def operate(self, agent: int) -> None:
        await self._client.evalsha(self._sha, 1, self._key)

    async def clean_up(self) -> None:
        await self._resources.aclose()


class TwoFields(NothingRedisPy):
    """A script that compares and writes two digests, and no more: the least that a transition has to do."""

    name = "lua-2-hget-2-hset"
    operation = "EVALSHA of 2 HGET and 2 HSET, through redis-py's asyncio client"
    script = _TWO_FIELDS

    async def operate(self, agent: int) -> None:
        await self._client.evalsha(self._sha, 2, self._key, f"{self._key}:frame", b"x" * 32, b"y" * 32)


class NothingOwnWire(Scenario):
    """The same script through this library's own connection, without a session."""

    name = "evalsha-own-wire"
    operation = "EVALSHA of a script that does nothing, through the connection of this library"

    def __init__(self, size: int = 0) -> None:
        super().__init__(size)
        self._resources = AsyncExitStack()

    async def set_up(self, target: Target) -> None:
        self._connection = await self._resources.enter_async_context(without_namespace(target.url))
        self._script = library().compiled("bench/nothing", f"--- @keys key\n{_NOTHING}")
        self._keys = [target.key("nothing")]

    async def operate(self, agent: int) -> None:
        await self._connection.call(self._script, self._keys)

    async def clean_up(self) -> None:
        await self._resources.aclose()


class BareXadd(NothingRedisPy):
    """An event without order, index and wake-up: one XADD."""

    name = "xadd-redis-py"
    operation = "XADD of an event, through redis-py's asyncio client"

    async def operate(self, agent: int) -> None:
        await self._client.xadd(self._key, {"event": _EVENT})


class BareSet(NothingRedisPy):
    """A document without revision, history and feed: one SET."""

    name = "set-redis-py"
    operation = "SET of a document, through redis-py's asyncio client"

    async def operate(self, agent: int) -> None:
        await self._client.set(self._key, _EVENT)


_EVENT = b'{"type":"step_completed","run_id":"0191a6a0-0000-4000-8000-000000000001","step_id":"step-00001"}'
