"""`redis-mob backup`, `restore` and `copy` (contract: backup-1, backup-4, backup-5, backup-6, backup-7, backup-8)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from redis_mob.connection.calls.client import connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.security.sealing import SealKey
from redis_mob.storage import MobStorage
from tests.cli.command import redis_mob


@pytest.fixture
def at(server_url: str, namespace: str) -> tuple[str, ...]:
    return ("--url", server_url, "--namespace", namespace)


def put(url: str, namespace: str, id: str) -> None:
    async def work() -> None:
        async with MobStorage.open(url, namespace=namespace) as storage:
            await storage.config.put("n", id, {})

    asyncio.run(work())


def ids(url: str, namespace: str) -> list[str]:
    async def work() -> list[str]:
        async with MobStorage.open(url, namespace=namespace) as storage:
            return [id for id, _ in await storage.config.list("n")]

    return asyncio.run(work())


def test_a_chain_is_made_checked_and_restored(
    server_url: str, namespace: str, at: tuple[str, ...], tmp_path: Path
) -> None:
    full, changes = str(tmp_path / "full"), str(tmp_path / "changes")
    put(server_url, namespace, "a")
    made = redis_mob(tmp_path, "backup", full, "--follow", "--json", *at)
    assert made.status == 0, made.err
    told = json.loads(made.out)
    assert (told["namespace"], told["base"], told["key_id"]) == (namespace, None, None)
    put(server_url, namespace, "b")
    assert (
        json.loads(redis_mob(tmp_path, "backup", changes, "--since", full, "--json", *at).out)["base"] == told["digest"]
    )
    assert redis_mob(tmp_path, "backup", str(tmp_path / "more"), "--since", full, *at).status == 2
    assert redis_mob(tmp_path, "backup", "verify", full, changes).out.count("whole") == 2
    other = ("--url", server_url, "--namespace", f"{namespace}-b")
    assert redis_mob(tmp_path, "restore", full, changes, *other).status == 0
    assert ids(server_url, f"{namespace}-b") == ["a", "b"]
    assert "not empty" in redis_mob(tmp_path, "restore", full, *other).err
    assert redis_mob(tmp_path, "restore", full, "--replace", "--json", *other).status == 0
    assert ids(server_url, f"{namespace}-b") == ["a"]
    assert redis_mob(tmp_path, "restore", changes, "--replace", *other).status == 2
    assert redis_mob(tmp_path, "restore", full, "--at", "77", "--replace", *other).status == 2


def test_bad_files_and_names_are_told(server_url: str, namespace: str, at: tuple[str, ...], tmp_path: Path) -> None:
    file, keys = tmp_path / "one", tmp_path / "keys"
    absent = redis_mob(tmp_path, "backup", str(file), *at)
    assert (absent.status, "no namespace" in absent.err) == (2, True)
    put(server_url, namespace, "a")
    assert redis_mob(tmp_path, "backup", str(file), "--encrypt", *at).status == 2
    assert redis_mob(tmp_path, "backup", str(file), "another", *at).status == 2
    assert redis_mob(tmp_path, "backup", "verify").status == 2
    verified = redis_mob(tmp_path, "backup", "verify", str(file), "--follow", "--encrypt", "--since", str(file))
    assert (verified.status, "--since, --follow, --encrypt is for making a backup" in verified.err) == (2, True)
    (tmp_path / "link").symlink_to("nowhere")
    dangling = redis_mob(tmp_path, "backup", str(tmp_path / "link"), *at)
    assert (dangling.status, "link is a symbolic link, and what it leads to is not there" in dangling.err) == (1, True)
    keys.write_text(SealKey.generate("k1").to_text())
    keys.chmod(0o600)
    plain = redis_mob(tmp_path, "backup", str(file), "--encrypt", "--seal-keys", str(keys), *at)
    assert plain.status == 0, plain.err
    assert redis_mob(tmp_path, "backup", str(file), *at).status == 1
    without = redis_mob(tmp_path, "backup", "verify", str(file))
    assert (without.status, "k1" in without.err) == (3, True)
    file.write_bytes(b"x" * 100)
    damaged = redis_mob(tmp_path, "restore", str(file), *at)
    assert (damaged.status, "no whole backup" in damaged.err) == (3, True)


def test_a_namespace_moves(server_url: str, redis7_url: str, namespace: str, tmp_path: Path) -> None:
    put(server_url, namespace, "a")
    moved = redis_mob(tmp_path, "copy", server_url, redis7_url, "--namespace", namespace, "--json")
    assert moved.status == 0, moved.err
    assert ids(redis7_url, namespace) == ["a"]
    again = redis_mob(tmp_path, "copy", server_url, redis7_url, "--namespace", namespace)
    assert (again.status, "moved" in again.err) == (3, True)
    ended = redis_mob(tmp_path, "copy", server_url, redis7_url, "--namespace", namespace, "--abort")
    assert (ended.status, "has ended" in ended.err) == (1, True)
    none = redis_mob(tmp_path, "copy", redis7_url, server_url, "--namespace", namespace, "--abort", "--json")
    assert (none.status, "nothing to abort" in none.err) == (2, True)


def test_a_move_is_undone(server_url: str, redis7_url: str, namespace: str, tmp_path: Path) -> None:
    put(server_url, namespace, "a")
    at = ("copy", server_url, redis7_url, "--namespace", namespace)
    assert redis_mob(tmp_path, *at).status == 0

    async def lose() -> None:
        connection = await connect(redis7_url)
        await connection.router.request("DEL", Keys(namespace).meta)
        await connection.aclose()

    asyncio.run(lose())
    undone = redis_mob(tmp_path, *at, "--abort", "--json")
    assert (undone.status, json.loads(undone.out)) == (0, {"namespace": namespace, "aborted": True})
    put(server_url, namespace, "b")


def test_a_restore_tells_the_namespace_that_it_went_into(
    server_url: str, namespace: str, at: tuple[str, ...], tmp_path: Path
) -> None:
    file, other = str(tmp_path / "one"), f"{namespace}-b"
    put(server_url, namespace, "a")
    assert redis_mob(tmp_path, "backup", file, *at).status == 0
    there = ("restore", file, "--url", server_url, "--namespace", other)
    told = redis_mob(tmp_path, *there)
    assert f"restored, namespace {other}, which was {namespace}, at cursor" in told.out
    told = json.loads(redis_mob(tmp_path, *there, "--replace", "--json").out)
    assert (told["namespace"], told["backup_of"]) == (other, namespace)


def test_a_cursor_that_is_no_cut_is_refused_with_those_that_are(
    server_url: str, namespace: str, at: tuple[str, ...], tmp_path: Path
) -> None:
    file = str(tmp_path / "one")
    put(server_url, namespace, "a")
    assert redis_mob(tmp_path, "backup", file, *at).status == 0
    refused = redis_mob(tmp_path, "restore", file, "--at", "77", "--replace", *at)
    assert (refused.status, refused.err) == (
        2, "error: this backup was made at cursor 0: give that one, not 77\n"
    )  # fmt: skip


def test_an_encrypted_file_asks_for_its_key_by_the_options_of_the_command(
    server_url: str, namespace: str, at: tuple[str, ...], tmp_path: Path
) -> None:
    file, keys = str(tmp_path / "one"), tmp_path / "keys"
    put(server_url, namespace, "a")
    keys.write_text(SealKey.generate("team-1").to_text())
    keys.chmod(0o600)
    assert redis_mob(tmp_path, "backup", file, "--encrypt", "--seal-keys", str(keys), *at).status == 0
    without = redis_mob(tmp_path, "backup", "verify", file)
    assert (
        without.err == f"error: {file} is encrypted with key 'team-1': give --seal-keys FILE or REDIS_MOB_SEAL_KEYS\n"
    )
    keys.write_text(SealKey.generate("team-1").to_text())
    other = redis_mob(tmp_path, "backup", "verify", file, "--seal-keys", str(keys))
    assert other.err == f"error: {file} is encrypted with another key of the id 'team-1' than the one that is given\n"


def test_a_backup_that_ends_the_notes_of_another_one_says_so(
    server_url: str, namespace: str, at: tuple[str, ...], tmp_path: Path
) -> None:
    full, single = str(tmp_path / "full"), str(tmp_path / "single")
    put(server_url, namespace, "a")
    made = redis_mob(tmp_path, "backup", full, "--follow", "--json", *at)
    assert made.err == ""
    first = json.loads(made.out)
    assert first["follows"]
    verified = redis_mob(tmp_path, "backup", "verify", full)
    assert verified.out.endswith(f"at cursor 0, id {first['id']}, what changes since is noted\n")
    doctor = redis_mob(tmp_path, "doctor", *at)
    assert f"since that with the id {first['id']}" in doctor.out
    ends = f"note: this ends the changes that were noted since the backup with the id {first['id']}: "
    anew = redis_mob(tmp_path, "backup", str(tmp_path / "anew"), "--follow", "--json", *at)
    assert anew.err == f"{ends}the next --since is this one\n"
    again = redis_mob(tmp_path, "backup", single, *at)
    assert again.err == f"{ends.replace(first['id'], json.loads(anew.out)['id'])}the next backup is a full one\n"
    refused = redis_mob(tmp_path, "backup", str(tmp_path / "more"), "--since", single, *at)
    assert (refused.status, "single was made without --follow" in refused.err) == (2, True)


def test_a_target_that_is_not_empty_and_a_move_that_has_ended_are_told_as_of_a_move(
    server_url: str, redis7_url: str, namespace: str, tmp_path: Path
) -> None:
    put(server_url, namespace, "a")
    put(redis7_url, namespace, "b")
    words = ("copy", server_url, redis7_url, "--namespace", namespace)
    refused = redis_mob(tmp_path, *words)
    assert (refused.status, "name another one with --to-namespace" in refused.err) == (1, True)
    moved = redis_mob(tmp_path, *words, "--to-namespace", f"{namespace}-b")
    assert moved.out.startswith("moved at cursor 0: the old namespace cannot be opened any more; use namespace ")
    assert f"{namespace}-b of " in moved.out


def test_the_target_of_a_killed_move_names_the_command_that_undoes_it(
    server_url: str, redis7_url: str, namespace: str, tmp_path: Path
) -> None:
    put(server_url, namespace, "a")
    words = ("copy", server_url, redis7_url, "--namespace", namespace)
    assert redis_mob(tmp_path, *words).status == 0

    async def as_before_its_end() -> None:
        """What the new namespace has while it is being moved."""
        old, new = await connect(server_url), await connect(redis7_url)
        epoch = await old.router.request("HGET", Keys(namespace).meta, "epoch")
        id = epoch.decode().split()[2]
        await new.router.request("DEL", Keys(namespace).meta)
        await new.router.request("HSET", Keys(namespace).meta, "schema", "restoring", "epoch", f"0 restoring {id}")
        await old.aclose()
        await new.aclose()

    asyncio.run(as_before_its_end())
    there = ("--url", redis7_url, "--namespace", namespace)
    opened = redis_mob(tmp_path, "ls", *there)
    assert "is being moved here: try again when `redis-mob copy` has ended" in opened.err
    assert "is being moved here" in redis_mob(tmp_path, "doctor", *there).out
    assert redis_mob(tmp_path, *words, "--abort").status == 0
    assert f"there is no namespace '{namespace}'" in redis_mob(tmp_path, "ls", *there).err
    assert redis_mob(tmp_path, *words).status == 0
    assert ids(redis7_url, namespace) == ["a"]
