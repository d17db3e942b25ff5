"""Members of lists that no release has written are told as damage, with the key that has them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import SerializationError, ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from tests.fleet.flows import FLOW, mob, step

ENORMOUS = 10**5000
"""An integer that has too many digits for a text of it."""


@pytest.fixture
async def storage(server_url: str, keys: Keys) -> AsyncIterator[MobStorage]:
    async with MobStorage.open(server_url, namespace=keys.namespace) as opened:
        yield opened


STRANGE: dict[str, tuple[Callable[[Keys], tuple[Any, ...]], Callable[[MobStorage], Awaitable[Any]]]] = {
    "conversations": (
        lambda keys: ("ZADD", keys.conversations, "+inf", b"\xff"),
        lambda storage: FleetAdmin(storage).conversations(),
    ),
    "definitions": (
        lambda keys: ("HSET", keys.definitions, b"\xff", b""),
        lambda storage: storage.operations.definitions(),
    ),
    "count": (
        lambda keys: ("ZADD", keys.runs_by_status, 0, b"alien"),
        lambda storage: FleetAdmin(storage).count(),
    ),
    "stats": (
        lambda keys: ("ZADD", keys.runs_by_status, 0, b"\xff" * 60),
        lambda storage: FleetAdmin(storage).stats(),
    ),
    "deletions": (
        lambda keys: ("HSET", keys.deletions, b"\xff", b""),
        lambda storage: storage.steering.deletions(),
    ),
}


@pytest.mark.parametrize("case", STRANGE)
async def test_a_strange_member_is_told_with_its_key(
    storage: MobStorage, keys: Keys, connection: Client, case: str
) -> None:
    await Fleet(storage, mob({"a": step()})).start(FLOW)
    write, read = STRANGE[case]
    command = write(keys)
    await connection.router.request(*command)
    with pytest.raises(SerializationError, match=f"^{command[1]} is damaged"):
        await read(storage)


async def test_an_enormous_number_is_refused(storage: MobStorage) -> None:
    admin, fleet = FleetAdmin(storage), Fleet(storage, mob({"a": step()}))
    run_id = await fleet.start(FLOW)
    await fleet.schedule("s", FLOW, every=timedelta(hours=1))
    for refused in (admin.set_budget(run_id, max_tokens=ENORMOUS), admin.next_times("s", ENORMOUS)):
        with pytest.raises(ValidationError):
            await refused
