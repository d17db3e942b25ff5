"""The config documents of a namespace, and the feed of their changes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias

from redis_mob.codec.config import EncodedDocument, EncodedWrite, encode_change
from redis_mob.memory.entry_log import EntryLog

HISTORY_LENGTH = 20
"""Versions of a document that are kept, the present one included."""


Rows: TypeAlias = list[tuple[str, bytes]]
"""Ids and JSON texts of documents."""


class StoredVersion(NamedTuple):
    """What a document said from a moment on, as JSON text."""

    revision: int
    written_at: datetime
    text: bytes


class ConfigFeed(EntryLog):
    """The newest changes, whichever config namespace they happened in."""

    def announce(self, write: EncodedWrite, length: int) -> int:
        """Store a change, of which no more than `length` stay; returns its cursor."""
        cursor, _ = self._append(encode_change(write))
        del self._entries[: max(len(self._entries) - length, 0)]
        return cursor


class ConfigDocuments:
    """Documents by namespace and id; namespaces are called here as they are outside all scopes."""

    def __init__(self) -> None:
        self.feed = ConfigFeed()
        self.tokens: dict[str, int] = {}
        """The cursor of the last change in each namespace."""
        self._versions: dict[tuple[str, str], deque[StoredVersion]] = {}

    def versions(self, namespace: str, id: str) -> Sequence[StoredVersion]:
        """The versions of a document, the present one last; none if there is no document."""
        return self._versions.get((namespace, id), ())

    def rows(self, namespace: str, after: str = "") -> Rows:
        """The documents of a namespace whose ids come after another one, in the order of the bytes of the ids."""
        found = ((id, versions) for (place, id), versions in self._versions.items() if place == namespace)
        return sorted((id, versions[-1].text) for id, versions in found if id > after)

    def revision(self, write: EncodedWrite) -> int:
        """The revision that a write meets: that of the document which is there, 0 if there is none."""
        versions = self.versions(write.namespace, write.id)
        return versions[-1].revision if versions else 0

    def allows(self, write: EncodedWrite) -> bool:
        """Whether the condition of a write holds."""
        if write.condition == "any":
            return True
        if write.condition == "absent":
            return not self.versions(write.namespace, write.id)
        return self.revision(write) == write.condition

    def perform(self, write: EncodedWrite, now: datetime, feed_length: int) -> None:
        """Make a write happen without a look at its condition. Deleting what does not exist is no change."""
        if write.document is not None:
            self._put(write, write.document, now)
        elif self._versions.pop((write.namespace, write.id), None) is None:
            return
        self.tokens[write.namespace] = self.feed.announce(write, feed_length)

    def _put(self, write: EncodedWrite, document: EncodedDocument, now: datetime) -> None:
        versions = self._versions.setdefault((write.namespace, write.id), deque(maxlen=HISTORY_LENGTH))
        versions.append(StoredVersion(int(document.revision), now, document.text))
