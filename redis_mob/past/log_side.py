"""One side of a cursor in the log: what it tells of runs, by the order of events, which no time of an event changes."""

from __future__ import annotations

from typing import NamedTuple

from redis_mob.contracts import MobEventStore
from redis_mob.models.flow_events import FlowStarted
from redis_mob.past.run_events import ENDS, pages_after, run_of


class LogSide(NamedTuple):
    """The runs of which events are told there, have begun and have ended. `is_whole` if no event of it is missing."""

    is_behind: bool
    is_whole: bool
    told: frozenset[str]
    begun: frozenset[str]
    ended: frozenset[str]

    def had_ended(self, run_id: str) -> bool:
        """Whether a run that is over, and was driven by a fleet, had certainly ended at the cursor."""
        return self._is_silent_of(run_id) if self.is_behind else run_id in self.ended

    def had_not_begun(self, run_id: str) -> bool:
        """Whether a run that was driven by a fleet had certainly not begun at the cursor."""
        return run_id in self.begun if self.is_behind else self._is_silent_of(run_id)

    def _is_silent_of(self, run_id: str) -> bool:
        return self.is_whole and run_id not in self.told


async def shorter_side(events: MobEventStore, cursor: int, newest: int) -> LogSide:
    """The events up to a cursor, or those behind it up to `newest`: the fewer ones. Raises as MobEventStore.poll."""
    is_behind = newest - cursor <= cursor
    after, last = (cursor, newest) if is_behind else (0, cursor)
    count = 0
    told, begun, ended = set[str](), set[str](), set[str]()
    async for event in pages_after(events, after, last):
        count += 1
        if (run_id := run_of(event)) is None:
            continue
        told.add(run_id)
        if isinstance(event.kind, FlowStarted):
            begun.add(run_id)
        elif isinstance(event.kind, ENDS):
            ended.add(run_id)
    return LogSide(is_behind, count == last - after, frozenset(told), frozenset(begun), frozenset(ended))
