"""Commands that look for something that must exist start no server of their own to look there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from redis_mob.storage import MobStorage
from tests.cli.command import redis_mob

RUN = "00000000-0000-4000-8000-000000000000"

COMMANDS = [
    ("signal", RUN, "approved"),
    ("accept-loss",),
    ("show", RUN),
    ("tail",),
    ("history",),
    ("watch", RUN),
    ("mcp",),
    ("worker", "flows.toml", "--handler", "handlers:answer"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_without_a_server_they_say_how_to_name_one(project: Path, command: tuple[str, ...]) -> None:
    refused = redis_mob(project, *command)
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.startswith("error: without --url and REDIS_MOB_URL a new, empty server would be started")
    assert "--url redis://host:6379; embedded:/path joins" in refused.err
    named = redis_mob(project, *command, REDIS_MOB_URL="embedded:")
    assert named.status == 2
    assert named.err.startswith("error: embedded: means that a new, empty server would be started")


@pytest.mark.parametrize("command", COMMANDS[:-1], ids=lambda command: command[0])
def test_a_directory_that_is_not_there_is_not_made(tmp_path: Path, command: tuple[str, ...]) -> None:
    refused = redis_mob(tmp_path, *command, "--url", f"embedded:{tmp_path}/data")
    assert refused.status == 2
    assert f"there is no directory {tmp_path}/data" in refused.err
    assert list(tmp_path.iterdir()) == []


def test_the_embedded_server_of_a_running_owner_is_joined(tmp_path: Path) -> None:
    async def owned() -> None:
        url = f"embedded:{tmp_path}/data"
        async with MobStorage.open(url, namespace="shop"):
            place = ("--url", url, "--namespace", "shop")
            accepted = await asyncio.to_thread(redis_mob, tmp_path, "accept-loss", *place)
            assert (accepted.status, accepted.out) == (0, "nothing is missing\n"), accepted.err
            unknown = await asyncio.to_thread(redis_mob, tmp_path, "signal", RUN, "approved", *place)
            assert (unknown.status, unknown.err) == (
                2,
                f"error: run {RUN} does not exist in namespace 'shop'; `redis-mob ls` lists those that do\n",
            )

    asyncio.run(owned())
