"""The stores in memory as a model of what calls do that come one after the other."""

# pyright: reportPrivateUsage=false
# A model has to copy, compare and let go of the whole content of a namespace, which is private to the stores.

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from redis_mob.memory.clock import Clock
from redis_mob.memory.storage import MemoryStorage
from redis_mob.models.base import Model as Value
from tests.differential.calls import Call, answer


class StoppedClock(Clock):
    """Shows one moment, so that states do not differ by their times."""

    MOMENT = datetime.now(UTC)

    def now(self) -> datetime:
        return self.MOMENT


class State:
    """A storage that is not called any more; equal to every other one that holds the same."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage
        content = vars(storage._access.content)
        self._content = repr([_plain(part) for name, part in content.items() if name != "opened"])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and other._content == self._content

    def __hash__(self) -> int:
        return hash(self._content)

    def fork(self) -> MemoryStorage:
        """A storage of its own with the same content."""
        storage = self._storage
        shared = [asyncio.get_running_loop(), *storage._access.content.runs.values()]
        return copy.deepcopy(storage, {id(one): one for one in shared})


class MemoryModel:
    """What `redis_mob.testing.history.check` compares a history of the stores with."""

    def start(self) -> State:
        storage = MemoryStorage("model")
        storage._access.content.clock = StoppedClock()
        state = State(storage)
        forked = State(state.fork())
        storage._access.close()
        return forked

    async def apply(self, state: State, call: Call) -> tuple[str, State]:
        storage = state.fork()
        return await answer(storage, call), State(storage)


def _plain(value: Any) -> Any:
    """The content of a part of a namespace, without the identities of objects."""
    match value:
        case Value():
            return value.model_dump_json()
        case dict():
            return [(key, _plain(item)) for key, item in cast("dict[Any, Any]", value).items()]
        case list() | deque():
            return [_plain(item) for item in cast("Sequence[Any]", value)]
        case set():
            return sorted(cast("set[Any]", value))
        case _ if hasattr(value, "__dict__") and type(value).__module__.startswith("redis_mob.memory"):
            return _plain(vars(value))
        case _:
            return value
