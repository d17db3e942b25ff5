"""What clients did to the event log, and whether what they were told, and what a watcher saw, agrees with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

Held = Sequence[tuple[int, int]]
"""(cursor, number) of events, in their order."""


class Append(NamedTuple):
    """Events that a client appended in one call; times are nanoseconds. Without `ended` its outcome is unknown."""

    client: int
    numbers: Sequence[int]
    started: int
    ended: int | None = None
    cursors: tuple[int, ...] = ()


class Page(NamedTuple):
    """What a client read behind a cursor: at most `limit` events."""

    after: int
    limit: int
    events: Held
    started: int
    ended: int


@dataclass
class Watcher:
    """What a subscriber takes for the log: all that it saw, without what it was told is gone."""

    seen: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    odd: list[str] = field(default_factory=list[str])
    """Errors that no subscription may raise, and what was seen out of order."""
    told: int = 0
    """How often it was told that the log has gone back."""

    def see(self, cursor: int, number: int) -> None:
        """Take an event."""
        if self.seen and cursor <= self.seen[-1][0]:
            self.odd.append(f"the watcher saw cursor {cursor} (number {number}) behind {self.seen[-1][0]}")
        self.seen.append((cursor, number))

    def go_back(self, kept: int | None) -> None:
        """What is behind this cursor is gone."""
        self.told += 1
        while self.seen and kept is not None and self.seen[-1][0] > kept:
            self.seen.pop()

    def has_come_to(self, held: Held) -> bool:
        """Whether the last event of the log is the last one that it saw."""
        return not held or self.seen[-1:] == [held[-1]]


def lost_of(appends: Sequence[Append], held: Held, cut: int) -> list[Append]:
    """The appends that were acknowledged before a time, and are not in the log any more."""
    places = {number: cursor for cursor, number in held}
    return [
        one
        for one in appends
        if one.ended is not None and one.ended < cut and any(number not in places for number in one.numbers)
    ]


def judge_log(
    appends: Sequence[Append], pages: Sequence[Page], held: Held, before: Held, cut: int | None
) -> Iterator[str]:
    """A sentence for each fault of the log behind one part of a history, which began with the events `before`.

    `cut` is when the storage may have gone back, at the end of the part: then the newest events may be missing in the
    log. It is None if it may not.
    """
    places = {number: cursor for cursor, number in held}
    yield from _faults_of_order(held)
    written = {number for one in appends for number in one.numbers} | {number for _, number in before}
    yield from (
        f"event {number} is in the log, and no call that may have happened wrote it"
        for number in places
        if number not in written
    )
    if cut is None:
        yield from (f"event {number} was in the log, and is lost" for _, number in before if number not in places)
    lost: list[int] = []
    kept = 0
    for one in appends:
        if one.ended is None:
            continue
        there = [places.get(number) for number in one.numbers]
        if list(one.cursors) == there:
            kept = max(kept, *one.cursors)
        elif cut is not None and there == [None] * len(there):
            lost.append(min(one.cursors))
        else:
            yield f"events {list(one.numbers)} were acknowledged at {list(one.cursors)}, and are at {there}"
        if any(following != cursor + 1 for cursor, following in pairwise(one.cursors)):
            yield f"the events {list(one.numbers)} of one call are not next to each other: {list(one.cursors)}"
    if lost and min(lost) < kept:
        yield f"the event of cursor {min(lost)} is lost, and one behind it, {kept}, is still there"
    if cut is None:
        yield from _judge_order(appends)
        yield from _judge_pages(pages, appends, held)


def _faults_of_order(held: Held) -> Iterator[str]:
    for (one, _), (other, number) in pairwise(held):
        if other != one + 1:
            yield f"event {number} is at cursor {other}, behind {one}"
    for number, times in Counter(number for _, number in held).items():
        if times > 1:
            yield f"event {number} is in the log {times} times"


def _judge_order(appends: Sequence[Append]) -> Iterator[str]:
    """An append that ended before another one began has the smaller cursor."""
    known = [one for one in appends if one.ended is not None]
    by_end = sorted(known, key=lambda one: one.ended or 0)
    greatest, number, ended = 0, 0, 0
    for one in sorted(known, key=lambda one: one.started):
        while ended < len(by_end) and (by_end[ended].ended or 0) < one.started:
            if by_end[ended].cursors[-1] > greatest:
                greatest, number = by_end[ended].cursors[-1], by_end[ended].numbers[-1]
            ended += 1
        if one.cursors[0] < greatest:
            yield f"event {one.numbers[0]} was appended after {number}, and is before it: {one.cursors[0]} < {greatest}"


def _judge_pages(pages: Sequence[Page], appends: Sequence[Append], held: Held) -> Iterator[str]:
    """A page has all events behind its cursor that were acknowledged before it was asked for, and no other."""
    by_end = sorted((one for one in appends if one.ended is not None), key=lambda one: one.ended or 0)
    newest, ended = 0, 0
    for page in sorted(pages, key=lambda page: page.started):
        while ended < len(by_end) and (by_end[ended].ended or 0) < page.started:
            newest = max(newest, by_end[ended].cursors[-1])
            ended += 1
        expected = list(held[page.after : page.after + len(page.events)])
        if list(page.events) != expected:
            yield f"a page behind {page.after} had {list(page.events)[:5]}, and the log has {expected[:5]}"
        elif len(page.events) < page.limit and page.after + len(page.events) < newest:
            yield f"a page behind {page.after} ended with {page.after + len(page.events)}, and {newest} was there"
