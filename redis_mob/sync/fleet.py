"""The fleet without async."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Literal, overload

from redis_mob.codec.arguments import instance
from redis_mob.fleet import fleet as asynchronous
from redis_mob.fleet.fleet import DRAIN_TIMEOUT
from redis_mob.fleet.lease import DEFAULT_LEASE
from redis_mob.fleet.step_context import Handler
from redis_mob.fleet.typed.binding import BoundHandler
from redis_mob.flows.mob import Mob
from redis_mob.models.definition import MobDefinition
from redis_mob.models.mob_retention import MobRetention
from redis_mob.models.run import MobRun
from redis_mob.models.signal import Taken
from redis_mob.sync.loop_thread import Held
from redis_mob.sync.storage import MobStorage
from redis_mob.sync.twins import Facade, followed, twin


class Fleet(Facade[asynchronous.Fleet]):
    """Runs the flows of one definition over a storage; takes and raises what `redis_mob.Fleet` does.

    In the place of a definition it takes a `Mob`, with its handlers and numbers of members; those given replace some.
    What the mob declares of retention counts unless `retention` is given. Handlers may be coroutine functions, which
    run in the event loop of the storage, or plain functions, which run in threads and may use the storage.
    """

    def __init__(
        self,
        storage: MobStorage,
        definition: MobDefinition | Mob,
        handlers: Mapping[str, Handler | BoundHandler] | None = None,
        *,
        members: Mapping[str, int] | None = None,
        lease: timedelta = DEFAULT_LEASE,
        release: str | None = None,
        retention: MobRetention | None = None,
    ) -> None:
        if isinstance(definition, Mob):
            retention = definition.retention if retention is None else retention
            handlers = {**definition.handlers, **(handlers or {})}
            members = {**definition.members, **(members or {})}
            definition = definition.definition()
        opened = instance("storage", storage, MobStorage).loop.value
        super().__init__(
            storage.loop,
            asynchronous.Fleet(
                opened, definition, handlers, members=members, lease=lease, release=release, retention=retention
            ),
        )
        self._workers: list[Held[None]] = []

    start = twin(asynchronous.Fleet.start)
    schedule = twin(asynchronous.Fleet.schedule)
    unserved = twin(asynchronous.Fleet.unserved)
    cancel = twin(asynchronous.Fleet.cancel)
    recover = twin(asynchronous.Fleet.recover)
    get = twin(asynchronous.Fleet.get)
    score = twin(asynchronous.Fleet.score)
    watch = followed(asynchronous.Fleet.watch)

    @overload
    def signal(
        self,
        run_id: str,
        name: str,
        payload: Any = None,
        *,
        idempotency_key: str | None = None,
        wait: Literal[False] = False,
    ) -> None: ...

    @overload
    def signal(
        self, run_id: str, name: str, payload: Any = None, *, idempotency_key: str | None = None, wait: Literal[True]
    ) -> Taken: ...

    def signal(
        self, run_id: str, name: str, payload: Any = None, *, idempotency_key: str | None = None, wait: bool = False
    ) -> Taken | None:
        """Send a signal to a run; as `redis_mob.Fleet.signal`. KeyboardInterrupt ends the wait, not the signal."""
        sending = self.target.signal(run_id, name, payload, idempotency_key=idempotency_key, wait=bool(wait))
        return self.loop.run(sending)

    def wait(self, run_id: str, timeout: timedelta | float | None = None) -> MobRun:
        """The run, once it is over; as `redis_mob.Fleet.wait`.

        It raises also what a worker of this fleet raises that is `working`. KeyboardInterrupt ends the wait, and not
        the run.
        """
        return self.loop.run(self._ended(run_id, timeout))

    def work(
        self,
        concurrency: int = 16,
        *,
        name: str | None = None,
        drain_timeout: timedelta | None = DRAIN_TIMEOUT,
        until_idle: bool = False,
    ) -> None:
        """Be a worker for this mob until it is idle, or for ever; as `redis_mob.Fleet.work`.

        KeyboardInterrupt, or closing the storage in another thread, ends it: what it executes is handed back at once.
        `working` is for a worker that drains.
        """
        self.loop.run(self.target.work(concurrency, None, name, drain_timeout, until_idle=until_idle))

    @contextmanager
    def working(
        self, concurrency: int = 16, *, name: str | None = None, drain_timeout: timedelta | None = DRAIN_TIMEOUT
    ) -> Generator[None]:
        """A worker in the background until the block ends: `with fleet.working(): ...`; as `redis_mob.Fleet.working`.

        What the worker raises is raised by `wait` within the block, and at its end.
        """
        worker = Held(self.loop, self.target.working(concurrency, name=name, drain_timeout=drain_timeout))
        self._workers.append(worker)
        try:
            yield
        finally:
            self._workers.remove(worker)
            worker.close()

    async def _ended(self, run_id: str, timeout: float | timedelta | None) -> MobRun:
        waiting = asyncio.ensure_future(self.target.wait(run_id, timeout))
        workers = {asyncio.wrap_future(worker.ended) for worker in self._workers}
        try:
            done, _ = await asyncio.wait({waiting, *workers}, return_when=asyncio.FIRST_COMPLETED)
            if waiting not in done:
                for ended in done:
                    await ended  # raises what the worker raised
            return await waiting
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
