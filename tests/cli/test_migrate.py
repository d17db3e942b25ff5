"""`redis-mob migrate`: what it prints, and how it ends."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from redis_mob.connection.calls.client import connect
from redis_mob.fleet.storage_clock import utc_now
from redis_mob.models.worker import WorkerRecord
from redis_mob.storage import MobStorage
from redis_mob.version import NAMESPACE_SCHEMA, __version__
from tests.cli.command import redis_mob
from tests.migration.old_namespace import write_old

SILENT = WorkerRecord(id="w-1", host="h", pid=1, slots=1, started_at=utc_now())


@pytest.fixture
def old(server_url: str, namespace: str) -> str:
    """The name of a namespace that release 0.1 left."""

    async def write() -> None:
        connection = await connect(server_url)
        await write_old(connection, namespace)
        await connection.aclose()

    asyncio.run(write())
    return namespace


def join(server_url: str, namespace: str) -> None:
    """A worker of a release that does not say which."""

    async def joined() -> None:
        async with MobStorage.open(server_url, namespace=namespace) as storage:
            await storage.executions.join_workers(SILENT, timedelta(minutes=1))

    asyncio.run(joined())


def test_what_is_needed_is_told_and_done(tmp_path: Path, server_url: str, old: str) -> None:
    options = ("--url", server_url, "--namespace", old)
    told = redis_mob(tmp_path, "migrate", "--check", *options)
    lines = [
        f"namespace {old} has schema version 1; this release reads up to {NAMESPACE_SCHEMA}",
        f"would raise the schema version from 1 to {NAMESPACE_SCHEMA}",
        "would give it a key, by which clients know the tokens of their own writes",
        "would count the records of the namespace, so that a loss is noticed",
        "would count the records of 6 runs, and index them",
    ]
    assert (told.status, told.out.splitlines()) == (1, lines)
    done = redis_mob(tmp_path, "migrate", *options)
    assert done.status == 0
    assert done.out.splitlines() == [
        f"namespace {old} has schema version {NAMESPACE_SCHEMA}; this release reads up to {NAMESPACE_SCHEMA}",
        *(line.replace("would ", "done: ") for line in lines[1:]),
        "nothing is left to do",
    ]
    again = redis_mob(tmp_path, "migrate", "--check", "--json", *options)
    assert again.status == 0
    assert json.loads(again.out) == {
        "namespace": old,
        "version": __version__,
        "schema_version": NAMESPACE_SCHEMA,
        "newest_schema_version": NAMESPACE_SCHEMA,
        "standing": "current",
        "changes": [],
        "obstacles": [],
        "old_runs": 0,
        "migrated_runs": 0,
        "under_way": None,
        "workers": [],
    }


def test_workers_of_other_releases_are_told(tmp_path: Path, server_url: str, namespace: str) -> None:
    join(server_url, namespace)
    options = ("--url", server_url, "--namespace", namespace)
    told = redis_mob(tmp_path, "migrate", "--check", *options)
    assert told.status == 0
    assert told.out.splitlines()[1:] == [
        "nothing is left to do",
        f"workers of another release than {__version__}:",
        "WORKER  HOST  VERSION  READS SCHEMA  CAN GO ON",
        f"w-1     h     -        {NAMESPACE_SCHEMA:>12}  yes",
    ]
    [worker] = json.loads(redis_mob(tmp_path, "migrate", "--check", "--json", *options).out)["workers"]
    assert (worker["worker"], worker["version"], worker["can_go_on"]) == ("w-1", None, True)


def test_what_is_impossible_ends_with_2(tmp_path: Path, server_url: str, namespace: str) -> None:
    options = ("--url", server_url, "--namespace", namespace)
    missing = redis_mob(tmp_path, "migrate", *options)
    assert (missing.status, missing.err) == (2, f"error: there is no namespace {namespace!r} on this server\n")
    join(server_url, namespace)

    async def raised() -> None:
        connection = await connect(server_url)
        await connection.router.request("HSET", f"{{rm:{namespace}}}:meta", "schema", NAMESPACE_SCHEMA + 1)
        await connection.aclose()

    asyncio.run(raised())
    told = redis_mob(tmp_path, "migrate", *options)
    assert (told.status, told.out.splitlines()[1]) == (
        2,
        f"impossible: it has schema version {NAMESPACE_SCHEMA + 1}, written by a newer redis_mob; this one reads up to "
        f"{NAMESPACE_SCHEMA}: upgrade it",
    )
    assert redis_mob(tmp_path, "migrate", "--url", "redis://127.0.0.1:1").status == 3
