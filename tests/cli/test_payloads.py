"""`redis-mob payloads`."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext
from redis_mob.payloads.settings import PayloadSettings
from redis_mob.security.sealing import SealKey
from redis_mob.storage import MobStorage
from tests.cli.command import redis_mob
from tests.fleet.flows import FLOW, mob, step

ONE = mob({"a": step()})
KEY = SealKey.generate("k1")


@pytest.fixture
def options(server_url: str, namespace: str) -> tuple[str, ...]:
    return ("--url", server_url, "--namespace", namespace)


@pytest.fixture
def keys(tmp_path: Path) -> str:
    file = tmp_path / "keys.txt"
    file.write_text(KEY.to_text())
    file.chmod(0o600)
    return str(file)


def run_one(server_url: str, namespace: str, secret: str) -> str:
    async def says(ctx: StepContext) -> Any:
        return [secret, ctx.params]

    async def work() -> str:
        async with MobStorage.open(server_url, namespace=namespace, seal_key=KEY) as storage:
            fleet = Fleet(storage, ONE, {"*": says})
            run_id = await fleet.start(FLOW, {"about": secret})
            await fleet.work(until_idle=True)
            return run_id

    return asyncio.run(work())


def test_they_are_shown_and_changed(
    tmp_path: Path, options: tuple[str, ...], keys: str, server_url: str, namespace: str
) -> None:
    asyncio.run(created(server_url, namespace))
    assert redis_mob(tmp_path, "payloads", *options, "--seal-keys", keys).out == (
        "compressed: no\nsealed:     no\nblobs:      no\n"
    )
    ended = redis_mob(
        tmp_path,
        "payloads",
        "--compress",
        "--seal",
        "--blobs",
        "blobs",
        "--above",
        "2048",
        "--seal-keys",
        keys,
        *options,
    )
    assert (ended.status, ended.out) == (
        0,
        f"compressed: yes, by zstd\nsealed:     yes, AES-256-GCM\nblobs:      at {(tmp_path / 'blobs').as_uri()}, "
        "those above 2.0 KB\n",
    )
    assert "start them anew" in ended.err
    run_id = run_one(server_url, namespace, "hush " + os.urandom(4000).hex())
    shown = redis_mob(tmp_path, "show", run_id, "--outputs", "--seal-keys", keys, *options)
    assert (shown.status, "hush" in shown.out) == (0, True)
    assert [file.parent.name for file in (tmp_path / "blobs").rglob("*") if file.is_file()].count(run_id) > 1
    ended = redis_mob(tmp_path, "payloads", "--no-seal", "--blobs", "none", "--json", "--seal-keys", keys, *options)
    assert json.loads(ended.out) == {"compress": True, "seal": False, "blobs": None, "above": 2048}
    assert redis_mob(tmp_path, "show", run_id, "--outputs", "--seal-keys", keys, *options).out == shown.out
    swept = redis_mob(tmp_path, "payloads", "--sweep", "--seal-keys", keys, *options)
    assert (swept.status, "blobs of 0 runs were deleted" in swept.err) == (0, True)


async def created(server_url: str, namespace: str) -> None:
    async with MobStorage.open(server_url, namespace=namespace, seal_key=KEY):
        pass


def test_sealing_without_a_key_is_refused_and_changes_nothing(
    tmp_path: Path, options: tuple[str, ...], server_url: str, namespace: str
) -> None:
    ended = redis_mob(tmp_path, "payloads", "--seal", *options)
    assert (ended.status, ended.out) == (2, "")
    assert "payloads can be sealed only with a key" in ended.err
    ended = redis_mob(tmp_path, "payloads", "--blobs", "ftp://host/x", *options)
    assert (ended.status, "blobs must be a URL" in ended.err) == (2, True)
    assert json.loads(redis_mob(tmp_path, "payloads", "--json", *options).out)["seal"] is False


def test_without_what_reads_them_the_extra_is_named(
    tmp_path: Path, options: tuple[str, ...], server_url: str, namespace: str
) -> None:
    async def coded() -> None:
        async with MobStorage.open(server_url, namespace=namespace, payloads=PayloadSettings()):
            pass

    asyncio.run(coded())
    (tmp_path / "zstandard.py").write_text("raise ImportError('not installed')")
    ended = redis_mob(tmp_path, "ls", *options)
    assert ended.status == 3
    assert "needs pip install 'redis-mob[payloads]'" in ended.err
