"""A proxy in front of a server that does to requests what bad networks and dying servers do, one at a time.

    async with fault_proxy("redis://localhost:6379", at_random(seed=7, one_in=10)) as proxy:
        async with MobStorage.open(proxy.url, namespace="x") as storage:
            ...

What happens to a request is decided when it arrives, by a script or at random; `proxy.done` and `proxy.count` say
afterwards what was done. Requests of one connection are passed on one after the other, so that every reply has its
request. Connections that subscribe are passed through as they are, and can only be cut.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Any, TypeAlias, cast

import hiredis

from redis_mob.connection.servers.address import TcpAddress, UnixAddress
from redis_mob.connection.servers.url import parse_address
from redis_mob.errors import ValidationError

_CHUNK = 65536
_NOTHING_YET = object()
_HANDSHAKE = frozenset({b"HELLO", b"AUTH", b"CLIENT", b"SELECT", b"INFO", b"PING", b"READONLY", b"CLUSTER"})
_SUBSCRIBES = frozenset({b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE"})

_pack = cast("Callable[[tuple[bytes, ...]], bytes]", hiredis.pack_command)  # its stub knows one part only
_new_reader = cast("Callable[..., Any]", hiredis.Reader)  # its stub does not know notEnoughData


class Fault(Enum):
    """What becomes of a request. In all cases but the first and the last, the connection is lost to the client."""

    NONE = "none"
    """It is passed on, and so is its reply."""
    CUT_BEFORE = "cut before"
    """The connection is cut before the server sees any of it."""
    LATE = "late"
    """The connection is cut before the server sees any of it, and the server executes it later."""
    CUT_WITHIN = "cut within"
    """The server sees the first half of it, and then the end of the connection."""
    CUT_AFTER = "cut after"
    """The server executes it, and the connection is cut before the reply."""
    TRUNCATED = "truncated"
    """The server executes it, and the client gets the first half of the reply, then the end of the connection."""
    BLACK_HOLE = "black hole"
    """The server sees nothing of it, and the client hears nothing more: the connection stays open, and is dead."""
    REPLY_DROPPED = "reply dropped"
    """The server executes it, and the client hears nothing more: the connection stays open, and is dead."""
    REPLY_DELAYED = "reply delayed"
    """The server executes it, and the reply comes late."""


EXECUTED = frozenset({Fault.NONE, Fault.CUT_AFTER, Fault.TRUNCATED, Fault.REPLY_DROPPED, Fault.REPLY_DELAYED})
"""The faults under which the server executes the request before the client can know of anything."""

REMEMBERED = 10_000
"""How many requests a proxy remembers."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it arrives: its number among all, from 1, that of its connection, and its words."""

    number: int
    connection: int
    words: Sequence[bytes]

    @property
    def is_handshake(self) -> bool:
        """Whether it only makes the connection usable."""
        return self.words[0].upper() in _HANDSHAKE


Plan: TypeAlias = Callable[[Request], Fault]
"""Decides what becomes of each request, in the order in which they arrive."""


def in_order(faults: Iterable[Fault]) -> Plan:
    """These faults for the requests as they come, handshakes not counted; none once they are used up."""
    left = iter(faults)
    return lambda request: Fault.NONE if request.is_handshake else next(left, Fault.NONE)


def at_random(*, seed: int, one_in: int, faults: Sequence[Fault] = tuple(set(Fault) - {Fault.NONE})) -> Plan:
    """One of these faults for about one in so many requests, handshakes not counted.

    The same seed makes the same choices for the same requests.
    """
    random, choices = Random(seed), sorted(faults, key=lambda fault: fault.value)

    def chosen(request: Request) -> Fault:
        if request.is_handshake or random.randrange(one_in):
            return Fault.NONE
        return random.choice(choices)

    return chosen


