"""Config documents: what is stored of them, and what is refused (contract: config-2, config-3)."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from redis_mob.contracts import WatchableConfigStore
from redis_mob.errors import AlreadyExistsError, SerializationError, VersionConflictError
from redis_mob.models.base import json_text
from redis_mob.models.config import ConfigWrite, Delete, DeleteIfRevision, Found, Put
from redis_mob.testing.backend import Backend, StoredDocument
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.config_documents import U64_MAX, at, changed, ids_of, nested, walked
from redis_mob.testing.waiting import take

VALUES: list[Any] = [
    {"b": {"é": ["ü", {"a": []}]}, "a": {}, "": [[], {}, None]},
    [0, -1, 2**53 + 1, U64_MAX, -(2**70), 1.0, 1e16, 0.1, -0.0, 1e-320, 3.141592653589793],
    "line\nbreak \u2028 \0 😀",
    True,
    0,
    "",
]


async def values(config: WatchableConfigStore, id: str = "a") -> list[Any]:
    """What a document said, the newest first."""
    return [version.value for version in await config.history("n", id)]


class TestConfigDocuments(Guarantee):
    """A config document is any JSON value, and comes back exactly as it was put."""

    async def test_config_case_01_a_document_that_is_missing(self, config: WatchableConfigStore) -> None:
        assert await config.get("n", "a") is None
        assert await config.lookup("n", "a") is None
        assert not await config.exists("n", "a")

    @pytest.mark.parametrize("value", VALUES)
    async def test_config_case_02_a_document_comes_back_as_it_was(
        self, config: WatchableConfigStore, value: Any
    ) -> None:
        await config.put("n", "a", value)
        stored = await config.get("n", "a")
        assert json_text(stored) == json_text(value)
        assert await config.lookup("n", "a") == Found(stored)
        assert json_text(await config.list("n")) == json_text([("a", value)])

    async def test_config_case_03_null_is_not_absence(self, config: WatchableConfigStore) -> None:
        await config.put("n", "a", None)
        assert await config.get("n", "a") is None
        assert await config.lookup("n", "a") == Found(None)
        assert await config.exists("n", "a")
        assert await config.list("n") == [("a", None)]

    async def test_config_case_04_the_second_put_counts(self, config: WatchableConfigStore) -> None:
        await config.put("n", "a", {"meta": {"revision": 3}, "x": 1})
        await config.put("n", "a", {"meta": {"revision": 3, "more": "x"}})
        assert await config.get("n", "a") == {"meta": {"revision": 3, "more": "x"}}

    async def test_config_case_05_namespaces_are_apart(self, config: WatchableConfigStore) -> None:
        await config.put("n", "a", 1)
        await config.put("m", "a", 2)
        await config.delete("n", "a")
        assert await config.get("n", "a") is None
        assert await config.get("m", "a") == 2
        assert await ids_of(config) == []

    async def test_config_case_11_deleting_what_is_missing(self, config: WatchableConfigStore) -> None:
        await config.delete("n", "a")
        await config.put("n", "a", 1)
        await config.delete("n", "a")
        await config.delete("n", "a")
        assert await config.lookup("n", "a") is None
        assert not await config.exists("n", "a")
        assert await ids_of(config) == []

    async def test_a_document_may_be_500_levels_deep(self, config: WatchableConfigStore) -> None:
        await config.put("n", "a", nested(500))
        assert await config.get("n", "a") == nested(500)

    async def test_who_changes_what_he_put_or_got_changes_nothing_stored(self, config: WatchableConfigStore) -> None:
        value = {"tools": ["search"]}
        await config.put("n", "a", value)
        value["tools"].append("changed")
        [(_, listed)] = await config.list("n")
        [version] = await config.history("n", "a")
        snapshot = await config.snapshot(["n"])
        for got in (await config.get("n", "a"), listed, version.value, snapshot.documents["n"]["a"]):
            assert got == {"tools": ["search"]}
            got["tools"].append("changed")
        assert await config.get("n", "a") == {"tools": ["search"]}

    async def test_handles_share_the_documents_and_who_comes_later_finds_them(
        self, backend: Backend, open_stores: Opener
    ) -> None:
        async with backend.open() as stores:
            await given("config", stores.config).put("n", "a", at(1))
        one, two = [given("config", (await open_stores()).config) for _ in range(2)]
        await one.put_if_revision("n", "a", at(2), 1)
        assert await two.get("n", "a") == at(2)
        assert await two.snapshot(["n"]) == await one.snapshot(["n"])


class TestConfigHistories(Guarantee):
    """The last 20 versions of a document are kept until it is deleted."""

    async def test_the_history_of_a_document(self, config: WatchableConfigStore, backend: Backend) -> None:
        assert await config.history("n", "a") == []
        start = await backend.now()
        await config.put_if_absent("n", "a", at(1))
        await config.put_if_revision("n", "a", {"bare": True}, 1)
        await config.apply([Put("n", "a", at(U64_MAX))])
        versions = await config.history("n", "a")
        assert [(version.revision, version.value) for version in versions] == [
            (U64_MAX, at(U64_MAX)),
            (0, {"bare": True}),
            (1, at(1)),
        ]
        times = [version.written_at for version in versions]
        assert start <= times[2] <= times[1] <= times[0] <= await backend.now()

    async def test_what_failed_is_no_version(self, config: WatchableConfigStore) -> None:
        await config.put("n", "a", at(1))
        with pytest.raises(VersionConflictError):
            await config.put_if_revision("n", "a", at(3), 2)
        with pytest.raises(AlreadyExistsError):
            await config.put_if_absent("n", "a", at(3))
        assert await values(config) == [at(1)]

    @pytest.mark.parametrize("count", [19, 20, 21, 39, 60])
    async def test_a_history_has_20_versions(self, config: WatchableConfigStore, count: int) -> None:
        for number in range(count):
            await config.put("n", "a", number)
            await config.put("n", "b", -number)
        assert await values(config) == list(reversed(range(count)))[:20]
        assert await values(config, "b") == [-number for number in reversed(range(count))][:20]

    @pytest.mark.parametrize("deletion", [Delete("n", "a"), DeleteIfRevision("n", "a", 0)])
    async def test_deleting_a_document_forgets_its_history(
        self, config: WatchableConfigStore, deletion: ConfigWrite
    ) -> None:
        for number in range(30):
            await config.put("n", "a", number)
        await config.apply([deletion])
        assert await config.history("n", "a") == []
        await config.put("n", "a", "again")
        assert await values(config) == ["again"]


class TestDamagedConfigDocuments(Guarantee):
    """A stored document that cannot be read is named, never left out, and may be replaced or deleted."""

    @pytest_asyncio.fixture
    async def damaged(self, config: WatchableConfigStore, backend: Backend) -> WatchableConfigStore:
        """Three documents at revision 1, the second of which, `planner`, cannot be read."""
        for id in ("browser", "planner", "writer"):
            await config.put("n", id, at(1))
        await backend.damage(StoredDocument("n", "planner"))
        return config

    async def test_config_case_49_a_reader_is_told_which_it_is(self, damaged: WatchableConfigStore) -> None:
        for read in (
            damaged.get("n", "planner"),
            damaged.lookup("n", "planner"),
            damaged.list("n"),
            damaged.snapshot(["m", "n"]),
            damaged.history("n", "planner"),
            walked(damaged),
        ):
            with pytest.raises(SerializationError, match="planner"):
                await read

    async def test_config_case_49_the_first_of_several_is_named(
        self, damaged: WatchableConfigStore, backend: Backend
    ) -> None:
        await backend.damage(StoredDocument("n", "writer"))
        with pytest.raises(SerializationError, match="planner"):
            await damaged.list("n")

    async def test_config_case_49_the_others_are_read_and_it_exists(self, damaged: WatchableConfigStore) -> None:
        assert await damaged.exists("n", "planner")
        assert await damaged.list("n", 0, 1) == [("browser", at(1))]
        assert await damaged.list("n", 2) == [("writer", at(1))]

    async def test_config_case_49_it_does_not_count_as_absent(self, damaged: WatchableConfigStore) -> None:
        with pytest.raises(AlreadyExistsError):
            await damaged.put_if_absent("n", "planner", at(1))
        for call in (
            damaged.put_if_revision("n", "planner", at(1), 0),
            damaged.delete_if_revision("n", "planner", 0),
        ):
            with pytest.raises((VersionConflictError, SerializationError)):
                await call
        with pytest.raises(SerializationError):
            await damaged.get("n", "planner")

    async def test_config_case_49_it_may_be_overwritten_or_deleted(
        self, damaged: WatchableConfigStore, backend: Backend
    ) -> None:
        await damaged.put("n", "planner", 2)
        assert await damaged.get("n", "planner") == 2
        await backend.damage(StoredDocument("n", "planner"))
        await damaged.delete("n", "planner")
        assert await ids_of(damaged) == ["browser", "writer"]


class TestRefusedConfigDocuments(Guarantee):
    """What is no JSON, too deep or too large is refused with the place of the fault, before anything is stored."""

    @pytest.mark.parametrize(
        "fault",
        [float("nan"), float("-inf"), "\ud800", {"\udc00": 1}, {1: 2}, b"x", {1}, nested(499)],
        ids=["nan", "infinity", "surrogate", "surrogate_key", "number_key", "bytes", "set", "too_deep"],
    )
    async def test_config_case_50_what_is_no_document_is_refused(
        self, config: WatchableConfigStore, fault: Any
    ) -> None:
        value = {"fine": 1, "faulty": [fault]}
        await config.put("n", "a", at(0))
        before = await config.snapshot(["n"])
        async with config.subscribe() as following:
            for call in (
                config.put("n", "a", value),
                config.put_if_absent("n", "new", value),
                config.put_if_revision("n", "a", value, 0),
                config.apply([Put("n", "new", 1), Put("n", "a", value)]),
            ):
                with pytest.raises(SerializationError, match="faulty"):
                    await call
            assert await config.snapshot(["n"]) == before
            await config.put("n", "end", 0)
            assert await take(following, 1) == [changed("end")]

    async def test_config_case_50_a_document_of_more_than_64_mib_is_refused(self, config: WatchableConfigStore) -> None:
        with pytest.raises(SerializationError):
            await config.put("n", "a", "x" * 64 * 1024 * 1024)
        assert not await config.exists("n", "a")
