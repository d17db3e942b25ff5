"""A script that ends half-way is told as that, by each attempt and by its token; one that did nothing never will."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.scripts import library
from redis_mob.connection.calls.sessions import WriteOutcome
from redis_mob.connection.failures import ServerRefusalError
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import OutcomeUnknownError, WriteFailedError
from redis_mob.storage import MobStorage
from redis_mob.testing.faults import Fault, FaultProxy, fault_proxy, in_order
from tests.connection.scripts import INCREASE, adhoc
from tests.support.fake_server import HANG_UP, Answer, fake_server, usual

HALF = adhoc("mutate('HINCRBY', KEYS[1], 'n', 1) mutate('HINCRBY', KEYS[1], 'n', 1) mutate('RPUSH', KEYS[1], 'x')")
"""Two writes, and one that a hash refuses."""

COUNT = adhoc("return mutate('HINCRBY', KEYS[1], 'n', 1)")
BROKEN_HALF = adhoc("mutate('HINCRBY', KEYS[1], 'n', 1) error('boom\\nbang')")
NOTHING = adhoc("redis.call('HGET', KEYS[1], 'n') mutate('RPUSH', KEYS[1], 'x')")
"""What fails is its first write."""


@pytest.fixture
async def proxy(server_url: str) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(server_url) as opened:
        yield opened


@pytest.fixture
async def client(proxy: FaultProxy, namespace: str) -> AsyncIterator[Client]:
    opened = await connect(proxy.url, namespace, retry=RetryPolicy(deadline=20, base=0.001, cap=0.01))
    await opened.open_namespace(namespace)
    yield opened
    await opened.aclose()


async def count(connection: Client, keys: Keys) -> int:
    """How often the scripts have written."""
    return int(await connection.router.request("HGET", keys.specs, "n") or 0)


@pytest.mark.parametrize("plan", [[], [Fault.CUT_BEFORE], [Fault.CUT_AFTER], [Fault.CUT_AFTER] * 3])
async def test_a_script_that_ends_half_way_has_an_unknown_outcome(
    client: Client, proxy: FaultProxy, keys: Keys, plan: list[Fault]
) -> None:
    proxy.plan = in_order(plan)
    with pytest.raises(
        OutcomeUnknownError, match=r"test/adhoc on .*happened in part.*had made 2 writes when.*RPUSH.*WRONGTYPE"
    ):
        await client.call(HALF, [keys.specs])
    assert proxy.count(*plan) == len(plan)
    assert await count(client, keys) == 2


async def test_its_token_says_so_as_long_as_the_session_lives(
    client: Client, keys: Keys, server_url: str, namespace: str
) -> None:
    with pytest.raises(OutcomeUnknownError) as half:
        await client.call(HALF, [keys.specs])
    for _ in range(20):
        await client.call(INCREASE, [keys.runs])
    async with MobStorage.open(server_url, namespace=namespace) as other:
        for resolve in (client.resolve, other.resolve):
            with pytest.raises(OutcomeUnknownError, match=r"happened in part.*had made 2 writes") as asked:
                await resolve(half.value.token)
            assert asked.value.token == half.value.token


async def test_an_error_of_the_script_itself_is_one_line(client: Client, proxy: FaultProxy, keys: Keys) -> None:
    proxy.plan = in_order([Fault.CUT_AFTER])
    with pytest.raises(OutcomeUnknownError, match=r"had made 1 writes when it failed.*boom bang"):
        await client.call(BROKEN_HALF, [keys.specs])
    assert await count(client, keys) == 1


async def test_what_was_gathered_is_counted_nevertheless(client: Client, namespace: str) -> None:
    """Else a record that was removed would look lost."""
    keys = Keys(namespace).run("0191a6a0-0000-4000-8000-000000000001")
    script = library().compiled(
        "test/gathering",
        "--- @include lib/gathering\n--- @keys run frames loops steps\n"
        "gather() mutate('HSET', frames, 'f', 1, 'g', 1) mutate('HDEL', loops, 'l') mutate('RPUSH', run, 'x')",
    )
    await client.router.request("HSET", keys.run, "n:loops", 1)
    await client.router.request("HSET", keys.loops, "l", 1)
    with pytest.raises(OutcomeUnknownError, match=r"had made 2 writes when.*RPUSH"):
        await client.call(script, [keys.run, keys.frames, keys.loops, keys.steps])
    assert await client.router.request("HMGET", keys.run, "n:frames", "n:loops") == [b"2", b"0"]


@pytest.mark.parametrize("plan", [[], [Fault.CUT_BEFORE], [Fault.CUT_AFTER]])
async def test_a_script_that_fails_before_its_first_write_did_nothing(
    client: Client, proxy: FaultProxy, keys: Keys, plan: list[Fault]
) -> None:
    await client.router.request("HSET", keys.specs, "n", 0)
    proxy.plan = in_order(plan)
    with pytest.raises(WriteFailedError, match="WRONGTYPE") as refused:
        await client.call(NOTHING, [keys.specs])
    assert not isinstance(refused.value, OutcomeUnknownError)
    assert await client.call(INCREASE, [keys.runs]) == 1


async def test_what_was_refused_does_not_happen_when_it_arrives_once_more(
    client: Client, connection: Client, proxy: FaultProxy, keys: Keys
) -> None:
    """A network may deliver the request again when the reason of the refusal is gone: its receipt stops it."""
    await client.router.request("HSET", keys.specs, "n", 0)
    with pytest.raises(WriteFailedError):
        await client.call(NOTHING, [keys.specs])
    [late] = [request.words for request, _ in proxy.done if request.words[0] == b"EVALSHA"][-1:]
    await client.router.request("DEL", keys.specs)
    with pytest.raises(ServerRefusalError, match="REFUSED WRONGTYPE"):
        await connection.router.request(*late)
    assert await client.router.request("EXISTS", keys.specs) == 0


async def test_a_refused_call_is_resolved_as_not_executed(proxy: FaultProxy, namespace: str, keys: Keys) -> None:
    impatient = await connect(proxy.url, namespace, retry=RetryPolicy(deadline=0))
    await impatient.open_namespace(namespace)
    await impatient.router.request("HSET", keys.specs, "n", 0)
    await impatient.router.request("SCRIPT", "FLUSH")
    with pytest.raises(WriteFailedError):
        await impatient.call(NOTHING, [keys.specs])
    proxy.plan = lambda request: Fault.NONE if request.is_handshake else Fault.CUT_AFTER
    with pytest.raises(OutcomeUnknownError) as unknown:
        await impatient.call(NOTHING, [keys.specs])
    proxy.plan = in_order([])
    assert await impatient.resolve(unknown.value.token) == WriteOutcome(False)
    await impatient.aclose()


async def test_a_right_that_is_taken_away_says_nothing_of_an_earlier_attempt(tmp_path: Path) -> None:
    """A script may be refused before it has looked for the receipt of the attempt whose reply was lost."""
    answers: list[Answer] = [
        HANG_UP,
        b"-NOPERM ACL failure in script: no permissions script: 1, on @user_script:1.\r\n",
    ]

    def answer(command: list[bytes]) -> Answer:
        return answers.pop(0) if command[0] == b"EVALSHA" else usual(command)

    async with fake_server(tmp_path, answer) as url:
        connection = await connect(url, "n")
        with pytest.raises(OutcomeUnknownError):
            await connection.call(INCREASE, ["k"])
        await connection.aclose()
