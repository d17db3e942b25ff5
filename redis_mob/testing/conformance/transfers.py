"""What keeps the cursors, revisions and times of another store (contract: meerkat-1 to meerkat-4)."""

from __future__ import annotations

import asyncio
import json
from enum import IntEnum
from typing import Any

import pytest

from redis_mob.contracts import MobEventStore, MobRuntimeMetadataStore, MobSpecStore, RealmProfileStore, TransferStore
from redis_mob.errors import (
    CasConflictError,
    EventsTrimmedError,
    InternalError,
    SerializationError,
    SpecRevisionConflictError,
    ValidationError,
)
from redis_mob.models import MobEvent
from redis_mob.models.base import MOST_COUNTED
from redis_mob.testing.backend import Backend, StoredOverlay, StoredProfile, StoredSpec, StoredSupervisor
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.documents import authority, definition, overlay, profile
from redis_mob.testing.samples.new_events import completed, numbered
from redis_mob.testing.samples.states import NOON
from redis_mob.testing.samples.transfers import event_with, stored_profile

TOKEN = {"bootstrap_token": "token"}


class Cursor(IntEnum):
    """Cursors that are of no built-in class."""

    NONE = 0
    TWO = 2


class TestBroughtEvents(Guarantee):
    """Events of another store keep their cursors, and come in all at once behind one cursor, or not at all."""

    async def test_the_store_has_every_method_of_the_contract(self, transfers: TransferStore) -> None:
        assert isinstance(transfers, TransferStore)

    async def test_events_keep_their_cursors_and_the_log_goes_on_behind_the_newest(
        self, transfers: TransferStore, events: MobEventStore
    ) -> None:
        assert await transfers.newest_cursor() == 0
        brought = [event_with(3), event_with(7)]
        assert await transfers.append_events(brought, after=0, newest=9)
        assert await events.replay_all() == brought
        assert await events.latest_cursor() == 7 and await transfers.newest_cursor() == 9
        assert (await events.append(numbered(1))).cursor == 10
        assert await events.prune(NOON.replace(year=9999), structural=True) == 3

    async def test_what_other_releases_say_of_an_event_is_kept(
        self, transfers: TransferStore, events: MobEventStore
    ) -> None:
        kind = {"type": "of_another_release", "b": 1.0, "a": {"x": None}}
        document = json.loads(event_with(5).model_dump_json()) | {"kind": kind, "further": [1]}
        brought = MobEvent.model_validate_json(json.dumps(document))
        assert await transfers.append_events([brought], after=0, newest=5)
        assert await events.replay_all() == [brought]

    async def test_cursors_may_be_of_any_class(self, transfers: TransferStore) -> None:
        assert await transfers.append_events([event_with(1)], after=Cursor.NONE, newest=Cursor.TWO)
        assert await transfers.newest_cursor() == 2

    async def test_subscribers_get_them(self, transfers: TransferStore, events: MobEventStore) -> None:
        async with events.subscribe() as found:
            assert await transfers.append_events([event_with(1), event_with(2)], after=0, newest=2)
            assert [(await anext(found)).cursor for _ in range(2)] == [1, 2]
            assert await transfers.append_events([event_with(7)], after=2, newest=7)
            with pytest.raises(EventsTrimmedError, match="the first one available is 7"):  # the gap is told
                await anext(found)
            assert (await anext(found)).cursor == 7

    async def test_an_end_that_is_brought_happens_once(self, transfers: TransferStore, events: MobEventStore) -> None:
        end = completed("0191a6a0-0000-4000-8000-000000000003")
        event = event_with(5).model_copy(update={"kind": end.kind, "mob_id": end.mob_id})
        assert await transfers.append_events([event], after=0, newest=5)
        assert await events.append_terminal_event_if_absent(end) is None

    async def test_a_log_that_stands_elsewhere_is_left_alone(
        self, transfers: TransferStore, events: MobEventStore
    ) -> None:
        await events.append(numbered(1))
        assert not await transfers.append_events([event_with(5)], after=0, newest=5)
        assert await transfers.append_events([], after=1, newest=4)
        assert not await transfers.append_events([event_with(5)], after=1, newest=5)
        assert len(await events.replay_all()) == 1 and await transfers.newest_cursor() == 4

    async def test_one_of_many_at_once_wins(self, open_stores: Opener) -> None:
        handles = [given("transfers", (await open_stores()).transfers) for _ in range(4)]
        won = await asyncio.gather(
            *(handle.append_events([event_with(9)], after=0, newest=9 + n) for n, handle in enumerate(handles))
        )
        assert sorted(won) == [False, False, False, True]
        assert await handles[0].newest_cursor() == 9 + won.index(True)

    @pytest.mark.parametrize(
        ("cursors", "after", "newest"),
        [([2], 2, 3), ([3, 3], 2, 3), ([4], 2, 3), ([], 3, 2), ([], 0, MOST_COUNTED + 1), ([], -1, 3)],
    )
    async def test_cursors_that_do_not_ascend_are_refused(
        self, transfers: TransferStore, cursors: list[int], after: int, newest: int
    ) -> None:
        with pytest.raises(ValidationError):
            await transfers.append_events(list(map(event_with, cursors)), after=after, newest=newest)
        assert await transfers.newest_cursor() == 0

    async def test_one_that_cannot_be_stored_keeps_the_others_out(
        self, transfers: TransferStore, events: MobEventStore
    ) -> None:
        odd = event_with(2).model_copy(update={"mob_id": "\ud800"})
        with pytest.raises(InternalError):
            await transfers.append_events([event_with(1), odd], after=0, newest=2)
        assert await events.replay_all() == [] and await transfers.newest_cursor() == 0


