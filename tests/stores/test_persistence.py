"""What was stored in a data directory is there when it is opened again (contract: store-18)."""

from __future__ import annotations

from pathlib import Path

import pytest

from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import COMPOUND, INPUTS, scene
from redis_mob.testing.samples.new_events import completed, numbered


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"embedded:{tmp_path / 'data'}"


async def test_case_035_events_are_kept_and_the_cursor_continues(url: str) -> None:
    async with MobStorage.open(url) as storage:
        stored = await storage.events.append_batch([numbered(1), completed(), numbered(3)])
    async with MobStorage.open(url) as storage:
        assert await storage.events.replay_all() == stored
        assert await storage.events.append_terminal_event_if_absent(completed()) is None
        assert (await storage.events.append(numbered(4))).cursor == 4
        async with storage.events.subscribe(after=3) as following:
            assert (await anext(following)).cursor == 4


async def test_runs_are_kept_and_go_on(url: str) -> None:
    run, second = scene(), scene()
    async with MobStorage.open(url) as storage:
        await storage.runs.create_run(run)
        await storage.runs.create_run(second)
        for operation in COMPOUND[:1]:
            assert await operation.call(storage.runs, run.run_id, authority_inputs=INPUTS)
    async with MobStorage.open(url) as storage:
        assert await storage.runs.list_runs("mob") == [COMPOUND[0].left(run, INPUTS), second]
        assert await COMPOUND[0].call(storage.runs, second.run_id)
