"""A conversation of which many processes start turns while workers are killed: each turn once, alone, in order."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from redis_mob.fleet.fleet import Fleet
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.talkers import CONVERSATION, ONE

TALKERS, TURNS = 8, 20


async def begun(*arguments: Any) -> Process:
    """A process of `talkers`, once it is ready."""
    command = (sys.executable, "-m", "tests.fleet.talkers", *map(str, arguments))
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


def go(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")


@pytest.mark.slow
async def test_each_turn_is_taken_once_and_alone_while_workers_are_killed(server_url: str, namespace: str) -> None:
    random = Random(seed := uuid4().int % 1000)
    print(f"seed {seed}")
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        admin, where = FleetAdmin(storage), (server_url, namespace)
        talkers = await asyncio.gather(*(begun(*where, "talk", f"t{number}", TURNS) for number in range(TALKERS)))
        workers = list(await asyncio.gather(*(begun(*where, "work") for _ in range(2))))
        for talker in talkers:
            go(talker)
        for said in (20, 120, 220):
            async with asyncio.timeout(2 * LONG):
                while len(await storage.conversations.history(CONVERSATION)) < said:  # noqa: ASYNC110 - it has to look
                    await asyncio.sleep(0.01)
            workers.append(await begun(*where, "work"))
            victim = workers.pop(random.randrange(2))
            victim.kill()
            await victim.wait()
        assert [await talker.wait() for talker in talkers] == [0] * TALKERS
        runs = await storage.runs.list_runs("mob")
        async with asyncio.timeout(2 * LONG):
            ended = [await Fleet(storage, ONE).wait(run.run_id) for run in runs]
        for worker in workers:
            go(worker)
            await worker.wait()
        assert {run.status for run in ended} == {MobRunStatus.COMPLETED}
        items = await admin.conversation_history(CONVERSATION)
        turns = [tuple(one.value for one in pair) for pair in _pairs(items)]
        in_order = [list(run.activation_params) for run in sorted(runs, key=lambda run: _number(items, run.run_id))]
        assert turns == [({"begins": turn}, {"ends": turn}) for turn in in_order]
        assert sorted(in_order) == [[f"t{n}", turn] for n in range(TALKERS) for turn in range(TURNS)]
        for number in range(TALKERS):
            assert [turn for name, turn in in_order if name == f"t{number}"] == list(range(TURNS))
        listed = [run.run_id async for run in admin.all_runs(mob_id="mob")][::-1]
        assert [one.run_id for one in items[::2]] == listed, "in the order in which they were stored"
        record = await admin.conversation(CONVERSATION)
        assert (record.active, record.items) == (None, 2 * TALKERS * TURNS)


def _number(items: Any, run_id: str) -> int:
    return next(item.number for item in items if item.run_id == run_id)


def _pairs(items: list[Any]) -> Iterator[list[Any]]:
    return (items[at : at + 2] for at in range(0, len(items), 2))
