"""What the conformance suite does not show of the backend on sqlite3: recorded calls, processes, opening again."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from redis_mob.contracts import (
    MobEventStore,
    MobRunStore,
    MobRuntimeMetadataStore,
    MobSpecStore,
    RealmProfileStore,
)
from redis_mob.testing.samples.new_events import numbered
from redis_mob.testing.samples.states import NOON
from redis_mob.testing.waiting import LONG
from tests.sqlite_backend import counting_process
from tests.sqlite_backend.stores import SqliteStores, open_sqlite
from tests.stores.test_traces import EVENTS, RUNS
from tests.support.traces import Tally, replay


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "database"


@pytest.fixture
async def stores(path: Path) -> AsyncIterator[SqliteStores]:
    async with open_sqlite(path) as stores:
        yield stores


@pytest.mark.parametrize("name", RUNS)
async def test_recorded_runs(stores: SqliteStores, name: str) -> None:
    assert await replay(name, stores.runs, MobRunStore) == RUNS[name]


@pytest.mark.parametrize("name", EVENTS)
async def test_recorded_events(stores: SqliteStores, name: str) -> None:
    assert await replay(name, stores.events, MobEventStore) == EVENTS[name]


async def test_recorded_specs(stores: SqliteStores) -> None:
    assert await replay("specs_01", stores.specs, MobSpecStore) == Tally(compared=228, departing=9)


async def test_recorded_realm_profiles(stores: SqliteStores) -> None:
    tally = await replay("profiles_01", stores.realm_profiles, RealmProfileStore)
    assert tally == Tally(compared=299, departing=4)


async def test_recorded_runtime_metadata(stores: SqliteStores) -> None:
    tally = await replay("metadata_01", stores.runtime_metadata, MobRuntimeMetadataStore)
    assert tally == Tally(compared=389)


async def test_two_processes_lose_no_update(stores: SqliteStores, path: Path) -> None:
    command = [sys.executable, "-m", counting_process.__name__, str(path), "50"]
    pipe = asyncio.subprocess.PIPE
    processes = [await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe) for _ in range(2)]
    try:
        async with asyncio.timeout(LONG):
            for process in processes:
                assert process.stdout is not None
                assert await process.stdout.readline() == b"ready\n"
            await asyncio.gather(*(process.communicate(b"\n") for process in processes))
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert [process.returncode for process in processes] == [0, 0]
    assert await stores.config.get("agents", "counter") == {"meta": {"revision": 100}}


async def test_a_database_that_is_opened_again_goes_on(path: Path) -> None:
    async with open_sqlite(path) as stores:
        await stores.events.append_batch([numbered(1, timestamp=NOON), numbered(2, timestamp=NOON)])
        assert await stores.events.prune(NOON.replace(year=2027)) == 2
        await stores.config.put("n", "a", 1)
        await stores.config.delete("n", "a")
    async with open_sqlite(path) as stores:
        assert (await stores.events.append(numbered(3))).cursor == 3
        assert (await stores.config.snapshot([])).cursor == 2
        await stores.events.clear()
    async with open_sqlite(path) as stores:
        assert (await stores.events.append(numbered(4))).cursor == 4
        await stores.config.put("n", "a", 2)
        assert await stores.config.change_token("n") == 3