class TestBroughtDocuments(Guarantee):
    """A spec or profile of another store keeps its revision and times, and may be brought again."""

    async def test_a_spec_keeps_its_revision_and_counts_on(self, transfers: TransferStore, specs: MobSpecStore) -> None:
        assert await transfers.insert_spec("m", definition(), 7) is True
        assert await transfers.insert_spec("m", definition(), 7) is False
        assert await specs.get_spec("m") == (definition(), 7)
        for other, revision in ((definition("other"), 7), (definition(), 8)):
            with pytest.raises(CasConflictError, match="another one is there"):
                await transfers.insert_spec("m", other, revision)
        assert await specs.put_spec("m", definition(), 7) == 8
        with pytest.raises(SpecRevisionConflictError):
            await specs.put_spec("m", definition(), 7)
        assert await specs.delete_spec("m")
        with pytest.raises(CasConflictError, match="has had this revision"):
            await transfers.insert_spec("m", definition(), 8)
        assert await transfers.insert_spec("m", definition(), 9) is True

    async def test_a_profile_keeps_its_revision_and_times(
        self, transfers: TransferStore, profiles: RealmProfileStore
    ) -> None:
        one = stored_profile("p")
        assert await transfers.insert_profile(one) is True
        assert await transfers.insert_profile(one) is False
        assert await profiles.get("p") == one
        for change in ({"revision": 8}, {"updated_at": NOON}, {"profile": profile("other")}):
            with pytest.raises(CasConflictError, match="another one is there"):
                await transfers.insert_profile(one.model_copy(update=change))
        updated = await profiles.update("p", profile("other"), 7)
        assert (updated.revision, updated.created_at) == (8, NOON)
        await profiles.delete("p", 8)
        with pytest.raises(CasConflictError, match="has had this revision"):
            await transfers.insert_profile(stored_profile("p", 8))

    async def test_one_of_many_at_once_stores(self, open_stores: Opener) -> None:
        handles = [given("transfers", (await open_stores()).transfers) for _ in range(4)]
        assert sorted(await asyncio.gather(*(one.insert_spec("m", definition(), 3) for one in handles))) == [
            False, False, False, True
        ]  # fmt: skip
        found = await asyncio.gather(
            *(one.insert_profile(stored_profile("p", revision)) for revision, one in enumerate(handles, 1)),
            return_exceptions=True,
        )
        assert [answer for answer in found if not isinstance(answer, CasConflictError)] == [True]

    @pytest.mark.parametrize("revision", [0, -1, MOST_COUNTED + 1])
    async def test_revisions_that_cannot_be_counted_are_refused(self, transfers: TransferStore, revision: int) -> None:
        with pytest.raises(ValidationError, match="revision"):
            await transfers.insert_spec("m", definition(), revision)
        odd: Any = stored_profile("p").model_copy(update={"revision": revision})
        with pytest.raises(ValidationError, match="revision"):
            await transfers.insert_profile(odd)

    async def test_damage_of_what_is_there_is_told(self, backend: Backend, transfers: TransferStore) -> None:
        await transfers.insert_spec("m", definition(), 7)
        await transfers.insert_profile(stored_profile("p"))
        await backend.damage(StoredSpec("m"))
        await backend.damage(StoredProfile("p"))
        with pytest.raises(SerializationError, match="'m'"):
            await transfers.insert_spec("m", definition(), 7)
        with pytest.raises(SerializationError, match="'p'"):
            await transfers.insert_profile(stored_profile("p"))


class TestMetadataOfAllMobs(Guarantee):
    """The authorities and overlays of all mobs are given in one order."""

    async def test_those_of_all_mobs_are_given_in_order(
        self, transfers: TransferStore, metadata: MobRuntimeMetadataStore
    ) -> None:
        assert await transfers.supervisors() == {} and await transfers.overlays() == []
        for mob in ("é", "b", "a"):
            await metadata.put_supervisor_authority(mob, authority())
            for generation in (10, 9):
                await metadata.upsert_external_binding_overlay(mob, overlay(generation=generation, **TOKEN))
        assert list(await transfers.supervisors()) == ["a", "b", "é"]
        assert (await transfers.supervisors())["b"] == authority()
        wanted = [(mob, overlay(generation=number, **TOKEN)) for mob in ("a", "b", "é") for number in (9, 10)]
        assert await transfers.overlays() == wanted

    async def test_damage_of_one_is_told(
        self, backend: Backend, transfers: TransferStore, metadata: MobRuntimeMetadataStore
    ) -> None:
        await metadata.put_supervisor_authority("m", authority())
        await metadata.upsert_external_binding_overlay("m", overlay("agent", generation=1, **TOKEN))
        await backend.damage(StoredSupervisor("m"))
        await backend.damage(StoredOverlay("m", "agent", 1))
        with pytest.raises(SerializationError, match="'m'"):
            await transfers.supervisors()
        with pytest.raises(SerializationError, match="'m'"):
            await transfers.overlays()
