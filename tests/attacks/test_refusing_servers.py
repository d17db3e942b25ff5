"""Servers that refuse writes: no answer of theirs makes a later call report a loss, and what did not happen never does.

Each test is about one way in which an answer may leave no receipt.
"""

# pyright: reportPrivateUsage=false
# The key of a session, where receipts lie, is known to the client alone.

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from redis.exceptions import ResponseError

from redis_mob.connection.calls import sessions as sessions_module
from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.scripts import script
from redis_mob.connection.calls.sessions import IDLE, PROLONGED_EVERY, Sessions, WriteOutcome
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import (
    DurabilityError,
    EpochChangedError,
    OutcomeUnknownError,
    StorageUnavailableError,
    WriteFailedError,
)
from redis_mob.models import MobRunStatus
from redis_mob.models.config import Delete, Put
from redis_mob.storage import MobStorage
from redis_mob.testing.faults import Fault, FaultProxy, Request, fault_proxy, in_order
from redis_mob.testing.samples.documents import authority, definition, overlay, profile
from redis_mob.testing.samples.new_events import numbered
from redis_mob.testing.samples.states import NOON
from redis_mob.testing.waiting import LONG, until
from tests.connection.scripts import INCREASE, adhoc
from tests.support.raw import keys_of
from tests.support.refusing import (
    CANNOT_SAVE,
    FULL,
    READ_ONLY,
    STATES,
    WITHOUT_REPLICAS,
    RefusingServer,
    refusing_server,
)
from tests.support.servers import redis7_program

NO_RUN = "00000000-0000-4000-8000-000000000000"
NO_WRITES = (WITHOUT_REPLICAS, CANNOT_SAVE)
"""The states in which a primary refuses every write, receipts too."""

PATIENT = RetryPolicy(deadline=LONG, base=0.001, cap=0.01)
IMPATIENT = RetryPolicy(deadline=0.5, base=0.001, cap=0.01)
KNOWN = adhoc("return { redis.call('EXISTS', KEYS[1]), false, 'x' }")
"""Reads, and answers with a value that a receipt has to spell."""


@pytest.fixture(params=["Valkey", "Redis 7"])
def own(request: pytest.FixtureRequest) -> Iterator[RefusingServer]:
    with refusing_server(None if request.param == "Valkey" else redis7_program()) as opened:
        yield opened


@asynccontextmanager
async def client_of(url: str, retry: RetryPolicy = PATIENT, **settings: Any) -> AsyncGenerator[Client]:
    """A connection that has the namespace `n` open."""
    connection = await opened(url, retry, settings)
    try:
        yield connection
    finally:
        await connection.aclose()


async def opened(url: str, retry: RetryPolicy, settings: dict[str, Any]) -> Client:
    """A connection, at the latest after many attempts: on a busy machine one may take longer than `retry` allows."""
    for _ in range(20):
        with suppress(StorageUnavailableError):
            connection = await connect(url, "n", retry=retry, **settings)
            try:
                await connection.open_namespace("n")
            except BaseException:
                await connection.aclose()
                raise
            return connection
    raise AssertionError("the namespace cannot be opened")


@pytest.fixture
async def client(own: RefusingServer) -> AsyncIterator[Client]:
    async with client_of(own.url) as connection:
        yield connection


@pytest.fixture
async def proxy(own: RefusingServer) -> AsyncIterator[FaultProxy]:
    async with fault_proxy(own.url) as opened:
        yield opened


KEYS = Keys("n")


async def lost_compare(storage: MobStorage) -> bool:
    """A call that changes nothing."""
    return await storage.runs.cas_run_status(NO_RUN, expected=MobRunStatus.PENDING, next=MobRunStatus.RUNNING)


