"""One worker for several namespaces: it has a worker in each, and these share its slots (contract: shards-7)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from redis_mob.errors import MobStoreError, shown
from redis_mob.notifications.waiting import wait_for_end
from redis_mob.sharding.failures import NamespacesFailedError
from redis_mob.sharding.namespaces import Namespaces, Shard

PAUSE_SECONDS = 2.0
"""How long a namespace that failed is left alone before its worker begins again."""

Work = Callable[[Shard], Awaitable[None]]
"""Works in one namespace until the worker is to stop; raises MobStoreError when that has failed for a while."""

_log = logging.getLogger(__name__)


class Workers:
    """The workers of one process in several namespaces.

    One whose namespace fails begins again after a pause, and the others go on meanwhile.
    """

    def __init__(self, work: Work, stop: asyncio.Event) -> None:
        self._work = work
        self._stop = stop
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: dict[str, MobStoreError] = {}
        self._serving: set[str] = set()
        self._changed = asyncio.Event()

    def serve(self, shard: Shard) -> None:
        """Begin to work in a namespace."""
        if not self._stop.is_set():
            self._serving.add(shard.namespace)
            task = asyncio.create_task(self._serve(shard), name=f"redis_mob worker in {shard.namespace}")
            self._tasks.add(task)
            task.add_done_callback(lambda _: self._changed.set())
            self._changed.set()

    async def ended(self) -> None:
        """Wait until all workers have ended, as they do once they are to stop, or have nothing left to do.

        Raises NamespacesFailedError if no namespace can be used, and at once what is no error of a storage.
        """
        try:
            while self._tasks:
                await self._changed.wait()
                self._changed.clear()
                for task in [task for task in self._tasks if task.done()]:
                    self._tasks.discard(task)
                    task.result()
                if self._failures and self._serving == set(self._failures) and not self._stop.is_set():
                    raise NamespacesFailedError(self._failures)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, shard: Shard) -> None:
        while not self._stop.is_set():
            try:
                await (await shard.storage()).executions.workers()  # whether it answers
                self._failures.pop(shard.namespace, None)
                shard.has_failed = False
                await self._work(shard)
                break
            except MobStoreError as failure:
                if shard.namespace not in self._failures:
                    _log.warning("the worker in namespace %s begins again: %s", shown(shard.namespace), failure)
                self._failures[shard.namespace] = failure
                shard.has_failed = True
                self._changed.set()
                await wait_for_end(self._stop, PAUSE_SECONDS)
        self._serving.discard(shard.namespace)
        self._failures.pop(shard.namespace, None)


async def work_in_all(
    namespaces: Namespaces, among: Iterable[Shard], work: Work, stop: asyncio.Event, *, all_of: bool
) -> None:
    """Work in these namespaces until `stop` is set; with `all_of`, also in those that are added meanwhile."""
    workers = Workers(work, stop)
    with namespaces.heard_of(workers.serve if all_of else lambda _: None):
        for shard in among:
            workers.serve(shard)
        await workers.ended()
