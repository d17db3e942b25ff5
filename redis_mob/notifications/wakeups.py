"""Wakes waiting readers when something was published; they read what it was.

A wake-up that is lost does no harm, since readers also look from time to time (decision 0004).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

from redis_mob.connection.calls.client import Client
from redis_mob.connection.failures import TransportError
from redis_mob.connection.retry import RetryPolicy
from redis_mob.connection.servers.dedicated import DedicatedConnection
from redis_mob.notifications.wake_up_flag import WakeUpFlag

_log = logging.getLogger(__name__)

_RETRY = RetryPolicy(base=0.05, cap=5.0)
_SILENCE = 15.0
"""Seconds without a word after which the server is asked whether it is still there; as long again, and it is not."""


class WakeUps:
    """All listeners of one storage, on one connection of their own.

    A lost connection is made again with growing pauses; meanwhile no flag is set and waits end by their timeout.
    """

    def __init__(self, client: Client) -> None:
        self._router = client.router
        self._name = repr(client)
        self._flags: dict[bytes, set[WakeUpFlag]] = {}
        self._heard: set[bytes] = set()
        self._line: DedicatedConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncGenerator[WakeUpFlag]:
        """A flag for this channel, until the block ends.

        It is set once when the channel begins to be heard, at first and again after a lost connection: a reader that
        reads after each wake-up misses nothing.
        """
        name, flag = channel.encode(), WakeUpFlag()
        others = self._flags.setdefault(name, set())
        others.add(flag)
        if name in self._heard:
            flag.set()
        try:
            if len(others) == 1:
                await self._tell(b"SSUBSCRIBE", name)
            if self._task is None and not self._closed:
                self._task = asyncio.create_task(self._run(), name="redis_mob wake-ups")
            yield flag
        finally:
            others.discard(flag)
            if not others and self._flags.get(name) is others:
                del self._flags[name]
                self._heard.discard(name)
                await self._tell(b"SUNSUBSCRIBE", name)

    async def aclose(self) -> None:
        """Stop listening and close the connection; flags that are left are never set again."""
        self._closed = True
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()

    async def _tell(self, command: bytes, *channels: bytes) -> None:
        if self._line is not None:
            with suppress(TransportError):
                await self._line.send(command, *channels)

    async def _run(self) -> None:
        pauses: Iterator[float] | None = None
        while True:
            try:
                self._line = await self._router.dedicated_connection()
                if self._flags:
                    await self._line.send(b"SSUBSCRIBE", *self._flags)
                while True:
                    self._hear(await self._next_message(self._line))
                    pauses = None
            except TransportError as error:
                level = logging.WARNING if pauses is None else logging.DEBUG
                _log.log(level, "%s: wake-ups interrupted, reconnecting: %s", self._name, error)
            finally:
                await self._hang_up()
            pauses = pauses or _RETRY.pauses()
            await asyncio.sleep(next(pauses))

    async def _next_message(self, line: DedicatedConnection) -> Any:
        message = await line.receive(_SILENCE)
        if message is None:
            await line.send(b"PING")
            message = await line.receive(_SILENCE)
        if message is None:
            raise TransportError(f"the server has been silent for {2 * _SILENCE:g} s")
        return message

    def _hear(self, message: Sequence[Any]) -> None:
        kind, channel, *_ = message
        if kind == b"sunsubscribe" and channel in self._heard:
            raise TransportError("the server holds this namespace no more")
        if kind == b"ssubscribe" and channel in self._flags:
            self._heard.add(channel)
        if kind in (b"ssubscribe", b"smessage"):
            for flag in self._flags.get(channel, ()):
                flag.set()

    async def _hang_up(self) -> None:
        line, self._line = self._line, None
        self._heard.clear()
        if line is not None:
            await line.aclose()
