"""Workers and their leases, in memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from redis_mob.codec.arguments import duration, flag, function
from redis_mob.codec.schedule import encode_worker
from redis_mob.codec.schedule import worker_id as checked_worker_id
from redis_mob.memory.namespace import Access, Namespace
from redis_mob.memory.turns import let_others_run
from redis_mob.models.execution import ExecutionKey
from redis_mob.models.worker import RENEWALS_PER_LEASE, LiveWorker, WorkerRecord


class MemoryWorkers:
    """The part of the contract's `ExecutionStore` that is about workers."""

    _access: Access

    async def join_workers(self, worker: WorkerRecord, lease: timedelta) -> None:
        """See `ExecutionStore.join_workers`."""
        content = self._access.content
        encode_worker(worker)
        content.schedule.join(worker, content.clock.now() + duration("lease", lease))
        content.run_wake_ups.send()

    async def renew_worker(self, worker: WorkerRecord, lease: timedelta) -> bool:
        """See `ExecutionStore.renew_worker`."""
        encode_worker(worker)
        return _renew(self._access.content, worker, duration("lease", lease))

    @asynccontextmanager
    async def keep_alive(
        self, worker: WorkerRecord, lease: timedelta, on_loss: Callable[[], None]
    ) -> AsyncGenerator[None]:
        """See `ExecutionStore.keep_alive`."""
        content, loop, stop = self._access.content, asyncio.get_running_loop(), threading.Event()
        encode_worker(worker)
        on_loss = function("on_loss", on_loss)
        pause = duration("lease", lease).total_seconds() / RENEWALS_PER_LEASE

        def keep() -> None:
            while not stop.wait(pause):
                if not _renew(content, worker, lease):
                    with suppress(RuntimeError):  # the loop may be over already
                        loop.call_soon_threadsafe(on_loss)
                    return

        thread = threading.Thread(target=keep, name="redis-mob-lease", daemon=True)
        thread.start()
        try:
            with content.clock.renewed(lambda: _renew(content, worker, lease)):
                yield
        finally:
            stop.set()
            thread.join()

    async def leave_workers(self, worker_id: str, *, is_orderly: bool = True) -> bool:
        """See `ExecutionStore.leave_workers`."""
        content, name = self._access.content, checked_worker_id(worker_id)
        orderly = flag("is_orderly", is_orderly)
        is_known = name in content.schedule.workers
        if is_known and content.schedule.leave(name, content.clock.now(), is_orderly=orderly):
            content.run_wake_ups.send()
        return is_known

    async def workers(self) -> tuple[LiveWorker, ...]:
        """See `ExecutionStore.workers`."""
        content = self._access.content
        now, workers = content.clock.now(), sorted(content.schedule.workers.values(), key=lambda one: one.expires_at)
        return tuple(LiveWorker(one.record, one.expires_at) for one in workers if one.expires_at > now)

    async def held(self, worker_id: str) -> frozenset[tuple[str, ExecutionKey]]:
        """See `ExecutionStore.held`."""
        await let_others_run()
        entries = self._access.content.schedule.held(checked_worker_id(worker_id))
        return frozenset((entry.run_id, entry.key) for entry in entries)


def _renew(content: Namespace, worker: WorkerRecord, lease: timedelta) -> bool:
    """Give a worker a longer lease, also from another thread: one assignment to an object that is there or not."""
    known = content.schedule.workers.get(worker.id)
    if known is not None:
        known.expires_at = content.clock.now() + lease
    return known is not None
