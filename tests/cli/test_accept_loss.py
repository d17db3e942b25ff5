"""`redis-mob accept-loss`: what it prints, and how it ends; and what the doctor says before and after."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from redis_mob.connection.calls.client import connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import scene
from redis_mob.testing.samples.documents import definition
from redis_mob.testing.samples.states import step_entry
from tests.cli.command import redis_mob

RUN = scene(step_ledger=[step_entry()])


@pytest.fixture
def keys(server_url: str, namespace: str) -> Keys:
    """A namespace that has lost a spec, and a row of the ledger of a run."""
    keys = Keys(namespace)

    async def lose() -> None:
        async with MobStorage.open(server_url, namespace=namespace) as storage:
            await storage.specs.put_spec("m", definition())
            await storage.runs.create_run(RUN)
        connection = await connect(server_url)
        await connection.router.request("DEL", keys.specs, keys.run(RUN.run_id).steps)
        await connection.aclose()

    asyncio.run(lose())
    return keys


def test_losses_are_told_and_accepted(tmp_path: Path, server_url: str, keys: Keys) -> None:
    options = ("--url", server_url, "--namespace", keys.namespace)
    steps = keys.run(RUN.run_id).steps
    told = redis_mob(tmp_path, "doctor", *options)
    assert told.status == 1
    for key in (keys.specs, steps):
        assert f"error   records: {key}: 0 of 1 records are there" in told.out
    accepted = redis_mob(tmp_path, "accept-loss", *options)
    assert (accepted.status, accepted.out) == (0, f"{keys.specs}: 0 of 1 records are there\n")
    of_run = redis_mob(tmp_path, "accept-loss", *options, "--run", RUN.run_id, "--json")
    assert of_run.status == 0
    assert json.loads(of_run.out) == {
        "namespace": keys.namespace,
        "run": RUN.run_id,
        "accepted": [{"key": steps, "found": "0 of 1 records are there"}],
    }
    assert redis_mob(tmp_path, "accept-loss", *options).out == "nothing is missing\n"
    assert "ok      records: all records are there" in redis_mob(tmp_path, "doctor", *options).out


def test_what_it_refuses(tmp_path: Path, server_url: str) -> None:
    ended = redis_mob(tmp_path, "accept-loss", "--url", server_url, "--run", "no id")
    assert (ended.status, ended.out) == (2, "")
    ended = redis_mob(tmp_path, "accept-loss", "--url", server_url, "--namespace", "absent")
    assert (ended.status, ended.out) == (2, "")
    assert "there is no namespace 'absent' on this server" in ended.err
    ended = redis_mob(tmp_path, "accept-loss", "--url", "memory:")
    assert (ended.status, ended.out) == (3, "")
