"""A call happens once, however often it has to be sent: whoever sends it again gets the first reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from redis_mob.connection.connection import Connection, connect
from redis_mob.connection.keys import Keys
from redis_mob.connection.retry import RetryPolicy
from redis_mob.connection.transport import ServerRefusal
from redis_mob.errors import OutcomeUnknownError, ValidationError, WriteFailedError
from redis_mob.storage import MobStorage
from redis_mob.testing.faults import EXECUTED, Fault, FaultProxy, at_random, fault_proxy, in_order
from redis_mob.testing.samples.new_events import number_of, numbered
from tests.connection.scripts import INCREASE, adhoc
from tests.support.raw import keys_of

QUICK = RetryPolicy(deadline=20, base=0.001, cap=0.01)
LOST = [fault for fault in Fault if fault not in (Fault.NONE, Fault.REPLY_DELAYED)]
CUTS = [Fault.CUT_BEFORE, Fault.CUT_WITHIN, Fault.CUT_AFTER, Fault.TRUNCATED]
"""The faults that are noticed at once."""


@pytest.fixture
async def proxy(server_url: str) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(server_url) as opened:
        yield opened


@pytest.fixture
async def disturbed(proxy: FaultProxy, namespace: str, keys: Keys) -> AsyncIterator[Connection]:
    """A connection through the proxy, which is patient."""
    opened = await connect(proxy.url, namespace, reply_timeout=0.2, retry=QUICK)
    yield opened
    await opened.aclose()


@pytest.mark.parametrize("fault", LOST)
async def test_a_lost_reply_is_learned(disturbed: Connection, proxy: FaultProxy, keys: Keys, fault: Fault) -> None:
    assert await disturbed.call(INCREASE, [keys.runs]) == 1
    for number in range(2, 5):
        proxy.plan = in_order([fault])
        assert await disturbed.call(INCREASE, [keys.runs]) == number
    assert proxy.count(fault) == 3


async def test_however_often_it_is_lost(disturbed: Connection, proxy: FaultProxy, keys: Keys) -> None:
    proxy.plan = in_order(CUTS * 5)
    assert await disturbed.call(INCREASE, [keys.runs]) == 1
    assert await disturbed.call(INCREASE, [keys.runs]) == 2


@pytest.mark.parametrize(
    ("returned", "reply"),
    [
        ("7", 7),
        ("2 ^ 53", 2**53),
        ("-1", -1),
        ("'\\255\\0\\r\\n :1'", b"\xff\0\r\n :1"),
        ("''", b""),
        ("false", None),
        ("nil", None),
        ("true", 1),
        ("{}", []),
        ("{1, 'a', {false, {'b'}}, 0}", [1, b"a", [None, [b"b"]], 0]),
        ("redis.call('SET', KEYS[1], 'x')", b"OK"),
        ("redis.call('TIME')[1] and {'RECEIPT', 'x', 'y'}", [b"RECEIPT", b"x", b"y"]),
    ],
)
async def test_a_reply_that_is_learned_later_is_the_same(
    disturbed: Connection, proxy: FaultProxy, keys: Keys, returned: str, reply: Any
) -> None:
    script = adhoc(f"return {returned}")
    assert await disturbed.call(script, [keys.runs]) == reply
    proxy.plan = in_order([Fault.CUT_AFTER])
    assert await disturbed.call(script, [keys.runs]) == reply
    assert proxy.count(Fault.CUT_AFTER) == 1


async def test_what_the_server_refuses_has_no_receipt(disturbed: Connection, proxy: FaultProxy, keys: Keys) -> None:
    """So that a refusal says nothing of an attempt before it whose reply was lost."""
    broken = adhoc("error('boom')")
    with pytest.raises(WriteFailedError, match="boom") as refused:
        await disturbed.call(broken, [keys.runs])
    assert not isinstance(refused.value, OutcomeUnknownError)
    proxy.plan = in_order([Fault.CUT_AFTER])
    with pytest.raises(OutcomeUnknownError):
        await disturbed.call(broken, [keys.runs])
    assert await disturbed.call(INCREASE, [keys.runs]) == 1


async def test_an_outcome_that_cannot_be_learned_in_time_is_unknown(
    proxy: FaultProxy, namespace: str, keys: Keys
) -> None:
    impatient = await connect(proxy.url, namespace, retry=RetryPolicy(deadline=0.05, base=0.001, cap=0.01))
    tokens: set[str] = set()
    for _ in range(3):
        proxy.plan = lambda request: Fault.NONE if request.is_handshake else Fault.CUT_BEFORE
        with pytest.raises(OutcomeUnknownError, match="may or may not") as unknown:
            await impatient.call(INCREASE, [keys.runs])
        tokens.add(unknown.value.token)
    assert len(tokens) == 3
    proxy.plan = in_order([])
    assert await impatient.call(INCREASE, [keys.runs]) == 1
    await impatient.aclose()


async def test_an_original_that_comes_late_does_nothing(
    disturbed: Connection, connection: Connection, keys: Keys, proxy: FaultProxy
) -> None:
    """As a request does that a network has kept for a while, when others have long been answered."""
    await disturbed.call(INCREASE, [keys.runs])
    [late] = [request.words for request, _ in proxy.done if request.words[0] == b"EVALSHA"][-1:]
    assert await connection.transport.request(*late) == [b"RECEIPT", b":1\r\n"]
    await disturbed.call(INCREASE, [keys.runs])
    with pytest.raises(ServerRefusal, match="FENCED"):
        await connection.transport.request(*late)
    assert await connection.transport.request("GET", keys.runs) == b"2"


async def test_a_session_is_as_small_as_what_was_under_way_and_expires(
    disturbed: Connection, connection: Connection, keys: Keys
) -> None:
    for _ in range(20):
        await asyncio.gather(*(disturbed.call(INCREASE, [keys.runs]) for _ in range(3)))
    [session] = [name for name in await keys_of(connection, keys) if ":session:" in name]
    assert await connection.transport.request("HLEN", session) <= 3
    assert 0 < await connection.transport.request("PTTL", session) <= 600_000


async def test_a_storage_does_every_call_once(server_url: str, namespace: str) -> None:
    """Events are numbered, so that one lost or doubled would show."""
    seed = Random().randrange(1_000_000)
    print(f"seed {seed}")
    calls = 1000
    async with fault_proxy(server_url) as proxy:
        async with MobStorage.open(proxy.url, namespace=namespace, retry=QUICK) as storage:
            proxy.plan = at_random(seed=seed, one_in=5, faults=[*CUTS, Fault.REPLY_DELAYED])
            stored = [
                event
                for first in range(0, calls, 20)
                for event in await asyncio.gather(
                    *(storage.events.append(numbered(number)) for number in range(first, first + 20))
                )
            ]
            proxy.plan = in_order([])
            assert await storage.events.replay_all() == sorted(stored, key=lambda event: event.cursor)
        assert sorted(map(number_of, stored)) == list(range(calls))
        assert sorted(event.cursor for event in stored) == list(range(1, calls + 1))
        assert all(proxy.count(fault) for fault in CUTS)
        assert proxy.count(*(EXECUTED - {Fault.NONE})) > 0


@pytest.mark.parametrize("wrong", [{"deadline": -1}, {"base": 0}, {"base": 2, "cap": 1}, {"deadline": float("nan")}])
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="makes no sense"):
        RetryPolicy(**wrong)


def test_pauses_grow_up_to_a_cap() -> None:
    pauses = RetryPolicy(deadline=1000, base=0.1, cap=1).pauses()
    first = [next(pauses) for _ in range(10)]
    assert all(low <= pause <= 2 * low for pause, low in zip(first, [0.05, 0.1, 0.2, 0.4, *[0.5] * 6], strict=True))
    assert list(RetryPolicy(deadline=0).pauses()) == []
