"""Several config documents at one moment: atomic changes, snapshots, and the tokens of namespaces."""

from __future__ import annotations

import asyncio

import pytest

from redis_mob.contracts import WatchableConfigStore
from redis_mob.errors import AlreadyExistsError, ConfigStoreError, ValidationError, VersionConflictError
from redis_mob.models.config import (
    ConfigSnapshot,
    ConfigWrite,
    Delete,
    DeleteIfRevision,
    Put,
    PutIfAbsent,
    PutIfRevision,
)
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.config_documents import U64_MAX, at, changed, deleted, ids_of
from redis_mob.testing.waiting import take


class TestConfigTransactions(Guarantee):
    """Several documents change together: all conditions are compared first, then all happens, or nothing."""

    async def test_the_writes_may_be_any_iterable(self, config: WatchableConfigStore) -> None:
        await config.apply(Put("n", id, 1) for id in ("a", "b"))
        await config.apply(iter([Delete("n", "a")]))
        await config.apply(())
        assert await config.list("n") == [("b", 1)]
        for no_writes in (None, 1, "writes", {"a": Put("n", "a", 2)}, [None], [("n", "a", 2)], Put("n", "a", 2)):
            with pytest.raises(ValidationError):
                await config.apply(no_writes)  # pyright: ignore[reportArgumentType]
        assert await config.list("n") == [("b", 1)]

    async def test_several_documents_change_at_once(self, config: WatchableConfigStore) -> None:
        for id in "abc":
            await config.put("n", id, at(1))
        async with config.subscribe() as following:
            await config.apply(
                [
                    Put("n", "a", "new"),
                    Delete("n", "missing"),
                    PutIfRevision("n", "b", at(2), 1),
                    DeleteIfRevision("n", "c", 1),
                    PutIfAbsent("m", "a", None),
                    DeleteIfRevision("n", "gone", 0),
                ]
            )
            await config.put("n", "end", 0)
            assert await take(following, 5) == [
                changed("a"),
                changed("b"),
                deleted("c"),
                changed("a", "m"),
                changed("end"),
            ]
        assert await config.list("n") == [("a", "new"), ("b", at(2)), ("end", 0)]
        assert await config.list("m") == [("a", None)]

    @pytest.mark.parametrize(
        ("refused", "error"),
        [
            (PutIfAbsent("n", "a", 2), AlreadyExistsError("n", "a")),
            (PutIfRevision("n", "a", 2, 0), VersionConflictError(0, 1)),
            (DeleteIfRevision("n", "a", U64_MAX), VersionConflictError(U64_MAX, 1)),
            (PutIfRevision("n", "z", 2, 3), VersionConflictError(3, 0)),
        ],
    )
    async def test_the_first_condition_that_does_not_hold_undoes_all(
        self, config: WatchableConfigStore, refused: ConfigWrite, error: ConfigStoreError
    ) -> None:
        for id in "abc":
            await config.put("n", id, at(1))
        before, token = await config.snapshot(["n"]), await config.change_token("n")
        async with config.subscribe() as following:
            with pytest.raises(type(error)) as raised:
                await config.apply([Put("n", "new", 1), Delete("n", "b"), refused, PutIfAbsent("n", "c", 0)])
            assert vars(raised.value) == vars(error)
            assert await config.snapshot(["n"]) == before
            assert await config.change_token("n") == token
            assert len(await config.history("n", "b")) == 1
            await config.put("n", "end", 0)
            assert await take(following, 1) == [changed("end")]

    async def test_a_document_is_named_once(self, config: WatchableConfigStore) -> None:
        with pytest.raises(ValidationError):
            await config.apply([Put("n", "a", 1), Put("n", "b", 1), Delete("n", "a")])
        assert await config.list("n") == []

    @pytest.mark.parametrize("expected", [2**64, -1])
    async def test_what_is_no_revision_is_refused(self, config: WatchableConfigStore, expected: int) -> None:
        for refused in (PutIfRevision("n", "b", 1, expected), DeleteIfRevision("n", "b", expected)):
            with pytest.raises(ValidationError):
                await config.apply([Put("n", "a", 1), refused])
        assert await config.list("n") == []

    async def test_nothing_to_apply(self, config: WatchableConfigStore) -> None:
        await config.put("n", "a", 1)
        before = await config.snapshot(["n"])
        await config.apply([])
        assert await config.snapshot(["n"]) == before

    async def test_one_of_many_wins(self, open_stores: Opener) -> None:
        stores = [given("config", (await open_stores()).config) for _ in range(4)]
        outcomes = await asyncio.gather(
            *(
                store.apply([Put("n", "a", number), PutIfAbsent("n", "b", number), Put("m", str(number), 0)])
                for number, store in enumerate(stores)
            ),
            return_exceptions=True,
        )
        winner = outcomes.index(None)
        assert [type(outcome) for outcome in outcomes if outcome is not None] == [AlreadyExistsError] * 3
        assert await stores[0].list("n") == [("a", winner), ("b", winner)]
        assert await ids_of(stores[0], "m") == [str(winner)]

    async def test_readers_see_all_of_it_or_nothing(self, open_stores: Opener) -> None:
        reader, writer = [given("config", (await open_stores()).config) for _ in range(2)]

        async def write() -> None:
            for number in range(50):
                await writer.apply([Put("n", "a", number), Put("n", "b", number), Put("m", "a", number)])

        async def read() -> None:
            for _ in range(50):
                listed = dict(await reader.list("n"))
                assert listed["a"] == listed["b"]
                snapshot = (await reader.snapshot(["n", "m"])).documents
                assert snapshot["n"]["a"] == snapshot["n"]["b"] == snapshot["m"]["a"]

        await writer.apply([Put("n", "a", -1), Put("n", "b", -1), Put("m", "a", -1)])
        await asyncio.gather(write(), read())


