"""A receipt that was cut short: what it was about cannot be known, and is neither denied nor claimed."""

# The key of a session, where receipts lie, is known to the client alone.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from itertools import count

import pytest

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.scripts import Script
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import OutcomeUnknownError, WriteFailedError
from redis_mob.testing.faults import Fault, FaultProxy, Request, fault_proxy, in_order
from redis_mob.testing.servers.raw_client import RawClient
from tests.connection.scripts import INCREASE, adhoc
from tests.support.users import admin_of

LISTED = adhoc("return { redis.call('INCR', key), 'text', { false, 'a' }, '' }")
IN_PART = adhoc("--- @include lib/mutate\nmutate('INCR', key) mutate('RPUSH', key, 1)")
REFUSED = adhoc("error('no')")
NOTHING = adhoc("return redis.call('GET', key)")
OPERATIONS = {"a number": INCREASE, "a list": LISTED, "in part": IN_PART, "refused": REFUSED, "nothing": NOTHING}
QUICK = RetryPolicy(deadline=20, base=0.001, cap=0.01)


@pytest.fixture
def raw(server_url: str) -> Iterator[RawClient]:
    with admin_of(server_url) as opened:
        yield opened


@pytest.fixture
async def proxy(server_url: str) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(server_url) as opened:
        yield opened


@pytest.fixture
async def client(proxy: FaultProxy, namespace: str) -> AsyncIterator[Client]:
    opened = await connect(proxy.url, namespace, retry=QUICK)
    await opened.open_namespace(namespace)
    yield opened
    await opened.aclose()


@pytest.fixture
async def impatient(proxy: FaultProxy, namespace: str) -> AsyncIterator[Client]:
    opened = await connect(proxy.url, namespace, retry=RetryPolicy(deadline=0))
    await opened.open_namespace(namespace)
    yield opened
    await opened.aclose()


def session_of(client: Client) -> str:
    assert client._sessions is not None
    return client._sessions.key(client._sessions._session.client)


def is_told_of(error: BaseException, session: str) -> bool:
    return f"{session} is damaged" in str(error) and "connection was lost" not in str(error)


async def one_call_fails_and_the_next_counts_on(client: Client, keys: Keys, session: str) -> None:
    """The call did nothing, and its error names the session; the next one has a new session."""
    with pytest.raises(WriteFailedError) as told:
        await client.call(INCREASE, [keys.runs])
    assert not isinstance(told.value, OutcomeUnknownError)
    assert is_told_of(told.value, session)
    assert await client.call(INCREASE, [keys.runs]) == 2


async def lost_reply(client: Client, proxy: FaultProxy, keys: Keys) -> tuple[str, str, str]:
    """(token, slot, sequence number) of a call that was executed, and whose reply was lost."""
    await client.call(INCREASE, [keys.runs])
    proxy.plan = in_order([Fault.CUT_AFTER])
    with pytest.raises(OutcomeUnknownError) as unknown:
        await client.call(INCREASE, [keys.runs])
    _, slot, sequence, _ = unknown.value.token.split(":")
    return unknown.value.token, slot, sequence


async def refused_or_done(client: Client, operation: Script, keys: Keys) -> None:
    """Run a script once, so that the server knows it."""
    with suppress(WriteFailedError):
        await client.call(operation, [keys.runs])


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
async def test_an_outcome_is_unknown_wherever_its_receipt_was_cut(
    impatient: Client, proxy: FaultProxy, raw: RawClient, keys: Keys, operation: Script
) -> None:
    await refused_or_done(impatient, operation, keys)
    session = session_of(impatient)
    proxy.plan = in_order([Fault.CUT_AFTER])
    with pytest.raises(OutcomeUnknownError) as unknown:
        await impatient.call(operation, [keys.runs])
    token = unknown.value.token
    slot = token.split(":")[1]
    whole = raw.hget(session, slot)
    for cut in range(len(whole)):
        raw.hset(session, slot, whole[:cut])
        with pytest.raises(OutcomeUnknownError) as told:
            await impatient.resolve(token)
        assert is_told_of(told.value, session), whole[:cut]
        assert told.value.token == token
        assert raw.hget(session, slot) == whole[:cut]  # asking leaves no fence


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
async def test_a_call_that_is_sent_again_trusts_no_receipt_that_was_cut(
    client: Client, proxy: FaultProxy, raw: RawClient, keys: Keys, operation: Script
) -> None:
    await refused_or_done(client, operation, keys)
    cut, whole = 0, b"?"
    while cut < len(whole):
        raw.delete(keys.runs)
        assert client._sessions is not None
        client._sessions.give_up()
        session = session_of(client)
        attempts = count()

        def plan(request: Request, session: str = session, attempts: Iterator[int] = attempts, cut: int = cut) -> Fault:
            nonlocal whole
            if request.words[0] != b"EVALSHA":
                return Fault.NONE
            if next(attempts) == 0:
                return Fault.CUT_AFTER
            whole = raw.hget(session, "0")
            raw.hset(session, "0", whole[:cut])
            return Fault.NONE

        proxy.plan = plan
        with pytest.raises(OutcomeUnknownError) as told:
            await client.call(operation, [keys.runs])
        assert is_told_of(told.value, session), whole[:cut]
        cut += 1
    proxy.plan = in_order([])
    assert await client.call(NOTHING, [keys.specs]) is None