@pytest.mark.parametrize("state", STATES)
async def test_a_call_that_changes_nothing_leads_to_no_report_of_a_loss(own: RefusingServer, state: str) -> None:
    async with (
        MobStorage.open(own.url, retry=IMPATIENT) as one,
        MobStorage.open(own.url, retry=IMPATIENT) as other,
    ):
        for number in range(3):
            await one.events.append(numbered(number))
            await other.events.append(numbered(number))
        with own.refusing(state):
            for _ in range(3):
                calls = [lost_compare(one) for _ in range(4)]
                ends = await asyncio.gather(*calls, return_exceptions=True)
                if state == READ_ONLY:
                    assert {type(end) for end in ends} == {WriteFailedError}
                else:
                    assert ends == [False] * 4
            with pytest.raises(WriteFailedError) as refused:
                await one.events.append(numbered(3))
            assert not isinstance(refused.value, OutcomeUnknownError)
        for storage in (one, other, one):
            await storage.events.append(numbered(4))
        assert len(await one.events.replay_all()) == 9


@pytest.mark.parametrize("state", [state for state in STATES if state != READ_ONLY])
@pytest.mark.parametrize(
    ("returned", "reply"),
    [
        ("false", None),
        ("nil", None),
        ("{}", []),
        ("{1, false, {'', 'a'}}", [1, None, [b"", b"a"]]),
        ("redis.status_reply('OK')", b"OK"),
        ("'x'", b"x"),
    ],
)
async def test_an_answer_without_a_receipt_is_the_same_as_one_with(
    own: RefusingServer, client: Client, state: str, returned: str, reply: Any
) -> None:
    script = adhoc(f"return {returned}")
    assert await client.call(script, [KEYS.runs]) == reply
    with own.refusing(state):
        assert await client.call(script, [KEYS.runs]) == reply
    assert await client.call(INCREASE, [KEYS.runs]) == 1


@pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_AFTER])
async def test_a_full_server_records_its_answers(own: RefusingServer, proxy: FaultProxy, fault: Fault) -> None:
    async with client_of(proxy.url) as client:
        await client.call(INCREASE, [KEYS.runs])
        with own.refusing(FULL):
            proxy.plan = in_order([Fault.NONE, fault])  # the script has to be loaded first
            assert await client.call(KNOWN, [KEYS.runs]) == [1, None, b"x"]
            assert client._sessions is not None
            receipts = own.admin.hvals(client._sessions._session.key)
            assert [receipt for receipt in receipts if receipt.endswith(b"*3\r\n:1\r\n$-1\r\n$1\r\nx\r\n")]
        assert await client.call(INCREASE, [KEYS.runs]) == 2


async def test_a_full_server_that_refuses_a_write_says_so_for_ever(own: RefusingServer, proxy: FaultProxy) -> None:
    """When there is room again, the original may still be under way."""
    async with client_of(proxy.url) as client:
        await client.call(INCREASE, [KEYS.runs])
        with own.refusing(FULL), pytest.raises(WriteFailedError, match="maxmemory"):
            await client.call(INCREASE, [KEYS.runs])
        [late] = [request.words for request, _ in proxy.done if request.words[0] == b"EVALSHA"][-1:]
        with pytest.raises(Exception, match="REFUSED OOM"):
            await client.router.request(*late)
        assert await client.call(INCREASE, [KEYS.runs]) == 2


@pytest.mark.parametrize("state", NO_WRITES)
async def test_an_answer_without_a_receipt_ends_no_call_whose_first_attempt_may_still_arrive(
    own: RefusingServer, proxy: FaultProxy, state: str
) -> None:
    async with client_of(proxy.url) as client:
        await client.call(KNOWN, [KEYS.runs])
        with own.refusing(state):
            proxy.plan = in_order([Fault.CUT_BEFORE])
            call = asyncio.create_task(client.call(KNOWN, [KEYS.runs]))
            before = own.admin.info("commandstats")["cmdstat_evalsha"]["calls"]
            await until(lambda: own.admin.info("commandstats")["cmdstat_evalsha"]["calls"] > before + 2)
            assert not call.done()
        assert await call == [0, None, b"x"]
        assert await client.call(INCREASE, [KEYS.runs]) == 1


