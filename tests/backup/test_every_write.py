"""Each script notes all that it writes, so that the next backup of changes has it (contract: backup-6)."""

# pyright: reportPrivateUsage=false
# What a restoring has gathered is written at once, so that both namespaces can be compared behind each call.

from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest

from redis_mob.backup.live import LiveNamespace
from redis_mob.backup.restoring import RestoringNamespace
from redis_mob.connection.calls.calls import Calls
from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.scripts import library, once, script
from redis_mob.errors import MobStoreError
from redis_mob.security.sealing import SealKey, SealKeyring
from redis_mob.storage import MobStorage
from tests.attacks.every_write import Write, every_write
from tests.attacks.filled import all_steps
from tests.attacks.full_namespace import fill
from tests.backup.content import content
from tests.backup.other_writes import other_writes, writes_with_another_key

pytestmark = pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")

NOT_CALLED = {
    "admin/accept_losses": "it mends what was lost past the stores",
    "admin/accept_losses_of_run": "likewise",
    "migration/begin": "it changes `meta` alone, which a backup reads as a whole",
    "migration/count_namespace": "likewise",
    "migration/count_run": "it counts runs that older releases have left",
    "migration/keep_place": "it changes `meta` alone",
    "migration/finish": "likewise",
    "calls/confirm": "it marks a session",
    "calls/resolve": "likewise",
    "operations/index_runs": "it makes indexes anew that were lost",
    "operations/settle_attributes": "likewise",
    "operations/forget_attributes": "likewise",
}
"""Scripts that write and are not called here, and why."""


class Follower:
    """Another namespace, which gets what has changed in the first one from one backup of changes to the next."""

    def __init__(self, source: Client, keys: Keys, connection: Client) -> None:
        self._source, self._keys, self._connection = source, keys, connection
        self._number = 0
        self._new = Keys(f"{keys.namespace}-copy")
        self._restoring = RestoringNamespace(connection, self._new, "x")

    async def begin(self) -> None:
        await self._restoring.begin(replace=False)
        await self._follow(base="")

    async def differences(self) -> list[str]:
        """The keys that are not the same in both behind a backup of changes."""
        meta = await self._follow(base=str(self._number))
        there = await content(self._connection, self._keys)
        copied = {**await content(self._connection, self._new), "meta": meta}
        return [name for name in {*there, *copied} if there.get(name) != copied.get(name)]

    async def _follow(self, base: str) -> dict[bytes, bytes]:
        self._number += 1
        after_cut = f"changes {self._number} 0 {self._keys.changes}"
        reading = LiveNamespace(self._source, self._keys, str(self._number), after_cut=after_cut, base=base)
        await reading.begin()
        async for record in reading.records():
            await self._restoring.add(record)
        await self._restoring._flush()
        return reading.cut.meta


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the scripts that were called and write."""
    names, write = set[str](), Calls.write

    def noted(self: Calls, script: Any, keys: Any, arguments: Any) -> Any:
        names.add(script.name)
        return write(self, script, keys, arguments)

    monkeypatch.setattr(Calls, "write", noted)
    return names


async def works_of(storage: MobStorage) -> dict[str, Write]:
    assert storage.on_server is not None
    others = await other_writes(storage, storage.on_server)  # first, because what follows pauses runs
    there = await fill(storage)
    asked = {name: ask for step in all_steps(there) for name, ask in step.items()}
    return {**others, **await every_write(storage), **asked}


async def test_a_backup_of_changes_has_what_each_call_has_written(
    server_url: str, connection: Client, namespace: str, called: set[str]
) -> None:
    source, old = await connect(server_url, namespace), SealKey.generate("old")
    try:
        async with MobStorage.open(server_url, namespace=namespace, seal_key=old) as storage:
            await source.open_namespace(namespace)
            ring = SealKeyring(SealKey.generate("new"), old)
            works = {**await works_of(storage), **writes_with_another_key(server_url, namespace, ring)}
            follower = Follower(source, Keys(namespace), connection)
            await follower.begin()
            called.clear()
            for name, work in works.items():
                with contextlib.suppress(MobStoreError):  # some are refused, and write nothing
                    await work(storage)
                assert await follower.differences() == [], name
    finally:
        await source.aclose()
    writing = {name for name in library().names() if "mutate(" in library().script(name).text}
    assert {name for name in writing if not name.startswith("backup/")} - called == NOT_CALLED.keys()


async def test_what_scripts_write_with_is_known_to_what_notes_it(connection: Client) -> None:
    called = {word for name in library().names() for word in re.findall(r"'([A-Z]{3,})'", once(script(name)).text)}
    infos = await connection.router.request("COMMAND", "INFO", *sorted(called))
    writing = {info[0].decode().upper() for info in infos if info is not None and b"write" in info[2]}
    noting = library()._read("lib/change_tracking", ())
    of_backups = {"PEXPIREAT", "XTRIM"}
    assert {word for word in writing if f"{word} = " not in noting and f"'{word}'" not in noting} - {
        "DEL"
    } == of_backups
