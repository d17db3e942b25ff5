"""Which event each row of a run's ledgers came with: rows say what was done, and events when. Pure.

A row is written in the commit of the event that tells the same, and has the time at which the run was read for that
commit. So it came with the first such event that is not earlier than the row, and behind that of the row before it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

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

_END: Hashable = ("end",)


class RowTimes:
    """The events of a run by what rows say of them.

    `begun` are the cursors at which each step began a node, for what has no event of its own: the number of its items.
    """

    def __init__(self, events: Sequence[MobEvent], begun: Mapping[str, Sequence[int]]) -> None:
        self._all = [(event.cursor, event.timestamp) for event in events]
        self._begun = begun
        self._first_of_commit = {at: commit[0] for commit in commits_of(events) for at in commit}
        self._told: defaultdict[Hashable, list[tuple[int, datetime]]] = defaultdict(list)
        # members are canceled together, and rows at the end of a run tell of one event
        self._shared = {_END, *(("over", step_id) for step_id in begun)}
        for event in events:
            for key in _keys_of(event):
                self._told[key].append((event.cursor, event.timestamp))

    def of_steps(self, rows: Sequence[StepLedgerEntry]) -> list[int]:
        """The cursor of the event that each row of the step ledger came with; LATER if there is none."""
        carried = self._carried(rows)
        numbers: Counter[Hashable] = Counter()

        def keys(row: StepLedgerEntry) -> tuple[Hashable, ...]:
            place = row.step_id, row.agent_identity, row.status
            numbers[place] += 1
            if row.agent_identity == SYSTEM_MEMBER:
                return () if row.status is StepRunStatus.DISPATCHED else (_END,)
            if row.status is StepRunStatus.CANCELED or numbers[place] <= carried[place]:
                return ("over", row.step_id), _END
            return (place,)

        return self._cursors(rows, keys, lambda row: row.timestamp, self._items)

    def of_failures(self, rows: Sequence[FailureLedgerEntry]) -> list[int]:
        """The same of the failure ledger."""

        def keys(row: FailureLedgerEntry) -> tuple[Hashable, ...]:
            return (_END,) if row.step_id == FLOW_STEP else (("failed", row.step_id, row.reason),)

        return self._cursors(rows, keys, lambda row: row.timestamp, lambda *_: None)

    def _cursors(
        self,
        rows: Sequence[R],
        keys: Callable[[R], tuple[Hashable, ...]],
        time_of: Callable[[R], datetime],
        untold: Callable[[R, int], int | None],
    ) -> list[int]:
        used: Counter[Hashable] = Counter()
        found: list[int] = []
        least = 0  # no row came before the commit of the row in front of it
        for row in rows:
            cursor = untold(row, least)
            for key in keys(row) if cursor is None else ():
                told, number = self._told[key], used[key]
                while number < len(told) and (told[number][0] < least or told[number][1] < time_of(row)):
                    number += 1
                used[key] = number if key in self._shared else number + 1
                if number < len(told) and (cursor is None or told[number][0] < cursor):
                    cursor = told[number][0]
            if cursor is None:
                cursor = next((place for place, time in self._all if place >= least and time >= time_of(row)), LATER)
            found.append(cursor)
            least = self._first_of_commit.get(cursor, least)
        return found

    def _items(self, row: StepLedgerEntry, least: int) -> int | None:
        """Where a step has begun whose number of items a row tells."""
        if row.agent_identity != SYSTEM_MEMBER or row.status is not StepRunStatus.DISPATCHED:
            return None
        times = dict(self._all)
        begun = self._begun.get(row.step_id, ())
        return next((at for at in begun if at >= least and times[at] >= row.timestamp), LATER)

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
