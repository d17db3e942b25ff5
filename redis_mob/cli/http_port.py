"""A port of a command that answers short requests over HTTP, one of each connection."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

from redis_mob.errors import ValidationError
from redis_mob.http_serving import http_url

REQUEST_SECONDS = 5.0
"""How long a client may take to send its request."""

ANSWER_SECONDS = 30.0
"""How long it may take to read the answer."""

MOST_CLIENTS = 200
"""Connections at a time; others are closed without an answer."""

LONGEST_REQUEST = 8192


class Place(NamedTuple):
    """Where a port is."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Its address."""
        return http_url(*self)


class Request(NamedTuple):
    """What a client asks for; names of headers may be written in any case."""

    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What it is told."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


_UNREADABLE = (
    TimeoutError,
    asyncio.IncompleteReadError,
    asyncio.LimitOverrunError,
    ValueError,
    http.client.HTTPException,
)

Answering = Callable[[Request], Awaitable[Answer]]


@contextlib.asynccontextmanager
async def http_port(place: Place, option: str, answer: Answering) -> AsyncGenerator[Place]:
    """Answer there while the block lasts. Port 0 is any free one; yields the place with the one that it is.

    Raises ValidationError naming the option if the place cannot be used.
    """
    clients = 0

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal clients
        clients += 1
        try:
            if clients <= MOST_CLIENTS:
                await _send(writer, await _response(reader, answer))
        except (ConnectionError, TimeoutError, asyncio.CancelledError):
            # what it has not read is not kept for it; asyncio would report one that is cancelled, as at the end, as an
            # error
            writer.transport.abort()
        finally:
            clients -= 1
            writer.close()

    try:
        server = await asyncio.start_server(answered, *place, limit=LONGEST_REQUEST)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValidationError(f"{option} {place.port}: cannot listen on {place.host}: {reason}") from None
    try:
        yield place._replace(port=server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def _send(writer: asyncio.StreamWriter, response: bytes) -> None:
    writer.transport.set_write_buffer_limits(0)  # so that it is drained when all is sent
    writer.write(response)
    async with asyncio.timeout(ANSWER_SECONDS):
        await writer.drain()


async def _response(reader: asyncio.StreamReader, answer: Answering) -> bytes:
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        line, _, rest = head.partition(b"\r\n")
        method, target, *_ = line.decode("ascii").split(" ")
        headers = http.client.parse_headers(io.BytesIO(rest))
    except _UNREADABLE:
        return _bytes_of(Answer(b"", HTTPStatus.BAD_REQUEST), is_shown=True)
    if method not in ("GET", "HEAD"):
        return _bytes_of(Answer(b"", HTTPStatus.METHOD_NOT_ALLOWED), is_shown=True)
    given = await answer(Request(target.partition("?")[0], headers))  # pyright: ignore[reportArgumentType] - a Message
    return _bytes_of(given, is_shown=method == "GET")


def _bytes_of(answer: Answer, *, is_shown: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {answer.status} {answer.status.phrase}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        "Cache-Control: no-store",
        "Connection: close",
        *(f"{name}: {value}" for name, value in answer.headers),
    ]
    head = "".join(f"{line}\r\n" for line in lines) + "\r\n"
    return head.encode() + (answer.body if is_shown else b"")
