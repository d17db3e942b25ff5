"""Config documents on a server and in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, multiple, rule

from redis_mob.contracts import ConfigSubscription, WatchableConfigStore
from redis_mob.models.base import U64_MAX
from redis_mob.models.config import (
    ConfigChangeEvent,
    ConfigWrite,
    Delete,
    DeleteIfRevision,
    Put,
    PutIfAbsent,
    PutIfRevision,
)
from redis_mob.models.revision import extract_meta_revision
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.config_documents import at
from tests.differential.driver import Twins, check_twins
from tests.differential.strategies import VALUES, either

NAMESPACES = ["n", "n:"]
IDS = ["a", "a", "a/é {*}"]
BAD_NAMES: list[Any] = ["", " \t", "a\0", "\ud800", "a\x85", 7, None]
SCOPES: list[tuple[Any, ...]] = [(), ("s",), ("s", "n")]
EVERYWHERE = [
    "".join(f"scope:{len(id.encode())}:{id}:" for id in scope) + namespace
    for scope in SCOPES
    for namespace in NAMESPACES
]
"""The namespaces of all scopes, as they are called outside."""

BAD_SCOPES: list[tuple[Any, ...]] = [("",), ("s", "x" * 513)]

NO_REVISIONS: list[Any] = ["7", 1.0, 1e3, -1, True, None, U64_MAX + 1, {}]

METHODS: Mapping[type[ConfigWrite], str] = {
    Put: "put",
    PutIfAbsent: "put_if_absent",
    PutIfRevision: "put_if_revision",
    Delete: "delete",
    DeleteIfRevision: "delete_if_revision",
}


class Config(Twins):
    """Writes one by one and several at once, in and out of scopes; a subscriber hears of every change."""

    revisions = Bundle("revisions")

    SCOPE, NAMESPACE, ID = either(SCOPES, BAD_SCOPES), either(NAMESPACES, BAD_NAMES), either(IDS, BAD_NAMES)
    VALUE = st.builds(at, revisions | either([1, 2], NO_REVISIONS)) | VALUES
    NUMBER = either([0, 1, 2, 5, U64_MAX], [-1, True, 1.0, U64_MAX + 1])
    EXPECTED = revisions | either([0, 1], NO_REVISIONS)
    WRITE = st.one_of(
        st.builds(Put, NAMESPACE, ID, VALUE),
        st.builds(PutIfAbsent, NAMESPACE, ID, VALUE),
        st.builds(PutIfRevision, NAMESPACE, ID, VALUE, EXPECTED),
        st.builds(PutIfRevision, NAMESPACE, ID, VALUE, EXPECTED),
        st.builds(Delete, NAMESPACE, ID),
        st.builds(DeleteIfRevision, NAMESPACE, ID, EXPECTED),
    )

    def __init__(self) -> None:
        super().__init__()
        self.following = self._run(self._subscribe())

    async def _subscribe(self) -> tuple[ConfigSubscription, ConfigSubscription]:
        enter = self._opened.enter_async_context
        return await enter(self.server.config.subscribe(after=0)), await enter(self.memory.config.subscribe(after=0))

    def on_config(self, scope: tuple[Any, ...], method: str, *arguments: Any) -> Any:
        async def call(storage: MobStorage) -> Any:
            return await getattr(scoped(storage, scope), method)(*arguments)

        return self.both(call)

    @initialize(target=revisions)
    def the_first_revisions(self) -> Any:
        return multiple(0, 1)

    @rule(target=revisions, scope=SCOPE, write=WRITE)
    def write(self, scope: tuple[Any, ...], write: ConfigWrite) -> int:
        arguments = [getattr(write, field.name) for field in dataclasses.fields(write)]
        self.on_config(scope, METHODS[type(write)], *arguments)
        return revision_in(write)

    @rule(scope=SCOPE, writes=st.lists(WRITE, max_size=5))
    def apply(self, scope: tuple[Any, ...], writes: list[ConfigWrite]) -> None:
        self.on_config(scope, "apply", writes)

    @rule(id=st.sampled_from(IDS), times=st.integers(2, 21))
    def write_again_and_again(self, id: str, times: int) -> None:
        for number in range(times):
            self.on_config((), "put", NAMESPACES[0], id, at(number))
        self.on_config((), "history", NAMESPACES[0], id)

    @rule(method=st.sampled_from(["get", "lookup", "exists", "history"]), scope=SCOPE, namespace=NAMESPACE, id=ID)
    def read(self, method: str, scope: tuple[Any, ...], namespace: Any, id: Any) -> None:
        self.on_config(scope, method, namespace, id)

    @rule(scope=SCOPE, namespace=NAMESPACE, offset=NUMBER, limit=st.none() | NUMBER)
    def list(self, scope: tuple[Any, ...], namespace: Any, offset: Any, limit: Any) -> None:
        self.on_config(scope, "list", namespace, offset, limit)

    @rule(scope=st.sampled_from(SCOPES), namespace=NAMESPACE, page_size=NUMBER)
    def walk(self, scope: tuple[Any, ...], namespace: Any, page_size: Any) -> None:
        async def walked(storage: MobStorage) -> Any:
            return [document async for document in scoped(storage, scope).walk(namespace, page_size)]

        self.both(walked)

    @rule(scope=SCOPE, namespace=NAMESPACE)
    def change_token(self, scope: tuple[Any, ...], namespace: Any) -> None:
        self.on_config(scope, "change_token", namespace)

    @rule(scope=SCOPE, namespaces=st.lists(NAMESPACE, max_size=3))
    def snapshot(self, scope: tuple[Any, ...], namespaces: list[Any]) -> None:
        self.on_config(scope, "snapshot", namespaces)

    @rule(scope=st.sampled_from(SCOPES), after=NUMBER)
    def follow_in_a_scope(self, scope: tuple[Any, ...], after: Any) -> None:
        """The last change is one of the scope, so that the subscriber waits for no more."""

        async def followed(storage: MobStorage) -> Any:
            config = scoped(storage, scope)
            await config.put("n", "last", 0)
            async with config.subscribe(after=after) as following:
                return await heard(following, await config.change_token("n"))

        self.both(followed)

    @invariant()
    def same_content(self) -> None:
        server, memory = self.following
        self.both(lambda storage: content(storage, server if storage is self.server else memory))


def scoped(storage: MobStorage, scope: tuple[Any, ...]) -> WatchableConfigStore:
    config = storage.config
    for scope_id in scope:
        config = config.scoped(scope_id)
    return config


def revision_in(write: ConfigWrite) -> int:
    return 0 if isinstance(write, Delete | DeleteIfRevision) else extract_meta_revision(write.value) or 0


async def content(storage: MobStorage, following: ConfigSubscription) -> Any:
    """All documents of all scopes, and what a subscriber has not heard yet."""
    snapshot = await storage.config.snapshot(EVERYWHERE)
    return snapshot, await heard(following, snapshot.cursor)


async def heard(following: ConfigSubscription, newest: int) -> list[ConfigChangeEvent]:
    changes: list[ConfigChangeEvent] = []
    while following.cursor < newest:
        changes.append(await following.next())
    return changes


def test_config(server_url: str) -> None:
    check_twins(Config, server_url)
