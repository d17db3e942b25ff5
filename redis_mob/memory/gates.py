"""What executions with limits count against, in memory; lua/lib/gates does the same on a server (decision 0034)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from math import ceil
from typing import Generic, NamedTuple, TypeVar

from redis_mob.models.limits import Limit, LimitLoad

T = TypeVar("T")

_MILLISECOND = timedelta(milliseconds=1)
_PARTS = 25


class Counted(NamedTuple):
    """What one limit counts; its bound is no part of that."""

    mob_id: str
    flow_id: str
    step_id: str | None
    key: str
    per_ms: int | None


class Gate(NamedTuple):
    """A limit that an execution has, and what that counts."""

    counted: Counted
    limit: int


def gates_of(mob_id: str, flow_id: str, limits: Iterable[Limit]) -> tuple[Gate, ...]:
    """The gates of an execution with these limits."""
    return tuple(Gate(Counted(mob_id, flow_id, one.step_id, one.key, one.per_ms), one.limit) for one in limits)


class Gates(Generic[T]):
    """What was taken or is under way of each key, and when something began."""

    def __init__(self) -> None:
        self._counting: defaultdict[Counted, set[T]] = defaultdict(set)
        self._begun: dict[Counted, list[datetime]] = {}

    def take(self, entry: T, gates: Iterable[Gate]) -> None:
        """Count an entry that was taken."""
        for gate in gates:
            self._counting[gate.counted].add(entry)

    def may_claim(self, entry: T, gates: Iterable[Gate]) -> bool:
        """Whether it was taken, and nothing else has its place."""
        return all(entry in self._counting.get(gate.counted, ()) for gate in gates)

    def claim(self, entry: T, gates: Iterable[Gate], now: datetime) -> None:
        """Let an execution begin: it counts at a rate as begun, and no longer as taken."""
        for counted, _ in gates:
            if counted.per_ms is not None:
                self._counting[counted].discard(entry)
                begun = self._begun.setdefault(counted, [])
                kept = now - 2 * counted.per_ms * _MILLISECOND
                self._begun[counted] = [*(at for at in begun if at >= kept), max([now, *begun[-1:]])]

    def leave(self, entry: T, gates: Iterable[Gate]) -> None:
        """Count it no longer."""
        for gate in gates:
            entries = self._counting.get(gate.counted)
            if entries is not None:
                entries.discard(entry)
                if not entries:
                    del self._counting[gate.counted]

    def rename(self, renamed: Callable[[T], T]) -> None:
        """Give all entries other names."""
        for counted, entries in self._counting.items():
            self._counting[counted] = {renamed(entry) for entry in entries}

    def under_way(self, counted: Counted) -> int:
        """How many count that were taken, or are under way."""
        return len(self._counting.get(counted, ()))

    def room_at(self, gates: Iterable[Gate], now: datetime) -> tuple[Gate, datetime | None] | None:
        """The first gate that is full, and when that has room again, as far as it is known; None if there is none."""
        for gate in gates:
            full, at = self._is_full(gate, now)
            if full:
                return gate, at
        return None

    def load(self, gate: Gate, now: datetime) -> LimitLoad:
        """How full one is."""
        counted, (full, at) = gate.counted, self._is_full(gate, now)
        time = (counted.per_ms or 0) * _MILLISECOND
        begun = sum(now - time <= one for one in self._begun.get(counted, ()))
        limit = Limit.unchecked(step_id=counted.step_id, key=counted.key, limit=gate.limit, per_ms=counted.per_ms)
        return LimitLoad(limit, self.under_way(counted), begun, full, at)

    def _is_full(self, gate: Gate, now: datetime) -> tuple[bool, datetime | None]:
        counting, per_ms = self.under_way(gate.counted), gate.counted.per_ms
        if per_ms is None:
            return counting >= gate.limit, None
        if (at := self._full_until(gate.counted, now, counting, per_ms, gate.limit)) is not None:
            return True, at
        if self._full_until(gate.counted, now, counting, 2 * per_ms, gate.limit) is None:
            return False, None
        parts = min(gate.limit, _PARTS)
        at = self._full_until(gate.counted, now, counting, per_ms // 2 // parts, ceil(gate.limit / parts))
        return at is not None, at

    def _full_until(
        self, counted: Counted, now: datetime, counting: int, milliseconds: int, most: int
    ) -> datetime | None:
        """Until when as many have begun in some time as may; None if more may begin now."""
        time = milliseconds * _MILLISECOND
        begun = [at for at in self._begun.get(counted, ()) if now - time <= at]
        return min(begun, default=now) + time + _MILLISECOND if len(begun) + counting >= most else None
