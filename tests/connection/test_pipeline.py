"""The wire: requests leave together and in order, each reply reaches its caller, and every end is told apart."""

# pyright: reportPrivateUsage=false
# Which pipeline a channel uses is its own affair, and what is tested here.

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import hiredis
import pytest

from redis_mob.connection.failures import NotSentError, PipelineClosedError, ReplyLostError, UnreachableError
from redis_mob.connection.servers.address import UnixAddress
from redis_mob.connection.servers.channel import Channel
from redis_mob.connection.servers.pipeline import Pipeline
from redis_mob.connection.servers.url import parse_address
from redis_mob.testing.waiting import until
from tests.support.fake_server import HANG_UP, SILENCE, bulk, fake_server


class Sink(asyncio.WriteTransport):
    """Where the wire writes; keeps each write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closing = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def abort(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing


@pytest.fixture
async def sink() -> Sink:
    return Sink()


@pytest.fixture
async def wire(sink: Sink) -> Pipeline:
    return Pipeline(sink, None, max_reply_bytes=100)


async def test_a_request_leaves_at_once_and_others_of_its_turn_in_one_write_behind_it(
    wire: Pipeline, sink: Sink
) -> None:
    replies = [wire.send(b"a"), wire.send(b"b"), wire.send(b"c")]
    assert sink.writes == [b"a"]
    await asyncio.sleep(0)
    assert sink.writes == [b"a", b"bc"]
    late = wire.send(b"d")
    assert sink.writes == [b"a", b"bc"]
    await asyncio.sleep(0)
    assert sink.writes == [b"a", b"bc", b"d"]
    wire.data_received(b":1\r\n:2\r\n$1\r\n")
    wire.data_received(b"x\r\n:4\r\n")
    assert await asyncio.gather(*replies, late) == [1, 2, b"x", 4]
    wire.send(b"e")
    assert sink.writes == [b"a", b"bc", b"d", b"e"]


async def test_a_refusal_is_a_reply(wire: Pipeline) -> None:
    reply = wire.send(b"a")
    wire.data_received(b"-ERR no\r\n")
    assert isinstance(await reply, hiredis.ReplyError)


async def test_of_several_replies_the_last_one_counts(wire: Pipeline) -> None:
    one, two = wire.send(b"a", replies=2), wire.send(b"b")
    wire.data_received(b"+OK\r\n:1\r\n:2\r\n")
    assert (await one, await two) == (1, 2)


async def test_a_cancelled_wait_takes_no_other_reply(wire: Pipeline) -> None:
    one, two, three = wire.send(b"a"), wire.send(b"b"), wire.send(b"c")
    two.cancel()
    wire.data_received(b":1\r\n:2\r\n:3\r\n")
    assert (await one, await three) == (1, 3)
    assert wire.is_idle


async def test_what_was_not_written_was_certainly_not_sent(wire: Pipeline) -> None:
    sent = [wire.send(b"a"), wire.send(b"b", replies=2)]
    await asyncio.sleep(0)
    unsent = [wire.send(b"c"), wire.send(b"d", replies=2), wire.send(b"e")]
    wire.connection_lost(ConnectionResetError("reset by peer"))
    outcomes = await asyncio.gather(*sent, *unsent, return_exceptions=True)
    closings = [outcome for outcome in outcomes if isinstance(outcome, PipelineClosedError)]
    assert [closing.sent for closing in closings] == [True, True, False, False, False]
    assert {str(outcome) for outcome in outcomes} == {"reset by peer"}
    with pytest.raises(PipelineClosedError, match="reset by peer") as closed:
        await wire.send(b"f")
    assert not closed.value.sent
    assert not wire.is_open


async def test_nothing_is_written_to_a_wire_that_was_closed_in_the_same_turn(wire: Pipeline, sink: Sink) -> None:
    left, waiting = wire.send(b"a"), wire.send(b"b")
    wire.close("the storage was closed")
    ends: list[bool] = []
    for reply in (left, waiting):
        with pytest.raises(PipelineClosedError, match="the storage was closed") as closed:
            await reply
        ends.append(closed.value.sent)
    assert ends == [True, False]
    await asyncio.sleep(0)
    assert sink.writes == [b"a"]
    assert sink.closing


@pytest.mark.parametrize(
    ("said", "told"),
    [
        pytest.param(b"?what\r\n", "does not speak the protocol", id="no_protocol"),
        pytest.param(b":1\r\n:2\r\n", "a reply without a request", id="unasked"),
        pytest.param(b"$1000\r\n" + b"x" * 101, "more than 100 bytes", id="too_long"),
        pytest.param(b"*1000\r\n" + b":1\r\n" * 30, "more than 100 bytes", id="too_many"),
    ],
)
async def test_a_server_out_of_its_mind_is_left(wire: Pipeline, sink: Sink, said: bytes, told: str) -> None:
    wire.send(b"a").add_done_callback(lambda reply: reply.exception())
    wire.data_received(said)
    assert sink.closing
    with pytest.raises(PipelineClosedError, match=told):
        await wire.send(b"b")


async def test_long_replies_one_after_the_other_are_no_long_reply(wire: Pipeline) -> None:
    for _ in range(10):
        reply = wire.send(b"a")
        for piece in (b"$90\r\n", b"x" * 90, b"\r\n"):
            wire.data_received(piece)
        assert await reply == b"x" * 90


async def test_who_sends_waits_while_the_server_does_not_read(wire: Pipeline) -> None:
    assert wire.is_writable
    wire.pause_writing()
    waiting = asyncio.create_task(wire.writable())
    await asyncio.sleep(0)
    assert not waiting.done()
    wire.resume_writing()
    await waiting
    wire.pause_writing()
    wire.connection_lost(None)
    await wire.writable()


class Server:
    """Answers ECHO with its argument, but `silence` and `hang up` otherwise; counts connections and requests."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def __call__(self, command: list[bytes]) -> bytes | None:
        if command[0] != b"ECHO":
            return b"+OK\r\n"
        self.seen.append(command[1])
        return {b"silence": SILENCE, b"hang up": HANG_UP}.get(command[1], bulk(command[1]))


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def transport(tmp_path: Any, server: Server) -> AsyncIterator[Channel]:
    async with fake_server(tmp_path, server) as url:
        address = parse_address(url)
        assert isinstance(address, UnixAddress)
        opened = Channel(address, connect_timeout=5, reply_timeout=0.3, max_requests=100)
        yield opened
        await opened.aclose()


