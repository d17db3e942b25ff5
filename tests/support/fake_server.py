"""A server that says what a test wants it to say, for what no real server can be brought to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import hiredis

HANG_UP = b""
"""An answer that closes the connection instead."""

SILENCE = None
"""An answer that never comes."""

Answer = bytes | None
Handler = Callable[[list[bytes]], Answer]

INFO = b"redis_version:7.2.4\r\nredis_mode:standalone\r\n"


def bulk(text: bytes) -> bytes:
    """A RESP bulk string."""
    return b"$%d\r\n%s\r\n" % (len(text), text)


def usual(command: list[bytes]) -> Answer:
    """What a harmless Redis 7.2 answers."""
    return bulk(INFO) if command[0] == b"INFO" else b"+OK\r\n"


@asynccontextmanager
async def fake_server(directory: Path, answer: Handler) -> AsyncGenerator[str]:
    """The URL of a server on a Unix socket in `directory` that answers each command with `answer(command)`."""
    open_writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.add(writer)
        parser = hiredis.Reader()
        with suppress(ConnectionError):  # the client has gone meanwhile
            while received := await reader.read(65536):
                parser.feed(received)
                while (command := parser.gets()) is not False:
                    reply = answer(command)
                    if reply == HANG_UP:
                        writer.close()
                        return
                    if reply is not None:
                        writer.write(reply)
        writer.close()

    path = directory / "fake.sock"
    server = await asyncio.start_unix_server(serve, path)
    try:
        yield f"unix://{path}"
    finally:
        server.close()
        for _ in range(5):  # a connection that is just being accepted is ours to close, once `serve` has it
            await asyncio.sleep(0)
        for writer in open_writers:
            writer.close()
        for writer in open_writers:
            with suppress(ConnectionError):
                await writer.wait_closed()
