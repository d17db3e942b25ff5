"""Which event each row of a run's ledgers came with: rows say what was done, and events when. Pure.

A row is written in the commit of the event that tells the same, and has the time at which the run was read for that
commit. So it came with the first such event that is not earlier than the row, and behind that of the row before it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from redis_mob.kernel.told_reasons import tells_exhausted
from redis_mob.models.events import MobEvent
from redis_mob.models.flow_events import (
    FlowCanceled,
    FlowCompleted,
    FlowFailed,
    StepCompleted,
    StepDispatched,
    StepFailed,
    StepTargetCompleted,
    StepTargetFailed,
)
from redis_mob.models.ledger import FLOW_STEP, FailureLedgerEntry, StepLedgerEntry, StepRunStatus
from redis_mob.models.run_outputs import SYSTEM_MEMBER

R = TypeVar("R", StepLedgerEntry, FailureLedgerEntry)

LATER = 2**64
"""Behind all events."""

_END = "end"


def tells_items(row: StepLedgerEntry) -> bool:
    """Whether a row tells how many items a step has, of which there is no event."""
    return row.agent_identity == SYSTEM_MEMBER and row.status is StepRunStatus.DISPATCHED


class RowTimes:
    """The events of a run by what rows say of them."""

    def __init__(self, events: Sequence[MobEvent]) -> None:
        self._times = {event.cursor: event.timestamp for event in events}
        self._commit_of = {cursor: commit for commit in commits_of(events) for cursor in commit}
        self._told: defaultdict[Hashable, list[int]] = defaultdict(list)
        for event in events:
            for key in _keys_of(event):
                self._told[key].append(event.cursor)
        self._used: Counter[Hashable] = Counter()

    def of_steps(self, rows: Sequence[StepLedgerEntry]) -> list[int]:
        """The cursor of the event that each row of the step ledger came with; LATER if there is none, as for the number
        of items."""
        carried, numbers = self._carried(rows), Counter[Hashable]()
        ended: defaultdict[Hashable, int] = defaultdict(int)

        def found(row: StepLedgerEntry, least: int) -> int:
            member, place = (row.step_id, row.agent_identity), (row.step_id, row.agent_identity, row.status)
            numbers[place] += 1
            if tells_items(row):
                return LATER
            if row.agent_identity == SYSTEM_MEMBER:
                return self._of_several(row.timestamp, (_END,), least)
            over = ("over", row.step_id), _END
            if row.status is StepRunStatus.CANCELED:
                # one that has ended was asked again, in another iteration, before it could be canceled
                cursor = self._of_several(row.timestamp, over, max(least, ended[member]))
            elif numbers[place] <= carried[place]:
                cursor = self._of_several(row.timestamp, over, least)
            else:
                cursor = self._of_one(row.timestamp, place, least)
            if row.status is not StepRunStatus.DISPATCHED and cursor in self._commit_of:
                ended[member] = self._commit_of[cursor][-1] + 1
            return cursor

        return self._in_order(rows, found)

    def of_failures(self, rows: Sequence[FailureLedgerEntry]) -> list[int]:
        """The same of the failure ledger; LATER for that a loop is exhausted, too, of which no event tells."""

        def found(row: FailureLedgerEntry, least: int) -> int:
            if tells_exhausted(row.reason):
                return LATER
            if row.step_id == FLOW_STEP:
                return self._of_several(row.timestamp, (_END,), least)
            return self._of_one(row.timestamp, ("failed", row.step_id, row.reason), least)

        return self._in_order(rows, found)

    def _in_order(self, rows: Sequence[R], found: Callable[[R, int], int]) -> list[int]:
        """The cursor of each row: none came before the commit of the row in front of it."""
        least, cursors = 0, list[int]()
        for row in rows:
            cursors.append(cursor := found(row, least))
            least = self._commit_of[cursor][0] if cursor in self._commit_of else least
        return cursors

    def _of_several(self, written: datetime, keys: Sequence[Hashable], least: int) -> int:
        """The first event of these, which other rows may tell of, too."""
        return min(self._first(written, self._told[key], least) for key in keys)

    def _of_one(self, written: datetime, key: Hashable, least: int) -> int:
        """The first event of which no row before has told; any event if there is none."""
        told, number = self._told[key], self._used[key]
        while number < len(told) and not self._may_be(written, told[number], least):
            number += 1
        self._used[key] = number + 1
        return told[number] if number < len(told) else self._first(written, tuple(self._times), least)

    def _first(self, written: datetime, cursors: Sequence[int], least: int) -> int:
        return next((cursor for cursor in cursors if self._may_be(written, cursor, least)), LATER)

    def _may_be(self, written: datetime, cursor: int, least: int) -> bool:
        return cursor >= least and self._times[cursor] >= written

    def _carried(self, rows: Sequence[StepLedgerEntry]) -> Counter[Hashable]:
        """How many rows of completed members have no event of a member: a fork has taken them along, with its steps."""
        counts = Counter[Hashable](
            (row.step_id, row.agent_identity, row.status) for row in rows if row.status is StepRunStatus.COMPLETED
        )
        return Counter({place: count - len(self._told[place]) for place, count in counts.items()})


def commits_of(events: Sequence[MobEvent]) -> list[list[int]]:
    """The cursors of a run's events, those of one commit together: a script has one time, and its events follow."""
    commits: list[list[int]] = []
    for number, event in enumerate(events):
        before = events[number - 1]
        if number and (event.cursor, event.timestamp) == (before.cursor + 1, before.timestamp):
            commits[-1].append(event.cursor)
        else:
            commits.append([event.cursor])
    return commits


def _keys_of(event: MobEvent) -> Iterator[Hashable]:
    match event.kind:
        case StepDispatched() as told:
            yield told.step_id, told.target.identity, StepRunStatus.DISPATCHED
        case StepTargetCompleted() as told:
            yield told.step_id, told.target.identity, StepRunStatus.COMPLETED
        case StepTargetFailed() as told if told.error is None or told.error.terminal:
            yield told.step_id, told.target.identity, StepRunStatus.FAILED
            yield "failed", told.step_id, told.reason
        case StepCompleted() as told:
            yield "over", told.step_id
        case StepFailed() as told:
            yield "over", told.step_id
            yield "failed", told.step_id, told.reason
        case FlowCompleted() | FlowFailed() | FlowCanceled():
            yield _END
        case _:
            pass
