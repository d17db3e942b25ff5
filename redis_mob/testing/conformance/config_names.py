"""What config documents may be called, and the scopes that keep names apart (contract: config-18, config-20)."""

from __future__ import annotations

from typing import Any

import pytest

from redis_mob.contracts import WatchableConfigStore
from redis_mob.errors import AlreadyExistsError, ValidationError, VersionConflictError
from redis_mob.models.config import Delete, Put, PutIfAbsent
from redis_mob.testing.conformance.base import Guarantee
from redis_mob.testing.samples.config_documents import changed, deleted, ids_of, walked
from redis_mob.testing.waiting import take

ODD_NAMES = ["a:b", "{}", "*", " a b ", "😀", "x" * 200, "a/b", "a\\b", "a..b", ".", "\u202e", "[a]?", "%s", "7", "'\""]
"""Names that other stores of this contract mix up or refuse."""

LIKE_NAMES = ["a", "A", "a ", " a", "ä", "a\u0308", "ａ", "a.", "a%", "a_"]
"""Names that are easily taken for each other: by case, by blanks, by how a letter is encoded."""

BAD_NAMES: list[Any] = ["", " ", "\t", "\u3000", "a\0", "a\nb", "\x7f", "a\x85", "\ud800", 7, None, b"a"]


class TestConfigNames(Guarantee):
    """A text that is not blank and has no control character is a name of its own, anything else is refused."""

    @pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
    async def test_config_case_44_a_bad_name_is_refused_by_every_method(
        self, config: WatchableConfigStore, name: Any
    ) -> None:
        before = await config.snapshot(["n"])
        async with config.subscribe() as following:
            for pair in ((name, "a"), ("n", name)):
                for call in (
                    config.get(*pair),
                    config.lookup(*pair),
                    config.exists(*pair),
                    config.put(*pair, 1),
                    config.put_if_absent(*pair, 1),
                    config.put_if_revision(*pair, 1, 0),
                    config.delete(*pair),
                    config.delete_if_revision(*pair, 0),
                    config.history(*pair),
                    config.apply([Put("n", "a", 1), Put(*pair, 1)]),
                    config.apply([Put("n", "b", 1), Delete(*pair)]),
                ):
                    with pytest.raises(ValidationError):
                        await call
            for call in (
                config.list(name),
                config.snapshot(["n", name]),
                config.change_token(name),
                walked(config, name),
            ):
                with pytest.raises(ValidationError):
                    await call
            with pytest.raises(ValidationError):
                config.scoped(name)
            assert await config.snapshot(["n"]) == before
            await config.put("n", "end", 0)
            assert await take(following, 1) == [changed("end")]

    @pytest.mark.parametrize("name", ODD_NAMES)
    async def test_config_case_45_odd_names_round_trip(self, config: WatchableConfigStore, name: str) -> None:
        async with config.subscribe() as following:
            await config.put(name, name, [name])
            assert await config.list(name) == await walked(config, name) == [(name, [name])]
            assert await config.get(name, name) == [name]
            assert (await config.snapshot([name])).documents == {name: {name: [name]}}
            await config.delete(name, name)
            assert await config.list(name) == []
            assert await take(following, 2) == [changed(name, name), deleted(name, name)]

    async def test_config_case_45_names_do_not_run_into_each_other(self, config: WatchableConfigStore) -> None:
        pairs = [
            ("a:b", "c"),
            ("a", "b:c"),
            ("a", "bc"),
            ("ab", "c"),
            ("a", "c"),
            ("a\u0100", "c"),
            ("a", "1:c"),
            ("a", "n:c"),
        ]
        for number, pair in enumerate(pairs):
            for version in range(2):
                await config.put(*pair, [number, version])
        for number, pair in enumerate(pairs):
            assert await config.get(*pair) == [number, 1]
            assert [version.value for version in await config.history(*pair)] == [[number, 1], [number, 0]]
        assert await ids_of(config, "a") == ["1:c", "b:c", "bc", "c", "n:c"]
        assert await ids_of(config, "ab") == ["c"]

    async def test_config_case_45_names_are_not_taken_for_each_other(self, config: WatchableConfigStore) -> None:
        for name in LIKE_NAMES:
            await config.put_if_absent("n", name, name)
            await config.put_if_absent(name, "a", name)
        assert await config.list("n") == [(name, name) for name in sorted(LIKE_NAMES, key=str.encode)]
        assert [await config.list(name) for name in LIKE_NAMES] == [[("a", name)] for name in LIKE_NAMES]


