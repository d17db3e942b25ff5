"""The host store in memory."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice

from redis_mob.codec.arguments import member, optional_text
from redis_mob.codec.host import (
    checked_batch,
    checked_timing,
    decode_scope_name,
    digest_of,
    index_of,
    kind_letter,
    limit_of,
    name_of_scope,
    scope_field,
    token_of,
)
from redis_mob.codec.host_refusals import dropped, recreated, undroppable
from redis_mob.contracts.host import HostStore
from redis_mob.contracts.host_errors import (
    HostCommitReusedError,
    HostConflictError,
    HostFencedOutError,
    HostFenceHeldError,
)
from redis_mob.memory.host_realm import KeptScope
from redis_mob.memory.namespace import Access
from redis_mob.models.host import (
    AcquireMode,
    CommitBatch,
    FenceGrant,
    FenceTiming,
    HeadPage,
    ScopeHead,
    ScopeKind,
    ScopeRef,
    VersionedHead,
)


class MemoryHostStore(HostStore):
    """The contract's `HostStore` in memory; its docstrings say what holds."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._timing = FenceTiming()

    async def acquire_fence(self, mode: AcquireMode = AcquireMode.EXCLUSIVE) -> FenceGrant:
        exclusive = member("mode", mode, AcquireMode) is AcquireMode.EXCLUSIVE
        content = self._access.content
        realm, now = content.host, content.clock.now()
        left = max(timedelta(), realm.live_until - now)
        if left and exclusive:
            raise HostFenceHeldError(realm.token, left)
        realm.token += 1
        realm.live_until = now + self._timing.lease
        return FenceGrant(realm.token, left)

    async def renew_fence(self, token: int) -> None:
        given = token_of("token", token)
        content = self._access.content
        if given != content.host.token:
            raise HostFencedOutError(given, content.host.token)
        content.host.live_until = content.clock.now() + self._timing.lease

    async def fence_timing(self) -> FenceTiming:
        _ = self._access.content
        return self._timing

    async def set_fence_timing(self, timing: FenceTiming) -> None:
        _ = self._access.content
        self._timing = checked_timing(timing)

    async def load_head(self, scope: ScopeRef) -> VersionedHead | None:
        found = self._access.content.host.scopes.get(scope_field(scope))
        return None if found is None else _head(found)

    async def list_heads(self, kind: ScopeKind, after: str | None = None, limit: int = 1000) -> HeadPage:
        letter = kind_letter(kind)
        behind = (
            letter if optional_text("after", after) is None else letter + name_of_scope("after", after or "").encode()
        )
        most = limit_of(limit)
        scopes = self._access.content.host.scopes
        fields = sorted(field for field in scopes if field.startswith(letter) and field > behind)
        heads = tuple(ScopeHead(decode_scope_name(field), _head(scopes[field])) for field in islice(fields, most))
        return HeadPage(heads, heads[-1].name if len(fields) > most else None)

    async def read_rows(self, scope: ScopeRef, start: int = 0, limit: int = 1000) -> list[bytes]:
        field, first, most = scope_field(scope), index_of("start", start), limit_of(limit)
        found = self._access.content.host.scopes.get(field)
        if found is None:
            return []
        if first < found.first:
            raise dropped(scope, first, found.first)
        return found.rows[first - found.first :][:most]

    async def commit(self, batch: CommitBatch) -> bool:
        batch, updates = checked_batch(batch)
        digest, realm = digest_of(updates), self._access.content.host
        if (landed := realm.landed.get(batch.commit_id)) is not None:
            if landed != digest:
                raise HostCommitReusedError(batch.commit_id)
            return False
        if batch.fence != realm.token:
            raise HostFencedOutError(batch.fence, realm.token)
        for field, update in updates:
            scope = realm.scopes.get(field)
            actual = None if scope is None else scope.version
            if actual != update.previous:
                raise HostConflictError(update.scope.kind, update.scope.name, update.previous, actual)
            if scope is None and field in realm.deleted:
                raise recreated(update.scope)
            if scope is not None and update.truncate_after is not None and update.truncate_after < scope.first:
                raise undroppable(update, scope.first)
        realm.apply(batch.commit_id, digest, updates)
        return True


def _head(scope: KeptScope) -> VersionedHead:
    return VersionedHead(scope.version, scope.commit_id, scope.head)
