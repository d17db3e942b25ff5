"""A namespace remembers which seal keys it needs, and opens with no fewer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from redis_mob import (
    MobStorage,
    SealKey,
    SealKeyMismatchError,
    SealKeyMissingError,
    SealKeyring,
    StorageUnavailableError,
    ValidationError,
)
from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.security.identity import generate_authority
from redis_mob.stores.seal_keys import retire_seal_keys
from tests.security.conftest import Open
from tests.support.servers import server

AUTHORITY = generate_authority()
FIRST, SECOND, THIRD = (SealKey.generate(name) for name in ("first", "second", "third"))


async def in_use(connection: Client, keys: Keys) -> set[bytes]:
    return set(await connection.router.request("SMEMBERS", keys.seal_keys))


async def refused(opening: Any) -> SealKeyMissingError:
    with pytest.raises(SealKeyMissingError) as missing:
        await opening
    return missing.value


async def test_without_keys_none_is_needed(opened: Open, connection: Client, keys: Keys) -> None:
    for _ in range(2):
        async with opened():
            assert await in_use(connection, keys) == set()


async def test_a_namespace_opened_with_a_key_needs_it_from_then_on(opened: Open) -> None:
    async with opened(FIRST):
        pass
    for other in (None, SECOND, SealKeyring(SECOND, THIRD)):
        missing = await refused(opened(other))
        assert missing.key_ids == ("first",)
        assert "'first'" in str(missing)
    for good in (FIRST, SealKeyring(FIRST), SealKeyring(FIRST, SECOND)):
        async with opened(good):
            pass


async def test_only_the_key_that_seals_is_needed(opened: Open, connection: Client, keys: Keys) -> None:
    async with opened(SealKeyring(FIRST, SECOND)):
        assert await in_use(connection, keys) == {b"first"}
    async with opened(SealKeyring(SECOND, FIRST)):
        assert await in_use(connection, keys) == {b"first", b"second"}
    assert (await refused(opened(FIRST))).key_ids == ("second",)


async def test_every_missing_key_is_named(opened: Open) -> None:
    for ring in (SealKeyring(SECOND), SealKeyring(FIRST, SECOND), SealKeyring(THIRD, FIRST, SECOND)):
        async with opened(ring):
            pass
    missing = await refused(opened(THIRD))
    assert (missing.key_id, missing.key_ids) == ("first", ("first", "second"))
    assert "'first', 'second'" in str(missing)


async def test_a_refused_opening_announces_nothing(opened: Open, connection: Client, keys: Keys) -> None:
    async with opened(FIRST):
        pass
    await refused(opened(SECOND))
    assert await in_use(connection, keys) == {b"first"}


async def test_a_retired_key_is_not_needed(opened: Open, connection: Client, keys: Keys) -> None:
    for ring in (SealKeyring(FIRST), SealKeyring(SECOND, FIRST)):
        async with opened(ring):
            pass
    await retire_seal_keys(connection, keys, ["first", "never used"])
    async with opened(SECOND):
        assert await in_use(connection, keys) == {b"second"}


async def test_namespaces_have_their_own_keys(server_url: str, namespace: str) -> None:
    async with MobStorage.open(server_url, namespace=namespace, seal_key=FIRST):
        pass
    async with MobStorage.open(server_url, namespace=f"{namespace}-2", seal_key=SECOND):
        pass


@pytest.mark.parametrize("value", [FIRST.secret, FIRST.to_text(), [FIRST]], ids=["bytes", "text", "list"])
def test_something_else_than_a_key_is_refused_without_showing_it(opened: Open, value: Any) -> None:
    with pytest.raises(ValidationError, match=r"must be a SealKey or a SealKeyring, not (bytes|str|list)$"):
        opened(value)


async def test_a_server_that_refuses_is_named() -> None:
    with server() as url:
        connection = await connect(url)
        await connection.router.request("ACL", "SETUSER", "default", "-smembers")
        with pytest.raises(StorageUnavailableError, match="namespace 'default' needs: smembers"):
            await MobStorage.open(url, seal_key=FIRST)
        await connection.aclose()


async def awaited(opening: Any) -> MobStorage:
    return await opening


ANOTHER_FIRST = SealKey("first", SECOND.secret)


async def mismatch(opening: Any) -> SealKeyMismatchError:
    with pytest.raises(SealKeyMismatchError) as refused:
        await opening
    return refused.value


@pytest.mark.parametrize("ring", [ANOTHER_FIRST, SealKeyring(ANOTHER_FIRST), SealKeyring(SECOND, ANOTHER_FIRST)])
async def test_another_key_of_an_id_in_use_is_refused_and_changes_nothing(
    opened: Open, connection: Client, keys: Keys, ring: SealKey | SealKeyring
) -> None:
    async with opened(FIRST) as storage:
        await storage.runtime_metadata.put_supervisor_authority("m", AUTHORITY)
    error = await mismatch(opened(ring))
    assert (error.key_id, error.key_ids) == ("first", ("first",))
    assert "'first'" in str(error)
    assert await in_use(connection, keys) == {b"first"}
    async with opened(FIRST) as storage:
        assert await storage.runtime_metadata.load_supervisor_authority("m") == AUTHORITY


async def test_an_id_is_free_again_when_its_key_is_retired(opened: Open, connection: Client, keys: Keys) -> None:
    for ring in (SealKeyring(FIRST), SealKeyring(SECOND, FIRST)):
        async with opened(ring) as storage:
            await storage.runtime_metadata.reseal_all()
    third = SealKey("first", THIRD.secret)
    async with opened(SealKeyring(third, SECOND)):
        assert await in_use(connection, keys) == {b"first", b"second"}
    await mismatch(opened(SealKeyring(SECOND, FIRST)))


async def test_of_storages_that_open_at_one_time_with_different_keys_of_one_id_one_wins(opened: Open) -> None:
    rivals = [SealKey("rival", SealKey.generate().secret) for _ in range(10)]
    ends = await asyncio.gather(*(awaited(opened(rival)) for rival in rivals), return_exceptions=True)
    storages = [end for end in ends if isinstance(end, MobStorage)]
    assert len(storages) == 1
    assert {type(end) for end in ends} == {MobStorage, SealKeyMismatchError}
    await storages[0].aclose()
    async with opened(rivals[ends.index(storages[0])]):
        pass


async def test_the_check_value_of_a_key_differs_between_namespaces_and_does_not_hold_the_key() -> None:
    values = {FIRST.check_value(namespace) for namespace in ("a", "b")} | {ANOTHER_FIRST.check_value("a")}
    assert len(values) == 3
    assert not any(FIRST.secret.hex() in value for value in values)
    assert FIRST.check_value("a") == SealKey.from_text(FIRST.to_text()).check_value("a")


async def test_a_namespace_without_check_values_takes_them_from_a_key_that_opens_its_records(
    opened: Open, connection: Client, keys: Keys
) -> None:
    """One of a release that knew ids alone."""
    async with opened(FIRST) as storage:
        await storage.runtime_metadata.put_supervisor_authority("m", AUTHORITY)
        await storage.runtime_metadata.put_supervisor_authority("damaged", AUTHORITY)
    await connection.router.request("HSET", keys.supervisors, "damaged", await cut(connection, keys))
    await connection.router.request("DEL", keys.seal_key_checks)
    await connection.router.request("HDEL", keys.meta, "counted")
    assert (await mismatch(opened(ANOTHER_FIRST))).key_ids == ("first",)
    assert await connection.router.request("EXISTS", keys.seal_key_checks) == 0
    async with opened(FIRST):
        pass
    assert await connection.router.request("HKEYS", keys.seal_key_checks) == [b"first"]
    await mismatch(opened(ANOTHER_FIRST))


async def test_a_namespace_without_check_values_and_records_takes_the_first_key(
    opened: Open, connection: Client, keys: Keys
) -> None:
    async with opened(FIRST):
        pass
    await connection.router.request("DEL", keys.seal_key_checks)
    await connection.router.request("HDEL", keys.meta, "counted")
    async with opened(FIRST):
        pass
    await mismatch(opened(ANOTHER_FIRST))
    assert (await refused(opened(SECOND))).key_ids == ("first",)


async def cut(connection: Client, keys: Keys) -> bytes:
    """A sealed record without its end."""
    return (await connection.router.request("HGET", keys.supervisors, "m"))[:-1]
