"""Waits until writes are as safe as asked, many at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from redis_mob.codec.hashes import as_mapping
from redis_mob.connection.durability import Durability
from redis_mob.connection.routing import Router
from redis_mob.connection.scripts import script
from redis_mob.connection.server_info import ServerInfo
from redis_mob.connection.sessions import Sessions, Slot
from redis_mob.connection.transport import Line, ReplyLost, ServerRefusal, TransportError
from redis_mob.errors import StorageUnavailableError

_log = logging.getLogger(__name__)

_CONFIRM = script("meta/confirm")

_ROUND = 1.0
"""Seconds for which the server is asked to wait at a time."""

_ANSWER = 5.0
"""Seconds more within which it has to answer."""


async def waited_for_on(server: ServerInfo, wanted: Durability, ask: Callable[..., Awaitable[Any]]) -> Durability:
    """What has to be waited for on this server, which is asked with `ask`, to get what is wanted.

    Raises StorageUnavailableError if the server cannot give it, a TransportError if it does not answer.
    """
    if not wanted.fsync:
        return wanted
    if b"aof_enabled:1" not in await ask(b"INFO", b"persistence"):
        raise StorageUnavailableError(
            "durability fsync: the server keeps no append-only file: set appendonly yes; an embedded: server keeps one "
            "in a directory, as in embedded:/var/lib/fleet"
        )
    settings = await _settings(ask)
    if settings.get(b"appendfsync") == b"always" and settings.get(b"no-appendfsync-on-rewrite") == b"no":
        return Durability()  # what it has answered is on its disk
    if server.has_waitaof:
        _log.warning(
            "durability fsync: %s is trusted with WAITAOF, which says too early that its disk has a write if "
            "appendfsync is everysec (redis/redis#13793): that survives the end of its process, not a power failure; "
            "set appendfsync always and no-appendfsync-on-rewrite no",
            server,
        )
        return wanted
    raise StorageUnavailableError(
        f"durability fsync: {server} has no WAITAOF: set appendfsync always and no-appendfsync-on-rewrite no, and let "
        "the user of the URL read them with CONFIG GET; or use Redis 7.2 or a Valkey"
    )


async def _settings(ask: Callable[..., Awaitable[Any]]) -> dict[bytes, bytes]:
    """What may be read of the settings that matter; managed servers show none."""
    try:
        flat: list[bytes] = await ask(b"CONFIG", b"GET", b"*appendfsync*")
    except ServerRefusal:
        return {}
    return as_mapping(flat)


class NotSafe(TransportError):  # noqa: N818
    """The write has happened, and was not as safe as asked in time; `reached` says how far it came."""

    def __init__(self, reached: str) -> None:
        super().__init__(f"only {reached} had it in time")
        self.reached = reached


class Unconfirmed(TransportError):  # noqa: N818
    """A server has answered a write, and it cannot be told whether that is safe: the write may be lost with it."""


@dataclass(slots=True)
class _Waiting:
    slot: Slot
    confirmed: asyncio.Future[None]


class Confirmations:
    """Waits until writes are safe, on a connection of its own: one wait for all that came while another was under way.

    Before each wait the server shows that it has the receipts, so that no server answers for writes of another.
    """

    def __init__(self, router: Router, sessions: Sessions, durability: Durability) -> None:
        self._router = router
        self._sessions = sessions
        self._durability = durability
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None
        self._line: Line | None = None

    async def confirm(self, slot: Slot) -> None:
        """Wait until the last call of a slot, which was answered, is safe.

        Raises NotSafe if it is not after a while, Unconfirmed if that cannot be told.
        """
        waiting = _Waiting(slot, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="redis_mob waits for durability")
        await waiting.confirmed

    async def aclose(self) -> None:
        """Close the connection; who still waits is told that nothing is confirmed."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._hang_up()

    async def _run(self) -> None:
        batch: list[_Waiting] = []
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    await self._confirm(batch)
                except TransportError as error:
                    await self._hang_up()
                    _end(batch, lambda error=error: Unconfirmed(str(error)))
        finally:
            self._task = None
            _end([*batch, *self._waiting], lambda: Unconfirmed("the storage was closed"))
            self._waiting.clear()

    async def _confirm(self, batch: list[_Waiting]) -> None:
        line = await self._opened()
        clients: dict[str, list[_Waiting]] = {}
        for waiting in batch:
            clients.setdefault(waiting.slot.session.client, []).append(waiting)
        for client, of_client in clients.items():
            calls = [part for one in of_client for part in (one.slot.number, one.slot.sequence)]
            await line.send(b"EVALSHA", _CONFIRM.sha, 1, self._sessions.key(client), *calls)
        await line.send(*self._durability.command(int(_ROUND * 1000)))
        for of_client in clients.values():
            missing: list[int] = await _reply(line)
            _end([of_client[place - 1] for place in missing], lambda: Unconfirmed("the server has lost the write"))
        reached = self._durability.reached(await _reply(line))
        _end(batch, lambda: None if reached is None else NotSafe(reached))

    async def _opened(self) -> Line:
        if self._line is None:
            self._line = await self._router.line()
            await self._line.send(b"SCRIPT", b"LOAD", _CONFIRM.text)
            await _reply(self._line)
        return self._line

    async def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.aclose()


def _end(batch: list[_Waiting], failure: Callable[[], Exception | None]) -> None:
    for waiting in batch:
        if not waiting.confirmed.done():
            if (error := failure()) is None:
                waiting.confirmed.set_result(None)
            else:
                waiting.confirmed.set_exception(error)


async def _reply(line: Line) -> Any:
    reply = await line.receive(_ROUND + _ANSWER)
    if reply is None:
        raise ReplyLost(f"no answer within {_ROUND + _ANSWER:g} s")
    return reply
