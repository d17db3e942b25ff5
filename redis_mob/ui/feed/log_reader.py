"""Reads the log for all tabs: from an hour back, so that the overview knows it, and then as it grows."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Protocol

from redis_mob.errors import EpochChangedError, EventsTrimmedError, MobStoreError, SerializationError
from redis_mob.models.events import MobEvent
from redis_mob.past.run_events import cursor_before
from redis_mob.storage import MobStorage
from redis_mob.ui.feed.messages import small
from redis_mob.ui.feed.window import FAILURE_SPAN, Window

_log = logging.getLogger(__name__)

BATCH_SECONDS = 0.05
"""How long events of a batch are gathered, unless the one before was sent longer ago."""

FIRST_SECONDS = 0.005
"""How long they are in any case: a commit writes several."""

MOST_LOOKED_BACK = 20_000
"""Events of the last hour that are read at the begin."""

MOST_RECENT = 10_000
"""Events that are kept for tabs that were cut off."""

_TURN = 100
"""Events after which others have a turn, when many are read at once."""

_TROUBLE_PAUSE = 0.5
"""Seconds between two looks whether the server is back."""


class Listener(Protocol):
    """Who is told what the log says."""

    def on_events(self, events: list[MobEvent], told: list[dict[str, Any]]) -> None:
        """These have come, the newest last."""
        ...

    def on_gap(self, why: str) -> None:
        """What was told before may not hold any more: all has to be read anew."""
        ...

    def on_trouble(self, why: str) -> None:
        """The server is away."""
        ...

    def on_return(self) -> None:
        """It is back."""
        ...


class LogReader:
    """The one reader of the log in this process."""

    def __init__(self, listener: Listener) -> None:
        self.window = Window()
        self.cursor = 0
        """The cursor of the newest event that was told."""
        self.recent: deque[dict[str, Any]] = deque(maxlen=MOST_RECENT)
        self.is_ready = asyncio.Event()
        """Set when it has come to what was the newest event at its begin."""
        self._listener = listener
        self._batch: list[MobEvent] = []
        self._last_sent = 0.0
        self._sending: asyncio.TimerHandle | None = None

    async def run(self, storage: MobStorage, now: datetime) -> None:
        """Read for ever. `now` is the time of the server."""
        newest = await storage.events.latest_cursor()
        begin = max(await cursor_before(storage.events, now - FAILURE_SPAN), newest - MOST_LOOKED_BACK, 0)
        self.cursor = begin
        try:
            async with storage.events.subscribe(begin) as events:
                await self._follow(storage, events, newest)
        finally:
            if self._sending is not None:
                self._sending.cancel()

    def events_after(self, cursor: int) -> list[dict[str, Any]] | None:
        """What was told after a cursor; None if that is not known any more, or never was."""
        if cursor > self.cursor:
            return None
        found = [event for event in self.recent if event["cursor"] > cursor]
        return found if len(found) == self.cursor - cursor else None

    async def _follow(self, storage: MobStorage, events: AsyncIterator[MobEvent], newest: int) -> None:
        self._look_whether_ready(newest)
        number = 0
        while True:
            try:
                event = await anext(events)
            except (EventsTrimmedError, EpochChangedError) as error:
                self._gap(error, newest)
            except SerializationError as error:
                _log.warning("an event is left out: %s", error)
            except MobStoreError as error:
                await self._until_back(storage, error)
            else:
                self._take(event)
                self._look_whether_ready(newest)
                number += 1
                if number % _TURN == 0:
                    await asyncio.sleep(0)

    def _take(self, event: MobEvent) -> None:
        self.window.take(event)
        self._batch.append(event)
        if not self.is_ready.is_set():
            if len(self._batch) >= _TURN:
                self._send()
            return
        if self._sending is None:
            loop = asyncio.get_running_loop()
            wait = max(self._last_sent + BATCH_SECONDS - loop.time(), FIRST_SECONDS)
            self._sending = loop.call_later(wait, self._send)

    def _look_whether_ready(self, newest: int) -> None:
        has_come = self.cursor >= newest or (self._batch and self._batch[-1].cursor >= newest)
        if has_come and not self.is_ready.is_set():
            self._send()
            self.is_ready.set()

    def _send(self) -> None:
        self._sending = None
        self._last_sent = asyncio.get_running_loop().time()
        batch, self._batch = self._batch, []
        if not batch:
            return
        told = list(map(small, batch))
        self.recent.extend(told)
        self.cursor = batch[-1].cursor
        if self.is_ready.is_set():
            self._listener.on_events(batch, told)

    def _gap(self, error: EventsTrimmedError | EpochChangedError, newest: int) -> None:
        self._send()
        self.recent.clear()
        if isinstance(error, EventsTrimmedError):
            self.cursor = error.first_available - 1
            self._look_whether_ready(newest)
        else:
            self.cursor = error.kept or 0
            self.is_ready.set()  # what was the newest event may never come again
        self._listener.on_gap(str(error))

    async def _until_back(self, storage: MobStorage, error: MobStoreError) -> None:
        self._listener.on_trouble(str(error))
        while True:
            await asyncio.sleep(_TROUBLE_PAUSE)
            try:
                await storage.events.latest_cursor()
            except MobStoreError as again:
                self._listener.on_trouble(str(again))
            else:
                self._listener.on_return()
                return
