"""The event log: appending, reading, pruning, and how soon another process hears of an event."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from redis_mob.bench.child import Child
from redis_mob.bench.scenario import Scenario, Taken
from redis_mob.bench.target import LeftOutError, Target
from redis_mob.models import FlowCompleted, NewMobEvent, StepCompleted

_RUN = "0191a6a0-0000-4000-8000-000000000001"
_BATCH = 100
_FILL = 1000
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def event(number: int, timestamp: datetime | None = None) -> NewMobEvent:
    """An event that says that a step is completed."""
    return NewMobEvent(
        mob_id="bench", timestamp=timestamp, kind=StepCompleted(run_id=_RUN, step_id=f"step-{number:07}")
    )


async def latency_told(child: Child, sending: Coroutine[Any, Any, Any]) -> Taken:
    """How long it takes from here until the child has got what is sent."""
    began = time.perf_counter()
    await sending
    came, used = map(float, (await child.line()).split())
    latency = came - began
    # what the child used for it is the difference to what it had used before
    before, child.used = child.used, used
    return Taken([latency], cpu=used - before if before else 0.0)


class _Log(Scenario):
    """A log that has so many events before anything is measured, one of each second.

    If it has any, it grows by no more than a thousand events meanwhile, so that it keeps its order of size.
    """

    unit = "events"

    def __init__(self, size: int = 0) -> None:
        super().__init__(size)
        if size:
            self.most_calls = 50

    async def set_up(self, target: Target) -> None:
        self._events = target.storage.events
        self._appended = 0
        await self._append(self.size)

    async def _append(self, number: int) -> None:
        last = self._appended + number
        while self._appended < last:
            numbers = range(self._appended, min(self._appended + _FILL, last))
            await self._events.append_batch([event(n, _BEGIN + timedelta(seconds=n)) for n in numbers])
            self._appended = numbers.stop


class Append(_Log):
    """One event at a time."""

    name = "append"
    operation = "an event is appended"

    async def operate(self, agent: int) -> None:
        await self._events.append(event(0))


class ConcurrentAppend(Append):
    """As many agents of one process do it."""

    name = "append-64"
    agents = 64


class Batch(_Log):
    """A hundred events at once."""

    name = "append_batch"
    operation = f"one of {_BATCH} events that are appended together"
    units = _BATCH

    async def set_up(self, target: Target) -> None:
        await super().set_up(target)
        self._batch = [event(number) for number in range(_BATCH)]

    async def operate(self, agent: int) -> None:
        await self._events.append_batch(self._batch)


class TerminalAppend(_Log):
    """The end of a run, which is in the log once."""

    name = "append_terminal"
    operation = "the terminal event of a run is appended, if it has none"
    _run = 0

    async def operate(self, agent: int) -> None:
        self._run += 1
        kind = FlowCompleted(run_id=str(UUID(int=self._run)), flow_id="flow")
        await self._events.append_terminal_event_if_absent(NewMobEvent(mob_id="bench", kind=kind))


class Poll(_Log):
    """A page of the log, from its middle."""

    name = "poll"
    operation = f"a page of {_BATCH} events is read"

    async def set_up(self, target: Target) -> None:
        await super().set_up(target)
        if self.size < _BATCH:
            await self._append(_BATCH)

    async def operate(self, agent: int) -> None:
        await self._events.poll(self.size // 2, _BATCH)


class Prune(_Log):
    """The oldest events of the log, whose length stays: as many are appended before."""

    name = "prune"
    operation = f"the oldest {_BATCH} events are pruned"

    def __init__(self, size: int = 0) -> None:
        super().__init__(size)
        self.most_calls = 5

    async def set_up(self, target: Target) -> None:
        await super().set_up(target)
        self._pruned = 0

    async def prepare(self, count: int) -> None:
        await self._append(count * _BATCH)

    async def operate(self, agent: int) -> None:
        self._pruned += _BATCH
        await self._events.prune(_BEGIN + timedelta(seconds=self._pruned))


class Delivery(Scenario):
    """From the append in this process to a subscriber in another one."""

    name = "delivery"
    operation = "from the append of an event to its delivery in another process"

    def __init__(self, size: int = 0) -> None:
        super().__init__(size)
        self._resources = AsyncExitStack()

    async def set_up(self, target: Target) -> None:
        if target.connection is None:
            raise LeftOutError("another process does not reach memory:")
        self._events = target.storage.events
        self._child = await Child.start("listener", {"url": target.url, "namespace": target.namespace})
        self._resources.push_async_callback(self._child.end)

    async def operate(self, agent: int) -> Taken:
        return await latency_told(self._child, self._events.append(event(0)))

    async def clean_up(self) -> None:
        await self._resources.aclose()