@pytest.mark.parametrize("state", NO_WRITES)
async def test_a_lost_call_on_a_server_that_cannot_record_has_an_unknown_outcome(
    own: RefusingServer, proxy: FaultProxy, state: str
) -> None:
    async with client_of(proxy.url, IMPATIENT) as client:
        await client.call(INCREASE, [KEYS.runs])
        await client.call(KNOWN, [KEYS.runs])
        with own.refusing(state):
            for script in (INCREASE, KNOWN):
                proxy.plan = in_order([Fault.CUT_BEFORE])
                with pytest.raises(OutcomeUnknownError) as unknown:
                    await client.call(script, [KEYS.runs])
                with pytest.raises(OutcomeUnknownError):
                    await client.resolve(unknown.value.token)
        assert await client.resolve(unknown.value.token) == WriteOutcome(False)
        assert await client.call(INCREASE, [KEYS.runs]) == 2


async def test_an_outcome_can_be_learned_from_a_full_server(own: RefusingServer, proxy: FaultProxy) -> None:
    async with client_of(proxy.url, RetryPolicy(deadline=0)) as client:
        await client.call(INCREASE, [KEYS.runs])
        for fault, outcome in ((Fault.CUT_AFTER, WriteOutcome(True, 2)), (Fault.CUT_BEFORE, WriteOutcome(False))):
            proxy.plan = in_order([fault])
            with pytest.raises(OutcomeUnknownError) as unknown:
                await client.call(INCREASE, [KEYS.runs])
            with own.refusing(FULL):
                assert await client.resolve(unknown.value.token) == outcome
            assert await client.resolve(unknown.value.token) == outcome


@pytest.mark.parametrize("state", STATES)
async def test_a_receipt_is_given_in_every_state(own: RefusingServer, proxy: FaultProxy, state: str) -> None:
    """The call has happened: how the server is now changes nothing of that."""

    def plan(request: Request) -> Fault:
        if request.words[0] != b"EVALSHA" or request.words[-5] != b"0":  # its slot
            return Fault.NONE
        if proxy.count(Fault.CUT_AFTER) == 0:
            return Fault.CUT_AFTER
        own.refuse(state)
        return Fault.NONE

    async with client_of(proxy.url) as client:
        await client.call(INCREASE, [KEYS.runs])
        proxy.plan = plan
        assert await client.call(INCREASE, [KEYS.runs]) == 2
        proxy.plan = in_order([])
        with pytest.raises(ResponseError):
            own.admin.incr("other")
        own.serve()
        assert await client.call(INCREASE, [KEYS.runs]) == 3


@pytest.mark.parametrize("state", STATES)
async def test_an_open_namespace_is_opened_again_where_that_is_possible(own: RefusingServer, state: str) -> None:
    async with MobStorage.open(own.url) as storage:
        await storage.events.append(numbered(1))
    with own.refusing(state):
        opening = MobStorage.open(own.url, retry=IMPATIENT)
        if state == READ_ONLY:
            with pytest.raises(StorageUnavailableError, match="connect to the primary"):
                await opening
            return
        async with opening as storage:
            assert len(await storage.events.replay_all()) == 1
            assert not await lost_compare(storage)
            own.serve()
            await storage.events.append(numbered(2))


async def test_a_namespace_of_an_older_release_gets_its_key_on_a_full_server(own: RefusingServer) -> None:
    async with client_of(own.url):
        own.admin.hdel(KEYS.meta, "token_key", "counted")
        with own.refusing(FULL):
            async with client_of(own.url):
                assert own.admin.hget(KEYS.meta, "token_key") is not None


@asynccontextmanager
async def gone_back(own: RefusingServer, client: Client) -> AsyncGenerator[None]:
    """The server has lost a write of the client that it had answered."""
    await client.call(INCREASE, [KEYS.runs])
    content = {name: await client.router.request("DUMP", name) for name in await keys_of(client, KEYS)}
    await client.call(INCREASE, [KEYS.runs])
    for name, dump in content.items():
        await client.router.request("RESTORE", name, 600_000 if ":session:" in name else 0, dump, "REPLACE")
    yield


