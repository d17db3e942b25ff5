"""Realm profiles: revisions, times, conditional writes (cases 103-115), and what damage does."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from redis_mob.connection.connection import Connection
from redis_mob.connection.keys import Keys
from redis_mob.contracts import RealmProfileStore
from redis_mob.errors import CasConflictError, InternalError, NotFoundError, SerializationError
from redis_mob.models import Profile
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.documents import profile
from tests.stores.conftest import Opener
from tests.support.golden import read_jsonl


@pytest.fixture
def profiles(storage: MobStorage) -> RealmProfileStore:
    return storage.realm_profiles


async def server_time(connection: Connection) -> datetime:
    seconds, microseconds = await connection.transport.request("TIME")
    return datetime.fromtimestamp(int(seconds), UTC) + timedelta(microseconds=int(microseconds))


def test_the_store_is_one_of_the_contract(profiles: RealmProfileStore) -> None:
    assert isinstance(profiles, RealmProfileStore)


async def test_case_103_profile_create_get(profiles: RealmProfileStore, connection: Connection) -> None:
    before = await server_time(connection)
    created = await profiles.create("p", profile())
    after = await server_time(connection)
    assert (created.name, created.profile, created.revision) == ("p", profile(), 1)
    assert before <= created.created_at == created.updated_at <= after
    assert await profiles.get("p") == created


async def test_case_104_profile_get_missing(profiles: RealmProfileStore) -> None:
    await profiles.create("p", profile())
    assert await profiles.get("q") is None


async def test_case_105_profile_duplicate_conflict(profiles: RealmProfileStore) -> None:
    created = await profiles.create("p", profile())
    with pytest.raises(CasConflictError, match="realm profile 'p' exists already, with revision 1"):
        await profiles.create("p", profile("other"))
    assert await profiles.get("p") == created


async def test_case_106_profile_update_right(profiles: RealmProfileStore) -> None:
    await profiles.create("p", profile())
    updated = await profiles.update("p", profile("other"), 1)
    assert (updated.name, updated.profile, updated.revision) == ("p", profile("other"), 2)
    assert await profiles.get("p") == updated


@pytest.mark.parametrize("wrong", [0, 2, -1, 2**70])
async def test_case_107_profile_update_wrong_conflict(profiles: RealmProfileStore, wrong: int) -> None:
    created = await profiles.create("p", profile())
    with pytest.raises(CasConflictError, match=f"realm profile 'p' has revision 1, not {wrong}$"):
        await profiles.update("p", profile("other"), wrong)
    assert await profiles.get("p") == created


@pytest.mark.parametrize("expected", [0, 1])
async def test_case_108_profile_update_missing_not_found(profiles: RealmProfileStore, expected: int) -> None:
    with pytest.raises(NotFoundError, match="realm profile 'p' does not exist"):
        await profiles.update("p", profile(), expected)
    assert await profiles.list() == []


async def test_case_109_profile_delete_right(profiles: RealmProfileStore) -> None:
    await profiles.create("p", profile())
    kept = await profiles.create("kept", profile())
    updated = await profiles.update("p", profile("other"), 1)
    assert await profiles.delete("p", 2) == updated
    assert await profiles.get("p") is None
    assert await profiles.list() == [kept]


async def test_case_110_profile_delete_wrong_conflict_keeps(profiles: RealmProfileStore) -> None:
    created = await profiles.create("p", profile())
    with pytest.raises(CasConflictError, match="realm profile 'p' has revision 1, not 2"):
        await profiles.delete("p", 2)
    assert await profiles.get("p") == created


async def test_case_111_profile_delete_missing_not_found(profiles: RealmProfileStore) -> None:
    with pytest.raises(NotFoundError, match="realm profile 'p' does not exist"):
        await profiles.delete("p", 1)


async def test_case_112_profile_list(profiles: RealmProfileStore) -> None:
    created = [await profiles.create(name, profile(name)) for name in ("a", "b")]
    assert await profiles.list() == created


async def test_case_113_profile_list_empty(profiles: RealmProfileStore) -> None:
    assert await profiles.list() == []


async def test_case_114_profile_update_keeps_created_at(profiles: RealmProfileStore, connection: Connection) -> None:
    created = await profiles.create("p", profile())
    between = await server_time(connection)
    updated = await profiles.update("p", profile("other"), 1)
    again = await profiles.update("p", profile("third"), 2)
    assert again.created_at == updated.created_at == created.created_at
    assert created.updated_at <= between <= updated.updated_at <= again.updated_at


async def test_case_115_profile_list_sorted(profiles: RealmProfileStore) -> None:
    names = ["", "B", "a", "a b", "a\0b", "aa", "é", "\uffee", "😀"]
    for name in reversed(names):
        await profiles.create(name, profile())
    assert [stored.name for stored in await profiles.list()] == sorted(names, key=str.encode)


async def test_revisions_survive_deletion(profiles: RealmProfileStore) -> None:
    """Decision 17: who holds a revision of the deleted profile cannot touch the new one."""
    await profiles.create("p", profile())
    await profiles.delete("p", 1)
    recreated = await profiles.create("p", profile("new"))
    assert recreated.revision == 2
    for stale in (profiles.update("p", profile("stale"), 1), profiles.delete("p", 1)):
        with pytest.raises(CasConflictError, match="has revision 2, not 1"):
            await stale
    assert await profiles.get("p") == recreated
    assert (await profiles.create("q", profile())).revision == 1


async def test_a_recreated_profile_is_created_anew(profiles: RealmProfileStore) -> None:
    first = await profiles.create("p", profile())
    await profiles.delete("p", 1)
    second = await profiles.create("p", profile())
    assert second.created_at == second.updated_at >= first.updated_at


@pytest.mark.parametrize("line", [line for line in read_jsonl("wire/profiles.jsonl") if "profile" in line])
async def test_golden_profiles_come_back_as_they_are(profiles: RealmProfileStore, line: dict[str, object]) -> None:
    golden = Profile.model_validate_json(json.dumps(line["profile"]))
    await profiles.create("p", golden)
    stored = await profiles.get("p")
    assert stored is not None
    assert stored.profile.model_dump_json() == golden.model_dump_json()


async def test_of_many_updates_of_one_revision_one_wins(open_storage: Opener) -> None:
    stores = [(await open_storage()).realm_profiles for _ in range(3)]
    await stores[0].create("p", profile())
    attempts = [store.update("p", profile(str(number)), 1) for number in range(8) for store in stores]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    [winner] = [result for result in results if not isinstance(result, CasConflictError)]
    assert await stores[0].get("p") == winner


SOUND = b'1 1 1 {"model":"m"}'


@pytest.mark.parametrize(
    ("stored", "field"),
    [
        (b"", "revision"),
        (SOUND[1:], "revision"),
        (b"x" + SOUND[1:], "revision"),
        (b"18446744073709551616" + SOUND[1:], "revision"),
        (b"1 ", "created_at"),
        (b"1 noon 1 {}", "created_at"),
        (b"1 1 noon {}", "updated_at"),
        (b"1 1 18446744073709551615 {}", "updated_at lies after"),
        (b"1 1 1 ", "profile: .*JSON"),
        (b"1 1 1 \xff", "profile: .*JSON"),
        (b"1 1 1 {}", "profile: model"),
    ],
)
async def test_a_damaged_profile_hurts_only_those_who_read_it(
    profiles: RealmProfileStore, connection: Connection, keys: Keys, stored: bytes, field: str
) -> None:
    sound = await profiles.create("sound", profile())
    await connection.transport.request("HSET", keys.profiles, "broken", stored)
    for read in (profiles.get("broken"), profiles.list()):
        with pytest.raises(SerializationError, match=f"realm profile 'broken': .*{field}"):
            await read
    assert await profiles.get("sound") == sound
    assert (await profiles.update("sound", profile("other"), 1)).revision == 2


async def test_a_damaged_revision_is_no_conflict(
    profiles: RealmProfileStore, connection: Connection, keys: Keys
) -> None:
    await connection.transport.request("HSET", keys.profiles, "p", b"x" + SOUND)
    for call in (profiles.create("p", profile()), profiles.update("p", profile(), 1), profiles.delete("p", 1)):
        with pytest.raises(SerializationError, match="realm profile 'p': revision"):
            await call


async def test_a_damaged_time_of_creation_does_not_stop_an_update(
    profiles: RealmProfileStore, connection: Connection, keys: Keys
) -> None:
    await connection.transport.request("HSET", keys.profiles, "p", b'7 noon 1 {"model":"m"}')
    await connection.transport.request("HSET", keys.profile_revisions, "p", 7)
    updated = await profiles.update("p", profile(), 7)
    assert updated.revision == 8
    assert updated.created_at == updated.updated_at


async def test_what_cannot_be_stored_is_refused_before_any_write(profiles: RealmProfileStore) -> None:
    for call in (
        profiles.create("\ud800", profile()),
        profiles.get("\ud800"),
        profiles.update("\ud800", profile(), 1),
        profiles.delete("\ud800", 1),
    ):
        with pytest.raises(InternalError, match=r"name of a realm profile '\\ud800' cannot be stored"):
            await call
    with pytest.raises(InternalError, match="realm profile 'p' cannot be stored"):
        await profiles.create("p", Profile.model_construct(model="\ud800"))
    assert await profiles.list() == []
    assert (await profiles.create("p", profile())).revision == 1