class FaultProxy:
    """A running proxy; `fault_proxy` makes it. `url` is where clients connect."""

    def __init__(self, address: TcpAddress | UnixAddress, plan: Plan, delay: float) -> None:
        self.plan: Plan = plan
        """May be replaced at any time."""
        self.done: deque[tuple[Request, Fault]] = deque(maxlen=REMEMBERED)
        """The last requests, and what was done to each."""
        self.connections = 0
        """How many were ever made."""
        self._address = address
        self._delay = delay
        self._counted: Counter[Fault] = Counter()
        self._passages: dict[_Passage, asyncio.Task[Any]] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._refusing = False
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The URL of the proxy, with the credentials and the database of the server behind it."""
        assert self._server is not None, "a proxy that is made is running"
        host, port = self._server.sockets[0].getsockname()[:2]
        return TcpAddress(host, port, self._address.db, self._address.credentials).url

    def count(self, *faults: Fault) -> int:
        """How many requests have met one of these faults."""
        return sum(self._counted[fault] for fault in set(faults))

    async def all_arrived(self) -> None:
        """Wait until no request is late any more."""
        if self._late:
            await asyncio.wait(self._late)

    def refuse(self) -> None:
        """Cut all connections, and every new one at once, as a server does that is down."""
        self._refusing = True
        self.cut_all()

    def accept(self) -> None:
        """Take connections again."""
        self._refusing = False

    def cut_all(self) -> None:
        """Cut all connections that are open now."""
        for passage in self._passages:
            passage.cut()

    async def start(self) -> None:
        """Listen on a free port of this machine."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def aclose(self) -> None:
        """Stop listening, and cut all connections."""
        if self._server is not None:
            self._server.close()
            for task in self._passages.values():
                task.cancel()
            await asyncio.gather(*self._passages.values(), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        self.connections += 1
        try:
            replies, requests = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        passage, task = _Passage(self, self.connections, reader, writer, replies, requests), asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        self._passages[passage] = task
        try:
            await passage.run()
        except (OSError, asyncio.CancelledError, hiredis.ProtocolError):
            pass  # one of the two has cut the connection or speaks another protocol, or the proxy ends
        finally:
            del self._passages[passage]
            self._late.discard(task)
            passage.cut()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._address, UnixAddress):
            return await asyncio.open_unix_connection(self._address.path)
        return await asyncio.open_connection(self._address.host, self._address.port)

    def decide(self, connection: int, words: Sequence[bytes]) -> Fault:
        """What becomes of the next request."""
        request = Request(self._counted.total() + 1, connection, words)
        fault = self.plan(request)
        self.done.append((request, fault))
        self._counted[fault] += 1
        return fault

    def is_late(self, passage: _Passage) -> None:
        """The passage holds a request that is still to arrive."""
        self._late.add(self._passages[passage])

    async def delay(self) -> None:
        """Let the time pass by which requests and replies are late."""
        await asyncio.sleep(self._delay)


@asynccontextmanager
async def fault_proxy(url: str, plan: Plan | None = None, *, delay: float = 0.05) -> AsyncGenerator[FaultProxy]:
    """A proxy on a free port of this machine, in front of the server at `url`, until the block ends.

    Without a plan nothing happens to requests until one is given. Late requests and delayed replies come `delay`
    seconds late. Raises ValidationError for a URL that names no single server.
    """
    address = parse_address(url)
    if not isinstance(address, TcpAddress | UnixAddress) or (isinstance(address, TcpAddress) and address.tls):
        raise ValidationError("a fault proxy stands in front of one server: give it a redis:// or unix:// URL")
    proxy = FaultProxy(address, plan or in_order(()), delay)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.aclose()


class _Passage:
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(
        self,
        proxy: FaultProxy,
        number: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        replies: asyncio.StreamReader,
        requests: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._number = number
        self._reader = reader
        self._writer = writer
        self._replies = replies
        self._requests = requests

    def cut(self) -> None:
        """End both connections at once."""
        for end in (self._writer, self._requests):
            end.transport.abort()

    async def run(self) -> None:
        """Pass on requests and replies until one side ends, or a fault ends both."""
        parser = _new_reader(notEnoughData=_NOTHING_YET)
        while data := await self._reader.read(_CHUNK):
            parser.feed(data)
            while (words := parser.gets()) is not _NOTHING_YET:
                if words[0].upper() in _SUBSCRIBES:
                    return await self._pass_through(_pack(tuple(words)))
                if not await self._pass_on(words):
                    return None
        return None

    async def _pass_on(self, words: Sequence[bytes]) -> bool:
        """Do to a request what is to be done to it; whether the connection still lives."""
        fault, request = self._proxy.decide(self._number, words), _pack(tuple(words))
        match fault:
            case Fault.CUT_BEFORE:
                return False
            case Fault.CUT_WITHIN:
                self._requests.write(request[: len(request) // 2])
                await self._requests.drain()
                self._requests.write_eof()
                await self._replies.read()
                return False
            case Fault.LATE:
                self._proxy.is_late(self)
                self._writer.transport.abort()
                await self._proxy.delay()
                self._requests.write(request)
                await self._whole_reply()
                return False
            case Fault.BLACK_HOLE:
                return await self._swallow()
            case _:
                self._requests.write(request)
                reply = await self._whole_reply()
        match fault:
            case Fault.CUT_AFTER:
                return False
            case Fault.REPLY_DROPPED:
                return await self._swallow()
            case Fault.TRUNCATED:
                self._writer.write(reply[: len(reply) // 2])
                await self._writer.drain()
                return await self._hang_up()
            case Fault.REPLY_DELAYED:
                await self._proxy.delay()
            case _:
                pass
        self._writer.write(reply)
        await self._writer.drain()
        return True

    async def _whole_reply(self) -> bytes:
        """The bytes of one reply; bytes of another cannot be among them, since one request is under way at a time."""
        parser, reply = _new_reader(notEnoughData=_NOTHING_YET), b""
        while parser.gets() is _NOTHING_YET:
            data = await self._replies.read(_CHUNK)
            if not data:
                raise ConnectionResetError("the server closed the connection")
            parser.feed(data)
            reply += data
        return reply

    async def _swallow(self) -> bool:
        """Hear what the client says, and say nothing, until it goes."""
        while await self._reader.read(_CHUNK):
            pass
        return False

    async def _hang_up(self) -> bool:
        """End the connection after what was written to it."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
        return False

    async def _pass_through(self, first: bytes) -> None:
        self._requests.write(first)
        both = [_copy(self._reader, self._requests), _copy(self._replies, self._writer)]
        tasks = [asyncio.create_task(one) for one in both]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
