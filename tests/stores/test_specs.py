"""Specs: revisions, conditional writes, deletion (cases 91-94), and what damage does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from redis_mob.connection.connection import Connection
from redis_mob.connection.keys import Keys
from redis_mob.contracts import MobSpecStore
from redis_mob.errors import InternalError, SerializationError, SpecRevisionConflictError
from redis_mob.models import MobDefinition
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.documents import definition
from tests.stores.conftest import Opener
from tests.support.golden import DATA

GOLDEN = sorted((DATA / "wire/definitions").glob("*.json"))


@pytest.fixture
def specs(storage: MobStorage) -> MobSpecStore:
    return storage.specs


async def conflict(specs: MobSpecStore, mob_id: str, expected: int) -> tuple[str, int | None, int]:
    """What a put that must lose says of the mob, the expected and the actual revision."""
    with pytest.raises(SpecRevisionConflictError) as caught:
        await specs.put_spec(mob_id, definition("loser"), expected)
    return caught.value.mob_id, caught.value.expected, caught.value.actual


def test_the_store_is_one_of_the_contract(specs: MobSpecStore) -> None:
    assert isinstance(specs, MobSpecStore)


async def test_case_091_spec_first_revision(specs: MobSpecStore) -> None:
    assert await specs.put_spec("m", definition("one"), None) == 1
    assert await specs.put_spec("m", definition("two"), 1) == 2
    assert await conflict(specs, "m", 1) == ("m", 1, 2)
    assert await specs.get_spec("m") == (definition("two"), 2)


async def test_case_092_spec_create_only(specs: MobSpecStore) -> None:
    assert await conflict(specs, "m", 1) == ("m", 1, 0)
    assert await specs.put_spec("m", definition(), 0) == 1
    assert await conflict(specs, "m", 0) == ("m", 0, 1)
    assert await specs.get_spec("m") == (definition(), 1)


async def test_case_093_spec_delete_cas(specs: MobSpecStore) -> None:
    assert await specs.delete_spec("m") is False
    assert await specs.delete_spec("m", 0) is False
    await specs.put_spec("m", definition())
    for wrong in (0, 2, -1, 2**70):
        assert await specs.delete_spec("m", wrong) is False
    assert await specs.get_spec("m") == (definition(), 1)
    assert await specs.delete_spec("m", 1) is True
    assert await specs.delete_spec("m", 1) is False
    assert await specs.get_spec("m") is None
    assert await specs.list_specs() == []


async def test_case_094_spec_delete_recreate_revision(specs: MobSpecStore) -> None:
    """Decision 17: the count goes on, and absence still compares as 0."""
    await specs.put_spec("m", definition())
    await specs.put_spec("other", definition())
    assert await specs.delete_spec("m")
    assert await conflict(specs, "m", 1) == ("m", 1, 0)
    assert await specs.put_spec("m", definition("again"), 0) == 2
    assert await conflict(specs, "m", 1) == ("m", 1, 2)
    assert await specs.delete_spec("m", 1) is False
    assert await specs.delete_spec("m") is True
    assert await specs.put_spec("m", definition()) == 3
    assert await specs.get_spec("other") == (definition(), 1)
    assert await specs.put_spec("other", definition()) == 2


async def test_an_unconditional_put_overwrites(specs: MobSpecStore) -> None:
    assert [await specs.put_spec("m", definition(name)) for name in ("a", "b", "c")] == [1, 2, 3]
    assert await specs.get_spec("m") == (definition("c"), 3)


async def test_specs_are_listed_in_the_order_of_their_bytes(specs: MobSpecStore) -> None:
    names = ["", "B", "a", "a b", "a\0b", "aa", "é", "\uffee", "😀", "x" * 1000]
    for name in reversed(names):
        assert await specs.put_spec(name, definition("the id in the definition is not compared")) == 1
    assert await specs.list_specs() == sorted(names, key=str.encode)
    for name in names:
        assert await specs.get_spec(name) is not None


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
async def test_golden_definitions_come_back_with_their_order(specs: MobSpecStore, file: Any) -> None:
    stored = MobDefinition.model_validate_json(file.read_bytes())
    await specs.put_spec("m", stored)
    found = await specs.get_spec("m")
    assert found is not None
    assert found[0].model_dump_json() == stored.model_dump_json()


def test_there_are_golden_definitions() -> None:
    assert GOLDEN


async def test_of_many_creators_one_wins(open_storage: Opener) -> None:
    stores = [(await open_storage()).specs for _ in range(3)]
    attempts = [store.put_spec("m", definition(str(number)), 0) for number in range(8) for store in stores]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert [result for result in results if not isinstance(result, SpecRevisionConflictError)] == [1]


async def test_each_put_gets_a_revision_of_its_own(open_storage: Opener) -> None:
    stores = [(await open_storage()).specs for _ in range(3)]
    revisions = await asyncio.gather(*(store.put_spec("m", definition()) for _ in range(20) for store in stores))
    assert sorted(revisions) == list(range(1, 61))


@pytest.mark.parametrize(
    ("stored", "field"),
    [
        (b"", "revision"),
        (b"{}", "revision"),
        (b"x {}", "revision"),
        (b"-1 {}", "revision"),
        (b"18446744073709551616 {}", "revision"),
        (b"1" * 30 + b" {}", "revision"),
        (b"1 ", "JSON"),
        (b"1 {}", "id"),
        (b'1 {"id":7}', "id"),
        (b"1 \xff", "JSON"),
    ],
)
async def test_a_damaged_spec_hurts_only_those_who_read_it(
    specs: MobSpecStore, connection: Connection, keys: Keys, stored: bytes, field: str
) -> None:
    await specs.put_spec("sound", definition())
    await connection.transport.request("HSET", keys.specs, "broken", stored)
    with pytest.raises(SerializationError, match=f"spec of mob 'broken': .*{field}"):
        await specs.get_spec("broken")
    assert await specs.get_spec("sound") == (definition(), 1)
    assert await specs.list_specs() == ["broken", "sound"]
    await specs.put_spec("broken", definition())
    assert await specs.get_spec("broken") == (definition(), 1)


async def test_a_damaged_revision_is_no_conflict(specs: MobSpecStore, connection: Connection, keys: Keys) -> None:
    await connection.transport.request("HSET", keys.specs, "m", b"x {}")
    with pytest.raises(SerializationError, match="spec of mob 'm': revision"):
        await specs.put_spec("m", definition(), 1)
    assert await specs.delete_spec("m", 1) is False
    assert await specs.delete_spec("m") is True


async def test_a_damaged_name_is_said(specs: MobSpecStore, connection: Connection, keys: Keys) -> None:
    await connection.transport.request("HSET", keys.specs, b"\xff", b"1 {}")
    with pytest.raises(SerializationError, match=r"mob id b'\\xff' cannot be read"):
        await specs.list_specs()


async def test_the_greatest_revision_is_read(specs: MobSpecStore, connection: Connection, keys: Keys) -> None:
    await connection.transport.request("HSET", keys.specs, "m", b'18446744073709551615 {"id":"x"}')
    assert await specs.get_spec("m") == (definition("x"), 2**64 - 1)
    assert await conflict(specs, "m", 2**63) == ("m", 2**63, 2**64 - 1)


async def test_what_cannot_be_stored_is_refused_before_any_write(specs: MobSpecStore) -> None:
    for call in (
        specs.put_spec("\ud800", definition()),
        specs.get_spec("\ud800"),
        specs.delete_spec("\ud800"),
    ):
        with pytest.raises(InternalError, match=r"the mob id '\\ud800' cannot be stored"):
            await call
    with pytest.raises(InternalError, match="spec of mob 'm' cannot be stored"):
        await specs.put_spec("m", MobDefinition.model_construct(id="\ud800"))
    assert await specs.list_specs() == []
    assert await specs.put_spec("m", definition(), 0) == 1
