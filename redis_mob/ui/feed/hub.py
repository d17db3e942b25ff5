"""All tabs of this process: one reader of the log and one overview for all of them, nothing while there are none.

(contract: ui-10, ui-12)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from redis_mob.errors import MobStoreError
from redis_mob.models.events import MobEvent
from redis_mob.models.flow_events import FlowCanceled, FlowCompleted, FlowFailed, FlowStarted
from redis_mob.models.run_summary import RunSummary
from redis_mob.operations.run_list import with_pauses
from redis_mob.storage import MobStorage
from redis_mob.ui.feed.log_reader import LogReader
from redis_mob.ui.feed.messages import message
from redis_mob.ui.feed.overview_reader import OverviewReader
from redis_mob.ui.feed.pace import Pace
from redis_mob.ui.feed.run_watch import RunWatch
from redis_mob.ui.feed.tabs import Tab
from redis_mob.ui.storage_opening import StorageOpener
from redis_mob.version import __version__

_log = logging.getLogger(__name__)

TICK_SECONDS = 0.25
"""How often what has changed is told, beside the events themselves."""

LIST_TICKS = 2
"""In every which tick runs that have changed are read as a list, if there are many."""

LINGER_SECONDS = 30.0
"""How long the readers go on when the last tab is gone: one that is loaded anew finds them."""

MOST_TABS = 500
"""Tabs of one process."""

MOST_SINGLE = 4
"""Runs that are read one by one in a tick; if more have changed, the newest runs are read as a list."""

NEWEST_RUNS = 100
_COST_OF_PAGE = 3

_TURNS = (FlowStarted, FlowCompleted, FlowFailed, FlowCanceled)
"""Events by which a run goes on to another status."""


class Hub:
    """The tabs, and what is read for them."""

    def __init__(self, opener: StorageOpener) -> None:
        self._opener = opener
        self._tabs: set[Tab] = set()
        self._watches: dict[str, RunWatch] = {}
        self._pace = Pace()
        self._reader = LogReader(self)
        self._overview = OverviewReader(self._reader.window)
        self._told: dict[str, Any] = {}
        self._changed: dict[str, bool] = {}
        """Runs that have changed, and whether their status has."""
        self._trouble: str | None = None
        self._reading = asyncio.Lock()
        self._ticks = 0
        self._users = 0
        self._task: asyncio.Task[None] | None = None
        self._stopping: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def trouble(self) -> str | None:
        """Why nothing comes; None if all is well."""
        return self._opener.problem or self._trouble

    @property
    def tabs(self) -> Collection[Tab]:
        """The tabs that are open."""
        return self._tabs

    def watch(self, run_id: str) -> RunWatch:
        """The watch of a run that a tab shows."""
        return self._watches[run_id]

    def has_seen(self, run_id: str) -> bool:
        """Whether the log has told of a run lately."""
        return self._reader.window.has_seen(run_id)

    @asynccontextmanager
    async def tab(self, run_id: str | None, after: int | None) -> AsyncGenerator[Tab]:
        """A tab, from now on, or from behind a cursor on."""
        async with self._used():
            self._tabs.add(tab := Tab(run_id))
            try:
                self._greet(tab, after)
                yield tab
            finally:
                self._tabs.discard(tab)
                self._leave(tab)

    def begin(self) -> None:
        """Read before there is a tab, so that the first does not wait for the log; end if none comes for a while."""
        self._take_up()
        self._leave_off()

    async def overview(self) -> dict[str, Any]:
        """The overview as it is now. Raises StorageUnavailableError while the storage is away."""
        storage = self._opener.storage
        async with self._used():
            await self._read_overview(storage)
            await self._until_ready()
            return self._overview.told(self._reader.cursor)

    def end_tabs(self) -> None:
        """Let all tabs go: the server is about to end."""
        for tab in self._tabs:
            tab.end()

    async def aclose(self) -> None:
        """Stop all readers."""
        self.end_tabs()
        if self._stopping is not None:
            self._stopping.cancel()
        self._stop()
        await asyncio.gather(*self._ending)

    # ---- what the reader of the log tells

    def on_events(self, events: list[MobEvent], told: list[dict[str, Any]]) -> None:
        """See `Listener`."""
        self._tell(message("events", {"events": told}, self._reader.cursor))
        self.on_return()
        for event in events:
            if (run_id := event.run_id) is None:
                continue
            self._changed[run_id] = self._changed.get(run_id, False) or isinstance(event.kind, _TURNS)
            if (watch := self._watches.get(run_id)) is not None:
                watch.hear(event.cursor)

    def on_gap(self, why: str) -> None:
        """See `Listener`."""
        self._tell(self._resync(why))
        self._told = {}
        for watch in self._watches.values():
            watch.hear(self._reader.cursor)

    def on_trouble(self, why: str) -> None:
        """See `Listener`."""
        if self._trouble is None:
            _log.warning("the server is away: %s", why)
        self._trouble = why
        self._tell(message("trouble", {"message": why}))

    def on_return(self) -> None:
        """See `Listener`."""
        if self._trouble is None:
            return
        self._trouble = None
        _log.warning("the server is back")
        self._tell(self._hello())

    # ---- tabs

    def _greet(self, tab: Tab, after: int | None) -> None:
        resync = self._resync("too much has happened since this tab was cut off")
        if (trouble := self.trouble) is not None:
            tab.put(message("trouble", {"message": trouble}), resync)
        if not self._reader.is_ready.is_set():
            # it is told `hello` when the log has been read so far
            self._in_background(self._greet_later(tab, after))
            return
        tab.put(self._hello(), resync)
        if after is not None:
            missed = self._reader.events_after(after)
            if missed is None:
                tab.put(resync, resync)
            elif missed:
                tab.put(message("events", {"events": missed}, self._reader.cursor), resync)
        if self._told:
            tab.put(message("overview", self._told), resync)
        if tab.run_id is not None:
            self._join(tab, tab.run_id)

    async def _greet_later(self, tab: Tab, after: int | None) -> None:
        reader = self._reader
        while tab in self._tabs and not reader.is_ready.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await reader.is_ready.wait()
        if tab in self._tabs:
            self._greet(tab, after)

    def _join(self, tab: Tab, run_id: str) -> None:
        watch = self._watches.get(run_id)
        if watch is None:
            watch = self._watches[run_id] = RunWatch(
                run_id, lambda one: self._tell(one, run_id), lambda: self._overview.workers, self._pace
            )
            watch.start(self._opener.storage, self._reader.cursor)
        watch.tabs += 1
        for one in watch.known():
            tab.put(one, self._resync("slow"))

    def _leave(self, tab: Tab) -> None:
        watch = self._watches.get(tab.run_id or "")
        if watch is None:
            return
        watch.tabs -= 1
        if watch.tabs <= 0:
            del self._watches[watch.run_id]
            self._in_background(watch.stop())

    def _tell(self, one: bytes, run_id: str | None = None) -> None:
        resync = self._resync("this tab was too slow")
        for tab in self._tabs:
            if run_id is None or tab.run_id == run_id:
                tab.put(one, resync)

    def _hello(self) -> bytes:
        cursor = self._reader.cursor
        return message("hello", {"version": __version__, "cursor": cursor}, cursor)

    def _resync(self, why: str) -> bytes:
        cursor = self._reader.cursor
        return message("resync", {"cursor": cursor, "why": why}, cursor)

    # ---- the readers

    @asynccontextmanager
    async def _used(self) -> AsyncGenerator[None]:
        self._take_up()
        try:
            yield
        finally:
            self._leave_off()

    def _take_up(self) -> None:
        self._users += 1
        if self._stopping is not None:
            self._stopping.cancel()
            self._stopping = None
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="redis_mob ui reads for its tabs")

    def _leave_off(self) -> None:
        self._users -= 1
        if not self._users:
            self._stopping = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._stop)

    def _stop(self) -> None:
        """Stop reading; who comes next begins anew."""
        self._stopping = None
        task, self._task = self._task, None
        watches, self._watches = self._watches, {}
        for watch in watches.values():
            self._in_background(watch.stop())
        if task is not None:
            task.cancel()
            self._in_background(_ended(task))
        self._reader = LogReader(self)
        self._overview = OverviewReader(self._reader.window)
        self._told, self._changed = {}, {}

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        self._ending.add(task := asyncio.create_task(work))
        task.add_done_callback(self._ending.discard)

    async def _run(self) -> None:
        storage = await self._opener.until_open()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read_log(storage, self._reader))
                group.create_task(self._tick(storage, self._reader))
        except ExceptionGroup:
            _log.exception("what goes on cannot be read any more")
            self.end_tabs()  # they come again, and begin anew
            self._task = None
            self._stop()

    async def _read_log(self, storage: MobStorage, reader: LogReader) -> None:
        while True:
            try:
                now = (await storage.operations.runs(limit=1)).now
                await reader.run(storage, now)
            except MobStoreError as error:
                self.on_trouble(str(error))
                await asyncio.sleep(1)

    async def _tick(self, storage: MobStorage, reader: LogReader) -> None:
        await reader.is_ready.wait()
        while True:
            try:
                await self._read_overview(storage)
                self._tell_overview()
                await self._tell_changed(storage)
            except MobStoreError as error:
                self.on_trouble(str(error))
                await asyncio.sleep(1)
            await asyncio.sleep(TICK_SECONDS)

    async def _read_overview(self, storage: MobStorage) -> None:
        """Read it, unless it was just read."""
        async with self._reading:
            if self._overview.is_stale:
                self._pace.spent(await self._overview.read(storage))
                self.on_return()

    async def _until_ready(self) -> None:
        ready = asyncio.create_task(self._reader.is_ready.wait())
        await asyncio.wait({ready}, timeout=5)
        ready.cancel()

    def _tell_overview(self) -> None:
        told = self._overview.told(self._reader.cursor)
        # that time passes is no news
        news = {name: value for name, value in told.items() if name != "now" and self._told.get(name) != value}
        if news:
            self._tell(message("overview", {"now": told["now"], **news}))
        self._told = told

    async def _tell_changed(self, storage: MobStorage) -> None:
        self._ticks += 1
        if len(self._changed) > MOST_SINGLE and self._ticks % LIST_TICKS:
            return
        changed, self._changed = self._changed, {}
        if not changed or not self._tabs:
            return
        found: dict[str, RunSummary] = {}
        if len(changed) > MOST_SINGLE:
            page = await storage.operations.runs(limit=NEWEST_RUNS)
            found = {run.run_id: run for run in page.runs if run.run_id in changed}
            self._pace.spent(_COST_OF_PAGE)
        ends = [run_id for run_id, is_turn in changed.items() if run_id not in found and (is_turn or not found)]
        for run_id in ends[:MOST_SINGLE]:
            if (run := await storage.operations.summary(run_id)) is not None:
                found[run_id] = run
            self._pace.spent(1)
        if found:
            pauses = self._told.get("pauses", ())
            self._tell(message("runs", {"changed": with_pauses(found.values(), pauses)}))


async def _ended(task: asyncio.Task[None]) -> None:
    await asyncio.wait({task})
