"""Counts that cannot be raised: a write that moves one is done, or refused before its first change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from redis_mob.errors import InternalError, OutcomeUnknownError, SerializationError
from redis_mob.security.sealing import SealKey
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.new_events import numbered
from redis_mob.testing.samples.states import NOON
from tests.attacks.every_write import every_write
from tests.attacks.test_rights import content
from tests.support.servers import server
from tests.support.users import RawClient, admin_of

GREATEST = 2**63 - 1
META = "{rm:n}:meta"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with server() as started:
        yield started


def owners(admin: RawClient) -> list[str]:
    """The hashes that count: that of the namespace, and those of the runs."""
    heads = [name.decode() for name in admin.keys("{rm:n}:run:*") if name.count(b":") == 3]
    return [META, *heads]


@pytest.mark.parametrize("value", [GREATEST, -GREATEST - 1, "9" * 30, "x"])
async def test_a_write_is_done_or_refused_whole_if_its_count_cannot_be_raised(url: str, value: int | str) -> None:
    admin = admin_of(url)
    admin.flushall()
    ends: dict[str, Any] = {}
    async with MobStorage.open(url, namespace="n", seal_key=SealKey.generate("k")) as storage:
        for name, write in (await every_write(storage)).items():
            for owner in owners(admin):
                counts = [field for field in admin.hkeys(owner) if field.startswith(b"n:")]
                admin.hset(owner, mapping=dict.fromkeys(counts, value))
            before = content(admin)
            try:
                ends[name] = await write(storage)
            except OutcomeUnknownError as error:
                ends[name] = error
            except (SerializationError, InternalError):  # the latter if a refused write was to prepare this one
                assert content(admin) == before, name
    assert not {name: end for name, end in ends.items() if isinstance(end, OutcomeUnknownError)}


async def test_a_count_that_cannot_be_raised_stays_and_is_told(url: str) -> None:
    admin = admin_of(url)
    admin.flushall()
    async with MobStorage.open(url, namespace="n") as storage:
        await storage.events.append(numbered(1))
        admin.hset(META, "n:events", GREATEST)
        assert (await storage.events.append(numbered(2))).cursor == 2
        assert admin.hget(META, "n:events") == str(GREATEST).encode()
        with pytest.raises(SerializationError, match=f"2 of {GREATEST} records are there"):
            await storage.events.prune(NOON)
