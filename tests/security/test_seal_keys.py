"""A namespace remembers which seal keys it needs, and opens with no fewer."""

from __future__ import annotations

from typing import Any

import pytest

from redis_mob import MobStorage, SealKey, SealKeyMissingError, SealKeyring, StorageUnavailableError, ValidationError
from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.stores.seal_keys import retire_seal_keys
from tests.security.conftest import Open
from tests.support.servers import server

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
        with pytest.raises(StorageUnavailableError, match="cannot open namespace 'default'"):
            await MobStorage.open(url, seal_key=FIRST)
        await connection.aclose()
