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

    def prune(self, older_than: datetime | None, newest: int | None = None, *, kept: tuple[bytes, ...]) -> int:
        """Delete the events before a moment, and those beyond the newest, but for kinds that begin like one of these.

        What happened once stays known.
        """
        gone = self._prunable(older_than, newest, kept)
        self._entries = [entry for entry in self._entries if entry[0] not in gone]
        return len(gone)

    def count(self, older_than: datetime | None, newest: int | None = None, *, kept: tuple[bytes, ...]) -> int:
        """How many events `prune` would delete."""
        return len(self._prunable(older_than, newest, kept))

    def _prunable(self, older_than: datetime | None, newest: int | None, kept: tuple[bytes, ...]) -> set[int]:
        """The cursors of the events that a prune deletes."""
        by_time = sorted(self._entries, key=lambda entry: (_time_of(entry), entry[0]))
        aged = 0 if older_than is None else sum(_time_of(entry) < microseconds(older_than) for entry in by_time)
        too_many = 0 if newest is None else len(by_time) - newest
        found = by_time[: max(aged, too_many, 0)]
        return {entry[0] for entry in found if not entry[1][b"kind"].startswith(kept)}

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


def _time_of(entry: Entry) -> int:
    return int(entry[1][b"timestamp"])


def _is_of_run(entry: Entry, run_id: str) -> bool:
    return decode_event(*entry).run_id == run_id
