"""A call happens once, however often it has to be sent: an attempt that is sent again gets the first reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from redis_mob.connection.calls import sessions
from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.sessions import MOST_UNKNOWN, WriteOutcome
from redis_mob.connection.failures import ServerRefusalError
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import OutcomeUnknownError, ValidationError, WriteFailedError
from redis_mob.storage import MobStorage
from redis_mob.testing.faults import EXECUTED, Fault, FaultProxy, Request, at_random, fault_proxy, in_order
from redis_mob.testing.samples.new_events import number_of, numbered
from tests.connection.scripts import INCREASE, adhoc
from tests.support.raw import keys_of

NUMBER = adhoc("return redis.call('GET', KEYS[1])")
QUICK = RetryPolicy(deadline=20, base=0.001, cap=0.01)
LOST = [fault for fault in Fault if fault not in (Fault.NONE, Fault.REPLY_DELAYED)]
CUTS = [Fault.CUT_BEFORE, Fault.CUT_WITHIN, Fault.CUT_AFTER, Fault.TRUNCATED]
"""The faults that are noticed at once."""


@pytest.fixture
async def proxy(server_url: str) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(server_url) as opened:
        yield opened


@pytest.fixture
async def disturbed(proxy: FaultProxy, namespace: str, keys: Keys) -> AsyncIterator[Client]:
    """A connection through the proxy, which is patient."""
    opened = await connect(proxy.url, namespace, retry=replace(QUICK, reply_timeout=0.2))
    yield opened
    await opened.aclose()


@pytest.mark.parametrize("fault", LOST)
async def test_a_lost_reply_is_learned(disturbed: Client, proxy: FaultProxy, keys: Keys, fault: Fault) -> None:
    assert await disturbed.call(INCREASE, [keys.runs]) == 1
    for number in range(2, 5):
        proxy.plan = in_order([fault])
        assert await disturbed.call(INCREASE, [keys.runs]) == number
    assert proxy.count(fault) == 3


async def test_however_often_it_is_lost(disturbed: Client, proxy: FaultProxy, keys: Keys) -> None:
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
    disturbed: Client, proxy: FaultProxy, keys: Keys, returned: str, reply: Any
) -> None:
    script = adhoc(f"return {returned}")
    assert await disturbed.call(script, [keys.runs]) == reply
    proxy.plan = in_order([Fault.CUT_AFTER])
    assert await disturbed.call(script, [keys.runs]) == reply
    assert proxy.count(Fault.CUT_AFTER) == 1


async def test_what_the_server_refuses_has_no_receipt(disturbed: Client, proxy: FaultProxy, keys: Keys) -> None:
    """The script that was refused had found no receipt, which proves that no earlier attempt had an effect."""
    broken = adhoc("error('boom')")
    for plan in ([], [Fault.CUT_AFTER]):
        proxy.plan = in_order(plan)
        with pytest.raises(WriteFailedError, match="boom") as refused:
            await disturbed.call(broken, [keys.runs])
        assert not isinstance(refused.value, OutcomeUnknownError)
    assert await disturbed.call(INCREASE, [keys.runs]) == 1


async def test_an_outcome_that_cannot_be_learned_in_time_is_unknown(
    proxy: FaultProxy, namespace: str, keys: Keys
) -> None:
    impatient = await connect(proxy.url, namespace, retry=RetryPolicy(deadline=0.4, base=0.001, cap=0.01))
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
    disturbed: Client, connection: Client, keys: Keys, proxy: FaultProxy
) -> None:
    """A network may deliver a request late, when later calls of its slot have been answered."""
    await disturbed.call(INCREASE, [keys.runs])
    [late] = [request.words for request, _ in proxy.done if request.words[0] == b"EVALSHA"][-1:]
    assert await connection.router.request(*late) == [b"RECEIPT", b":1\r\n"]
    await disturbed.call(INCREASE, [keys.runs])
    with pytest.raises(ServerRefusalError, match="FENCED"):
        await connection.router.request(*late)
    assert await connection.router.request("GET", keys.runs) == b"2"


async def test_a_session_is_as_small_as_what_was_under_way_and_expires(
    disturbed: Client, connection: Client, keys: Keys
) -> None:
    for _ in range(20):
        await asyncio.gather(*(disturbed.call(INCREASE, [keys.runs]) for _ in range(3)))
    [session] = [name for name in await keys_of(connection, keys) if ":session:" in name]
    assert await connection.router.request("HLEN", session) <= 3
    assert 0 < await connection.router.request("PTTL", session) <= 620_000


async def lost_call(connection: Client, proxy: FaultProxy, keys: Keys, fault: Fault) -> str:
    """The token of a call whose outcome is unknown."""
    proxy.plan = lambda request: Fault.NONE if request.is_handshake else fault
    with pytest.raises(OutcomeUnknownError) as unknown:
        await connection.call(INCREASE, [keys.runs])
    proxy.plan = in_order([])
    return unknown.value.token


@pytest.fixture
async def impatient(proxy: FaultProxy, namespace: str) -> AsyncIterator[Client]:
    """A connection through the proxy that sends nothing twice, in an open namespace."""
    opened = await connect(proxy.url, namespace, retry=RetryPolicy(deadline=0, reply_timeout=0.3))
    await opened.open_namespace(namespace)
    await opened.call(INCREASE, [Keys(namespace).specs])
    yield opened
    await opened.aclose()


@pytest.mark.parametrize("fault", LOST)
async def test_the_outcome_of_a_lost_call_can_be_learned(
    impatient: Client, proxy: FaultProxy, keys: Keys, fault: Fault
) -> None:
    token = await lost_call(impatient, proxy, keys, fault)
    outcome = await impatient.resolve(token)
    assert outcome == (WriteOutcome(True, 1) if fault in EXECUTED else WriteOutcome(False))
    for _ in range(3):
        await impatient.call(INCREASE, [keys.runs])
    assert await impatient.resolve(token) == outcome
    assert await impatient.router.request("GET", keys.runs) == b"%d" % (3 + outcome.executed)


async def test_anybody_may_ask_for_a_lost_call(
    impatient: Client, proxy: FaultProxy, keys: Keys, namespace: str, server_url: str
) -> None:
    token = await lost_call(impatient, proxy, keys, Fault.CUT_AFTER)
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        assert await storage.resolve(token) == WriteOutcome(True, 1)


async def test_what_was_said_not_to_have_happened_never_does(
    impatient: Client, connection: Client, keys: Keys, proxy: FaultProxy
) -> None:
    token = await lost_call(impatient, proxy, keys, Fault.CUT_BEFORE)
    late = proxy.done[-1][0].words
    assert await impatient.resolve(token) == WriteOutcome(False)
    with pytest.raises(ServerRefusalError, match="FENCED"):
        await connection.router.request(*late)
    assert await connection.router.request("EXISTS", keys.runs) == 0


async def test_an_outcome_whose_receipt_is_gone_is_said_to_be_unknown(
    impatient: Client, connection: Client, keys: Keys, proxy: FaultProxy
) -> None:
    token = await lost_call(impatient, proxy, keys, Fault.CUT_AFTER)
    [session] = [name for name in await keys_of(connection, keys) if ":session:" in name]
    await connection.router.request("DEL", session)
    with pytest.raises(OutcomeUnknownError, match="its session is over") as unknown:
        await impatient.resolve(token)
    assert unknown.value.token == token
    assert await connection.router.request("EXISTS", session) == 0


async def test_a_server_that_cannot_be_asked_leaves_the_outcome_unknown(
    impatient: Client, keys: Keys, proxy: FaultProxy
) -> None:
    token = await lost_call(impatient, proxy, keys, Fault.CUT_AFTER)
    proxy.refuse()
    with pytest.raises(OutcomeUnknownError, match="calls/resolve") as unknown:
        await impatient.resolve(token)
    assert unknown.value.token == token


@pytest.mark.parametrize(
    "text", ["", "x", "0123456789abcdef0123456789abcdef:1", "0123456789abcdef0123456789abcdef:1:-1"]
)
async def test_a_text_that_is_no_token_is_refused(impatient: Client, text: str) -> None:
    with pytest.raises(ValidationError, match="is no token of a write"):
        await impatient.resolve(text)


async def test_many_unknown_outcomes_make_no_session_grow_without_bounds(
    impatient: Client, connection: Client, proxy: FaultProxy, keys: Keys
) -> None:
    tokens = [await lost_call(impatient, proxy, keys, Fault.CUT_AFTER) for _ in range(MOST_UNKNOWN)]
    await impatient.call(INCREASE, [keys.specs])
    tokens.append(await lost_call(impatient, proxy, keys, Fault.CUT_AFTER))
    names = [name for name in await keys_of(connection, keys) if ":session:" in name]
    assert len(names) == len({token.split(":")[0] for token in tokens}) == 2
    assert await impatient.resolve(tokens[0]) == WriteOutcome(True, 1)
    assert await impatient.resolve(tokens[-1]) == WriteOutcome(True, MOST_UNKNOWN + 1)


async def test_a_session_that_may_have_expired_is_given_up(
    disturbed: Client, connection: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    await disturbed.call(INCREASE, [keys.runs])
    later = sessions.clock() + sessions.IDLE + 1
    monkeypatch.setattr(sessions, "clock", lambda: later)
    [session] = [name for name in await keys_of(connection, keys) if ":session:" in name]
    await connection.router.request("DEL", session)
    await disturbed.call(INCREASE, [keys.runs])
    assert await disturbed.call(INCREASE, [keys.runs]) == 3
    assert len([name for name in await keys_of(connection, keys) if ":session:" in name]) == 1


async def test_a_call_is_not_sent_again_once_its_receipt_may_have_expired(
    disturbed: Client, proxy: FaultProxy, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    await disturbed.call(INCREASE, [keys.runs])

    def cut(request: Request) -> Fault:
        later = sessions.clock() + sessions.LIFETIME + QUICK.deadline
        monkeypatch.setattr(sessions, "clock", lambda: later)
        return Fault.CUT_AFTER

    proxy.plan = cut
    with pytest.raises(OutcomeUnknownError):
        await disturbed.call(INCREASE, [keys.runs])
    assert proxy.count(Fault.CUT_AFTER) == 1


async def test_a_server_that_is_away_is_waited_for(disturbed: Client, proxy: FaultProxy, keys: Keys) -> None:
    proxy.refuse()
    proxy.cut_all()
    calls = [asyncio.create_task(disturbed.call(INCREASE, [keys.runs])) for _ in range(5)]
    calls.append(asyncio.create_task(disturbed.read(NUMBER, [keys.runs])))
    await asyncio.wait(calls, timeout=0.2)
    assert not any(call.done() for call in calls)
    proxy.accept()
    assert sorted((await asyncio.gather(*calls))[:5]) == [1, 2, 3, 4, 5]


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
                # appends of one moment are one request, of which there have to be enough for each fault
                for first in range(0, calls, 5)
                for event in await asyncio.gather(
                    *(storage.events.append(numbered(number)) for number in range(first, first + 5))
                )
            ]
            proxy.plan = in_order([])
            assert await storage.events.replay_all() == sorted(stored, key=lambda event: event.cursor)
        assert sorted(map(number_of, stored)) == list(range(calls))
        assert sorted(event.cursor for event in stored) == list(range(1, calls + 1))
        assert all(proxy.count(fault) for fault in CUTS)
        assert proxy.count(*(EXECUTED - {Fault.NONE})) > 0
