"""Watches one run for the tabs that show it: the states of its nodes, and what its handlers tell."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from pydantic_core import to_json

from redis_mob.codec.definitions import flow_of_run
from redis_mob.errors import NotFoundError, RedisMobError
from redis_mob.fleet.definitions import Definitions
from redis_mob.fleet.limit_waits import loads_of
from redis_mob.models.progress import StoredProgress
from redis_mob.models.worker import LiveWorker
from redis_mob.operations.describing import StoredRun
from redis_mob.operations.inspection import stored_run
from redis_mob.storage import MobStorage
from redis_mob.ui.feed.messages import message
from redis_mob.ui.feed.pace import Pace
from redis_mob.ui.feed.run_states import States, changed, going_on, states_of

LEAST_PAUSE = 0.1
"""Least seconds between two reads of the run."""

SWEEP_SECONDS = 2.0
"""How long nothing is heard of the run until it is read all the same: pauses and deletions leave no event."""

PROGRESS_SWEEP_SECONDS = 10.0
"""The same of what its handlers tell, which has wake-ups."""

_PAUSE_BY_COST = 5
"""How many times as long as a read has taken is waited until the next one: a large run is read more seldom."""

MOST_PROGRESS = 500
"""Entries of progress that a new tab gets, the newest ones."""

MOST_PROGRESS_BYTES = 500_000
"""Bytes of those, as JSON: chunks may be long, and a tab that reads nothing has them waiting."""

_PAGE = 200
_COST, _FULL_COST = 1, 5
_AT_ONCE = 500
"""Executions of a run that is described where it was read; larger ones are described in a thread."""

_TROUBLE_PAUSE = 1.0


class RunWatch:
    """One run, as several tabs see it; `tell` sends to them."""

    def __init__(
        self, run_id: str, tell: Callable[[bytes], None], workers: Callable[[], Sequence[LiveWorker]], pace: Pace
    ) -> None:
        self.run_id = run_id
        self.tabs = 0
        self._tell = tell
        self._workers = workers
        self._pace = pace
        self._states: States = {}
        self._head: dict[str, Any] = {}
        self._progress: deque[StoredProgress] = deque(maxlen=MOST_PROGRESS)
        self._progress_told: bytes | None = None
        """What new tabs are told of that, one text for all of them; None if it is to be made anew."""
        self._heard = asyncio.Event()
        self._definitions: Definitions | None = None
        self._cursor = 0
        self._is_gone = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, storage: MobStorage, cursor: int) -> None:
        """Begin to watch."""
        self._cursor = cursor
        self._tasks = [asyncio.create_task(self._follow(storage)), asyncio.create_task(self._follow_progress(storage))]

    async def stop(self) -> None:
        """Watch no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hear(self, cursor: int) -> None:
        """The log tells of the run, up to this cursor."""
        self._cursor = cursor
        self._heard.set()

    def known(self) -> list[bytes]:
        """What a new tab is told before all else."""
        if self._is_gone:
            return [self._gone()]
        told: list[bytes] = []
        if self._head:
            told.append(message("run", {**self._head, "states": self._states}))
        if self._progress:
            told.append(self._newest_progress())
        return told

    def _newest_progress(self) -> bytes:
        if self._progress_told is None:
            entries: deque[StoredProgress] = deque()
            room = MOST_PROGRESS_BYTES
            for entry in reversed(self._progress):
                if (room := room - len(to_json(entry))) < 0:
                    break
                entries.appendleft(entry)
            self._progress_told = message("progress", {"run_id": self.run_id, "entries": list(entries)})
        return self._progress_told

    async def _follow(self, storage: MobStorage) -> None:
        while True:
            self._heard.clear()
            await self._pace.turn()
            began, cursor = time.monotonic(), self._cursor
            try:
                await self._look(storage, cursor)
            except NotFoundError:
                if await storage.operations.summary(self.run_id) is None:
                    self._is_gone = True
                    self._tell(self._gone())
                return  # or no fleet has started it, and none will
            except RedisMobError:
                await asyncio.sleep(_TROUBLE_PAUSE)  # that the server is away is told by the reader of the log
                continue
            await asyncio.sleep(max(LEAST_PAUSE, _PAUSE_BY_COST * (time.monotonic() - began)))
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_SECONDS):
                    await self._heard.wait()

    async def _look(self, storage: MobStorage, cursor: int) -> None:
        stored = await self._stored(storage)
        is_large = len(stored.view.executions) > _AT_ONCE
        run = await asyncio.to_thread(stored.described) if is_large else stored.described()
        head = {
            "run_id": self.run_id,
            "status": run.status,
            "cancel_requested": run.cancel_requested,
            "paused": [str(pause.scope) for pause in run.pauses],
            "steps": run.steps,
            "waits_for": [one.text for one in run.waits_for],
        }
        states = states_of(run) if stored.step_ledger else going_on(self._states, states_of(run), run.now)
        new = changed(self._states, states)
        if new or head != {name: value for name, value in self._head.items() if name != "cursor"}:
            self._states, self._head = states, {**head, "cursor": cursor}
            self._tell(message("run", {**self._head, "states": new}))

    async def _stored(self, storage: MobStorage) -> StoredRun:
        """What is stored of the run; its ledger, which grows with it, at the begin and at the end alone."""
        definitions = self._definitions = self._definitions or Definitions(storage.executions)
        view = await storage.executions.load(self.run_id) if self._states else None
        if view is None or view.run.status.is_terminal:
            self._pace.spent(_FULL_COST)
            return await stored_run(storage, self.run_id, definitions=definitions)
        self._pace.spent(_COST)
        flow = flow_of_run(await definitions.of(view), view.run)
        return StoredRun(view, (), flow, self._workers(), loads=await loads_of(storage, view))

    async def _follow_progress(self, storage: MobStorage) -> None:
        after: int | None = None
        while True:
            try:
                async with storage.progress.listen(self.run_id) as wake_up:
                    while True:
                        after = await self._take_progress(storage, after)
                        await wake_up.wait(PROGRESS_SWEEP_SECONDS)
            except NotFoundError:
                return
            except RedisMobError:
                await asyncio.sleep(_TROUBLE_PAUSE)

    async def _take_progress(self, storage: MobStorage, after: int | None) -> int:
        """Tell what is new behind an offset, or the newest entries if none is known; returns the next offset."""
        while True:
            await self._pace.turn()
            if after is None:
                newest = (await storage.progress.read_after(self.run_id, 0, 1)).newest
                after = max(newest - MOST_PROGRESS, 0)
            page = await storage.progress.read_after(self.run_id, after, _PAGE)
            self._pace.spent(1)
            if not page.entries:
                return after
            after = page.entries[-1].offset
            self._progress.extend(page.entries)
            self._progress_told = None
            self._tell(message("progress", {"run_id": self.run_id, "entries": page.entries}))
            await asyncio.sleep(LEAST_PAUSE)

    def _gone(self) -> bytes:
        return message("gone", {"run_id": self.run_id})
