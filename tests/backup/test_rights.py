"""What a user may do who makes backups, restores and moves (contract: backup-9)."""

from __future__ import annotations

from pathlib import Path

import pytest

from redis_mob.admin.acl import rights_in
from redis_mob.admin.doctor.examination import examine
from redis_mob.backup.moving import move
from redis_mob.backup.requests import repeat
from redis_mob.backup.service import back_up, restore
from redis_mob.connection.calls.client import connect
from redis_mob.connection.calls.durability import Durability
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import MobStoreError
from redis_mob.storage import MobStorage
from tests.support.servers import server
from tests.support.users import user_of

MEMORY = Durability()


async def fill(url: str) -> None:
    async with MobStorage.open(url, namespace="n") as storage:
        for number in range(700):
            await storage.config.put("c", str(number), number)


async def test_the_rights_for_backups_suffice(tmp_path: Path, redis7_url: str, namespace: str) -> None:
    with server() as url, user_of(url, rights_in("n", MEMORY, backups=True)) as user_url:
        await fill(user_url)
        await back_up(user_url, "n", tmp_path / "full", follow=True)
        await fill(user_url)
        await back_up(user_url, "n", tmp_path / "changes", since=tmp_path / "full")
        await restore(user_url, "n", [tmp_path / "full", tmp_path / "changes"], replace=True)
        await move(user_url, "n", redis7_url, namespace)


async def test_the_usual_rights_do_not(tmp_path: Path) -> None:
    with server() as url, user_of(url, rights_in("n", MEMORY)) as user_url:
        await fill(user_url)
        with pytest.raises(MobStoreError, match=r"`redis-mob acl --backups` the one for backups.*scan"):
            await back_up(user_url, "n", tmp_path / "full")
        await fill(user_url)  # and nothing is followed


async def test_the_doctor_looks_at_a_namespace_that_is_being_restored() -> None:
    with server() as url:
        connection = await connect(url)
        await repeat(connection, "backup/begin_restore", Keys("n").fixed, {"id": "x", "replace": 0})
        await connection.aclose()
        seen = {one.check: one for one in (await examine(url, "n", MEMORY)).findings}
        assert seen["state"].found == "namespace n is being restored"
        assert "records" not in seen