class TestConfigSnapshots(Guarantee):
    """A snapshot holds whole namespaces, and a token says whether a namespace has changed."""

    async def test_a_snapshot_shows_what_was_asked_for(self, config: WatchableConfigStore) -> None:
        await config.put("n", "b", 1)
        await config.put("n", "a", None)
        await config.put("m", "a", 2)
        await config.put("o", "a", 3)
        snapshot = await config.snapshot(["n", "m", "empty", "n"])
        assert snapshot.documents == {"n": {"a": None, "b": 1}, "m": {"a": 2}, "empty": {}}
        assert list(snapshot.documents["n"]) == ["a", "b"]
        assert await config.snapshot(iter(["m"])) == ConfigSnapshot({"m": {"a": 2}}, snapshot.cursor)

    async def test_the_cursor_of_a_snapshot_grows_with_the_changes(self, config: WatchableConfigStore) -> None:
        cursors: list[int] = []
        for id in "abc":
            cursors.append((await config.snapshot([])).cursor)
            assert (await config.snapshot(["n", "m"])).cursor == cursors[-1]
            await config.put("n", id, 0)
        assert cursors == sorted(set(cursors))
        async with config.subscribe(after=cursors[1]) as following:
            assert await take(following, 2) == [changed("b"), changed("c")]

    async def test_a_token_grows_with_the_changes_of_its_namespace(self, config: WatchableConfigStore) -> None:
        tokens = [await config.change_token("n")]
        assert tokens == [0]
        for change in (
            config.put("n", "a", at(1)),
            config.put("n", "a", at(1)),
            config.put_if_absent("n", "b", at(1)),
            config.put_if_revision("n", "a", at(1), 1),
            config.apply([Put("n", "c", 0), Put("n", "d", 0)]),
            config.delete_if_revision("n", "b", 1),
            config.delete("n", "a"),
        ):
            await change
            tokens.append(await config.change_token("n"))
        assert tokens == sorted(set(tokens))
        await config.put("m", "a", 1)
        await config.delete("n", "a")
        await config.get("n", "c")
        await config.scoped("A").put("n", "a", 1)
        assert await config.change_token("n") == tokens[-1]
