"""The event log of a namespace. Events lie in it as bytes, so that no reader shares an object with a writer."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter

from redis_mob.codec.events import EVENT_SCHEMA_VERSION, EncodedEvent, decode_event
from redis_mob.codec.ledgers import microseconds
from redis_mob.memory.bells import Bells
from redis_mob.models import MobEvent

Entry = tuple[int, Mapping[bytes, bytes]]
"""(cursor, fields) of a stored event."""

_CURSOR = itemgetter(0)


class EventLog:
    """Events by cursor, and what happened once. Every method happens as a whole: none of them waits."""

    def __init__(self) -> None:
        self.bells = Bells()
        self.newest = 0
        """The greatest cursor ever given, whatever was pruned or cleared since."""
        self._entries: list[Entry] = []
        self._ended: set[bytes] = set()
        self._failures: dict[bytes, set[bytes]] = {}

    def append(self, events: Sequence[EncodedEvent], now: datetime) -> list[MobEvent]:
        """Store all events with contiguous cursors, and wake the readers; those without a time happen now."""
        stored = [self._append(event, now) for event in events]
        if stored:
            self.bells.ring()
        return [decode_event(*entry) for entry in stored]

    def _append(self, event: EncodedEvent, now: datetime) -> Entry:
        self.newest += 1
        fields = {
            b"schema_version": EVENT_SCHEMA_VERSION,
            b"mob_id": event.mob_id,
            b"timestamp": event.timestamp or b"%d" % microseconds(now),
            b"kind": event.kind,
        }
        self._entries.append((self.newest, fields))
        if event.terminal:
            self._ended.add(event.terminal)
        if event.once:
            self._failures.setdefault(event.once, set()).add(event.kind)
        return self._entries[-1]

    def has_ended(self, event: EncodedEvent) -> bool:
        """Whether the flow that a terminal event ends has ended already."""
        return event.terminal in self._ended

    def failures_of(self, event: EncodedEvent) -> set[bytes]:
        """What was said already of the step whose failure this event tells."""
        return self._failures.get(event.once, set())

    def read_after(self, cursor: int, limit: int | None) -> list[Entry]:
        """At most `limit` events after a cursor."""
        first = bisect_right(self._entries, cursor, key=_CURSOR)
        return self._entries[first : None if limit is None else first + max(limit, 0)]

    def latest_cursor(self) -> int:
        """The greatest cursor still present, 0 if there is none."""
        return self._entries[-1][0] if self._entries else 0

    def prune(self, older_than: datetime) -> int:
        """Delete the events before a moment; what happened once stays known."""
        bound, before = microseconds(older_than), len(self._entries)
        self._entries = [entry for entry in self._entries if int(entry[1][b"timestamp"]) >= bound]
        return before - len(self._entries)

    def clear(self) -> None:
        """Delete all events, and what happened once with them."""
        self._entries.clear()
        self._ended.clear()
        self._failures.clear()
