"""The way from a simulated process to the storage: each call takes its time, and some go wrong.

A call is executed by the process of the storage, as a whole, when it arrives: also when the one that made it was killed
meanwhile. What its caller learns of a call that went wrong is what the real session layer tells: WriteFailedError for a
write that did not happen, OutcomeUnknownError for one that may have happened or may still happen, ReadFailedError for a
read. A write that is sent again has the result of its first time, which its session remembers; a read is done anew.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, Protocol, cast

from redis_mob.contracts import WakeUp
from redis_mob.errors import MobStoreError, OutcomeUnknownError, ReadFailedError, WriteFailedError
from redis_mob.models.worker import RENEWALS_PER_LEASE, WorkerRecord
from redis_mob.storage import MobStorage
from redis_mob.testing.simulation.decisions import CallFault
from redis_mob.testing.simulation.event_loop import SimulatedLoop
from redis_mob.testing.simulation.processes import SimulatedProcess
from redis_mob.testing.simulation.traces import Trace

READS = (
    "load",
    "items",
    "ended",
    "published",
    "status",
    "workers",
    "held",
    "find",
    "of_run",
    "policies",
    "get",
    "list",
    "collections",
)
READS_BEGIN = ("get_", "list_", "read_", "is_")
TOKEN = "0" * 32

Call = Coroutine[Any, Any, Any]

Faults = dict[int, tuple[CallFault, float]]


class Observer(Protocol):
    """What is told of each call that the storage has executed."""

    def executed(self, process: SimulatedProcess, call: str, arguments: tuple[Any, ...], result: Any) -> None:
        """A call of a process to `store.method` has returned a result."""
        ...


@dataclass
class Network:
    """All ways to one storage. `deafness` is the share of wake-ups that are lost."""

    loop: SimulatedLoop
    storage: MobStorage
    server: SimulatedProcess
    observer: Observer
    trace: Trace
    deafness: float = 0.0
    faults: dict[str, Faults] = field(default_factory=dict[str, Faults])
    calls: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def made(self) -> int:
        """How many calls there were."""
        return sum(self.calls.values())

    def storage_for(self, process: SimulatedProcess) -> MobStorage:
        """The storage as one process reaches it."""
        return MobStorage(cast("Any", _Reached(self, process)))

    async def call(
        self,
        process: SimulatedProcess,
        name: str,
        method: Callable[..., Call],
        *args: Any,
        **more: Any,
    ) -> Any:
        """Make a call of a process, and return what it learns of it."""
        is_read = _is_read(name)
        if process.is_cut_off:
            raise _failed(name, is_read=is_read)
        number = self.calls[process.name] = self.calls.get(process.name, 0) + 1
        fault, seconds = self.faults.get(process.name, {}).get(number, (None, 0.0))
        there, back = _latency(process.network), _latency(process.network)
        reply: asyncio.Future[Any] = self.loop.create_future()

        def answer(result: Any, error: Exception | None) -> None:
            if reply.done():
                return
            if error is None:
                reply.set_result(result)
            else:
                reply.set_exception(error)

        def arrive(pause: float | None) -> None:
            result, error = self._executed(process, name, method(*args, **more), args)
            if pause is not None:
                self.loop.call_later(pause, answer, result, error, context=self.server.context())

        def give_up(error: Exception) -> None:
            self.trace.tell(f"{process.name} gives up call {number}, {name}")
            answer(None, error)

        at_server = self.server.context()
        if fault is None:
            self.loop.call_later(there, arrive, back, context=at_server)
        elif fault is CallFault.SLOW:
            self.loop.call_later(there + seconds, arrive, back, context=at_server)
        elif fault is CallFault.SLOW_REPLY:
            self.loop.call_later(there, arrive, back + seconds, context=at_server)
        elif fault is CallFault.LOST:
            self.loop.call_later(seconds, give_up, _failed(name, is_read=is_read))
        elif fault is CallFault.LOST_REPLY:
            self.loop.call_later(there, arrive, None, context=at_server)
            self.loop.call_later(seconds, give_up, _unknown(name, is_read=is_read))
        elif fault is CallFault.LATE:
            self.loop.call_later(seconds + there + back, arrive, None, context=at_server)
            self.loop.call_later(seconds, give_up, _unknown(name, is_read=is_read))
        elif is_read:
            self.loop.call_later(there, arrive, None, context=at_server)
            self.loop.call_later(there + seconds, arrive, back, context=at_server)
        else:
            self.loop.call_later(there, arrive, back + seconds, context=at_server)
        return await reply

    def _executed(
        self, process: SimulatedProcess, name: str, call: Call, args: tuple[Any, ...]
    ) -> tuple[Any, Exception | None]:
        try:
            result = _completed(call)
        except Exception as error:  # noqa: BLE001 - it is for the caller
            self.trace.tell(f"{process.name} {name}: {type(error).__name__}")
            return None, error
        self.observer.executed(process, name, args, result)
        return result, None


@dataclass
class _Reached:
    """What a `MobStorage` is made of, for one process."""

    network: Network
    process: SimulatedProcess

    def __post_init__(self) -> None:
        storage = self.network.storage
        self.namespace, self.url, self.exists = storage.namespace, storage.url, storage.exists
        self.payloads, self.on_server = storage.payloads, storage.on_server

    def __getattr__(self, name: str) -> Any:
        store = getattr(self.network.storage, name)
        return _Store(self.network, self.process, name, store)

    async def aclose(self) -> None:
        """The storage itself stays open: others reach it."""


class _Store:
    """One store of a storage, for one process."""

    def __init__(self, network: Network, process: SimulatedProcess, name: str, store: Any) -> None:
        self._network, self._process, self._name, self._store = network, process, name, store

    def __getattr__(self, method: str) -> Any:
        called, network, process = getattr(self._store, method), self._network, self._process
        if not inspect.iscoroutinefunction(called):
            return called
        name = f"{self._name}.{method}"

        def call(*args: Any, **more: Any) -> Awaitable[Any]:
            return network.call(process, name, called, *args, **more)

        vars(self)[method] = call
        return call

    @asynccontextmanager
    async def listen(self, *args: Any, **more: Any) -> AsyncGenerator[WakeUp]:
        """The wake-ups of the store, of which some are lost, and each comes a little later."""
        opened: AbstractAsyncContextManager[WakeUp] = self._store.listen(*args, **more)
        async with opened as wake_up:
            yield _DistantWakeUp(wake_up, self._process.network, self._network.deafness)

    @asynccontextmanager
    async def keep_alive(
        self, worker: WorkerRecord, lease: timedelta, on_loss: Callable[[], None]
    ) -> AsyncGenerator[None]:
        """Renew the lease over the network, as the thread of a worker does: it stands still with its process."""
        pause = lease.total_seconds() / RENEWALS_PER_LEASE

        async def keep() -> None:
            while True:
                await asyncio.sleep(pause)
                try:
                    if not await self.renew_worker(worker, lease):
                        on_loss()
                        return
                except MobStoreError:
                    continue  # no proof of a loss: the next renewal may get through

        keeping = asyncio.create_task(keep())
        async with AsyncExitStack() as ending:
            ending.callback(keeping.cancel)
            yield


class _DistantWakeUp:
    """A wake-up that comes over the network."""

    def __init__(self, wake_up: WakeUp, random: Random, deafness: float) -> None:
        self._wake_up, self._random, self._deafness = wake_up, random, deafness

    async def wait(self, timeout: float) -> bool:
        """See `WakeUp`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while await self._wake_up.wait(max(end - loop.time(), 0.0)):
            if self._random.random() >= self._deafness:
                await asyncio.sleep(_latency(self._random))
                return True
        return False


def _completed(call: Call) -> Any:
    """What a call of a store in memory gives, which waits for nothing but its turn: here it has it at once."""
    while True:
        try:
            waited_for = call.send(None)
        except StopIteration as end:
            return end.value
        if waited_for is not None:
            call.close()
            raise TypeError(f"{call!r} waits for {waited_for!r}: a simulated storage answers at once")


def _latency(random: Random) -> float:
    """How long something is under way: mostly milliseconds, sometimes much longer."""
    chance = random.random()
    return 0.0005 + 0.004 * chance if chance < 0.97 else random.uniform(0.02, 0.4)


def _is_read(name: str) -> bool:
    method = name.rpartition(".")[2]
    return method in READS or method.startswith(READS_BEGIN)


def _failed(name: str, *, is_read: bool) -> MobStoreError:
    text = f"{name} did not reach the storage"
    return ReadFailedError(text) if is_read else WriteFailedError(text)


def _unknown(name: str, *, is_read: bool) -> MobStoreError:
    text = f"the reply to {name} never came"
    return ReadFailedError(text) if is_read else OutcomeUnknownError(text, TOKEN)
