"""A namespace is backed up while it is written to, and comes back as it was at the cut.

(contract: backup-1, backup-3, backup-4, backup-6, backup-7)
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from redis_mob.backup.moving import move
from redis_mob.backup.requests import repeat
from redis_mob.backup.service import back_up, restore, verify
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import (
    CasConflictError,
    MobStoreError,
    SealKeyMismatchError,
    SealKeyMissingError,
    SerializationError,
    StorageUnavailableError,
    ValidationError,
    WriteFailedError,
)
from redis_mob.security.sealing import SealKey, SealKeyring
from redis_mob.storage import MobStorage
from tests.attacks.filled import KEY, make_filled
from tests.backup.content import content, names_in

KILLS = int(os.environ.get("REDIS_MOB_KILLS", "8"))
"""How many restores are killed: the bar of 50 takes a minute."""


async def test_a_namespace_with_something_in_each_key_comes_back_as_it_was(
    server_url: str, connection: Client, tmp_path: Path
) -> None:
    filled = await make_filled(server_url)
    before = await content(connection, filled.keys)
    file = tmp_path / "one"
    made = await back_up(server_url, filled.keys.namespace, file)
    assert made.trailer.cursor > 0
    assert await content(connection, filled.keys) == before
    with pytest.raises(CasConflictError, match="not empty"):
        await restore(server_url, filled.keys.namespace, [file])
    assert await content(connection, filled.keys) == before
    await restore(server_url, filled.keys.namespace, [file], replace=True)
    assert await content(connection, filled.keys) == before
    async with MobStorage.open(server_url, namespace=filled.keys.namespace, seal_key=KEY):
        pass
    with pytest.raises(ValidationError, match="sealed"):
        await restore(server_url, "another", [file])


async def reaching(written: list[int], number: int) -> None:
    """Let others go on until this many writes have happened."""
    for _ in range(10**7):
        if len(written) >= number:
            return
        await asyncio.sleep(0)


async def traffic(storage: MobStorage, end: asyncio.Event, written: list[int]) -> None:
    """Documents whose values and their sum change together, and more of them all the time."""
    number = 0
    while not end.is_set():
        number += 1
        await storage.config.put("load", f"d{number % 300}", {"n": number})
        written.append(number)


async def test_a_backup_under_load_is_a_prefix_of_what_was_written(
    server_url: str, connection: Client, namespace: str, tmp_path: Path
) -> None:
    end, file = asyncio.Event(), tmp_path / "one"
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        writing = [asyncio.create_task(traffic(storage, end, written := []))]
        await reaching(written, 700)
        made = await back_up(server_url, namespace, file, follow=True)
        since = len(written)
        await reaching(written, since + 200)
        second = await back_up(server_url, namespace, tmp_path / "two", since=file)
        end.set()
        await asyncio.gather(*writing)
    assert made.digest == second.header.base
    for number, files in enumerate(([file], [file, tmp_path / "two"])):
        other = f"{namespace}-{number}"
        await restore(server_url, other, files)
        async with MobStorage.open(server_url, namespace=other) as storage:
            found = [value["n"] for _, value in await storage.config.list("load", 0, 1000)]
            newest = max(found)
            # one writer: at one moment its last 300 writes are there, and no others
            assert sorted(found) == list(range(newest - 299, newest + 1))
            assert newest >= (700, since)[number]
    with pytest.raises(ValidationError, match="full backup"):
        verify([tmp_path / "two"])
    with pytest.raises(ValidationError, match="was made at cursor"):
        await restore(server_url, f"{namespace}-9", [file], at=made.trailer.cursor + 10**6)


async def test_files_that_were_cut_or_flipped_are_refused(server_url: str, namespace: str, tmp_path: Path) -> None:
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        for number in range(50):
            await storage.config.put("n", str(number), {"n": "x" * number})
    await back_up(server_url, namespace, tmp_path / "whole")
    whole, other = (tmp_path / "whole").read_bytes(), tmp_path / "other"
    for seed in range(200):
        chance = random.Random(seed)
        place = chance.randrange(len(whole))
        bad = bytearray(whole)
        bad[place] ^= 1 << chance.randrange(8)
        other.write_bytes(whole[:place] if seed % 2 else bytes(bad))
        with pytest.raises(SerializationError):
            await restore(server_url, f"{namespace}-none", [other])
    with pytest.raises(ValidationError, match="cannot be read"):
        verify([tmp_path / "absent"])


async def test_an_encrypted_backup_needs_its_key(server_url: str, namespace: str, tmp_path: Path) -> None:
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        await storage.config.put("n", "one", {"n": "a secret word"})
    key = SealKey.generate()
    file = tmp_path / "sealed"
    await back_up(server_url, namespace, file, encrypt_with=SealKeyring(key))
    assert b"a secret word" not in file.read_bytes()
    assert verify([file], SealKeyring(key))
    with pytest.raises(SealKeyMissingError, match=key.id):
        verify([file])
    with pytest.raises(SealKeyMismatchError, match=key.id):
        verify([file], SealKeyring(SealKey(key.id, SealKey.generate().secret)))


async def test_a_full_disk_leaves_no_file(server_url: str, namespace: str, tmp_path: Path, monkeypatch: Any) -> None:
    import resource

    async with MobStorage.open(server_url, namespace=namespace) as storage:
        await storage.config.put("n", "one", {"n": random.Random(1).randbytes(4000).hex()})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(WriteFailedError, match="cannot be written"):
            await back_up(server_url, namespace, tmp_path / "one")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not names_in(tmp_path)


async def test_a_namespace_that_is_half_restored_is_not_opened(
    server_url: str, connection: Client, namespace: str, tmp_path: Path
) -> None:
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        await storage.config.put("n", "one", {"n": 1})
    await back_up(server_url, namespace, tmp_path / "one")
    keys = Keys(f"{namespace}-half")
    await repeat(connection, "backup/begin_restore", keys.fixed, {"id": "x", "replace": 0})
    for create in (True, False):
        with pytest.raises((StorageUnavailableError, MobStoreError), match="being restored"):
            await MobStorage.open(server_url, namespace=keys.namespace, create=create)
    await restore(server_url, keys.namespace, [tmp_path / "one"])
    async with MobStorage.open(server_url, namespace=keys.namespace) as storage:
        assert await storage.config.exists("n", "one")


async def test_a_moved_namespace_refuses_writes_and_names_its_new_place(
    server_url: str, redis7_url: str, namespace: str
) -> None:
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        end, written = asyncio.Event(), list[int]()
        writing = asyncio.create_task(traffic(storage, end, written))
        await reaching(written, 400)
        await move(server_url, namespace, redis7_url, namespace)
        with pytest.raises(WriteFailedError, match="moved"):
            await writing
        async with MobStorage.open(redis7_url, namespace=namespace) as moved:
            found = [value["n"] for _, value in await moved.config.list("load", 0, 1000)]
            assert max(found) == written[-1]


async def test_a_backup_into_a_cluster(server_url: str, cluster_url: str, namespace: str, tmp_path: Path) -> None:
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        await storage.config.put("n", "one", {"n": 1})
    await back_up(server_url, namespace, tmp_path / "one")
    await restore(cluster_url, namespace, [tmp_path / "one"])
    await back_up(cluster_url, namespace, tmp_path / "two")
    await restore(server_url, f"{namespace}-b", [tmp_path / "two"])
    async with MobStorage.open(server_url, namespace=f"{namespace}-b") as storage:
        assert await storage.config.exists("n", "one")


async def test_a_restore_that_is_killed_is_never_half_visible(
    server_url: str, connection: Client, namespace: str, tmp_path: Path
) -> None:
    """(contract: backup-5)"""
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        for number in range(40):
            await storage.config.put(f"n{number}", "one", {"n": random.Random(number).randbytes(60_000).hex()})
    file = tmp_path / "one"
    await back_up(server_url, namespace, file)
    before, halves = await content(connection, Keys(namespace)), 0
    target = Keys(f"{namespace}-target")
    code = (
        "import asyncio, sys; from pathlib import Path; from redis_mob.backup.service import restore\n"
        "print('ready', flush=True); asyncio.run(restore(sys.argv[1], sys.argv[2], [Path(sys.argv[3])], replace=True))"
    )
    for seed in range(KILLS):
        words = ("-c", code, server_url, target.namespace, str(file))
        process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        before_this = await connection.router.request("HGET", target.meta, "epoch")
        while await connection.router.request("HGET", target.meta, "epoch") == before_this:
            pass
        # some requests behind its beginning
        for _ in range(random.Random(seed).randrange(60)):
            await connection.router.request("EXISTS", target.meta)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if b" " not in (await connection.router.request("HGET", target.meta, "epoch") or b""):
            assert await content(connection, target) in ({}, before)
        else:
            halves += 1
            with pytest.raises(StorageUnavailableError, match="being restored"):
                await MobStorage.open(server_url, namespace=target.namespace)
    assert halves, "none was killed in its middle"
    await restore(server_url, target.namespace, [file], replace=True)
    assert await content(connection, target) == before


async def test_a_backup_whose_process_is_gone_is_forgotten(
    server_url: str, connection: Client, namespace: str, tmp_path: Path
) -> None:
    """(contract: backup-2)"""
    keys = Keys(namespace)
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        wanted = {"id": "gone", "base": "", "keep": 10**6, "key": keys.changes}
        await repeat(connection, "backup/begin", [keys.meta, keys.changes, keys.changes_aside], wanted)
        await storage.config.put("n", "one", {"n": 1})
        assert await connection.router.request("EXISTS", keys.changes) == 1
        with pytest.raises(CasConflictError, match="under way"):
            await back_up(server_url, namespace, tmp_path / "one")
        epoch: bytes = await connection.router.request("HGET", keys.meta, "epoch")
        number = epoch.partition(b" ")[0]
        await connection.router.request("HSET", keys.meta, "epoch", number + f" backup gone 1 {keys.changes}".encode())
        await storage.config.put("n", "one", {"n": 2})
        assert await connection.router.request("EXISTS", keys.changes) == 0
        assert await connection.router.request("HGET", keys.meta, "epoch") == number
