from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import RedisError

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import InternalError, OutcomeUnknownError, ReadFailedError, WriteFailedError
from redis_mob.testing.waiting import until
from tests.connection.pipelines import pipelines, until_lost
from tests.connection.scripts import INCREASE, adhoc
from tests.support.fake_server import HANG_UP, SILENCE, Answer, bulk, fake_server, usual
from tests.support.servers import server

IMPATIENT = RetryPolicy(deadline=0.4, base=0.001, cap=0.01)
GET = adhoc("return redis.call('GET', KEYS[1])")
ECHO = adhoc("return {KEYS[1], ARGV[1], ARGV[2], 7, false, {'nested'}}")


async def test_a_script_gets_its_keys_and_arguments_and_gives_its_raw_reply(connection: Client, keys: Keys) -> None:
    expected = [keys.meta.encode(), b"\xff\x00\r\n", b"12", 7, None, [b"nested"]]
    assert await connection.call(ECHO, [keys.meta], [b"\xff\x00\r\n", 12]) == expected
    assert await connection.read(ECHO, [keys.meta], [b"\xff\x00\r\n", 12]) == expected


@pytest.mark.parametrize("run", ["call", "read"])
async def test_flushed_scripts_are_loaded_again(connection: Client, keys: Keys, run: str) -> None:
    await connection.router.request("SCRIPT", "FLUSH")
    assert (await getattr(connection, run)(ECHO, [keys.meta], ["a", "b"]))[1:3] == [b"a", b"b"]


@pytest.mark.parametrize(("flushed", "works"), [(3, True), (4, False)])
async def test_a_server_whose_scripts_are_flushed_all_the_time_is_given_up(
    tmp_path: Path, flushed: int, works: bool
) -> None:
    recorder = Recorder(EVALSHA=[b"-NOSCRIPT none\r\n"] * flushed)
    async with fake_server(tmp_path, recorder) as url:
        connection = await connect(url)
        if works:
            assert await connection.call(INCREASE, ["k"]) == b"OK"
        else:
            with pytest.raises(WriteFailedError, match="NOSCRIPT"):
                await connection.call(INCREASE, ["k"])
        assert recorder.seen.count(b"SCRIPT") == 3
        await connection.aclose()


async def test_many_calls_at_a_time_share_one_connection(server_url: str, keys: Keys) -> None:
    connection = await connect(server_url, max_requests=3)
    before = pipelines(connection)
    replies = await asyncio.gather(*(connection.call(INCREASE, [keys.runs]) for _ in range(100)))
    assert sorted(replies) == list(range(1, 101))
    assert pipelines(connection) == before
    await connection.aclose()


async def test_a_script_that_writes_is_refused_as_a_read(connection: Client, keys: Keys) -> None:
    with pytest.raises(ReadFailedError, match="test/adhoc"):
        await connection.read(INCREASE, [keys.runs])
    assert await connection.read(GET, [keys.runs]) is None


async def test_an_error_of_a_script_names_the_script_and_has_the_cause(connection: Client, keys: Keys) -> None:
    with pytest.raises(WriteFailedError, match=r"test/adhoc .*boom") as failed:
        await connection.call(adhoc("error('boom')"), [keys.runs])
    assert isinstance(failed.value.__cause__, RedisError)
    assert not isinstance(failed.value, OutcomeUnknownError)


async def test_an_argument_that_cannot_be_sent_is_refused_before_it_is(connection: Client, keys: Keys) -> None:
    no_argument: Any = None
    with pytest.raises(WriteFailedError, match="NoneType") as failed:
        await connection.call(INCREASE, [keys.runs], [no_argument])
    assert not isinstance(failed.value, OutcomeUnknownError)
    assert await connection.call(INCREASE, [keys.runs]) == 1


