"""Specs as they are stored, what damage to each part of them does, and what our errors say."""

from __future__ import annotations

from typing import Any

import pytest

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.contracts import MobSpecStore
from redis_mob.errors import InternalError, SerializationError, SpecRevisionConflictError
from redis_mob.models import MobDefinition
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.documents import definition
from tests.support.golden import DATA

GOLDEN = sorted((DATA / "wire/definitions").glob("*.json"))


@pytest.fixture
def specs(storage: MobStorage) -> MobSpecStore:
    return storage.specs


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
async def test_golden_definitions_come_back_with_their_order(specs: MobSpecStore, file: Any) -> None:
    stored = MobDefinition.model_validate_json(file.read_bytes())
    await specs.put_spec("m", stored)
    found = await specs.get_spec("m")
    assert found is not None
    assert found[0].model_dump_json() == stored.model_dump_json()


def test_there_are_golden_definitions() -> None:
    assert GOLDEN


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
    specs: MobSpecStore, connection: Client, keys: Keys, stored: bytes, field: str
) -> None:
    await specs.put_spec("sound", definition())
    await connection.router.request("HSET", keys.specs, "broken", stored)
    await connection.router.request("HSET", keys.spec_revisions, "broken", 1)
    with pytest.raises(SerializationError, match=f"spec of mob 'broken': .*{field}"):
        await specs.get_spec("broken")
    assert await specs.get_spec("sound") == (definition(), 1)
    assert await specs.list_specs() == ["broken", "sound"]
    await specs.put_spec("broken", definition())
    assert await specs.get_spec("broken") == (definition(), 2)


async def test_a_damaged_revision_is_no_conflict(specs: MobSpecStore, connection: Client, keys: Keys) -> None:
    await connection.router.request("HSET", keys.specs, "m", b"x {}")
    with pytest.raises(SerializationError, match="spec of mob 'm': revision"):
        await specs.put_spec("m", definition(), 1)
    assert await specs.delete_spec("m", 1) is False
    assert await specs.delete_spec("m") is True


async def test_a_damaged_name_is_said(specs: MobSpecStore, connection: Client, keys: Keys) -> None:
    await connection.router.request("HSET", keys.specs, b"\xff", b"1 {}")
    with pytest.raises(SerializationError, match=r"mob id b'\\xff' cannot be read"):
        await specs.list_specs()


async def test_the_greatest_revision_is_read(specs: MobSpecStore, connection: Client, keys: Keys) -> None:
    await connection.router.request("HSET", keys.specs, "m", b'18446744073709551615 {"id":"x"}')
    assert await specs.get_spec("m") == (definition("x"), 2**64 - 1)
    with pytest.raises(SpecRevisionConflictError, match=f"^spec of mob 'm' has revision {2**64 - 1}, not {2**63}$"):
        await specs.put_spec("m", definition(), 2**63)


@pytest.mark.parametrize("wrong", [-1, 2**70])
async def test_a_revision_that_no_spec_can_have_is_just_another_one(specs: MobSpecStore, wrong: int) -> None:
    await specs.put_spec("m", definition())
    assert await specs.delete_spec("m", wrong) is False
    with pytest.raises(SpecRevisionConflictError):
        await specs.put_spec("m", definition("other"), wrong)
    assert await specs.get_spec("m") == (definition(), 1)


async def test_what_cannot_be_stored_is_said(specs: MobSpecStore) -> None:
    for call in (specs.put_spec("\ud800", definition()), specs.get_spec("\ud800"), specs.delete_spec("\ud800")):
        with pytest.raises(InternalError, match=r"the mob id '\\ud800' cannot be stored"):
            await call
    with pytest.raises(InternalError, match="spec of mob 'm' cannot be stored"):
        await specs.put_spec("m", MobDefinition.model_construct(id="\ud800"))
