"""Runs that are held up: their events are tried again, one after the other, when it is time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any

from redis_mob.contracts import MobEventStore
from redis_mob.errors import MobStoreError
from redis_mob.models.events import MobEvent
from redis_mob.webhooks.attempts import Attempts
from redis_mob.webhooks.book import Held
from redis_mob.webhooks.matching import Matcher, lane_of
from redis_mob.webhooks.turn import Turn

AT_ONCE = 4
"""Attempts under way at a time."""

PAGE = 200
"""Events that are read at a time where those of one run are looked for."""


class HeldRuns:
    """Tries what is held up in a turn. `begin` begins a task of the turn."""

    def __init__(
        self,
        turn: Turn,
        attempts: Attempts,
        events: MobEventStore,
        matcher: Matcher,
        random: Random,
        begin: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._turn, self._attempts, self._events, self._matcher = turn, attempts, events, matcher
        self._random, self._begin = random, begin
        self._slots = asyncio.Semaphore(AT_ONCE)
        self.changed = asyncio.Event()

    async def retry(self) -> None:
        """Try each of them when it is time."""
        while True:
            self.changed.clear()
            now = self._turn.now
            waiting = [held for held in self._turn.book.held.values() if not held.is_tried]
            for held in waiting:
                if held.next_at <= now:
                    held.is_tried = True
                    self._begin(self._deliver(held))
            times = [held.next_at for held in waiting if not held.is_tried]
            with suppress(TimeoutError):
                async with asyncio.timeout(max((min(times) - now).total_seconds(), 0.01) if times else None):
                    await self.changed.wait()

    async def _deliver(self, held: Held) -> None:
        try:
            while not self._turn.over.is_set() and self._is_held(held):
                async with self._slots:
                    goes_on = await self._try(held)
                self._turn.told()
                if not goes_on:
                    return
        except MobStoreError:
            held.next_at = self._turn.now + timedelta(seconds=self._turn.timing.trouble)
        finally:
            held.is_tried = False
            self.changed.set()

    async def _try(self, held: Held) -> bool:
        """Try the event of a run that is held up; whether to go on with it, or with the next one."""
        turn, book = self._turn, self._turn.book
        if not held.upcoming:
            held.upcoming.extend(await self._events.poll(held.cursor - 1, 1))
        event = held.upcoming[0] if held.upcoming else None
        if event is None or event.cursor != held.cursor:
            held.upcoming.clear()
            book.miss(1, f"event {held.cursor} was deleted before it was delivered", turn.now)
        elif held.attempts >= turn.webhook.max_attempts:
            book.bury(held, event.kind.type, event.run_id, turn.now)
        else:
            answer = await self._attempts.at(event)
            if answer is None or not self._is_held(held):
                return False
            if answer.error is not None:
                held.error = answer.error
                if not answer.is_gone:
                    held.attempts += 1
                    held.next_at = turn.now + turn.timing.pause(held.attempts, answer.rest, self._random)
                return held.attempts >= turn.webhook.max_attempts
            book.delivered(held.cursor, turn.now)
        await self._follow(held)
        return self._is_held(held)

    async def _follow(self, held: Held) -> None:
        """Go on with the next event of the run. That a later one may come to wait meanwhile is seen before it is
        free."""
        while True:
            last = held.last
            further = await self._further(held)
            if further or held.last == last:
                return self._turn.book.follow(held, further, self._turn.now)

    async def _further(self, held: Held) -> list[MobEvent]:
        """The next events of the run, behind the one that was tried; none if no further one waits."""
        further = [event for event in held.upcoming if event.cursor > held.cursor]
        after = held.sought_after
        while not further and held.last is not None and after < held.last:
            page = await self._events.poll(after, PAGE)
            if not page:
                break
            mine = (event for event in page if event.cursor <= held.last and lane_of(event) == held.lane)
            further += [event for event in mine if await self._matcher.lets_pass(event)]
            after = page[-1].cursor
        return further

    def _is_held(self, held: Held) -> bool:
        """Whether it is still: the log may have gone back."""
        return self._turn.book.held.get(held.lane) is held
