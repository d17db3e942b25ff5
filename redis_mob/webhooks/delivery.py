"""Delivers one webhook, as long as its worker has the turn: reading, posting and storing go on beside each other."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

from redis_mob.codec.webhooks import webhook_named
from redis_mob.errors import EpochChangedError, EventsTrimmedError, MobStoreError, SerializationError
from redis_mob.models.events import MobEvent
from redis_mob.storage import MobStorage
from redis_mob.webhooks.attempts import Attempts
from redis_mob.webhooks.held_runs import HeldRuns
from redis_mob.webhooks.matching import Matcher, lane_of
from redis_mob.webhooks.turn import Turn

if TYPE_CHECKING:
    from redis_mob.webhooks.sending import Sender

AT_ONCE = 8
"""Attempts under way at a time, beside those at what is held up."""

END_SECONDS = 3.0
"""How long attempts that are under way may go on when the delivery ends."""

_log = logging.getLogger(__name__)


class Delivery:
    """Delivers in a turn that was taken, until it is lost, the webhook has changed, or `end` is called."""

    def __init__(self, storage: MobStorage, turn: Turn, sender: Sender, random: Random) -> None:
        self.revision = turn.revision
        self._events = storage.events
        self._turn, self._book = turn, turn.book
        self._attempts = Attempts(turn, sender, storage.webhooks)
        self._matcher = Matcher(turn.webhook, storage.runs)
        self._held = HeldRuns(turn, self._attempts, storage.events, self._matcher, random, self._begin)
        self._random = random
        self._lanes: dict[str, deque[MobEvent]] = {}
        """What is to be posted of each run, in order."""
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_redelivering = False

    def end(self) -> None:
        """Begin no further attempt, store what is known, and give the turn back."""
        self._turn.over.set()

    async def run(self) -> None:
        """Deliver until it is over. Raises nothing but a fault of its own, and errors of the storage."""
        turn = self._turn
        if turn.has_changed:  # what waits is tried at once
            self._book.rest_until = None
            for held in self._book.held.values():
                held.next_at = turn.now
        turn.asked_again = self._redeliver
        self._redeliver()
        parts = {asyncio.create_task(part) for part in (self._read(), self._held.retry(), turn.keep_storing())}
        over = asyncio.create_task(_until(turn.over))
        try:
            await asyncio.wait({*parts, over}, return_when=asyncio.FIRST_COMPLETED)
            await turn.end()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=END_SECONDS)
        finally:
            working = (*parts, *self._tasks, over)
            for task in working:
                task.cancel()
            ends = await asyncio.gather(*working, return_exceptions=True)
        await turn.give_back()
        for error in ends:
            if isinstance(error, Exception):
                raise error

    async def _read(self) -> None:
        await self._check_marks()
        async with self._events.subscribe(self._book.cursor) as events:
            while not self._turn.over.is_set():
                while self._book.is_full:
                    self._turn.moved.clear()
                    await self._turn.moved.wait()
                try:
                    await self._admit(await anext(events))
                except EventsTrimmedError as error:
                    self._pass_by(error)
                except EpochChangedError as error:
                    self._go_back(error.kept or 0)
                except SerializationError as error:
                    self._book.miss(1, str(error), self._turn.now)
                    self._turn.told()
                except MobStoreError as error:
                    _log.debug("%s: reading is interrupted: %s", webhook_named(self._turn.webhook.name), error)
                    await asyncio.sleep(self._turn.timing.trouble)

    async def _admit(self, event: MobEvent) -> None:
        book = self._book
        is_wanted = event.cursor not in book.done and await self._is_wanted(event)
        # from here on without a pause: what is read must be known to wait before others move the cursor behind it
        book.note_read(event)
        if not is_wanted:
            return
        lane = lane_of(event)
        if (held := book.held.get(lane)) is not None:
            held.wait(event.cursor)
            book.settle(event.cursor)
            self._turn.told()
            return
        book.admit(event)
        if (queue := self._lanes.get(lane)) is not None:
            queue.append(event)
            return
        self._lanes[lane] = deque([event])
        self._begin(self._deliver(lane))

    async def _is_wanted(self, event: MobEvent) -> bool:
        while True:
            try:
                return await self._matcher.lets_pass(event)
            except SerializationError:  # its run cannot be read
                return False
            except MobStoreError:
                await asyncio.sleep(self._turn.timing.trouble)

    def _pass_by(self, error: EventsTrimmedError) -> None:
        """Events are gone: of a log that is read from its beginning, those are no news."""
        book = self._book
        is_news = book.read > 0
        book.read = max(book.read, error.first_available - 1)
        if is_news:
            gone = error.first_available - error.after - 1
            note = f"{gone} events after {error.after} were deleted before they were looked at"
            book.miss(gone, note, self._turn.now)
        self._turn.told()

    async def _check_marks(self) -> None:
        """Find out whether the log has gone back since the last turn."""
        marks, same = list(self._book.marks), 0
        newest = marks[-1].cursor if marks else 0
        while marks:
            mark = marks.pop()
            page = await self._events.poll(mark.cursor - 1, 1)
            if not page or page[0].cursor != mark.cursor or page[0].timestamp == mark.timestamp:
                same = mark.cursor  # it is there, or was deleted
                break
        if same < newest:
            self._go_back(same)

    def _go_back(self, cursor: int) -> None:
        note = f"the storage has gone back in time: events after {cursor} are gone, and others come in their place"
        _log.warning("%s: %s", webhook_named(self._turn.webhook.name), note)
        self._book.go_back(cursor, note, self._turn.now)
        self._lanes.clear()
        self._turn.over.set()

    async def _deliver(self, lane: str) -> None:
        """Deliver the events of a run one after the other, until there are none, or one fails."""
        turn, queue = self._turn, self._lanes[lane]
        while queue and not turn.over.is_set():
            async with self._slots:
                answer = await self._attempts.at(queue[0])
            if answer is None or self._lanes.get(lane) is not queue:
                return
            if answer.error is None:
                self._book.delivered(queue.popleft().cursor, turn.now)
            else:
                # with one attempt alone it is dead: at once, as what is held up too often
                pause = turn.timing.pause(1, answer.rest, self._random) * (turn.webhook.max_attempts > 1)
                self._book.hold(lane, tuple(queue), answer.error, turn.now, turn.now + pause)
                queue.clear()
                self._held.changed.set()
            turn.told()
        if not queue and self._lanes.get(lane) is queue:
            del self._lanes[lane]

    def _redeliver(self) -> None:
        if self._turn.again and not self._is_redelivering:
            self._is_redelivering = True
            self._begin(self._deliver_again())

    async def _deliver_again(self) -> None:
        """Try dead letters once more, as operators have asked."""
        turn = self._turn
        try:
            with suppress(MobStoreError):
                while turn.again and not turn.over.is_set():
                    letter = turn.again[min(turn.again)]
                    page = await self._events.poll(letter.cursor - 1, 1)
                    error: str | None = "the event is no longer in the log"
                    if page and page[0].cursor == letter.cursor:
                        answer = await self._attempts.at(page[0])
                        if answer is None:
                            return
                        error = answer.error
                    turn.again.pop(letter.cursor, None)
                    turn.settled.append(letter)
                    if error is None:
                        self._book.count_again(turn.now)
                    else:
                        dead = {"attempts": letter.attempts + 1, "error": error, "at": turn.now}
                        self._book.dead.append(letter.model_copy(update=dead))
                    turn.told()
        finally:
            self._is_redelivering = False

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            name = webhook_named(self._turn.webhook.name)
            _log.error("%s: an attempt has ended with a fault", name, exc_info=error)
            self._turn.over.set()


async def _until(event: asyncio.Event) -> None:
    await event.wait()
