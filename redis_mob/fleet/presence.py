"""The presence of a worker: its lease, which keeps all that it executes, and how it learns what was taken from it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from redis_mob.contracts import ExecutionStore, WakeUp
from redis_mob.errors import MobStoreError
from redis_mob.fleet.lease import LeasedExecution
from redis_mob.fleet.storage_clock import utc_now
from redis_mob.host_environment import environment
from redis_mob.models.execution import ExecutionKey, Serves
from redis_mob.models.worker import WorkerRecord
from redis_mob.version import NAMESPACE_SCHEMA, __version__

CHECK_SECONDS = 5.0
"""How often a worker asks what it still holds, if it is not told: a message can be lost."""

CHECK_PAUSE_SECONDS = 0.05
"""At least so long between two such questions, however many messages come."""

LEAVE_SECONDS = 5.0
"""How long a worker that leaves tries to hand back what it holds; after that its lease has to expire."""

_log = logging.getLogger(__name__)


def worker_name(process: int | None = None) -> str:
    """Where a worker runs: its host and its process, which is this one unless another one of the host is given."""
    return f"{environment().host()}-{environment().process() if process is None else process}"


class Presence:
    """Under which id a worker is known, and what it executes under that (decision 0022).

    An id that has lost its lease is never used again: what it held may be with other workers.
    """

    def __init__(self, store: ExecutionStore, name: str, serves: Serves, slots: int, lease: timedelta) -> None:
        self._store = store
        self._serves = serves
        self._slots = slots
        self._lease = lease
        self.name = name
        self.id = self._new_id()
        self.has_company = False
        """Whether other workers were known when this one last asked for work."""
        self._executing: dict[LeasedExecution, None] = {}
        self._lost = asyncio.Event()

    def add(self, held: LeasedExecution) -> None:
        """An execution begins."""
        self._executing[held] = None

    def remove(self, held: LeasedExecution) -> None:
        """An execution has ended, or was given up."""
        self._executing.pop(held, None)

    @property
    def executing(self) -> tuple[LeasedExecution, ...]:
        """The executions that are under way, the oldest first."""
        return tuple(self._executing)

    def is_executing(self, run_id: str, key: ExecutionKey) -> bool:
        """Whether this execution is under way here."""
        return any(held.run_id == run_id and held.key == key for held in self._executing)

    def let_go(self, worker_id: str) -> None:
        """The storage says that the worker with this id was let go of; if it is this one, it goes on under a new id."""
        if worker_id == self.id:
            self._lost.set()

    async def holds(self, run_id: str, key: ExecutionKey) -> bool:
        """Whether the storage says that this worker holds an execution."""
        return (run_id, key) in await self._store.held(self.id)

    @asynccontextmanager
    async def known(self) -> AsyncGenerator[asyncio.Event]:
        """Hold a lease until the block ends, then hand back what is still held.

        The event is set when the lease is lost; what was executed under it is told so.
        """
        self.id = self._new_id()
        record = self._record()
        try:
            await self._store.join_workers(record, self._lease)
        except asyncio.CancelledError:
            await self._leave()  # the storage may have let it join before the call was cancelled
            raise
        self._lost = lost = asyncio.Event()
        try:
            async with (
                self._store.keep_alive(record, self._lease, lost.set),
                self._store.listen(worker_id=self.id) as taken,
            ):
                watching = asyncio.create_task(self._watch(taken))
                try:
                    yield lost
                finally:
                    watching.cancel()
                    await asyncio.gather(watching, return_exceptions=True)
        finally:
            if lost.is_set():
                _log.warning(
                    "worker %s has lost its lease: it was not renewed in time; it goes on under a new id", self.id
                )
                _tell_lost(self._executing)
            else:
                await self._leave()

    async def _leave(self) -> None:
        # also when the worker is cancelled: what it holds would else wait for its lease
        leaving = asyncio.ensure_future(self._store.leave_workers(self.id))
        # an error that comes when it is not waited for any more is expected, and asyncio would log it as forgotten
        leaving.add_done_callback(lambda left: left.cancelled() or left.exception())
        with suppress(TimeoutError):
            try:
                async with asyncio.timeout(LEAVE_SECONDS):
                    await asyncio.shield(leaving)
            except MobStoreError as error:
                _log.warning("worker %s cannot hand back what it holds, which waits for its lease: %s", self.id, error)

    async def _watch(self, taken: WakeUp) -> None:
        while True:
            await asyncio.sleep(CHECK_PAUSE_SECONDS)
            await taken.wait(CHECK_SECONDS)
            executing = list(self._executing)
            if executing:
                with suppress(MobStoreError):  # asked again later; a result is refused by its fencing token anyway
                    held = await self._store.held(self.id)
                    _tell_lost(one for one in executing if (one.run_id, one.key) not in held)

    def _new_id(self) -> str:
        return f"{self.name}-{environment().new_id().hex[:8]}"

    def _record(self) -> WorkerRecord:
        serves = self._serves
        mobs, roles, definitions = (
            None if names is None else tuple(sorted(names)) for names in (serves.mobs, serves.roles, serves.definitions)
        )
        return WorkerRecord(
            id=self.id,
            host=environment().host(),
            pid=environment().process(),
            mobs=mobs,
            roles=roles,
            release=serves.release or None,
            definitions=definitions,
            slots=self._slots,
            started_at=utc_now(),
            version=__version__,
            schema_version=NAMESPACE_SCHEMA,
        )


def _tell_lost(executions: Iterable[LeasedExecution]) -> None:
    for held in executions:
        held.tell_lost()
