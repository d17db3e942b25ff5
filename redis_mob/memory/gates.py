"""What executions with limits count against, in memory; lua/lib/gates does the same on a server (decision 0034)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from math import ceil
from typing import Generic, NamedTuple, TypeVar

from redis_mob.memory.units import Account
from redis_mob.models.limits import Counts, Limit, LimitLoad, TokenUse

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
    counts: Counts | None = None


class Gate(NamedTuple):
    """A limit that an execution has, what that counts, and how many units of it the execution reserves."""

    counted: Counted
    limit: int
    units: int | None = None


def gates_of(mob_id: str, flow_id: str, limits: Iterable[Limit]) -> tuple[Gate, ...]:
    """The gates of an execution with these limits."""
    return tuple(
        Gate(Counted(mob_id, flow_id, one.step_id, one.key, one.per_ms, one.counts), one.limit, one.units)
        for one in limits
    )


class Gates(Generic[T]):
    """What was taken or is under way of each key, and when something began."""

    def __init__(self) -> None:
        self._counting: defaultdict[Counted, set[T]] = defaultdict(set)
        self._begun: dict[Counted, list[datetime]] = {}
        self._accounts: defaultdict[Counted, Account[T]] = defaultdict(Account)
        self._closed: dict[Counted, datetime] = {}

    def take(self, entry: T, gates: Iterable[Gate]) -> None:
        """Count an entry that was taken."""
        for gate in gates:
            self._counting[gate.counted].add(entry)
            if gate.units is not None:
                self._accounts[gate.counted].reserved[entry] = gate.units

    def may_claim(self, entry: T, gates: Iterable[Gate]) -> bool:
        """Whether it was taken, and nothing else has its place."""
        return all(entry in self._counting.get(gate.counted, ()) for gate in gates)

    def claim(self, entry: T, gates: Iterable[Gate], now: datetime) -> None:
        """Let an execution begin: it counts at a rate as begun, and no longer as taken."""
        for counted, _, units in gates:
            if counted.per_ms is not None and units is None:
                self._counting[counted].discard(entry)
                begun = self._begun.setdefault(counted, [])
                kept = now - 2 * counted.per_ms * _MILLISECOND
                self._begun[counted] = [*(at for at in begun if at >= kept), max([now, *begun[-1:]])]

    def settle(self, entry: T, gates: tuple[Gate, ...], now: datetime, used: TokenUse | None) -> None:
        """Its attempt is over, and has used so many tokens: as many as it has reserved, if that is not known."""
        for counted, _, units in gates:
            if counted.counts is not None and units is not None and entry in self._accounts[counted].reserved:
                amount = units if used is None else used.of(counted.counts)
                self._accounts[counted].settle(now, counted.per_ms or 0, amount)
        self.release(entry, gates)

    def close(self, gates: Iterable[Gate], until: datetime) -> None:
        """Let nothing pass the rates among these until a time; the latest counts."""
        for counted, _, _ in gates:
            if counted.per_ms is not None:
                self._closed[counted] = max(until, self._closed.get(counted, until))

    def release(self, entry: T, gates: Iterable[Gate]) -> None:
        """Count it no longer."""
        for gate in gates:
            self._accounts[gate.counted].reserved.pop(entry, None)
            entries = self._counting.get(gate.counted)
            if entries is not None:
                entries.discard(entry)
                if not entries:
                    del self._counting[gate.counted]

    def rename(self, renamed: Callable[[T], T]) -> None:
        """Give all entries other names."""
        for counted, entries in self._counting.items():
            self._counting[counted] = {renamed(entry) for entry in entries}
        for account in self._accounts.values():
            account.reserved = {renamed(entry): units for entry, units in account.reserved.items()}

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
        limit = Limit.unchecked(
            step_id=counted.step_id,
            key=counted.key,
            limit=gate.limit,
            per_ms=counted.per_ms,
            counts=counted.counts,
            units=gate.units,
        )
        if gate.units is None:
            time = (counted.per_ms or 0) * _MILLISECOND
            under_way, begun = self.under_way(counted), sum(now - time <= one for one in self._begun.get(counted, ()))
        else:
            account = self._accounts[counted]
            under_way, begun = sum(account.reserved.values()), sum(used for _, used in account.counting(now))
        return LimitLoad(limit, under_way, begun, full, at, self._closed_until(counted, now))

    def _closed_until(self, counted: Counted, now: datetime) -> datetime | None:
        until = self._closed.get(counted)
        return until if until is not None and until > now else None

    def _is_full(self, gate: Gate, now: datetime) -> tuple[bool, datetime | None]:
        if (closed := self._closed_until(gate.counted, now)) is not None:
            return True, closed
        if gate.units is not None:
            return self._accounts[gate.counted].room(now, gate.units, gate.limit)
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
