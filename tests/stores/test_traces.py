"""Every call that was recorded from the crate's stores has the same result here.

The numbers are those of calls compared, of calls with an input that no log may hold, and of calls whose recorded
result we depart from: cursors go on after a clear (contract: events-2), a pruned flow cannot terminate again
(contract: events-9), revisions survive deletion (contract: specs-3). Those of runtime metadata are in
test_runtime_metadata.
"""

from __future__ import annotations

import pytest

from redis_mob.contracts import MobEventStore, MobRunStore, MobSpecStore, RealmProfileStore
from redis_mob.storage import MobStorage
from tests.support.traces import Tally, replay

RUNS = {
    "runs_01": Tally(compared=292, refused=13),
    "runs_02": Tally(compared=315, refused=10),
    "runs_03": Tally(compared=366, refused=20),
    "runs_04": Tally(compared=284, refused=21),
    "runs_05": Tally(compared=225, refused=18),
    "runs_06": Tally(compared=384, refused=24),
}

EVENTS = {
    "events_01": Tally(compared=328, departing=7),
    "events_02": Tally(compared=265, departing=7),
    "events_03": Tally(compared=185, departing=7),
}


@pytest.mark.parametrize("name", RUNS)
async def test_runs(name: str, storage: MobStorage) -> None:
    assert await replay(name, storage.runs, MobRunStore) == RUNS[name]


@pytest.mark.parametrize("name", EVENTS)
async def test_events(name: str, storage: MobStorage) -> None:
    assert await replay(name, storage.events, MobEventStore) == EVENTS[name]


async def test_specs(storage: MobStorage) -> None:
    assert await replay("specs_01", storage.specs, MobSpecStore) == Tally(compared=228, departing=9)


async def test_realm_profiles(storage: MobStorage) -> None:
    assert await replay("profiles_01", storage.realm_profiles, RealmProfileStore) == Tally(compared=299, departing=4)