async def test_a_real_loss_is_told_by_a_full_server(own: RefusingServer, client: Client) -> None:
    async with client_of(own.url) as other, gone_back(own, client):
        with own.refusing(FULL):
            for one in (client, other):
                with pytest.raises(EpochChangedError):
                    await one.call(INCREASE, [KEYS.runs])
        assert await client.call(INCREASE, [KEYS.runs]) == 2
        assert await other.call(INCREASE, [KEYS.runs]) == 3


@pytest.mark.parametrize("state", [state for state in STATES if state != FULL])
async def test_a_real_loss_is_told_when_the_server_takes_writes_again(own: RefusingServer, state: str) -> None:
    """Until then the mark of the new epoch cannot be left, and others would not be told."""
    async with client_of(own.url, IMPATIENT) as client, client_of(own.url, IMPATIENT) as other, gone_back(own, client):
        with own.refusing(state):
            for one in (client, other):
                with pytest.raises(WriteFailedError):
                    await one.call(INCREASE, [KEYS.runs])
        for one in (client, other):
            with pytest.raises(EpochChangedError):
                await one.call(INCREASE, [KEYS.runs])
            await one.call(INCREASE, [KEYS.runs])


async def test_a_replica_that_lags_behind_tells_of_no_loss(own: RefusingServer) -> None:
    """It misses receipts, and epochs, which the primary has."""
    async with client_of(own.url, IMPATIENT) as client, gone_back(own, client):
        with own.refusing(READ_ONLY), pytest.raises(WriteFailedError, match="READONLY"):
            await client.call(INCREASE, [KEYS.runs])
        own.admin.hset(KEYS.meta, "epoch", "1")
        with own.refusing(READ_ONLY), pytest.raises(WriteFailedError, match="READONLY"):
            await client.call(KNOWN, [KEYS.runs])


async def test_an_epoch_whose_reply_was_lost_is_told_once(own: RefusingServer, proxy: FaultProxy) -> None:
    async with client_of(proxy.url) as client, gone_back(own, client):
        proxy.plan = in_order([Fault.CUT_AFTER])
        with pytest.raises(EpochChangedError):
            await client.call(INCREASE, [KEYS.runs])
        assert await client.call(INCREASE, [KEYS.runs]) == 2


async def test_a_cancelled_call_counts_as_no_answer(own: RefusingServer, client: Client) -> None:
    """Its slot is used again, whether or not it left a receipt."""
    await client.call(INCREASE, [KEYS.runs])
    for pause in (True, False) * 5:
        if pause:
            own.admin.execute_command("CLIENT", "PAUSE", 60_000, "WRITE")
        calls = [asyncio.create_task(client.call(INCREASE, [KEYS.runs])) for _ in range(5)]
        await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        own.admin.execute_command("CLIENT", "UNPAUSE")
        await client.call(INCREASE, [KEYS.runs])


async def test_a_client_without_a_namespace_knows_of_no_losses(own: RefusingServer) -> None:
    connection = await connect(own.url, retry=IMPATIENT)
    for state in STATES:
        with own.refusing(state):
            assert await connection.call(KNOWN, [KEYS.runs]) == [0, None, b"x"]
    assert await connection.call(INCREASE, [KEYS.runs]) == 1
    await connection.aclose()


