"""Events, specs and profiles that keep the cursors, revisions and times they have elsewhere, on both backends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from redis_mob.codec.transfers import GREATEST
from redis_mob.errors import CasConflictError, EventsTrimmedError, SpecRevisionConflictError, ValidationError
from redis_mob.security.sealing import SealKey
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.documents import authority, definition, overlay, profile
from redis_mob.testing.samples.new_events import completed, numbered
from redis_mob.testing.samples.states import NOON
from redis_mob.testing.samples.transfers import event_with, stored_profile


@pytest.fixture(params=["server", "memory"])
async def storage(request: pytest.FixtureRequest, server_url: str, namespace: str) -> AsyncIterator[MobStorage]:
    url, key = (server_url, SealKey("k1", bytes(32))) if request.param == "server" else ("memory:", None)
    async with MobStorage.open(url, namespace=namespace, seal_key=key) as opened:
        yield opened


async def test_events_keep_their_cursors_and_the_log_goes_on_behind_the_newest(storage: MobStorage) -> None:
    # contract: meerkat-2
    events = [event_with(3), event_with(7)]
    assert await storage.transfers.append_events(events, after=0, newest=9)
    assert await storage.events.replay_all() == events
    assert await storage.events.latest_cursor() == 7 and await storage.transfers.newest_cursor() == 9
    assert (await storage.events.append(numbered(1))).cursor == 10
    assert await storage.events.prune(NOON.replace(year=9999), structural=True) == 3


async def test_subscribers_get_events_that_come_from_elsewhere(storage: MobStorage) -> None:
    # contract: meerkat-2
    async with storage.events.subscribe() as found:
        assert await storage.transfers.append_events([event_with(1), event_with(2)], after=0, newest=2)
        assert [(await anext(found)).cursor for _ in range(2)] == [1, 2]
        assert await storage.transfers.append_events([event_with(7)], after=2, newest=7)
        with pytest.raises(EventsTrimmedError, match="the first one available is 7"):  # the gap is told
            await anext(found)
        assert (await anext(found)).cursor == 7


async def test_an_end_that_comes_from_elsewhere_happens_once(storage: MobStorage) -> None:
    end = completed("0191a6a0-0000-4000-8000-000000000003")
    event = event_with(5).model_copy(update={"kind": end.kind, "mob_id": end.mob_id})
    assert await storage.transfers.append_events([event], after=0, newest=5)
    assert await storage.events.append_terminal_event_if_absent(end) is None


async def test_a_log_that_stands_elsewhere_is_left_alone(storage: MobStorage) -> None:
    await storage.events.append(numbered(1))
    assert not await storage.transfers.append_events([event_with(5)], after=0, newest=5)
    assert await storage.transfers.append_events([], after=1, newest=4)
    assert not await storage.transfers.append_events([event_with(5)], after=1, newest=5)
    assert len(await storage.events.replay_all()) == 1 and await storage.transfers.newest_cursor() == 4


@pytest.mark.parametrize(
    ("cursors", "after", "newest"),
    [([2], 2, 3), ([3, 3], 2, 3), ([4], 2, 3), ([], 3, 2), ([], 0, GREATEST + 1), ([], -1, 3)],
)
async def test_cursors_that_do_not_ascend_are_refused(
    storage: MobStorage, cursors: list[int], after: int, newest: int
) -> None:
    with pytest.raises(ValidationError):
        await storage.transfers.append_events(list(map(event_with, cursors)), after=after, newest=newest)


async def test_a_spec_keeps_its_revision_and_counts_on(storage: MobStorage) -> None:
    # contract: meerkat-3
    assert await storage.transfers.insert_spec("m", definition(), 7) is True
    assert await storage.transfers.insert_spec("m", definition(), 7) is False
    assert await storage.specs.get_spec("m") == (definition(), 7)
    for other, revision in ((definition("other"), 7), (definition(), 8)):
        with pytest.raises(CasConflictError, match="another one is there"):
            await storage.transfers.insert_spec("m", other, revision)
    assert await storage.specs.put_spec("m", definition(), 7) == 8
    with pytest.raises(SpecRevisionConflictError):
        await storage.specs.put_spec("m", definition(), 7)
    assert await storage.specs.delete_spec("m")
    with pytest.raises(CasConflictError, match="has had this revision"):
        await storage.transfers.insert_spec("m", definition(), 8)
    assert await storage.transfers.insert_spec("m", definition(), 9) is True


async def test_a_profile_keeps_its_revision_and_times(storage: MobStorage) -> None:
    # contract: meerkat-3
    one = stored_profile("p")
    assert await storage.transfers.insert_profile(one) is True
    assert await storage.transfers.insert_profile(one) is False
    assert await storage.realm_profiles.get("p") == one
    for change in ({"revision": 8}, {"updated_at": NOON}, {"profile": profile("other")}):
        with pytest.raises(CasConflictError, match="another one is there"):
            await storage.transfers.insert_profile(one.model_copy(update=change))
    updated = await storage.realm_profiles.update("p", profile("other"), 7)
    assert (updated.revision, updated.created_at) == (8, NOON)
    await storage.realm_profiles.delete("p", 8)
    with pytest.raises(CasConflictError, match="has had this revision"):
        await storage.transfers.insert_profile(stored_profile("p", 8))


@pytest.mark.parametrize("revision", [0, -1, GREATEST + 1])
async def test_revisions_that_scripts_cannot_count_are_refused(storage: MobStorage, revision: int) -> None:
    with pytest.raises(ValidationError, match="revision"):
        await storage.transfers.insert_spec("m", definition(), revision)
    odd: Any = stored_profile("p").model_copy(update={"revision": revision})
    with pytest.raises(ValidationError, match="revision"):
        await storage.transfers.insert_profile(odd)


async def test_the_secrets_of_all_mobs_are_given_in_order(storage: MobStorage) -> None:
    # contract: meerkat-4
    metadata = storage.runtime_metadata
    for mob in ("é", "b", "a"):
        await metadata.put_supervisor_authority(mob, authority())
        await metadata.upsert_external_binding_overlay(mob, overlay(bootstrap_token="token"))  # noqa: S106
    assert list(await storage.transfers.supervisors()) == ["a", "b", "é"]
    assert (await storage.transfers.supervisors())["b"] == authority()
    found = await storage.transfers.overlays()
    assert found == [(mob, overlay(bootstrap_token="token")) for mob in ("a", "b", "é")]  # noqa: S106
