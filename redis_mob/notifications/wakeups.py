"""Wakes waiting readers when something was published; they read what it was.

A wake-up that is lost does no harm, since readers also look from time to time (decision 0004).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

from redis_mob.connection.calls.client import Client
from redis_mob.connection.failures import TransportError
from redis_mob.connection.retry import RetryPolicy
from redis_mob.connection.servers.dedicated import DedicatedConnection
from redis_mob.notifications.wake_up_flag import Concern, WakeUpFlag

_log = logging.getLogger(__name__)

_RETRY = RetryPolicy(base=0.05, cap=5.0)
_SILENCE = 15.0
"""Seconds without a word after which the server is asked whether it is still there; as long again, and it is not."""

_STEADY = 5.0
"""Seconds that a connection has to last for an outage to be over.

A network that cuts connections all the time lets them be made again each time. That is one outage, with one warning and
with pauses that go on growing, and not a new one after each connection.
"""


class _MovedError(TransportError):
    """The namespace has moved to another server, as it may in a Cluster: that is no outage."""


class WakeUps:
    """All listeners of one storage, on one connection of their own.

    A lost connection is made again with growing pauses; meanwhile no flag is set and waits end by their timeout. An
    outage is logged once as a warning when it begins, and once as information when it is over.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._router = client.router
        self._name = repr(client)
        self._flags: dict[bytes, set[WakeUpFlag]] = {}
        self._heard: set[bytes] = set()
        self._leaving: Counter[bytes] = Counter()
        """How many replies to SUNSUBSCRIBE are still to come on this connection for each channel."""
        self._pauses: Iterator[float] | None = None
        """The pauses of the outage that is under way."""
        self._end_of_outage: asyncio.TimerHandle | None = None
        self._line: DedicatedConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()

    @asynccontextmanager
    async def listen(
        self, channel: str, concerns: Concern | None = None, *, flag: WakeUpFlag | None = None
    ) -> AsyncGenerator[WakeUpFlag]:
        """A flag for this channel, or for those of its messages that `concerns` accepts, until the block ends.

        It is a new one unless a flag is given.

        It is set once when the channel begins to be heard, at first and again after a lost connection: a reader that
        reads after each wake-up misses nothing. Raises InternalError if the client was closed, or belongs to another
        event loop.
        """
        self._client.check_usable()
        name, flag = channel.encode(), WakeUpFlag(concerns) if flag is None else flag
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
                if self._line is not None:
                    self._leaving[name] += 1  # before it is sent: another listener may come while this waits
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

    async def _tell(self, command: bytes, channel: bytes) -> None:
        """Send it, if there is a connection: each new one begins with all channels that have listeners."""
        if self._line is not None:
            with suppress(TransportError):
                await self._line.send(command, channel)

    async def _run(self) -> None:
        while True:
            try:
                self._line = await self._router.dedicated_connection()
                if self._flags:
                    await self._line.send(b"SSUBSCRIBE", *self._flags)
                while True:
                    self._take(await self._next_message(self._line))
                    if self._pauses is not None and self._end_of_outage is None:
                        self._end_of_outage = asyncio.get_running_loop().call_later(_STEADY, self._outage_is_over)
            except _MovedError:
                _log.info("%s: the namespace has moved to another server, reconnecting for wake-ups", self._name)
                pause = next(_RETRY.pauses())
            except TransportError as error:
                level = logging.WARNING if self._pauses is None else logging.DEBUG
                _log.log(level, "%s: wake-ups interrupted, reconnecting: %s", self._name, error)
                self._pauses = self._pauses or _RETRY.pauses()
                pause = next(self._pauses)
            finally:
                await self._hang_up()
            await asyncio.sleep(pause)

    def _outage_is_over(self) -> None:
        self._pauses = self._end_of_outage = None
        _log.info("%s: wake-ups arrive again", self._name)

    async def _next_message(self, line: DedicatedConnection) -> Any:
        message = await line.receive(_SILENCE)
        if message is None:
            await line.send(b"PING")
            message = await line.receive(_SILENCE)
        if message is None:
            raise TransportError(f"the server has been silent for {2 * _SILENCE:g} s")
        return message

    def _take(self, message: Any) -> None:
        try:
            self._hear(message)
        except (TypeError, ValueError, LookupError) as error:
            raise TransportError(f"what the server sends is no message: {type(error).__name__}") from error

    def _hear(self, message: Sequence[Any]) -> None:
        kind, channel, *content = message
        if kind == b"sunsubscribe":
            self._left(channel)
        if kind == b"ssubscribe" and channel in self._flags:
            self._heard.add(channel)
        for flag in self._flags.get(channel, ()):
            if kind == b"ssubscribe":
                flag.set()
            elif kind == b"smessage":
                flag.hear(content[0])

    def _left(self, channel: bytes) -> None:
        """The server has ended the subscription to a channel, because we asked for it, or because it has moved.

        The reply to an earlier SUNSUBSCRIBE may come when the channel is subscribed to anew: only one that nothing was
        sent for tells that the slot is another server's.
        """
        self._heard.discard(channel)
        if self._leaving[channel]:
            self._leaving[channel] -= 1
        elif channel in self._flags:
            raise _MovedError("the server holds this namespace no more")

    async def _hang_up(self) -> None:
        line, self._line = self._line, None
        self._heard.clear()
        self._leaving.clear()
        if self._end_of_outage is not None:
            self._end_of_outage.cancel()
            self._end_of_outage = None
        if line is not None:
            await line.aclose()
