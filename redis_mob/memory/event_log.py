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
        self._identities: dict[bytes, int] = {}
        """What happened once, and the cursor of the event that told it first; of resets the last one."""

    def append(self, events: Sequence[EncodedEvent], now: datetime) -> list[MobEvent]:
        """Store all events with contiguous cursors, and wake the readers; those without a time happen now."""
        stored = [self._store(event, now) for event in events]
        return [decode_event(*entry) for entry in stored]

    def _store(self, event: EncodedEvent, now: datetime) -> Entry:
        names = self._names(event)
        entry = self._append(
            {
                b"schema_version": EVENT_SCHEMA_VERSION,
                b"mob_id": event.mob_id,
                b"timestamp": event.timestamp or b"%d" % microseconds(now),
                b"kind": event.kind,
            }
        )
        for name in names:
            if name[:1] == b"r":
                self._identities[name] = entry[0]
            else:
                self._identities.setdefault(name, entry[0])
        return entry

    def _names(self, event: EncodedEvent) -> list[bytes]:
        """The identities of an event, those of jobs with the last reset of the mob behind them."""
        reset = b"%d" % self._identities.get(b"r" + event.mob_id, 0)
        return [name + reset if name[:1] in b"jk" else name for name in event.identities]

    def has(self, event: EncodedEvent) -> bool:
        """Whether what this event tells has happened already."""
        return self._names(event)[0] in self._identities

    def says(self, event: EncodedEvent) -> bool:
        """Whether that was told as this event tells it."""
        return self._names(event)[-1] in self._identities

    def has_identity(self, identity: bytes) -> bool:
        """Whether something has happened that is known by this identity."""
        return identity in self._identities

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
        self._identities = {name: cursor for name, cursor in self._identities.items() if named not in name}

    def clear(self) -> None:
        """Delete all events, and what happened once with them."""
        self._entries.clear()
        self._identities.clear()


def _time_of(entry: Entry) -> int:
    return int(entry[1][b"timestamp"])


def _is_of_run(entry: Entry, run_id: str) -> bool:
    return decode_event(*entry).run_id == run_id
