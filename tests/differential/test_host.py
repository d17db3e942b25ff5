"""The host store on a server and in memory."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, rule

from redis_mob.models.host import AcquireMode, CommitBatch, ScopeKind, ScopeRef, ScopeUpdate
from redis_mob.storage import MobStorage
from tests.differential.driver import Twins, check_twins
from tests.differential.strategies import rarely

NAMES = rarely(st.sampled_from(["", "a\n", "x" * 513, "\ud800"]), st.sampled_from(["a", "ab", "é"]))
SCOPES = st.builds(ScopeRef, st.sampled_from([ScopeKind.MOB, ScopeKind.RECORD]), NAMES)
INDICES = st.none() | rarely(st.just(-1), st.integers(0, 6))
ROWS = st.lists(st.sampled_from([b"", b"\0", b"row"]), max_size=4).map(tuple)
HEADS = st.none() | st.sampled_from([b"", b"head"])
VERSIONS = st.none() | rarely(st.sampled_from([0, 2**70]), st.integers(1, 4))
COMMIT_IDS = rarely(st.sampled_from(["", "x" * 129]), st.integers(0, 40).map(str))
UPDATES = st.builds(ScopeUpdate, SCOPES, VERSIONS, HEADS, ROWS, INDICES, INDICES, st.booleans())


class Hosts(Twins):
    """Batches name versions, tokens and ids that are right, that were, or that never will be."""

    tokens = Bundle("tokens")

    @initialize(target=tokens)
    def first_token(self) -> Any:
        return self.both(_taken)

    @rule(target=tokens)
    def take_over(self) -> Any:
        return self.both(_taken)

    @rule(token=tokens)
    def renew(self, token: int) -> None:
        self.both(lambda storage: storage.host.renew_fence(token))

    @rule(token=tokens, commit_id=COMMIT_IDS, updates=st.lists(UPDATES, max_size=3).map(tuple))
    def commit(self, token: int, commit_id: str, updates: tuple[ScopeUpdate, ...]) -> None:
        self.both(lambda storage: storage.host.commit(CommitBatch(commit_id, token, updates)))

    @rule(token=tokens, commit_id=COMMIT_IDS, scope=SCOPES, rows=ROWS, truncate=INDICES, drop=INDICES, head=HEADS)
    def follow(
        self, token: int, commit_id: str, scope: ScopeRef, rows: Any, truncate: Any, drop: Any, head: Any
    ) -> None:
        """An update of the version that the scope has, or what creates it."""
        self.both(lambda storage: _followed(storage, token, commit_id, scope, (head, rows, truncate, drop)))

    @rule(token=tokens, commit_id=COMMIT_IDS, scope=SCOPES)
    def delete(self, token: int, commit_id: str, scope: ScopeRef) -> None:
        self.both(lambda storage: _deleted(storage, token, commit_id, scope))

    @rule(scope=SCOPES, start=st.integers(-1, 6), limit=st.integers(0, 4))
    def read(self, scope: ScopeRef, start: int, limit: int) -> None:
        self.both(lambda storage: storage.host.read_rows(scope, start, limit))

    @rule(kind=st.sampled_from(ScopeKind), after=st.none() | NAMES, limit=st.integers(0, 3))
    def list_heads(self, kind: ScopeKind, after: str | None, limit: int) -> None:
        self.both(lambda storage: storage.host.list_heads(kind, after, limit))

    @invariant()
    def same_content(self) -> None:
        self.both(content)


async def _taken(storage: MobStorage) -> int:
    """The token alone: what is left of a lease is measured by two clocks."""
    return (await storage.host.acquire_fence(AcquireMode.TAKEOVER)).token


async def _followed(storage: MobStorage, token: int, commit_id: str, scope: ScopeRef, parts: tuple[Any, ...]) -> bool:
    found = await storage.host.load_head(scope)
    head, rows, truncate, drop = parts
    update = ScopeUpdate(scope, found.version if found else None, head, rows, truncate, drop)
    return await storage.host.commit(CommitBatch(commit_id, token, (update,)))


async def _deleted(storage: MobStorage, token: int, commit_id: str, scope: ScopeRef) -> bool:
    found = await storage.host.load_head(scope)
    update = ScopeUpdate(scope, found.version if found else 1, delete=True)
    return await storage.host.commit(CommitBatch(commit_id, token, (update,)))


async def content(storage: MobStorage) -> Any:
    """All scopes with their rows, from the first that is visible."""
    found = list[Any]()
    for kind in ScopeKind:
        for head in (await storage.host.list_heads(kind)).heads:
            # those that were dropped cannot be read: after 30 there is none
            found += (head, await storage.host.read_rows(ScopeRef(kind, head.name), 30))
    return found


def test_hosts(server_url: str) -> None:
    check_twins(Hosts, server_url)