async def test_a_connection_that_the_server_closed_while_idle_is_made_again(connection: Client, keys: Keys) -> None:
    other = await connect(connection.url)
    await connection.call(INCREASE, [keys.runs])
    await other.router.request("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await other.aclose()
    await until_lost(connection)
    assert await connection.call(INCREASE, [keys.runs]) == 2


class Recorder:
    """Answers the n-th command of a name as told, the usual otherwise, and counts them."""

    def __init__(self, **answers: Iterable[Answer]) -> None:
        self.answers: dict[bytes, list[Answer]] = {name.encode(): list(given) for name, given in answers.items()}
        self.seen: list[bytes] = []

    def __call__(self, command: list[bytes]) -> Answer:
        self.seen.append(command[0])
        given = self.answers.get(command[0])
        return given.pop(0) if given else usual(command)


@pytest.mark.parametrize("lost", [HANG_UP, SILENCE], ids=["hang up", "silence"])
async def test_a_lost_reply_of_a_write_leaves_the_outcome_unknown_and_nothing_is_sent_again(
    tmp_path: Path, lost: Answer
) -> None:
    recorder = Recorder(EVALSHA=[lost, lost])
    async with fake_server(tmp_path, recorder) as url:
        connection = await connect(url, retry=RetryPolicy(reply_timeout=0.3))
        tokens: set[str] = set()
        for _ in range(2):
            with pytest.raises(OutcomeUnknownError, match="may or may not") as unknown:
                await connection.call(INCREASE, ["k"])
            tokens.add(unknown.value.token)
        assert recorder.seen.count(b"EVALSHA") == 2
        assert len(tokens) == 2
        assert await connection.call(INCREASE, ["k"]) == b"OK"
        await connection.aclose()


async def test_a_write_that_is_never_sent_has_certainly_not_happened(tmp_path: Path) -> None:
    async with fake_server(tmp_path, usual) as url:
        connection = await connect(url, retry=IMPATIENT)
        await connection.call(INCREASE, ["k"])
    await until_lost(connection)
    with pytest.raises(WriteFailedError) as failed:
        await connection.call(INCREASE, ["k"])
    assert not isinstance(failed.value, OutcomeUnknownError)
    await connection.aclose()


async def test_a_reply_lost_while_loading_the_script_is_a_write_that_was_not_sent(tmp_path: Path) -> None:
    recorder = Recorder(EVALSHA=[b"-NOSCRIPT none\r\n"] * 2, SCRIPT=[HANG_UP])
    async with fake_server(tmp_path, recorder) as url:
        connection = await connect(url)
        assert await connection.call(INCREASE, ["k"]) == b"OK"
        assert recorder.seen.count(b"SCRIPT") == 2
        await connection.aclose()


async def test_a_script_that_cannot_be_loaded_in_time_was_not_run(tmp_path: Path) -> None:
    recorder = Recorder(EVALSHA=[b"-NOSCRIPT none\r\n"] * 999, SCRIPT=[HANG_UP] * 999)
    async with fake_server(tmp_path, recorder) as url:
        connection = await connect(url, retry=IMPATIENT)
        with pytest.raises(WriteFailedError) as failed:
            await connection.call(INCREASE, ["k"])
        assert not isinstance(failed.value, OutcomeUnknownError)
        assert recorder.seen.count(b"SCRIPT") > 1
        await connection.aclose()


@pytest.mark.parametrize("lost", [HANG_UP, b"-LOADING the dataset\r\n", b"-BUSY with a script\r\n"])
async def test_a_read_is_tried_again(tmp_path: Path, lost: Answer) -> None:
    recorder = Recorder(EVALSHA_RO=[lost, lost, bulk(b"value")])
    async with fake_server(tmp_path, recorder) as url:
        connection = await connect(url)
        assert await connection.read(GET, ["k"]) == b"value"
        assert recorder.seen.count(b"EVALSHA_RO") == 3
        await connection.aclose()


async def test_a_read_gives_up_when_its_time_is_used_up(tmp_path: Path) -> None:
    recorder = Recorder(EVALSHA_RO=[HANG_UP] * 999)
    async with fake_server(tmp_path, recorder) as url:
        connection = await connect(url, retry=IMPATIENT)
        with pytest.raises(ReadFailedError, match="test/adhoc on unix://") as failed:
            await connection.read(GET, ["k"])
        assert isinstance(failed.value.__cause__, RedisError)
        assert recorder.seen.count(b"EVALSHA_RO") > 1
        await connection.aclose()


async def test_a_refused_read_is_not_tried_again(tmp_path: Path) -> None:
    recorder = Recorder(EVALSHA_RO=[b"-WRONGTYPE no\r\n"])
    async with fake_server(tmp_path, recorder) as url:
        connection = await connect(url)
        with pytest.raises(ReadFailedError, match="WRONGTYPE"):
            await connection.read(GET, ["k"])
        assert recorder.seen.count(b"EVALSHA_RO") == 1
        await connection.aclose()


FOR_GOOD = [
    ("OOM command not allowed", "maxmemory"),
    ("NOPERM no permission", "redis-mob acl"),
    ("NOAUTH Authentication required.", "asks for a password"),
    ("MISCONF Errors writing to the AOF file: No space left on device", "disk full .*No space left"),
    ("MOVED 866 127.0.0.1:7000", r"use redis\+cluster://"),
    ("ASK 866 127.0.0.1:7000", r"use redis\+cluster://"),
    ("ERR max number of clients reached", "max number of clients"),
    ("WRONGTYPE Operation against a key", "WRONGTYPE Operation"),
]
FOR_A_WHILE = [
    ("READONLY You can't write", "connect to the primary"),
    ("LOADING the dataset", "still loading"),
    ("BUSY Redis is busy", "SCRIPT KILL"),
    ("MASTERDOWN Link with MASTER is down", "connect to the primary"),
    ("NOREPLICAS Not enough good replicas", "replicas"),
    ("CLUSTERDOWN The cluster is down", "CLUSTER INFO"),
    ("TRYAGAIN later", "has it on two nodes: .*later"),
]


@pytest.mark.parametrize(("refusal", "advice"), [*FOR_GOOD, *FOR_A_WHILE])
async def test_what_the_server_refuses_did_not_happen_and_says_what_to_do(
    tmp_path: Path, refusal: str, advice: str
) -> None:
    async with fake_server(tmp_path, Recorder(EVALSHA=[f"-{refusal}\r\n".encode()])) as url:
        connection = await connect(url, retry=RetryPolicy(deadline=0))
        with pytest.raises(WriteFailedError, match=advice) as failed:
            await connection.call(INCREASE, ["k"])
        assert not isinstance(failed.value, OutcomeUnknownError)
        assert isinstance(failed.value.__cause__, RedisError)
        assert await connection.call(INCREASE, ["k"]) == b"OK"
        await connection.aclose()


@pytest.mark.parametrize(("refusal", "_advice"), FOR_A_WHILE)
async def test_what_passes_is_waited_for(tmp_path: Path, refusal: str, _advice: str) -> None:
    recorder = Recorder(EVALSHA=[f"-{refusal}\r\n".encode()] * 3, INFO=[f"-{refusal}\r\n".encode()] * 3)
    async with fake_server(tmp_path, recorder) as url:
        connection = await connect(url)
        assert await connection.call(INCREASE, ["k"]) == b"OK"
        assert (recorder.seen.count(b"INFO"), recorder.seen.count(b"EVALSHA")) == (4, 4)
        await connection.aclose()


@pytest.mark.parametrize(("refusal", "_advice"), FOR_GOOD)
async def test_what_does_not_pass_is_not_tried_again(tmp_path: Path, refusal: str, _advice: str) -> None:
    recorder = Recorder(EVALSHA=[f"-{refusal}\r\n".encode()] * 3)
    async with fake_server(tmp_path, recorder) as url:
        connection = await connect(url)
        with pytest.raises(WriteFailedError):
            await connection.call(INCREASE, ["k"])
        assert recorder.seen.count(b"EVALSHA") == 1
        await connection.aclose()


async def test_a_refusal_that_says_nothing_of_an_earlier_attempt_leaves_its_outcome_unknown(tmp_path: Path) -> None:
    """The server refuses before it looks for the receipt."""
    recorder = Recorder(EVALSHA=[HANG_UP, b"-NOPERM no permission\r\n"])
    async with fake_server(tmp_path, recorder) as url:
        connection = await connect(url, "n")
        with pytest.raises(OutcomeUnknownError):
            await connection.call(INCREASE, ["k"])
        assert recorder.seen.count(b"EVALSHA") == 2
        await connection.aclose()


async def test_a_connection_for_no_namespace_has_no_outcomes_to_ask_for(connection: Client) -> None:
    with pytest.raises(InternalError, match="for no namespace"):
        await connection.resolve(f"{'0' * 32}:0:1")


async def test_a_server_that_became_a_replica_is_looked_for_anew(tmp_path: Path) -> None:
    """The host name of the URL may lead to another server after a failover, so the address is resolved again."""
    recorder = Recorder(EVALSHA=[b"-READONLY You can't write\r\n"])
    async with fake_server(tmp_path, recorder) as url:
        connection = await connect(url)
        before = pipelines(connection)
        assert await connection.call(INCREASE, ["k"]) == b"OK"
        assert pipelines(connection) != before
        await connection.aclose()


async def test_a_full_server_refuses_writes_and_still_reads() -> None:
    with server("--maxmemory", "10mb") as url:
        connection = await connect(url)
        await connection.router.request("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(WriteFailedError, match="maxmemory"):
            await connection.call(INCREASE, ["k"])
        assert await connection.read(GET, ["k"]) is None
        await connection.aclose()


async def test_a_replica_refuses_writes() -> None:
    with server("--replicaof", "127.0.0.1", "1") as url:
        connection = await connect(url, retry=IMPATIENT)
        with pytest.raises(WriteFailedError, match="connect to the primary"):
            await connection.call(INCREASE, ["k"])
        await connection.aclose()


async def test_a_cancelled_call_leaves_no_reply_behind_for_the_next(connection: Client, keys: Keys) -> None:
    slow = adhoc("local n = 0; for i = 1, 1e6 do n = n + i end; return 'slow'")
    await connection.call(slow, [keys.runs])
    for _ in range(20):
        task = asyncio.create_task(connection.call(slow, [keys.runs]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await connection.call(ECHO, [keys.meta], ["a", "b"]) == [
            keys.meta.encode(),
            b"a",
            b"b",
            7,
            None,
            [b"nested"],
        ]


async def test_a_closed_connection_says_so(server_url: str) -> None:
    connection = await connect(server_url)
    await connection.aclose()
    await connection.aclose()
    for run in (connection.call, connection.read):
        with pytest.raises(InternalError, match="closed"):
            await run(INCREASE, ["k"])


async def test_closing_ends_the_calls_that_are_under_way(tmp_path: Path) -> None:
    recorder = Recorder(EVALSHA=[SILENCE] * 2)
    async with fake_server(tmp_path, recorder) as url:
        connection = await connect(url, max_requests=2)
        calls = [asyncio.create_task(connection.call(INCREASE, ["k"])) for _ in range(5)]
        await until(lambda: recorder.seen.count(b"EVALSHA") == 2)
        await connection.aclose()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [OutcomeUnknownError] * 2 + [WriteFailedError] * 3


async def test_a_connection_belongs_to_one_event_loop(server_url: str) -> None:
    connection = await connect(server_url)

    def elsewhere() -> None:
        with pytest.raises(InternalError, match="another event loop"):
            asyncio.run(connection.call(INCREASE, ["k"]))

    await asyncio.to_thread(elsewhere)
    await connection.aclose()
