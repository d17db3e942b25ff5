"""What a host store keeps in memory: the fence of a realm, its scopes, and its newest commits."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime

from redis_mob.models.host import REMEMBERED_COMMITS, ScopeUpdate


@dataclass(slots=True)
class KeptScope:
    """One scope: its visible rows are those from `first` on."""

    version: int = 0
    commit_id: str = ""
    head: bytes = b""
    first: int = 0
    rows: list[bytes] = field(default_factory=list[bytes])

    @property
    def last(self) -> int:
        """The index that the next row takes."""
        return self.first + len(self.rows)

    def change(self, update: ScopeUpdate, commit_id: str) -> None:
        """Apply an update that was checked."""
        if update.truncate_after is not None:
            del self.rows[update.truncate_after - self.first :]
        if update.drop_before is not None and update.drop_before > self.first:
            gone = min(update.drop_before, self.last) - self.first
            del self.rows[:gone]
            self.first += gone
        self.rows += update.append
        if update.head is not None:
            self.head = update.head
        self.version, self.commit_id = update.next, commit_id


class HostRealm:
    """The content of one host store."""

    def __init__(self) -> None:
        self.token = 0
        self.live_until = datetime.min.replace(tzinfo=UTC)
        self.scopes: dict[bytes, KeptScope] = {}
        self.landed: dict[str, bytes] = {}
        """The newest commits by id, and the digest of what each said."""
        self.deleted: dict[bytes, int] = {}
        """The scopes that these have deleted, and the number of the commit."""
        self._commits = 0
        self._order: deque[tuple[int, str]] = deque()

    def apply(self, commit_id: str, digest: bytes, updates: list[tuple[bytes, ScopeUpdate]]) -> None:
        """Do all that a batch says, which was checked, and remember it."""
        self._commits += 1
        for field_of_scope, update in updates:
            if update.delete:
                del self.scopes[field_of_scope]
                self.deleted[field_of_scope] = self._commits
            else:
                self.scopes.setdefault(field_of_scope, KeptScope()).change(update, commit_id)
        self.landed[commit_id] = digest
        self._order.append((self._commits, commit_id))
        oldest = self._commits - REMEMBERED_COMMITS
        while self._order[0][0] <= oldest:
            del self.landed[self._order.popleft()[1]]
        while self.deleted and (first := next(iter(self.deleted))) and self.deleted[first] <= oldest:
            del self.deleted[first]
