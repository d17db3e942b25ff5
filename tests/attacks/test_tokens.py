"""Tokens of unknown outcomes are authentic, or refused before anything is sent."""

# pyright: reportPrivateUsage=false
# A live session is known to the client alone.

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.sessions import WriteOutcome
from redis_mob.connection.calls.tokens import CallNumber, TokenKey
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import MOST_SHOWN, OutcomeUnknownError, ValidationError
from redis_mob.storage import MobStorage
from redis_mob.testing.faults import Fault, FaultProxy, fault_proxy, in_order
from tests.connection.scripts import INCREASE

CALL = CallNumber("0123456789abcdef" * 2, 3, 17)
CODE = "0" * 32

NO_TOKENS: list[Any] = [
    "",
    "x" * 100_000,
    None,
    7,
    b"0" * 99,
    ["a"],
    str(CALL),
    f"{CALL}:",
    f"{CALL}:{CODE}",
    f"{CALL}:{CODE}\n",
    f" {CALL}:{CODE}",
    f"{'0' * 32}:0:-1:{CODE}",
    f"{'0' * 32}:٣:1:{CODE}",
]


@pytest.fixture
async def proxy(server_url: str) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(server_url) as opened:
        yield opened


@pytest.fixture
async def client(proxy: FaultProxy, namespace: str) -> AsyncIterator[Client]:
    """One that sends nothing twice."""
    opened = await connect(proxy.url, namespace, retry=RetryPolicy(deadline=0))
    await opened.open_namespace(namespace)
    await opened.call(INCREASE, [Keys(namespace).specs])
    yield opened
    await opened.aclose()


async def unknown(client: Client, proxy: FaultProxy, keys: Keys, fault: Fault) -> str:
    """The token of a call whose reply was lost."""
    proxy.plan = in_order([fault])
    with pytest.raises(OutcomeUnknownError) as lost:
        await client.call(INCREASE, [keys.runs])
    return lost.value.token


@pytest.mark.parametrize("token", NO_TOKENS, ids=range(len(NO_TOKENS)))
@pytest.mark.parametrize("kind", ["server", "memory"])
async def test_what_is_no_token_is_refused_and_shown_in_part(
    server_url: str, namespace: str, kind: str, token: Any
) -> None:
    async with MobStorage.open(server_url if kind == "server" else "memory:", namespace=namespace) as storage:
        with pytest.raises(ValidationError, match=r"is no token of a write|token must be a text") as refused:
            await storage.resolve(token)
        assert len(str(refused.value)) < MOST_SHOWN + 200


async def test_nothing_is_sent_for_a_token_that_was_made_up(client: Client, proxy: FaultProxy) -> None:
    before = len(proxy.done)
    with pytest.raises(ValidationError):
        await client.resolve(f"{CALL}:{CODE}")
    assert len(proxy.done) == before


async def test_a_live_session_cannot_be_fenced_with_a_made_up_number(client: Client, keys: Keys) -> None:
    assert client._sessions is not None
    live = client._sessions._session.client
    for slot in range(3):
        for made_up in (f"{live}:{slot}:999999", f"{live}:{slot}:999999:{CODE}"):
            with pytest.raises(ValidationError):
                await client.resolve(made_up)
    for number in range(1, 4):
        assert await client.call(INCREASE, [keys.runs]) == number


async def test_a_real_token_says_nothing_of_other_numbers(client: Client, proxy: FaultProxy, keys: Keys) -> None:
    token = await unknown(client, proxy, keys, Fault.CUT_BEFORE)
    caller, slot, sequence, code = token.split(":")
    for changed in (
        f"{caller}:{slot}:{int(sequence) + 1}:{code}",
        f"{caller}:{int(slot) + 1}:{sequence}:{code}",
        f"{'0' * 32}:{slot}:{sequence}:{code}",
        f"{caller}:{slot}:{sequence}:{code[::-1]}",
        f"{caller}:{slot}:0{sequence}:{code}",
    ):
        with pytest.raises(ValidationError):
            await client.resolve(changed)
    assert await client.resolve(token) == WriteOutcome(False)


async def test_every_storage_of_a_namespace_takes_its_tokens_and_no_other_does(
    client: Client, proxy: FaultProxy, keys: Keys, server_url: str, namespace: str
) -> None:
    token = await unknown(client, proxy, keys, Fault.CUT_AFTER)
    for _ in range(2):
        async with MobStorage.open(server_url, namespace=namespace) as other:
            assert await other.resolve(token) == WriteOutcome(True, 1)
    async with MobStorage.open(server_url, namespace=f"{namespace}-2") as stranger:
        with pytest.raises(ValidationError):
            await stranger.resolve(token)


async def test_a_namespace_of_an_older_release_gets_a_key_and_keeps_it(
    client: Client, server_url: str, namespace: str, keys: Keys
) -> None:
    await client.router.request("HDEL", keys.meta, "token_key", "counted")
    found: set[bytes] = set()
    for _ in range(3):
        async with MobStorage.open(server_url, namespace=namespace):
            found.add(await client.router.request("HGET", keys.meta, "token_key"))
    assert len(found) == 1
    assert len(found.pop()) == 64


def test_a_token_is_of_one_call_and_one_key() -> None:
    key, other = TokenKey(b"k"), TokenKey(b"l")
    token = key.issue(CALL)
    assert key.read(token) == CALL
    assert TokenKey.generate().stored != TokenKey.generate().stored
    with pytest.raises(ValidationError):
        other.read(token)
