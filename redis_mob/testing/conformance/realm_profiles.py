"""Realm profiles: revisions, times, conditional writes, deletion (contract: profiles-2)."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from redis_mob.contracts import RealmProfileStore
from redis_mob.errors import CasConflictError, InternalError, NotFoundError, SerializationError
from redis_mob.models import Profile, StoredRealmProfile
from redis_mob.testing.backend import Backend, StoredProfile
from redis_mob.testing.comparing import exact
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.documents import FULL_PROFILE, profile


class TestRealmProfiles(Guarantee):
    """The profiles of a realm are kept by name with the times of the storage, and are read as they were written."""

    async def test_the_store_has_every_method_of_the_contract(self, profiles: RealmProfileStore) -> None:
        assert isinstance(profiles, RealmProfileStore)

    async def test_case_103_profile_create_get(self, profiles: RealmProfileStore, backend: Backend) -> None:
        before = await backend.now()
        created = await profiles.create("p", profile())
        after = await backend.now()
        assert (created.name, created.profile, created.revision) == ("p", profile(), 1)
        assert before <= created.created_at == created.updated_at <= after
        assert await profiles.get("p") == created

    async def test_case_104_profile_get_missing(self, profiles: RealmProfileStore) -> None:
        await profiles.create("p", profile())
        assert await profiles.get("q") is None

    async def test_a_profile_is_read_as_it_was_written(self, profiles: RealmProfileStore) -> None:
        created = await profiles.create("p", FULL_PROFILE)
        updated = await profiles.update("p", FULL_PROFILE, 1)
        found = await profiles.get("p")
        assert found is not None
        assert exact(found) == exact(updated)
        assert exact(found.profile) == exact(created.profile) == exact(FULL_PROFILE)

    async def test_the_content_of_a_profile_is_not_validated(self, profiles: RealmProfileStore) -> None:
        created = await profiles.create("p", Profile(model="", skills=("", ""), output_schema={"type": "no such type"}))
        assert await profiles.list() == [created]

    async def test_case_112_profile_list(self, profiles: RealmProfileStore) -> None:
        created = [await profiles.create(name, profile(name)) for name in ("a", "b")]
        assert await profiles.list() == created

    async def test_case_113_profile_list_empty(self, profiles: RealmProfileStore) -> None:
        assert await profiles.list() == []

    async def test_case_114_profile_update_keeps_created_at(
        self, profiles: RealmProfileStore, backend: Backend
    ) -> None:
        created = await profiles.create("p", profile())
        between = await backend.now()
        updated = await profiles.update("p", profile("other"), 1)
        again = await profiles.update("p", profile("third"), 2)
        assert again.created_at == updated.created_at == created.created_at
        assert created.updated_at <= between <= updated.updated_at <= again.updated_at
        assert await profiles.get("p") == again

    async def test_case_115_profile_list_sorted(self, profiles: RealmProfileStore) -> None:
        names = ["", "B", "a", "a b", "a\0b", "aa", "é", "\uffee", "😀", "x" * 1000]
        for name in reversed(names):
            await profiles.create(name, profile(f"of {name}"))
        listed = await profiles.list()
        assert [stored.name for stored in listed] == sorted(names, key=str.encode)
        assert [await profiles.get(stored.name) for stored in listed] == listed

    async def test_a_list_is_that_of_one_moment(self, open_stores: Opener) -> None:
        writer, reader = [given("realm_profiles", (await open_stores()).realm_profiles) for _ in range(2)]
        await writer.create("0", profile())
        for before, after in pairwise(map(str, range(30))):
            reading = asyncio.gather(*(reader.list() for _ in range(4)))
            await asyncio.sleep(0)  # the reads begin
            await writer.create(after, profile())
            await writer.delete(before, 1)
            for listed in await reading:
                assert {stored.name for stored in listed} in ({before}, {before, after}, {after})

    async def test_a_recreated_profile_is_created_anew(self, profiles: RealmProfileStore) -> None:
        first = await profiles.create("p", profile())
        await profiles.delete("p", 1)
        second = await profiles.create("p", profile())
        assert second.created_at == second.updated_at >= first.updated_at

    async def test_profiles_that_are_opened_again_go_on(self, backend: Backend) -> None:
        async with backend.open() as stores:
            profiles = given("realm_profiles", stores.realm_profiles)
            kept = await profiles.create("kept", FULL_PROFILE)
            await profiles.create("deleted", profile())
            await profiles.delete("deleted", 1)
        async with backend.open() as stores:
            profiles = given("realm_profiles", stores.realm_profiles)
            assert await profiles.list() == [kept]
            assert (await profiles.create("deleted", profile())).revision == 2

    async def test_what_cannot_be_stored_is_refused_before_any_write(self, profiles: RealmProfileStore) -> None:
        for call in (
            profiles.create("\ud800", profile()),
            profiles.get("\ud800"),
            profiles.update("\ud800", profile(), 1),
            profiles.delete("\ud800", 1),
            profiles.create("p", Profile.model_construct(model="\ud800")),
        ):
            with pytest.raises(InternalError):
                await call
        assert await profiles.list() == []
        assert (await profiles.create("p", profile())).revision == 1


class TestRealmProfileRevisions(Guarantee):
    """A realm profile is only changed by a call with its current revision, which never comes again for its name."""

    async def test_case_105_profile_duplicate_conflict(self, profiles: RealmProfileStore) -> None:
        created = await profiles.create("p", profile())
        with pytest.raises(CasConflictError):
            await profiles.create("p", profile("other"))
        assert await profiles.get("p") == created

    async def test_case_106_profile_update_right(self, profiles: RealmProfileStore) -> None:
        await profiles.create("p", profile())
        updated = await profiles.update("p", profile("other"), 1)
        assert (updated.name, updated.profile, updated.revision) == ("p", profile("other"), 2)
        assert await profiles.get("p") == updated

    @pytest.mark.parametrize("wrong", [0, 2, 4, 2**63 - 1])
    async def test_case_107_profile_update_wrong_conflict(self, profiles: RealmProfileStore, wrong: int) -> None:
        current = await _third_revision(profiles)
        with pytest.raises(CasConflictError, match=r"\b3\b"):
            await profiles.update("p", profile("other"), wrong)
        assert await profiles.get("p") == current
        assert (await profiles.update("p", profile("other"), 3)).revision == 4

    @pytest.mark.parametrize("expected", [0, 1])
    async def test_case_108_profile_update_missing_not_found(self, profiles: RealmProfileStore, expected: int) -> None:
        with pytest.raises(NotFoundError, match="lead"):
            await profiles.update("lead", profile(), expected)
        assert await profiles.list() == []

    async def test_case_109_profile_delete_right(self, profiles: RealmProfileStore) -> None:
        await profiles.create("p", profile())
        kept = await profiles.create("kept", profile())
        updated = await profiles.update("p", profile("other"), 1)
        assert await profiles.delete("p", 2) == updated
        assert await profiles.get("p") is None
        assert await profiles.list() == [kept]

    @pytest.mark.parametrize("wrong", [0, 2, 4, 2**63 - 1])
    async def test_case_110_profile_delete_wrong_conflict_keeps(self, profiles: RealmProfileStore, wrong: int) -> None:
        current = await _third_revision(profiles)
        with pytest.raises(CasConflictError, match=r"\b3\b"):
            await profiles.delete("p", wrong)
        assert await profiles.get("p") == current
        assert await profiles.delete("p", 3) == current

    @pytest.mark.parametrize("expected", [0, 1])
    async def test_case_111_profile_delete_missing_not_found(self, profiles: RealmProfileStore, expected: int) -> None:
        with pytest.raises(NotFoundError, match="lead"):
            await profiles.delete("lead", expected)

    async def test_revisions_survive_deletion(self, profiles: RealmProfileStore) -> None:
        """A call with a revision of the deleted profile cannot touch the new one (contract: profiles-5)."""
        await profiles.create("p", profile())
        await profiles.delete("p", 1)
        recreated = await profiles.create("p", profile("new"))
        assert recreated.revision == 2
        for stale in (profiles.update("p", profile("stale"), 1), profiles.delete("p", 1)):
            with pytest.raises(CasConflictError, match=r"\b2\b"):
                await stale
        assert await profiles.get("p") == recreated
        assert (await profiles.create("q", profile())).revision == 1

    async def test_of_many_creators_one_wins(self, open_stores: Opener) -> None:
        stores = await _several(open_stores)
        attempts = [store.create("p", profile(str(number))) for number in range(8) for store in stores]
        results = await asyncio.gather(*attempts, return_exceptions=True)
        [winner] = [result for result in results if not isinstance(result, CasConflictError)]
        assert await stores[0].list() == [winner]

    async def test_of_many_updates_of_one_revision_one_wins(self, open_stores: Opener) -> None:
        stores = await _several(open_stores)
        await stores[0].create("p", profile())
        attempts = [store.update("p", profile(str(number)), 1) for number in range(8) for store in stores]
        results = await asyncio.gather(*attempts, return_exceptions=True)
        [winner] = [result for result in results if not isinstance(result, CasConflictError)]
        assert await stores[0].get("p") == winner

    async def test_of_many_who_delete_one_revision_one_wins(self, open_stores: Opener) -> None:
        stores = await _several(open_stores)
        created = await stores[0].create("p", profile())
        attempts = [store.delete("p", 1) for store in stores for _ in range(4)]
        results = await asyncio.gather(*attempts, return_exceptions=True)
        assert [result for result in results if not isinstance(result, NotFoundError)] == [created]


class TestUnreadableRealmProfiles(Guarantee):
    """A realm profile that cannot be read is named, and only calls that ask for it fail."""

    async def test_a_damaged_profile_hurts_only_those_who_read_it(
        self, profiles: RealmProfileStore, backend: Backend
    ) -> None:
        await profiles.create("broken", profile())
        sound = await profiles.create("sound", profile())
        await backend.damage(StoredProfile("broken"))
        for read in (profiles.get("broken"), profiles.list()):
            with pytest.raises(SerializationError, match="broken"):
                await read
        assert await profiles.get("sound") == sound
        assert await profiles.get("missing") is None
        assert (await profiles.update("sound", profile("other"), 1)).revision == 2
        assert (await profiles.create("new", profile())).revision == 1


async def _third_revision(profiles: RealmProfileStore) -> StoredRealmProfile:
    """The profile `p` at revision 3, beside another one."""
    await profiles.create("other", profile())
    await profiles.create("p", profile("first"))
    await profiles.update("p", profile("second"), 1)
    return await profiles.update("p", profile("third"), 2)


async def _several(open_stores: Opener) -> list[RealmProfileStore]:
    """The store of three handles."""
    return [given("realm_profiles", (await open_stores()).realm_profiles) for _ in range(3)]
