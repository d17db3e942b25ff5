"""fakeredis behind a socket, so that a storage can be opened on it as on a server.

It lacks two commands without which none opens, INFO and EVALSHA_RO: the first is answered here, the second given to it
as EVALSHA. It is a double, no server: passing there proves nothing about a real one. Its own socket server is not used,
because it loses commands now and then.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from typing import Any, cast

import hiredis
from fakeredis import FakeRedis, FakeServer
from redis.exceptions import NoScriptError, RedisError

INFO = b"redis_version:7.2.0\r\nredis_mode:standalone\r\n"


@contextmanager
def fakeredis_server() -> Generator[str]:
    """The URL of a fakeredis that lives as long as the block."""
    with closing(asyncio.new_event_loop()) as loop:
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        fake = _FakeredisServer()
        port = asyncio.run_coroutine_threadsafe(fake.start(), loop).result()
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            asyncio.run_coroutine_threadsafe(fake.end(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()


class _FakeredisServer:
    """Executes the commands of all clients one after the other."""

    def __init__(self) -> None:
        self._data = FakeServer(version=(7, 2))
        self._clients: dict[asyncio.StreamWriter, Any] = {}

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    async def end(self) -> None:
        self._server.close()
        serving = asyncio.all_tasks() - {asyncio.current_task()}
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pool: Any = cast("Any", FakeRedis(server=self._data, protocol=2).connection_pool)
        client = self._clients[writer] = pool.get_connection()
        parser = hiredis.Reader()
        try:
            while data := await reader.read(65536):
                parser.feed(data)
                while (command := parser.gets()) is not False:
                    self._execute(client, writer, *command)
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client has gone, or the server ends
        finally:
            del self._clients[writer]
            pool.disconnect()
            writer.close()

    def _execute(self, client: Any, writer: asyncio.StreamWriter, name: bytes, *arguments: bytes) -> None:
        if name == b"INFO":
            writer.write(_encoded(INFO))
            return
        client.send_command(b"EVALSHA" if name == b"EVALSHA_RO" else name, *arguments)
        for waiting, connection in self._clients.items():
            while connection.can_read(0):
                waiting.write(_encoded(_next_reply(connection)))


def _next_reply(connection: Any) -> Any:
    try:
        return connection.read_response()
    except RedisError as error:
        return error


def _encoded(reply: Any) -> bytes:
    match reply:
        case None:
            return b"$-1\r\n"
        case int():
            return b":%d\r\n" % reply
        case bytes():
            return b"$%d\r\n%s\r\n" % (len(reply), reply)
        case list() | tuple():
            items = cast("Sequence[Any]", reply)
            return b"*%d\r\n%s" % (len(items), b"".join(map(_encoded, items)))
        case NoScriptError():
            return b"-NOSCRIPT %s\r\n" % str(reply).encode()
        case _:
            return b"-ERR %s\r\n" % str(reply).encode()