def test_a_session_whose_prolongation_was_not_answered_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """It expires as if it had never been asked for, and its receipts would look lost."""
    now = 1000.0
    monkeypatch.setattr(sessions_module, "clock", lambda: now)
    sessions = Sessions("n", 10)

    def call(*, answered: bool) -> tuple[str, bool]:
        """The client of a call, and whether the call asked for a longer life."""
        slot = sessions.begin()
        *_, time_to_live = sessions.arguments([], slot)
        if answered:
            sessions.answered(slot, sessions_module.Answer(1))
        sessions.end(slot)
        return slot.session.client, time_to_live != ""

    first, asked = call(answered=True)
    assert asked
    assert call(answered=True) == (first, False)
    now += PROLONGED_EVERY + 1
    assert call(answered=False) == (first, True)
    assert call(answered=False) == (first, True), "it is asked for until that is answered"
    now = 1000 + IDLE - 1
    assert call(answered=False) == (first, True)
    now = 1000 + IDLE + 1
    second, asked = call(answered=True)
    assert (second != first, asked) == (True, True)
    now += IDLE - 1
    assert call(answered=True) == (second, True)
    now += IDLE - 1
    assert call(answered=True) == (second, True)


def refuse_to_confirm(own: RefusingServer, state: str) -> Callable[[Request], Fault]:
    """A plan that brings the server into a state when it has answered a write, and before that is made safe."""
    confirm = script("calls/confirm").sha.encode()

    def plan(request: Request) -> Fault:
        if confirm in request.words:
            own.refuse(state)
        return Fault.NONE

    return plan


@pytest.mark.parametrize("state", STATES)
async def test_a_write_that_cannot_be_made_safe_any_more_is_not_told_as_unknown(state: str) -> None:
    """Its receipt is there. A full server takes the mark that the wait needs, and the others refuse it."""
    with refusing_server(settings=("--appendonly", "yes")) as own:
        async with fault_proxy(own.url) as proxy, client_of(proxy.url, IMPATIENT, durability="fsync") as client:
            await client.call(INCREASE, [KEYS.runs])
            proxy.plan = refuse_to_confirm(own, state)
            call = client.call(INCREASE, [KEYS.runs])
            if state == FULL:
                assert await call == 2
            elif state == READ_ONLY:
                with pytest.raises(OutcomeUnknownError):
                    await call
            else:
                with pytest.raises(
                    DurabilityError, match=r"memory of the primary, which refuses writes \((NOREP|MISCONF)"
                ):
                    await call
            assert own.admin.get(KEYS.runs) == b"2"
            proxy.plan = in_order([])
            own.serve()
            assert await client.call(INCREASE, [KEYS.runs]) == 3


@pytest.mark.parametrize("state", NO_WRITES)
async def test_a_server_that_refuses_the_mark_is_asked_again_after_a_pause(state: str) -> None:
    """It has answered at once, so that nothing else keeps the client from asking as fast as it can."""
    slow = RetryPolicy(deadline=1.0, base=0.5, cap=0.5)
    with refusing_server(settings=("--appendonly", "yes")) as own:
        async with fault_proxy(own.url) as proxy, client_of(proxy.url, slow, durability="fsync") as client:
            await client.call(INCREASE, [KEYS.runs])
            proxy.plan = refuse_to_confirm(own, state)
            before = len(proxy.done)
            with pytest.raises(DurabilityError):
                await client.call(INCREASE, [KEYS.runs])
            asked = [request for request, _ in list(proxy.done)[before:] if request.words[0] == b"WAITAOF"]
            assert len(asked) <= 5


@pytest.mark.parametrize("state", NO_WRITES)
async def test_an_answer_that_changes_nothing_waits_for_no_safety(state: str) -> None:
    with refusing_server(settings=("--appendonly", "yes")) as own:
        async with client_of(own.url, durability="fsync") as client:
            await client.call(INCREASE, [KEYS.runs])
            with own.refusing(state):
                assert await client.call(KNOWN, [KEYS.runs]) == [1, None, b"x"]
            assert await client.call(INCREASE, [KEYS.runs]) == 2


Deletion = Callable[[MobStorage], Awaitable[Any]]

