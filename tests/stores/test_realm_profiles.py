"""Realm profiles as they are stored, what damage to each part of them does, and what our errors say."""

from __future__ import annotations

import json

import pytest

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.contracts import RealmProfileStore
from redis_mob.errors import CasConflictError, InternalError, NotFoundError, SerializationError
from redis_mob.models import Profile
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.documents import profile
from tests.support.golden import read_jsonl


@pytest.fixture
def profiles(storage: MobStorage) -> RealmProfileStore:
    return storage.realm_profiles


@pytest.mark.parametrize("line", [line for line in read_jsonl("wire/profiles.jsonl") if "profile" in line])
async def test_golden_profiles_come_back_as_they_are(profiles: RealmProfileStore, line: dict[str, object]) -> None:
    golden = Profile.model_validate_json(json.dumps(line["profile"]))
    await profiles.create("p", golden)
    stored = await profiles.get("p")
    assert stored is not None
    assert stored.profile.model_dump_json() == golden.model_dump_json()


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
    profiles: RealmProfileStore, connection: Client, keys: Keys, stored: bytes, field: str
) -> None:
    sound = await profiles.create("sound", profile())
    await connection.router.request("HSET", keys.profiles, "broken", stored)
    for read in (profiles.get("broken"), profiles.list()):
        with pytest.raises(SerializationError, match=f"realm profile 'broken': .*{field}"):
            await read
    assert await profiles.get("sound") == sound
    assert (await profiles.update("sound", profile("other"), 1)).revision == 2


async def test_a_damaged_revision_is_no_conflict(profiles: RealmProfileStore, connection: Client, keys: Keys) -> None:
    await connection.router.request("HSET", keys.profiles, "p", b"x" + SOUND)
    for call in (profiles.create("p", profile()), profiles.update("p", profile(), 1), profiles.delete("p", 1)):
        with pytest.raises(SerializationError, match="realm profile 'p': revision"):
            await call


async def test_a_damaged_time_of_creation_does_not_stop_an_update(
    profiles: RealmProfileStore, connection: Client, keys: Keys
) -> None:
    await connection.router.request("HSET", keys.profiles, "p", b'7 noon 1 {"model":"m"}')
    await connection.router.request("HSET", keys.profile_revisions, "p", 7)
    updated = await profiles.update("p", profile(), 7)
    assert updated.revision == 8
    assert updated.created_at == updated.updated_at


@pytest.mark.parametrize("wrong", [2, -1, 2**70])
async def test_a_conflict_says_both_revisions(profiles: RealmProfileStore, wrong: int) -> None:
    created = await profiles.create("p", profile())
    for call in (profiles.update("p", profile("other"), wrong), profiles.delete("p", wrong)):
        with pytest.raises(CasConflictError, match=f"^realm profile 'p' has revision 1, not {wrong}$"):
            await call
    with pytest.raises(CasConflictError, match="realm profile 'p' exists already, with revision 1; update it"):
        await profiles.create("p", profile("other"))
    assert await profiles.get("p") == created


async def test_what_is_missing_or_cannot_be_stored_is_said(profiles: RealmProfileStore) -> None:
    for call in (profiles.update("p", profile(), 1), profiles.delete("p", 1)):
        with pytest.raises(NotFoundError, match="realm profile 'p' does not exist"):
            await call
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
