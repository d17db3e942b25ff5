"""A server of a test that speaks HTTP: it hands requests to a function, and sends what that gives, byte by byte.

Its own server and not a framework: tests need broken, endless and silent responses too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Response:
    """A response; what an iterator gives is sent piece by piece, and the connection is closed behind it."""

    body: bytes | AsyncIterator[bytes] = b""
    status: str = "200 OK"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


Answer = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True)
class Service:
    """The server while it runs."""

    answer: Answer
    url: str = ""
    requests: list[Request] = field(default_factory=list[Request])
    sent: int = 0
    """Bytes of bodies that were sent."""
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a client has closed its connection before it had the whole response."""

    came: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a request has come."""
    serving: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection, in a task that ends with the service."""
        task = asyncio.create_task(self._serve(reader, writer))
        self.serving.add(task)
        task.add_done_callback(self.serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append(request := await _read(reader))
            self.came.set()
            answering = asyncio.create_task(self._answered(request, writer))
            leaving = asyncio.create_task(reader.read(1))
            try:
                await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if not answering.done() or answering.exception() is not None:
                    self.hung_up.set()
            finally:
                answering.cancel()
                leaving.cancel()
                await asyncio.gather(answering, leaving, return_exceptions=True)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.hung_up.set()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _answered(self, request: Request, writer: asyncio.StreamWriter) -> None:
        response = await self.answer(request)
        headers = {"Connection": "close", **response.headers}
        if isinstance(response.body, bytes):
            headers = {"Content-Length": str(len(response.body)), **headers}
        lines = [f"HTTP/1.1 {response.status}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        writer.write("\r\n".join(lines).encode())
        if isinstance(response.body, bytes):
            await self._send(writer, response.body)
            return
        async for piece in response.body:
            await self._send(writer, piece)

    async def _send(self, writer: asyncio.StreamWriter, piece: bytes) -> None:
        writer.write(piece)
        await writer.drain()
        self.sent += len(piece)


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = head[0].split()
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    return Request(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))


@asynccontextmanager
async def service(answer: Answer) -> AsyncGenerator[Service]:
    """A service that answers like this, until the block ends."""
    running = Service(answer)
    server = await asyncio.start_server(running.accept, "127.0.0.1", 0)
    running.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield running
    finally:
        server.close()
        serving = list(running.serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
