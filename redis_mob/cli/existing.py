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
    url: str, namespace: str, seal_keys: SealKeyring | None, *, must_exist: bool = False
) -> AsyncGenerator[MobStorage]:
    """The storage of a namespace. One that does not exist is read as an empty one, and a note says so.

    With `must_exist` NotFoundError is raised instead: a job that exports or verifies a mistyped name would take nothing
    for all there is. Raises as `MobStorage.open`.
    """
    async with MobStorage.open(url, namespace=namespace, seal_key=seal_keys, create=False) as storage:
        if not storage.exists:
            near = did_you_mean(namespace, await some_namespaces(storage.url, namespace))
            missing = f"there is no namespace {shown(namespace)} on this server{near}"
            if must_exist:
                raise NotFoundError(missing)
            say(stderr_console(), f"note: {missing}")
        yield storage