DELETIONS: dict[str, Deletion] = {
    "config.delete": lambda s: s.config.delete("n", "a"),
    "config.delete_if_revision": lambda s: s.config.delete_if_revision("n", "b", 0),
    "config.apply": lambda s: s.config.apply([Delete("n", "c"), Delete("n", "d")]),
    "events.prune": lambda s: s.events.prune(NOON + timedelta(days=1)),
    "events.clear": lambda s: s.events.clear(),
    "specs.delete_spec": lambda s: s.specs.delete_spec("mob"),
    "realm_profiles.delete": lambda s: s.realm_profiles.delete("p", 1),
    "records.compare_and_delete": lambda s: s.records.compare_and_delete("c", "k", 1),
    "delete_supervisor_authority": lambda s: s.runtime_metadata.delete_supervisor_authority("m"),
    "delete_external_binding_overlay": lambda s: s.runtime_metadata.delete_external_binding_overlay("m", "agent", 1),
    "delete_external_binding_overlays": lambda s: s.runtime_metadata.delete_external_binding_overlays("m"),
}
"""What an operator does who is told that the server is full."""


@pytest.mark.filterwarnings("ignore::redis_mob.errors.UnsealedSecretsWarning")
@pytest.mark.parametrize("name", DELETIONS)
async def test_what_makes_room_works_on_a_full_server_and_happens_once(
    own: RefusingServer, proxy: FaultProxy, name: str
) -> None:
    async with MobStorage.open(proxy.url, retry=PATIENT) as storage:
        for id in "abcd":
            await storage.config.put("n", id, 0)
        await storage.events.append(numbered(1, timestamp=NOON))
        await storage.specs.put_spec("mob", definition())
        await storage.realm_profiles.create("p", profile())
        await storage.records.insert("c", "k", 1)
        await storage.runtime_metadata.put_supervisor_authority("m", authority())
        await storage.runtime_metadata.upsert_external_binding_overlay(
            "m", overlay(agent_identity="agent", generation=1)
        )
        before = await storage.config.change_token("n")
        with own.refusing(FULL):
            proxy.plan = lambda request: (
                Fault.CUT_AFTER if request.words[0] == b"EVALSHA" and proxy.count(Fault.CUT_AFTER) < 2 else Fault.NONE
            )
            await DELETIONS[name](storage)
        assert proxy.count(Fault.CUT_AFTER) == 2, "once for the script that has to be loaded"
        left = {
            "config.delete": [id for id, _ in await storage.config.list("n")] == ["b", "c", "d"],
            "config.delete_if_revision": [id for id, _ in await storage.config.list("n")] == ["a", "c", "d"],
            "config.apply": [id for id, _ in await storage.config.list("n")] == ["a", "b"],
            "events.prune": await storage.events.replay_all() == [],
            "events.clear": await storage.events.replay_all() == [],
            "specs.delete_spec": await storage.specs.get_spec("mob") is None,
            "realm_profiles.delete": await storage.realm_profiles.get("p") is None,
            "records.compare_and_delete": await storage.records.get("c", "k") is None,
            "delete_supervisor_authority": await storage.runtime_metadata.load_supervisor_authority("m") is None,
        }
        assert left.get(name, await storage.runtime_metadata.list_external_binding_overlays("m") == [])
        changes = {"config.delete": 1, "config.delete_if_revision": 1, "config.apply": 2}.get(name, 0)
        assert await storage.config.change_token("n") == before + changes


async def test_what_takes_room_is_refused_by_a_full_server_and_does_not_happen(own: RefusingServer) -> None:
    async with MobStorage.open(own.url) as storage:
        await storage.config.put("n", "a", 0)
        with own.refusing(FULL):
            for write in (
                storage.config.put("n", "b", 0),
                storage.config.apply([Delete("n", "a"), Put("n", "b", 0)]),
                storage.events.append(numbered(1)),
                storage.specs.put_spec("mob", definition()),
            ):
                with pytest.raises(WriteFailedError, match="prune and delete") as refused:
                    await write
                assert not isinstance(refused.value, OutcomeUnknownError)
        assert await storage.config.list("n") == [("a", 0)]
        assert await storage.events.replay_all() == []
        assert await storage.specs.list_specs() == []