async def test_an_overdue_reply_costs_only_who_waits_for_it(transport: Channel, server: Server) -> None:
    """Requests under way keep their connection; later ones get a new one."""
    overdue = asyncio.create_task(transport.request("ECHO", "silence"))
    await until(lambda: server.seen)
    first = transport._pipeline
    with pytest.raises(ReplyLostError, match=r"no answer within 0\.3 s"):
        await overdue
    assert await transport.request("ECHO", "a") == b"a"
    assert transport._pipeline is not first
    assert first is not None
    assert not first.is_open


async def test_a_wire_with_an_overdue_reply_serves_those_who_still_wait(transport: Channel, server: Server) -> None:
    overdue = asyncio.create_task(transport.request("ECHO", "silence"))
    await until(lambda: server.seen)
    wire = transport._pipeline
    assert wire is not None
    other = wire.send(b"*2\r\n$4\r\nECHO\r\n$7\r\nsilence\r\n")
    with pytest.raises(ReplyLostError):
        await overdue
    assert wire.is_open
    wire.data_received(bulk(b"too late") + bulk(b"a"))
    assert await other == b"a"


async def test_a_lost_connection_is_told_and_made_again(transport: Channel, server: Server) -> None:
    for _ in range(3):
        with pytest.raises(ReplyLostError):
            await transport.request("ECHO", "hang up")
        assert await transport.request("ECHO", "a") == b"a"


async def test_all_who_need_a_connection_wait_for_the_same_one(transport: Channel) -> None:
    requests = [asyncio.create_task(transport.request("ECHO", str(number))) for number in range(20)]
    await asyncio.sleep(0)
    requests[0].cancel()
    replies = await asyncio.gather(*requests, return_exceptions=True)
    assert isinstance(replies[0], asyncio.CancelledError)
    assert replies[1:] == [b"%d" % number for number in range(1, 20)]


async def test_closing_while_connecting_sends_nothing(transport: Channel, server: Server) -> None:
    requests = [asyncio.create_task(transport.request("ECHO", "a")) for _ in range(3)]
    await asyncio.sleep(0)
    await transport.aclose()
    outcomes = await asyncio.gather(*requests, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [NotSentError] * 3
    assert server.seen == []


async def test_no_server_listens(tmp_path: Any) -> None:
    transport = Channel(UnixAddress(str(tmp_path / "s")), connect_timeout=5, reply_timeout=5, max_requests=1)
    for _ in range(2):
        with pytest.raises(UnreachableError):
            await transport.request("PING")
    await transport.aclose()
