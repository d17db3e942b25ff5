"""The event log of a namespace."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from redis_mob.codec.events import EVENT_SCHEMA_VERSION, EncodedEvent, decode_event
from redis_mob.codec.ledgers import microseconds
from redis_mob.codec.packing import pack
from redis_mob.memory.entry_log import EntryLog
from redis_mob.models import MobEvent
from redis_mob.notifications.pushed_entries import Entry


class EventLog(EntryLog):
    """Events by cursor, and what happened once."""

    def __init__(self) -> None:
        super().__init__()
        self._ended: set[bytes] = set()
        self._failures: dict[bytes, set[bytes]] = {}

    def append(self, events: Sequence[EncodedEvent], now: datetime) -> list[MobEvent]:
        """Store all events with contiguous cursors, and wake the readers; those without a time happen now."""
        stored = [self._store(event, now) for event in events]
        return [decode_event(*entry) for entry in stored]

    def _store(self, event: EncodedEvent, now: datetime) -> Entry:
        if event.terminal:
            self._ended.add(event.terminal)
        if event.once:
            self._failures.setdefault(event.once, set()).add(event.kind)
        return self._append(
            {
                b"schema_version": EVENT_SCHEMA_VERSION,
                b"mob_id": event.mob_id,
                b"timestamp": event.timestamp or b"%d" % microseconds(now),
                b"kind": event.kind,
            }
        )

    def has_ended(self, event: EncodedEvent) -> bool:
        """Whether the flow that a terminal event ends has ended already."""
        return event.terminal in self._ended

    def has_ended_with(self, identity: bytes) -> bool:
        """Whether the flow of this identity has ended."""
        return identity in self._ended

    def failures_of(self, event: EncodedEvent) -> set[bytes]:
        """What was said already of the step whose failure this event tells."""
        return self._failures.get(event.once, set())

    def latest_cursor(self) -> int:
        """The greatest cursor still present, 0 if there is none."""
        return self._entries[-1][0] if self._entries else 0

    def prune(self, older_than: datetime, kept: tuple[bytes, ...]) -> int:
        """Delete the events before a moment whose kind does not begin like one of these.

        What happened once stays known.
        """
        number, bound = self.count(older_than, kept), microseconds(older_than)
        self._entries = [entry for entry in self._entries if not _is_prunable(entry, bound, kept)]
        return number

    def count(self, older_than: datetime, kept: tuple[bytes, ...]) -> int:
        """How many events `prune` would delete."""
        bound = microseconds(older_than)
        return sum(_is_prunable(entry, bound, kept) for entry in self._entries)

    def forget_run(self, run_id: str) -> None:
        """Delete the events of a run, and that they happened once."""
        named = pack(run_id)
        self._entries = [entry for entry in self._entries if not _is_of_run(entry, run_id)]
        self._ended = {identity for identity in self._ended if named not in identity}
        self._failures = {identity: said for identity, said in self._failures.items() if named not in identity}

    def clear(self) -> None:
        """Delete all events, and what happened once with them."""
        self._entries.clear()
        self._ended.clear()
        self._failures.clear()


def _is_prunable(entry: Entry, bound: int, kept: tuple[bytes, ...]) -> bool:
    return int(entry[1][b"timestamp"]) < bound and not entry[1][b"kind"].startswith(kept)


def _is_of_run(entry: Entry, run_id: str) -> bool:
    return getattr(decode_event(*entry).kind, "run_id", None) == run_id
