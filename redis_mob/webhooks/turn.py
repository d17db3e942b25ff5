"""A turn at one webhook: what its worker knows, until when it may post, and what is stored of it.

What was taken by the receiver is stored a moment later, all that came meanwhile in one call: a worker that is killed
between the two has it posted again by the next one. A worker that has lost its turn stores nothing any more, and begins
no attempt that could end after its turn (contract: operations-223).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from redis_mob.codec.webhooks import webhook_named
from redis_mob.errors import MobStoreError
from redis_mob.models.webhook import DeadLetter, StoredWebhook, WebhookTurn
from redis_mob.storage import MobStorage
from redis_mob.webhooks.book import Book
from redis_mob.webhooks.timing import Timing

RENEWALS = 3
"""How often a turn is prolonged in its time."""

_log = logging.getLogger(__name__)


class Turn:
    """A turn that was taken, for the holder of this name."""

    def __init__(
        self,
        storage: MobStorage,
        stored: StoredWebhook,
        taken: WebhookTurn,
        *,
        taken_at: float,
        holder: str,
        timing: Timing,
    ) -> None:
        progress = taken.progress or stored.progress
        self.webhook, self.secret, self.revision = stored.webhook, stored.secret, stored.revision
        self.timing = timing
        self.book = Book(progress)
        self.has_changed = progress.revision != stored.revision
        """Whether operators have changed the webhook since this was stored, or resumed it."""
        self.over = asyncio.Event()
        """No further attempt begins."""
        self.moved = asyncio.Event()
        """Something was done with."""
        self.again: dict[int, DeadLetter] = {}
        """Letters that are to be delivered again, by their cursors."""
        self.settled: list[DeadLetter] = []
        """Those of them that were tried, and are to be stored as that."""
        self.asked_again: Callable[[], None] = lambda: None
        """Called when there are such letters."""
        self._store_of, self._holder = storage.webhooks, holder
        self._dirty, self._prolonged, self._is_lost = asyncio.Event(), asyncio.Condition(), False
        self._number, self._ends, self._clock = 0, 0.0, (taken.now, taken_at)
        self._take(taken, taken_at)

    def __repr__(self) -> str:
        return f"Turn({self.webhook.name!r})"

    @property
    def now(self) -> datetime:
        """The time of the fleet, which other workers go by too."""
        now, at = self._clock
        return now + timedelta(seconds=time_of_loop() - at)

    def told(self) -> None:
        """Something has happened: it is stored soon."""
        self._dirty.set()
        self.moved.set()

    async def may_post(self) -> bool:
        """Wait until an attempt would end within the turn; False if it is over."""
        timeout = self.webhook.timeout.total_seconds()
        async with self._prolonged:
            while not self.over.is_set() and time_of_loop() + timeout > self._ends:
                await self._prolonged.wait()
        return not self.over.is_set()

    async def is_over_in(self, seconds: float) -> bool:
        """Wait so long; whether the turn is over then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.over.wait()
        return self.over.is_set()

    async def end(self) -> None:
        """Let no further attempt begin, also none that waits for the turn to be prolonged."""
        self.over.set()
        async with self._prolonged:
            self._prolonged.notify_all()

    async def give_back(self) -> None:
        """Store what is known, and leave the turn to others."""
        with suppress(MobStoreError):
            await self._store(timedelta())

    async def keep_storing(self) -> None:
        """Store what has happened, soon after it has, and prolong the turn in time; until it is lost."""
        while not self._is_lost:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.timing.turn / RENEWALS):
                    await self._dirty.wait()
                    await asyncio.sleep(self.timing.flush)
            try:
                turn = await self._store(turn_length(self.webhook.timeout, self.timing))
            except MobStoreError as error:
                if time_of_loop() > self._ends:
                    _log.debug("%s: the turn is over: %s", webhook_named(self.webhook.name), error)
                    return
                await asyncio.sleep(self.timing.trouble)
                continue
            if turn is None or turn.revision != self.revision:
                return

    async def _store(self, length: timedelta) -> WebhookTurn | None:
        if self._is_lost:
            return None
        self._dirty.clear()
        dead, settled, begun = tuple(self.book.dead), tuple(self.settled), time_of_loop()
        turn = await self._store_of.advance(
            self.webhook.name,
            self._holder,
            self._number,
            self.book.progress(self.revision),
            length=length,
            dead=dead,
            settled=settled,
        )
        if turn is None:
            self._is_lost = True
            return None
        del self.book.dead[: len(dead)], self.settled[: len(settled)]
        self._take(turn, begun)
        async with self._prolonged:
            self._prolonged.notify_all()
        return turn

    def _take(self, turn: WebhookTurn, begun: float) -> None:
        length = turn_length(self.webhook.timeout, self.timing)
        self._number, self._ends, self._clock = turn.number, begun + length.total_seconds(), (turn.now, begun)
        tried = {letter.cursor for letter in self.settled}
        self.again = {letter.cursor: letter for letter in turn.again if letter.cursor not in tried}
        if self.again and not self.over.is_set():
            self.asked_again()


def turn_length(timeout: timedelta, timing: Timing) -> timedelta:
    """How long a turn at a webhook is: an attempt that begins in it has to end in it."""
    return timeout + timedelta(seconds=timing.turn)


def time_of_loop() -> float:
    """The time of the event loop, in seconds."""
    return asyncio.get_running_loop().time()
