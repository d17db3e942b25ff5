"""A command that looks at a namespace creates none, and says so if there is none (contract: operations-233)."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import NotFoundError
from redis_mob.models import MobRunStatus
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.webhooks import SECRET, webhook
from tests.cli.command import Command, redis_mob
from tests.support.servers import server
from tests.webhooks.scenes import tell

EXIT = {
    ("ls",): 0,
    ("count", "--json"): 0,
    ("workers",): 1,
    ("stats", "--json"): 0,
    ("history",): 0,
    ("show", "abcd1234"): 2,
    ("webhook", "list"): 0,
    ("schedule", "show", "daily"): 2,
    ("cancel", "--mob", "office", "--yes"): 0,
}

NEED_ONE = (
    ("verify", "--all"),
    ("export", "--all"),
    ("export", "--mob-db", "out.db"),
    ("export", "--lines", "out.jsonl", "--json"),
)


async def test_commands_that_look_write_nothing(
    tmp_path: Path, server_url: str, namespace: str, connection: Client
) -> None:
    async with MobStorage.open(server_url, namespace=namespace):
        pass
    mistyped = f"{namespace}s"
    for words, status in [*EXIT.items(), *((words, 2) for words in NEED_ONE)]:
        ended = await asyncio.to_thread(
            redis_mob, tmp_path, *words, "--url", server_url, "--namespace", mistyped, TZ="UTC"
        )
        # whether the other one is found among the thousands of a shared server is left to chance
        said = f"{'error' if words in NEED_ONE else 'note'}: there is no namespace '{mistyped}' on this server"
        assert ended.status == status, (words, ended)
        assert ended.err.startswith(said), words
    assert not any(os.scandir(tmp_path))
    assert await connection.router.request("KEYS", Keys(mistyped).pattern) == []


def test_what_waits_for_events_goes_on_without_a_namespace(tmp_path: Path, server_url: str, namespace: str) -> None:
    with Command(tmp_path, "tail", "--url", server_url, "--namespace", namespace) as command:
        assert command.line_of_stderr().startswith(f"note: there is no namespace '{namespace}' on this server")
        command.signal(signal.SIGINT)
        assert command.end().status == 0


async def test_a_name_like_the_one_that_was_given_is_told(tmp_path: Path) -> None:
    with server() as url:
        async with MobStorage.open(url, namespace="office"):
            pass
        ended = await asyncio.to_thread(redis_mob, tmp_path, "ls", "--url", url, "--namespace", "ofice", TZ="UTC")
    assert "there is no namespace 'ofice' on this server; did you mean 'office'?" in ended.err


@pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")
async def test_a_namespace_that_is_not_there_is_read_as_an_empty_one(
    server_url: str, namespace: str, connection: Client
) -> None:
    async with MobStorage.open(server_url, namespace=namespace, create=False) as storage:
        assert not storage.exists
        assert await storage.runs.list_runs("mob") == []
        assert sum((await storage.operations.count()).values()) == 0
        assert set(await storage.operations.count()) == set(MobRunStatus)
        with pytest.raises(NotFoundError, match=f"namespace '{namespace}' does not exist"):
            await storage.webhooks.put(webhook(), SECRET, after=None)
        assert await connection.router.request("KEYS", Keys(namespace).pattern) == []
        async with storage.events.subscribe() as events, MobStorage.open(server_url, namespace=namespace) as other:
            [cursor] = await tell(other, 1)
            assert (await anext(events)).cursor == cursor
    async with MobStorage.open(server_url, namespace=namespace, create=False) as storage:
        assert storage.exists
        assert await tell(storage, 1) == [cursor + 1]


async def test_a_namespace_in_memory_is_always_there(namespace: str) -> None:
    async with MobStorage.open("memory:", namespace=namespace, create=False) as storage:
        assert storage.exists
