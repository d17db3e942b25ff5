"""A page that is served for tests, with workers behind it, in a thread of its own: the browser has the test's loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from threading import Thread
from typing import Any, TypeVar

import uvicorn

from redis_mob.fleet.fleet import Fleet
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from redis_mob.ui.app import ui_app
from redis_mob.ui.settings import UiSettings
from tests.fleet.flows import FLOW
from tests.fleet.working import at_work
from tests.ui.browser.papers import MEMBERS, Handlers, many_steps, papers

T = TypeVar("T")

LEASE = timedelta(seconds=60)
"""Longer than a busy machine stalls."""


class ServedPage:
    """The page of a namespace, its fleet, and what a test does beside the browser."""

    def __init__(self, url: str, namespace: str, settings: UiSettings | None = None) -> None:
        self._url, self._namespace = url, namespace
        self._settings = settings or UiSettings()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="served page", daemon=True)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._ends: list[Callable[[], Awaitable[object]]] = []
        self.storage: MobStorage
        self.fleet: Fleet
        self.handlers = Handlers()

    @property
    def base(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def admin(self) -> FleetAdmin:
        """Steers the fleet past the page."""
        return FleetAdmin(self.storage)

    async def call(self, doing: Coroutine[Any, Any, T]) -> T:
        """Do something in the loop of the page."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(doing, self._loop))

    async def started(self, flow: str, params: Any = None, *, wait: bool = True, **more: Any) -> str:
        """The id of a run, which is over unless it is not waited for."""
        return await self.call(self._started(flow, params, wait=wait, **more))

    async def start_server(self) -> None:
        """Serve the page; also after `stop_server`, at the same port."""
        await self.call(self._start_server())

    async def stop_server(self) -> None:
        """Serve it no more; what is connected is cut off."""
        await self.call(self._stop_server())

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[ServedPage]:
        """The page, served until the block ends."""
        self._thread.start()
        await self.call(self._open())
        try:
            await self.start_server()
            yield self
        finally:
            await self.stop_server()
            await self.call(self._close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            await asyncio.to_thread(self._thread.join)
            self._loop.close()
            self._listening.close()

    async def large_run(self, steps: int) -> str:
        """A run of so many steps, of which the first are dispatched, and none is served."""
        run_id = await Fleet(self.storage, many_steps(steps)).start(FLOW)
        async with asyncio.timeout(LONG), self.storage.executions.listen() as wake_up:
            while not (view := await self.storage.executions.load(run_id)) or not view.run.frames:
                await wake_up.wait(0.05)
        return run_id

    async def _open(self) -> None:
        opening = MobStorage.open(self._url, namespace=self._namespace)
        self.storage = await opening.__aenter__()
        self._ends.append(lambda: opening.__aexit__(None, None, None))
        handlers = self.handlers.by_role()
        self.fleet = Fleet(self.storage, papers(), members=MEMBERS)
        working = at_work(self.storage, handlers, workers=2, lease=LEASE)
        await working.__aenter__()
        self._ends.append(lambda: working.__aexit__(None, None, None))

    async def _close(self) -> None:
        self.handlers.release.set()
        for end in reversed(self._ends):
            await end()

    async def _started(self, flow: str, params: Any, *, wait: bool, **more: Any) -> str:
        run_id = await self.fleet.start(flow, params, **more)
        if wait:
            async with asyncio.timeout(LONG):
                await self.fleet.wait(run_id)
        return run_id

    async def _start_server(self) -> None:
        if self._listening.fileno() == -1:
            self._listening = socket.create_server(("127.0.0.1", self.port))
        app = ui_app(self.storage, self._settings)
        self._end_tabs = app.state.hub.end_tabs
        config = uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._listening]))
        while not self._server.started and not self._serving.done():  # noqa: ASYNC110 - uvicorn has no event
            await asyncio.sleep(0.01)

    async def _stop_server(self) -> None:
        if self._server is None or self._serving is None:
            return
        self._end_tabs()
        self._server.should_exit = True
        await self._serving
        self._listening.close()
        self._server = self._serving = None
