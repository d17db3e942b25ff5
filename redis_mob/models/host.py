"""What meerkat keeps in a host store: scopes of rows, the batches that change them, and the fence of a realm."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

MAX_BATCH_BYTES: Final = 8 * 2**20
"""The most bytes of heads and rows of one batch."""

MAX_ROW_BYTES: Final = 2**20
"""The most bytes of one row."""

MAX_SCOPE_NAME_BYTES: Final = 512
"""The most bytes of the name of a scope, in UTF-8."""

MAX_COMMIT_ID_BYTES: Final = 128
"""The most bytes of a commit id, in UTF-8."""

MAX_BATCH_PARTS: Final = 100_000
"""The most scopes, and the most rows, of one batch."""

REMEMBERED_COMMITS: Final = 65_536
"""How many commits of a realm are remembered by their ids, the newest ones."""

MAX_LEASE: Final = timedelta(hours=1)
"""The longest lease of a fence."""

MIN_RENEW_INTERVAL: Final = timedelta(seconds=1)
"""The shortest interval in which a fence is renewed."""

MIN_RENEWALS: Final = 3
"""The fewest intervals that a lease lasts."""


class AcquireMode(StrEnum):
    """What becomes of a live holder when another one acquires the fence."""

    EXCLUSIVE = "exclusive"
    """The acquire is refused while the lease of a holder lasts."""
    TAKEOVER = "takeover"
    """The holder is superseded."""


class ScopeKind(StrEnum):
    """What a scope holds."""

    SESSION = "session"
    IDENTITY = "identity"
    MOB = "mob"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class ScopeRef:
    """The address of a scope: its kind, and its name, which is its own among those of the kind."""

    kind: ScopeKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} scope {self.name!r}"


@dataclass(frozen=True, slots=True)
class FenceTiming:
    """How long a holder of the fence counts as live, and how often it renews (contract: host-4).

    A holder that has not acquired or renewed within `lease` minus `self_fence_margin` stops by itself;
    `max_commit_latency` is the longest that one commit takes.
    """

    renew_interval: timedelta = timedelta(seconds=10)
    lease: timedelta = timedelta(seconds=30)
    self_fence_margin: timedelta = timedelta(seconds=10)
    max_commit_latency: timedelta = timedelta(seconds=2)

    @property
    def self_fence_window(self) -> timedelta:
        """For how long after the start of its last acquire or renewal a holder may go on."""
        return self.lease - self.self_fence_margin


@dataclass(frozen=True, slots=True)
class FenceGrant:
    """What an acquire gives: the token, and what was left of the lease of the holder that it has superseded."""

    token: int
    superseded_lease: timedelta


@dataclass(frozen=True, slots=True)
class VersionedHead:
    """The head of a scope, its version, and the id of the commit that wrote this version."""

    version: int
    commit_id: str
    head: bytes


@dataclass(frozen=True, slots=True)
class ScopeHead:
    """One scope of a list."""

    name: str
    head: VersionedHead


@dataclass(frozen=True, slots=True)
class HeadPage:
    """Scopes of one kind in the byte order of their names; `next` is the name to read on after, None at the end."""

    heads: tuple[ScopeHead, ...] = ()
    next: str | None = None


@dataclass(frozen=True, slots=True)
class ScopeUpdate:
    """What a batch does to one scope, in this order: `truncate_after`, `drop_before`, `append`, `head`.

    `previous` is the version that it applies to, None creates the scope; its version after that is one more, 1 for a
    new one. `head` None keeps the head. `truncate_after` removes the rows from this index on, so that the next row
    takes it; `drop_before` removes those below this index, and renumbers none. `delete` stands alone.
    """

    scope: ScopeRef
    previous: int | None = None
    head: bytes | None = None
    append: tuple[bytes, ...] = field(default=())
    truncate_after: int | None = None
    drop_before: int | None = None
    delete: bool = False

    @property
    def next(self) -> int:
        """The version of the scope after the batch."""
        return 1 if self.previous is None else self.previous + 1


@dataclass(frozen=True, slots=True)
class CommitBatch:
    """One atomic write: its id, which no other batch of the realm has, the token of its writer, and its updates."""

    commit_id: str
    fence: int
    updates: tuple[ScopeUpdate, ...]
