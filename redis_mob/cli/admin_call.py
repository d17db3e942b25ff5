"""One call of `FleetAdmin` by a command: the storage is opened, the call made, and what came of it told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from redis_mob.cli.arguments import read_seal_keys
from redis_mob.cli.console import stderr_console
from redis_mob.cli.endings import errors_told, shared_url
from redis_mob.cli.existing import existing
from redis_mob.cli.results import result_of
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage

T = TypeVar("T")


def call_admin(
    url: str | None,
    namespace: str,
    seal_keys: Path | None,
    act: Callable[[FleetAdmin], Awaitable[T]],
    tell: Callable[[T], None],
    *,
    of_memory: str,
    create: bool = False,
) -> None:
    """Make a call, and tell what came of it. Errors are told, and end the command; `of_memory` says why no private
    server will do. With `create` a namespace that does not exist is created."""

    async def opened() -> T:
        keys = read_seal_keys(seal_keys)
        new = MobStorage.open(address, namespace=namespace, seal_key=keys)
        async with new if create else existing(address, namespace, keys) as storage:
            return await act(FleetAdmin(storage))

    with errors_told(stderr_console()):
        address = shared_url(url, of_memory=of_memory)
        tell(result_of(opened()))
