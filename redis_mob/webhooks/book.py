"""How far the delivery of one webhook is, as its worker keeps it; pure.

The log is read in order, and each event that the webhook is told waits in a window until it is done with. Where one
cannot be delivered, its run is held up: that event and all later ones of the run leave the window, and are known by
their cursors alone, so that runs which are held up keep no others waiting, and cost nothing but a line of what is
stored (decision 0036).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from redis_mob.errors import shortened
from redis_mob.models.events import MobEvent
from redis_mob.models.webhook import DeadLetter, EventMark, HeldRun, WebhookProgress

MOST_AT_ONCE = 256
"""Events behind the first one that is not done with."""

MOST_HELD = 100
"""Runs that may be held up: with so many of them no further event is read, since nothing is taken at all."""

MARKS = 16
"""Events that are remembered, to see whether the log has gone back: the newest, and ever fewer of older ones."""


@dataclass(slots=True)
class Held:
    """A run that is held up, as `HeldRun` says; `upcoming` has its next events as far as they are at hand."""

    lane: str
    cursor: int
    attempts: int
    since: datetime
    next_at: datetime
    error: str
    following: int | None = None
    last: int | None = None
    upcoming: deque[MobEvent] = field(default_factory=deque[MobEvent])
    is_tried: bool = False

    @classmethod
    def of(cls, stored: HeldRun) -> Held:
        """What is stored of one."""
        return cls(**stored.model_dump())

    def stored(self) -> HeldRun:
        """What is to be stored."""
        return HeldRun(
            lane=self.lane,
            cursor=self.cursor,
            attempts=self.attempts,
            since=self.since,
            next_at=self.next_at,
            error=self.error,
            following=self.following if self.waits else None,
            last=self.last if self.waits else None,
        )

    @property
    def waits(self) -> bool:
        """Whether events wait behind the one that is tried."""
        return self.last is not None and self.last > self.cursor

    def wait(self, cursor: int) -> None:
        """A later event of the run has to wait, too."""
        if cursor <= max(self.cursor, self.last or 0):
            return
        if not self.waits:
            self.following = cursor
        self.last = cursor

    @property
    def sought_after(self) -> int:
        """Behind which cursor the next event of the run is looked for."""
        return max(self.cursor, (self.following or 0) - 1)


class Book:
    """What is done with, and what is not."""

    def __init__(self, progress: WebhookProgress) -> None:
        self.cursor = progress.cursor
        self.read = progress.cursor
        self.done = set(progress.done)
        self.held = {held.lane: Held.of(held) for held in progress.held}
        self.window: dict[int, None] = {}
        """Cursors that are not done with, in ascending order."""
        self.rest_until = progress.rest_until
        self.dead: list[DeadLetter] = []
        """Letters that are to be stored."""
        self._marks = list(progress.marks)
        self._delivered, self._dead, self._missed = progress.delivered, progress.dead, progress.missed
        self._delivered_at, self._note, self._note_at = progress.delivered_at, progress.note, progress.note_at
        self._newest: EventMark | None = None

    @property
    def is_full(self) -> bool:
        """Whether no further event is to be read yet."""
        return len(self.window) + len(self.done) >= MOST_AT_ONCE or len(self.held) >= MOST_HELD

    @property
    def marks(self) -> Sequence[EventMark]:
        """Events that were there, in ascending order."""
        return self._marks

    def note_read(self, event: MobEvent) -> None:
        """An event was read: it comes after all that were read before."""
        self.read = event.cursor
        self._newest = EventMark(cursor=event.cursor, timestamp=event.timestamp)

    def admit(self, event: MobEvent) -> None:
        """It is to be delivered now."""
        self.window[event.cursor] = None

    def settle(self, cursor: int) -> None:
        """It is done with: delivered, dead, or left to its run that is held up."""
        self.window.pop(cursor, None)
        if cursor > self.cursor:
            self.done.add(cursor)
        self._move_on()

    def delivered(self, cursor: int, now: datetime) -> None:
        """It was taken by the receiver."""
        self._delivered, self._delivered_at = self._delivered + 1, now
        self.settle(cursor)

    def hold(self, lane: str, events: Sequence[MobEvent], error: str, now: datetime, next_at: datetime) -> Held:
        """The first of these events of a run could not be delivered: the run is held up, with all of them."""
        held = Held(lane, events[0].cursor, 1, now, next_at, error, upcoming=deque(events))
        for event in events[1:]:
            held.wait(event.cursor)
        self.held[lane] = held
        for event in events:
            self.settle(event.cursor)
        return held

    def bury(self, held: Held, kind: str, run_id: str | None, now: datetime) -> None:
        """The event that is tried has been tried often enough."""
        self._dead += 1
        letter = DeadLetter(
            cursor=held.cursor, kind=kind, run_id=run_id, attempts=held.attempts, error=held.error, at=now
        )
        self.dead.append(letter)

    def follow(self, held: Held, events: Sequence[MobEvent], now: datetime) -> None:
        """Go on with the next event of a run that is held up: the first of these; the run is free if there is none."""
        if not events:
            self.held.pop(held.lane, None)
            return
        held.upcoming = deque(events)
        held.cursor, held.attempts, held.since, held.next_at, held.error = events[0].cursor, 0, now, now, ""

    def miss(self, number: int, note: str, now: datetime) -> None:
        """So many events are gone, for this reason."""
        self._missed += number
        self.tell(note, now)

    def tell(self, note: str, now: datetime) -> None:
        """Let operators see this."""
        self._note, self._note_at = shortened(note), now

    def count_again(self, now: datetime) -> None:
        """A dead letter was delivered after all."""
        self._delivered, self._delivered_at = self._delivered + 1, now

    def go_back(self, cursor: int, note: str, now: datetime) -> None:
        """The log is only known up to a cursor: what came behind it is gone, and others come in its place."""
        self.cursor = self.read = min(cursor, self.cursor)
        self.window.clear()
        self.done.clear()
        for lane in [held.lane for held in self.held.values() if held.cursor > cursor]:
            del self.held[lane]
        for held in self.held.values():
            if held.last is not None:
                held.last = min(held.last, cursor)
        self._marks = [mark for mark in self._marks if mark.cursor <= cursor]
        self._newest = None
        self.tell(note, now)

    def progress(self, revision: int) -> WebhookProgress:
        """What is to be stored."""
        self._move_on()
        if self._newest is not None and (not self._marks or self._newest.cursor > self._marks[-1].cursor):
            self._marks.append(self._newest)
            if len(self._marks) > MARKS:
                del self._marks[1 : MARKS // 2 : 2]
        return WebhookProgress(
            cursor=self.cursor,
            done=tuple(sorted(self.done)),
            held=tuple(held.stored() for held in self.held.values()),
            marks=tuple(self._marks),
            rest_until=self.rest_until,
            delivered=self._delivered,
            dead=self._dead,
            missed=self._missed,
            delivered_at=self._delivered_at,
            note=self._note,
            note_at=self._note_at,
            revision=revision,
        )

    def _move_on(self) -> None:
        first = next(iter(self.window), None)
        cursor = max(self.cursor, self.read if first is None else first - 1)
        if cursor == self.cursor:
            return
        self.cursor = cursor
        self.done = {cursor for cursor in self.done if cursor > self.cursor}