class TestConfigScopes(Guarantee):
    """The documents of a scope, and what it tells of them, are apart from those of all others."""

    async def test_config_case_46_scopes_are_apart(self, config: WatchableConfigStore) -> None:
        one, two = config.scoped("A"), config.scoped("B")
        await one.put("n", "a", 1)
        await two.put("n", "a", 2)
        assert (await one.get("n", "a"), await two.get("n", "a"), await config.get("n", "a")) == (1, 2, None)
        assert await config.get("scope:1:A:n", "a") == 1
        await one.delete("n", "a")
        assert await two.list("n") == [("a", 2)]

    async def test_config_case_46_the_length_of_a_scope_tells_it_apart(self, config: WatchableConfigStore) -> None:
        await config.scoped("1:a").put("b", "x", 1)
        await config.scoped("1").put("a:b", "x", 2)
        await config.scoped("ä").put("b", "x", 3)
        assert await config.scoped("1:a").list("b") == [("x", 1)]
        assert await config.scoped("1").list("a:b") == [("x", 2)]
        assert await config.get("scope:2:ä:b", "x") == 3
        assert await config.scoped("1").scoped("a").list("b") == []

    async def test_a_scope_id_has_at_most_512_bytes(self, config: WatchableConfigStore) -> None:
        await config.scoped("ä" * 256).put("n", "a", 1)
        assert await config.scoped("ä" * 256).get("n", "a") == 1
        with pytest.raises(ValidationError):
            config.scoped("ä" * 256 + "a")

    async def test_errors_have_the_names_within_the_scope(self, config: WatchableConfigStore) -> None:
        scope = config.scoped("A")
        await scope.put("n", "a", 1)
        with pytest.raises(AlreadyExistsError, match=r"\An/a\Z") as refused:
            await scope.put_if_absent("n", "a", 3)
        assert (refused.value.namespace, refused.value.id) == ("n", "a")
        with pytest.raises(VersionConflictError) as lost:
            await scope.delete_if_revision("n", "a", 1)
        assert "scope:" not in str(lost.value)

    async def test_a_scope_has_every_method(self, config: WatchableConfigStore) -> None:
        scope = config.scoped("A")
        await scope.apply([Put("n", "a", 1), PutIfAbsent("n", "b", 2)])
        snapshot = await scope.snapshot(["n"])
        token = await scope.change_token("n")
        assert snapshot.documents == {"n": {"a": 1, "b": 2}}
        await scope.put("n", "a", 3)
        assert await scope.change_token("n") > token > await config.change_token("n") == 0
        assert await scope.lookup("n", "c") is None
        assert await scope.exists("n", "a")
        assert await walked(scope) == await scope.list("n") == [("a", 3), ("b", 2)]
        assert [version.value for version in await scope.history("n", "a")] == [3, 1]
        assert await config.history("n", "a") == []
        async with scope.subscribe(after=snapshot.cursor) as following:
            assert await take(following, 1) == [changed("a")]

    async def test_a_scope_hears_of_its_own_changes_only(self, config: WatchableConfigStore) -> None:
        async with config.scoped("A").subscribe() as inside, config.subscribe() as outside:
            await config.put("n", "a", 0)
            await config.scoped("B").put("n", "b", 0)
            await config.scoped("AA").put("n", "b", 0)
            await config.scoped("A").put("n", "c", 0)
            await config.scoped("A").scoped("A").put("n", "d", 0)
            assert await take(inside, 2) == [changed("c"), changed("d", "scope:1:A:n")]
            assert [event.namespace for event in await take(outside, 4)] == [
                "n",
                "scope:1:B:n",
                "scope:2:AA:n",
                "scope:1:A:n",
            ]
