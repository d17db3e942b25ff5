"""The table of a fleet: what it says is never taken back."""

from __future__ import annotations

import asyncio

import pytest

from redis_mob.errors import NotFoundError, SerializationError, ValidationError
from redis_mob.sharding import table
from redis_mob.storage import MobStorage


async def test_the_first_opening_makes_it_and_the_others_find_it(storage: MobStorage) -> None:
    assert await table.found(storage, ["a", "b"]) == ("a", "b")
    assert await table.found(storage, ["a", "b"]) == ("a", "b")
    assert await table.add(storage, "c") == ("a", "b", "c")
    assert await table.found(storage, ["a"]) == await table.read(storage) == ("a", "b", "c")


@pytest.mark.parametrize("others", [["b"], ["a", "c"], ["a", "b", "c"]])
async def test_other_namespaces_than_it_begins_with_are_refused(storage: MobStorage, others: list[str]) -> None:
    await table.found(storage, ["a", "b"])
    with pytest.raises(ValidationError, match=r"has 'a', 'b', not .*FleetOfNamespaces\.add"):
        await table.found(storage, others)
    assert await table.read(storage) == ("a", "b")


async def test_namespaces_that_are_added_at_a_time_are_all_there_once(storage: MobStorage) -> None:
    await table.found(storage, ["a"])
    await asyncio.gather(*(table.add(storage, name) for name in "bcdebcde"))
    assert sorted(await table.read(storage)) == ["a", "b", "c", "d", "e"]


async def test_all_that_bind_a_slot_at_a_time_get_one_owner(storage: MobStorage) -> None:
    # each believes in other namespaces, as processes do that know more or less of the table
    owners = await asyncio.gather(*(table.owner_of(storage, 77, range(known + 1)) for known in range(20)))
    assert len(set(owners)) == 1
    assert await table.owner_of(storage, 77, [99]) == owners[0]


async def test_a_namespace_without_a_table_is_told(storage: MobStorage) -> None:
    with pytest.raises(NotFoundError, match="has no table"):
        await table.read(storage)
    with pytest.raises(NotFoundError, match="has no table"):
        await table.add(storage, "b")


async def test_a_table_of_a_later_form_is_refused(storage: MobStorage) -> None:
    await storage.records.insert(table.COLLECTION, "namespaces", {"form": 2, "slots": 16_384, "namespaces": ["a"]})
    with pytest.raises(SerializationError, match="a later release may"):
        await table.found(storage, ["a"])
    await storage.records.insert(table.SLOTS, "00003", "a")
    with pytest.raises(SerializationError, match=r"slot 3 .* is bound to 'a'"):
        await table.owner_of(storage, 3, [0])
