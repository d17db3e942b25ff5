"""Generic records on a server and in memory."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from redis_mob.storage import MobStorage
from tests.differential.driver import Twins, check_twins
from tests.differential.strategies import DOCUMENTS, NAMES, rarely

VALUES = rarely(
    st.sampled_from([None, "\ud800", 1j]), st.sampled_from([1, 1.0, {"a": 1, "b": 2}, {"b": 2, "a": 1}]) | DOCUMENTS
)


class Records(Twins):
    """Inserts that are repeated, and writes that name a value: the right one, another one, or none."""

    @rule(collection=NAMES, key=NAMES, value=VALUES)
    def insert(self, collection: str, key: str, value: Any) -> None:
        self.both(lambda storage: storage.records.insert(collection, key, value))

    @rule(collection=NAMES, key=NAMES, expected=VALUES | st.none(), value=VALUES)
    def compare_and_put(self, collection: str, key: str, expected: Any, value: Any) -> None:
        self.both(lambda storage: storage.records.compare_and_put(collection, key, expected, value))

    @rule(collection=NAMES, key=NAMES, expected=VALUES | st.none())
    def compare_and_delete(self, collection: str, key: str, expected: Any) -> None:
        self.both(lambda storage: storage.records.compare_and_delete(collection, key, expected))

    @rule(collection=NAMES, after=NAMES | st.none(), limit=st.integers(-1, 3) | st.none())
    def list(self, collection: str, after: str | None, limit: int | None) -> None:
        self.both(lambda storage: storage.records.list(collection, after, limit))

    @invariant()
    def same_content(self) -> None:
        self.both(content)


async def content(storage: MobStorage) -> Any:
    """All records."""
    return [(name, await storage.records.list(name)) for name in await storage.records.collections()]


def test_records(server_url: str) -> None:
    check_twins(Records, server_url)
