"""What the store promises that Core of meerkat 0.9 keeps a realm in."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from redis_mob.models.host import (
    AcquireMode,
    CommitBatch,
    FenceGrant,
    FenceTiming,
    HeadPage,
    ScopeKind,
    ScopeRef,
    VersionedHead,
)


@runtime_checkable
class HostStore(Protocol):
    """Scopes of rows, changed by atomic batches of one writer, which holds the fence (contract: host-1).

    The namespace is the realm. Leases are measured by the server's clock (contract: host-4). Heads and rows are bytes
    that are not looked at. All methods raise ValidationError for an argument of another type (contract: store-23);
    InternalError for one that breaks a limit, before any write (contract: host-9); SerializationError naming the scope
    or key that is damaged; OutcomeUnknownError when the connection was lost after a write was sent: the same call may
    be made again; WriteFailedError or ReadFailedError when the storage cannot be reached.
    """

    async def acquire_fence(self, mode: AcquireMode = AcquireMode.EXCLUSIVE) -> FenceGrant:
        """Become the holder, with a token that is higher than any before, and a lease from now on.

        Raises HostFenceHeldError if the lease of another holder lasts and `mode` is EXCLUSIVE. With TAKEOVER the grant
        has the time until that lease ends, for which the new holder waits before it acts (contract: host-2).
        """
        ...

    async def renew_fence(self, token: int) -> None:
        """Prolong the lease of the holder from now on, also when it had lapsed.

        Raises HostFencedOutError if another token was given since, or this one never was (contract: host-3).
        """
        ...

    async def fence_timing(self) -> FenceTiming:
        """The lease and its times, as this handle of the store records leases (contract: host-4)."""
        ...

    async def set_fence_timing(self, timing: FenceTiming) -> None:
        """Record leases of this length from now on, by this handle. Raises ValidationError for times out of bounds."""
        ...

    async def load_head(self, scope: ScopeRef) -> VersionedHead | None:
        """The head of a scope, its version, and the commit that wrote this; None if it does not exist."""
        ...

    async def list_heads(self, kind: ScopeKind, after: str | None = None, limit: int = 1000) -> HeadPage:
        """The scopes of a kind behind the name `after`, in the byte order of their names, at most `limit`.

        A page is that of one moment. One ends early behind 8 MiB of heads: `next` says whether there are more
        (contract: host-8).
        """
        ...

    async def read_rows(self, scope: ScopeRef, start: int = 0, limit: int = 1000) -> list[bytes]:
        """The rows from the index `start` on, at most `limit`, fewer at the end of the scope; [] if it does not exist.

        All are those of one version of the scope. Raises InternalError for a row that was dropped, ReadFailedError if
        the scope changes so often that they cannot be read (contract: host-8).
        """
        ...

    async def commit(self, batch: CommitBatch) -> bool:
        """Do all that a batch says, or nothing. True if it was done now, False if it was before, under the same id.

        Raises HostCommitReusedError if the id was that of another batch, HostFencedOutError for a token that is not
        the current one, HostConflictError naming the first scope that has another version, InternalError for a new
        scope whose name was deleted, and for rows that would take the place of dropped ones; in this order
        (contract: host-5, host-6, host-7).
        """
        ...
