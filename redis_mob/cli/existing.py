"""Opens the namespace that a command looks at, and never creates one (contract: operations-233)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from redis_mob.admin.namespaces import some_namespaces
from redis_mob.cli.console import stderr_console
from redis_mob.cli.endings import say
from redis_mob.errors import NotFoundError, did_you_mean, shown
from redis_mob.security.sealing import SealKeyring
from redis_mob.storage import MobStorage


@asynccontextmanager
async def existing(
    url: str, namespace: str, seal_keys: SealKeyring | None, *, may_come: bool = False
) -> AsyncGenerator[MobStorage]:
    """The storage of a namespace. Raises NotFoundError for one that does not exist, and as `MobStorage.open`.

    One that `may_come`, while the command goes on or by its end, is read as an empty one, and a note says so.
    """
    async with MobStorage.open(url, namespace=namespace, seal_key=seal_keys, create=False) as storage:
        if not storage.exists:
            near = did_you_mean(namespace, await some_namespaces(storage.url, namespace))
            missing = f"there is no namespace {shown(namespace)} on this server{near}"
            if not may_come:
                raise NotFoundError(missing)
            say(stderr_console(), f"note: {missing}")
        yield storage