@pytest.mark.parametrize("damaged", ["", "1", "12 "])
async def test_a_receipt_of_an_earlier_call_that_was_cut_ends_one_call_that_did_nothing(
    client: Client, raw: RawClient, keys: Keys, damaged: str
) -> None:
    assert await client.call(INCREASE, [keys.runs]) == 1
    session = session_of(client)
    for slot in raw.hkeys(session):
        raw.hset(session, slot, damaged)
    await one_call_fails_and_the_next_counts_on(client, keys, session)


async def test_a_new_slot_finds_that_the_receipt_it_looks_for_was_cut(
    client: Client, proxy: FaultProxy, raw: RawClient, keys: Keys
) -> None:
    assert await client.call(INCREASE, [keys.runs]) == 1
    session = session_of(client)
    raw.hset(session, "0", "1")
    assert client._sessions is not None
    client._sessions._session.free.clear()  # as if another call was under way in it
    await one_call_fails_and_the_next_counts_on(client, keys, session)


@pytest.mark.parametrize("receipt", [b"%s -ERR\r\n", b"%s :x\r\n", b"%s $5\r\nab\r\n", b"%s *2\r\n:1\r\n"])
async def test_a_receipt_that_no_call_leaves_tells_nothing(
    impatient: Client, proxy: FaultProxy, raw: RawClient, keys: Keys, receipt: bytes
) -> None:
    token, slot, sequence = await lost_reply(impatient, proxy, keys)
    raw.hset(session_of(impatient), slot, receipt % sequence.encode())
    with pytest.raises(OutcomeUnknownError) as told:
        await impatient.resolve(token)
    assert is_told_of(told.value, session_of(impatient))


@pytest.mark.parametrize("text", [b"-PARTIAL\r\n", b"-PARTIAL x\r\n", b"-PARTIAL 1 SET\r\n"])
async def test_a_receipt_of_a_part_that_says_too_little_is_still_one_of_a_part(
    impatient: Client, proxy: FaultProxy, raw: RawClient, keys: Keys, text: bytes
) -> None:
    token, slot, sequence = await lost_reply(impatient, proxy, keys)
    raw.hset(session_of(impatient), slot, sequence.encode() + b" " + text)
    with pytest.raises(OutcomeUnknownError, match="happened in part"):
        await impatient.resolve(token)


async def test_a_session_of_another_type_is_named_and_given_up(
    client: Client, proxy: FaultProxy, raw: RawClient, keys: Keys
) -> None:
    assert await client.call(INCREASE, [keys.runs]) == 1
    session = session_of(client)
    raw.delete(session)
    raw.set(session, "damaged")
    await one_call_fails_and_the_next_counts_on(client, keys, session)


async def test_a_session_that_turns_into_another_type_leaves_the_outcome_unknown(
    client: Client, proxy: FaultProxy, raw: RawClient, keys: Keys
) -> None:
    assert await client.call(INCREASE, [keys.runs]) == 1
    session, attempts = session_of(client), count()

    def plan(request: Request) -> Fault:
        if request.words[0] != b"EVALSHA":
            return Fault.NONE
        if next(attempts) == 0:
            return Fault.CUT_AFTER
        raw.delete(session)
        raw.set(session, "damaged")
        return Fault.NONE

    proxy.plan = plan
    with pytest.raises(OutcomeUnknownError) as unknown:
        await client.call(INCREASE, [keys.runs])
    assert is_told_of(unknown.value, session)
    proxy.plan = in_order([])
    with pytest.raises(OutcomeUnknownError) as told:
        await client.resolve(unknown.value.token)
    assert is_told_of(told.value, session)
    assert await client.call(INCREASE, [keys.runs]) == 3
