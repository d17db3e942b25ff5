"""The host store on Redis: each method encodes, calls one script, and reads its reply (decision 0063)."""

from __future__ import annotations

from datetime import timedelta

from redis_mob.codec.arguments import member, optional_text
from redis_mob.codec.host import (
    checked_batch,
    checked_timing,
    decode_bytes,
    decode_scope_name,
    digest_of,
    encode_update,
    index_of,
    kind_letter,
    limit_of,
    milliseconds,
    name_of_scope,
    scope_field,
    token_of,
)
from redis_mob.codec.host_refusals import dropped, is_changing, recreated, undroppable
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.contracts.host import HostStore
from redis_mob.contracts.host_errors import (
    HostCommitReusedError,
    HostConflictError,
    HostFencedOutError,
    HostFenceHeldError,
)
from redis_mob.models.host import (
    REMEMBERED_COMMITS,
    AcquireMode,
    CommitBatch,
    FenceGrant,
    FenceTiming,
    HeadPage,
    ScopeHead,
    ScopeKind,
    ScopeRef,
    ScopeUpdate,
    VersionedHead,
)
from redis_mob.stores.readable import readable

_FENCED, _GONE = 2, 3
"""What lua/host/commit.lua answers beside the codes that all scripts share; the one left is a row that was dropped."""

_READINGS = 20
"""How often rows are read that take several pages, if the scope changes between them."""


@readable
class RedisHostStore(HostStore):
    """The contract's `HostStore` on Redis; its docstrings say what holds."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._timing = FenceTiming()

    async def acquire_fence(self, mode: AcquireMode = AcquireMode.EXCLUSIVE) -> FenceGrant:
        exclusive = member("mode", mode, AcquireMode) is AcquireMode.EXCLUSIVE
        code, token, left = await self._client.call(
            "host/acquire_fence",
            [self._keys.meta, self._keys.host_fence],
            [int(exclusive), milliseconds(self._timing.lease)],
        )
        remaining = timedelta(milliseconds=left)
        if code == Reply.LOST:
            raise HostFenceHeldError(token, remaining)
        return FenceGrant(token, remaining)

    async def renew_fence(self, token: int) -> None:
        code, current = await self._client.call(
            "host/renew_fence",
            [self._keys.meta, self._keys.host_fence],
            [token_of("token", token), milliseconds(self._timing.lease)],
        )
        if code == Reply.LOST:
            raise HostFencedOutError(token, current)

    async def fence_timing(self) -> FenceTiming:
        return self._timing

    async def set_fence_timing(self, timing: FenceTiming) -> None:
        self._timing = checked_timing(timing)

    async def load_head(self, scope: ScopeRef) -> VersionedHead | None:
        reply = await self._client.read(
            "host/load_head", [self._keys.meta, self._keys.host_scopes, self._keys.host_heads], [scope_field(scope)]
        )
        return None if reply is None else _head(str(scope), *reply)

    async def list_heads(self, kind: ScopeKind, after: str | None = None, limit: int = 1000) -> HeadPage:
        letter = kind_letter(kind)
        behind = b"" if optional_text("after", after) is None else letter + name_of_scope("after", after or "").encode()
        more, *found = await self._client.read(
            "host/list_heads",
            [self._keys.meta, self._keys.host_scopes, self._keys.host_heads, self._keys.host_names],
            [letter, behind, limit_of(limit)],
        )
        heads = list[ScopeHead]()
        for field, version, commit, head in zip(found[::4], found[1::4], found[2::4], found[3::4], strict=True):
            name = decode_scope_name(field)
            heads.append(ScopeHead(name, _head(f"{kind} scope {name!r}", version, commit, head)))
        return HeadPage(tuple(heads), heads[-1].name if more else None)

    async def read_rows(self, scope: ScopeRef, start: int = 0, limit: int = 1000) -> list[bytes]:
        field, first, most = scope_field(scope), index_of("start", start), limit_of(limit)
        for _ in range(_READINGS):
            rows = await self._read_rows(scope, field, first, most)
            if rows is not None:
                return rows
        raise is_changing(scope)

    async def _read_rows(self, scope: ScopeRef, field: bytes, first: int, most: int) -> list[bytes] | None:
        """Rows of one version; None if there came another one between two pages."""
        rows, version = list[bytes](), b""
        while True:
            reply = await self._client.read(
                "host/read_rows",
                [self._keys.meta, self._keys.host_scopes, self._keys.host_rows],
                [field, first + len(rows), most - len(rows), version],
            )
            match reply:
                case [Reply.WON, found, more, *page]:
                    rows += [
                        decode_bytes(f"row {at} of {scope}", row) for at, row in enumerate(page, first + len(rows))
                    ]
                    if not more:
                        return rows
                    version = found
                case [Reply.LOST, visible]:
                    raise dropped(scope, first, visible)
                case _:
                    # a scope that is deleted between two pages has changed too
                    return None if version else []

    async def commit(self, batch: CommitBatch) -> bool:
        batch, updates = checked_batch(batch)
        keys = self._keys
        reply = await self._client.call(
            "host/commit",
            [
                keys.meta,
                keys.host_fence,
                keys.host_scopes,
                keys.host_heads,
                keys.host_names,
                keys.host_rows,
                keys.host_commits,
                keys.host_order,
            ],
            {
                "commit": batch.commit_id.encode(),
                "digest": digest_of(updates),
                "fence": batch.fence,
                "kept": REMEMBERED_COMMITS,
                "updates": [encode_update(field, update) for field, update in updates],
            },
        )
        return _landed(batch, updates, reply)


def _landed(batch: CommitBatch, updates: list[tuple[bytes, ScopeUpdate]], reply: list[int]) -> bool:
    """Whether a commit happened now, or did before; raises what any other reply stands for."""
    code, *details = reply
    match code:
        case Reply.WON | Reply.LOST:
            return code == Reply.WON
        case Reply.EXISTS:
            raise HostCommitReusedError(batch.commit_id)
        case _ if code == _FENCED:
            raise HostFencedOutError(batch.fence, details[0])
        case _:
            update = updates[details[0] - 1][1]
    if code == Reply.CONFLICT:
        raise HostConflictError(update.scope.kind, update.scope.name, update.previous, details[1] or None)
    raise recreated(update.scope) if code == _GONE else undroppable(update, details[1])


def _head(what: str, version: int, commit: bytes, head: bytes) -> VersionedHead:
    return VersionedHead(version, commit.decode(errors="replace"), decode_bytes(f"the head of {what}", head))
