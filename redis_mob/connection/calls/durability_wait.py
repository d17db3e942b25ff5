"""Waits until writes are as safe as asked, many at a time.

Receipts are looked for before the wait, since a wait alone proves nothing after a failover (decision 0016).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from redis_mob.codec.hashes import as_mapping
from redis_mob.connection.calls.durability import (
    FSYNC_OF_EACH_WRITE,
    Durability,
    FsyncPromise,
    lacking_for_fsync,
)
from redis_mob.connection.calls.scripts import script
from redis_mob.connection.calls.sessions import Sessions, Slot
from redis_mob.connection.failures import (
    NotDurableError,
    ReplyLostError,
    ServerRefusalError,
    TransportError,
    UnconfirmedError,
)
from redis_mob.connection.servers.dedicated import DedicatedConnection
from redis_mob.connection.servers.refusals import explain, is_transient
from redis_mob.connection.servers.router import Router
from redis_mob.connection.servers.server_info import ServerInfo, fields_of
from redis_mob.errors import StorageUnavailableError

_log = logging.getLogger(__name__)

_CONFIRM = script("calls/confirm")

_ROUND = 1.0
"""Seconds for which the server is asked to wait at a time, at most."""

_SHARE = 0.75
"""The part of the time left to a call for which the server is asked to wait: the rest is for its answer to arrive."""


async def required_wait(server: ServerInfo, wanted: Durability, ask: Callable[..., Awaitable[Any]]) -> Durability:
    """What has to be waited for on this server, which is asked with `ask`, to get what is wanted.

    Raises StorageUnavailableError if the server cannot give it, a TransportError if it does not answer.
    """
    if not wanted.fsync:
        return wanted
    info = fields_of(await ask(b"INFO", b"persistence"))
    settings = await _settings(ask)
    match FsyncPromise.of(keeps_file=info.get("aof_enabled") == "1", settings=settings, has_waitaof=server.has_waitaof):
        case FsyncPromise.EACH_WRITE:
            return Durability()  # nothing to wait for, since what it has answered is on its disk
        case FsyncPromise.WAITAOF:
            _log.warning(
                "durability fsync: %s is trusted with WAITAOF, which says too early that its disk has a write if "
                "appendfsync is everysec (redis/redis#13793): that survives the end of its process, not a power "
                "failure; set %s",
                server,
                " and ".join(lacking_for_fsync(settings)),
            )
            return wanted
        case FsyncPromise.NO_FILE:
            raise StorageUnavailableError(
                "durability fsync: the server keeps no append-only file: set appendonly yes; an embedded: server keeps "
                "one in a directory, as in embedded:/var/lib/fleet"
            )
        case FsyncPromise.NOTHING:
            raise StorageUnavailableError(
                f"durability fsync: {server} has no WAITAOF: set {' and '.join(lacking_for_fsync(settings))}, and let "
                "the user of the URL read them with CONFIG GET; or use Redis 7.2 or a Valkey"
            )


async def _settings(ask: Callable[..., Awaitable[Any]]) -> dict[str, str]:
    """What may be read of the settings that matter; managed servers show none."""
    try:
        flat: list[bytes] = await ask(b"CONFIG", b"GET", *FSYNC_OF_EACH_WRITE)
    except ServerRefusalError as refusal:
        if is_transient(refusal.code):
            raise  # because a refusal that passes says nothing about the settings
        return {}
    return {name.decode(): value.decode(errors="replace") for name, value in as_mapping(flat).items()}


@dataclass(slots=True)
class _Waiting:
    slot: Slot
    until: float | None
    reached: asyncio.Future[str | None]
    """Where the write is instead of being safe; None if it is safe."""


class DurabilityWait:
    """Waits until writes are safe, on a connection of its own: one wait for all that came while another was under way.

    Before each wait the server shows that it has the receipts, so that no server answers for writes of another.
    """

    def __init__(self, router: Router, sessions: Sessions, durability: Durability, reply_timeout: float) -> None:
        self._router = router
        self._reply_timeout = reply_timeout
        self._sessions = sessions
        self._durability = durability
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None
        self._connection: DedicatedConnection | None = None

    async def confirm(self, slot: Slot, until: float | None) -> None:
        """Wait until the last call of a slot, which was answered, is safe, at most until this time of the event loop.

        Without such a time the server is asked once. Raises NotDurableError if the write is not safe then,
        UnconfirmedError if that cannot be told.
        """
        reached: str | None = None
        try:
            async with asyncio.timeout_at(until):
                # again until the deadline, because a replica that is behind may still catch up
                while (reached := await self._reached(slot, until)) is not None and until is not None:
                    pass
        except TimeoutError as error:
            # an earlier round has shown that the server has the write, so that the outcome is known: see below
            if reached is None:
                raise UnconfirmedError("it was not confirmed within the deadline of the call") from error
        if reached is not None:
            raise NotDurableError(reached)

    async def _reached(self, slot: Slot, until: float | None) -> str | None:
        """Where the last call of a slot is after one more wait, which may be shared with other calls."""
        waiting = _Waiting(slot, until, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        # no second task, so that calls that come while a wait is under way are confirmed together by the next one
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="redis_mob waits for durability")
        return await waiting.reached

    async def aclose(self) -> None:
        """Close the connection; calls that still wait are told that nothing is confirmed."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            # told here too, because a task that is cancelled before its first step never comes to its `finally`
            self._let_go([])
        await self._hang_up()

    async def _run(self) -> None:
        batch: list[_Waiting] = []
        try:
            while self._waiting:
                batch, self._waiting = _still(self._waiting), []
                if not batch:
                    continue
                try:
                    await self._confirm(batch)
                except TransportError as error:
                    # closed, because replies that are still to come on it would be taken for those of the next batch
                    await self._hang_up()
                    _fail(batch, UnconfirmedError, str(error))
        finally:
            self._let_go(batch)

    def _let_go(self, batch: list[_Waiting]) -> None:
        """Tell the calls that still wait, those of a batch first, that nothing is confirmed."""
        self._task = None
        _fail([*batch, *self._waiting], UnconfirmedError, "the storage was closed")
        self._waiting.clear()

    async def _confirm(self, batch: list[_Waiting]) -> None:
        connection = await self._opened()
        clients: dict[str, list[_Waiting]] = {}
        for waiting in batch:
            clients.setdefault(waiting.slot.session.client, []).append(waiting)
        # all is sent before the first reply is read, so that a batch costs one round trip
        for client, of_client in clients.items():
            calls = [part for one in of_client for part in (one.slot.number, one.slot.sequence)]
            await connection.send(b"EVALSHA", _CONFIRM.sha, 1, self._sessions.key(client), *calls)
        seconds = _round_of(batch)
        # behind the marks on the same connection, because WAIT waits for what this connection has written; for a
        # millisecond at least, because 0 would wait without end
        await connection.send(*self._durability.command(max(int(seconds * 1000), 1)))
        for of_client in clients.values():
            missing, refusal = await self._reply(connection)
            _fail([of_client[position - 1] for position in missing], UnconfirmedError, "the server has lost the write")
            if refusal:
                _fail(of_client, *_unmarked(refusal.decode()))
        try:
            reached = self._durability.reached(await self._reply(connection, seconds))
        except ServerRefusalError as refusal:
            if refusal.code != "NOPERM":
                raise
            # the server has just shown the receipts, so that the writes are there; and no right comes back by itself
            reached = f"the memory of the primary, which refuses to wait ({explain(refusal.code, refusal.text)}),"
            _fail(batch, NotDurableError, reached)
            return
        for waiting in _still(batch):
            waiting.reached.set_result(reached)

    async def _opened(self) -> DedicatedConnection:
        if self._connection is None:
            self._connection = await self._router.dedicated_connection()
            # loaded on every new connection: a later NOSCRIPT closes it, so that the next one loads the script again
            await self._connection.send(b"SCRIPT", b"LOAD", _CONFIRM.text)
            await self._reply(self._connection)
        return self._connection

    async def _reply(self, connection: DedicatedConnection, waits: float = 0.0) -> Any:
        """The next reply of the server, which has been asked to wait for so many seconds."""
        reply = await connection.receive(waits + self._reply_timeout)
        if reply is None:
            raise ReplyLostError(f"no answer within {waits + self._reply_timeout:g} s")
        return reply

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()


def _unmarked(refused: str) -> tuple[Callable[[str], Exception], str]:
    """What is raised where the server has the receipts, and refuses the mark without which a wait proves nothing."""
    if refused.startswith("READONLY"):
        return UnconfirmedError, refused  # since another server is the primary now, and is the one to ask
    return partial(NotDurableError, waited=False), f"the memory of the primary, which refuses writes ({refused}),"


def _fail(batch: list[_Waiting], failure: Callable[[str], Exception], reason: str) -> None:
    for waiting in _still(batch):
        waiting.reached.set_exception(failure(reason))  # one for each, because raising an exception changes it


def _still(batch: list[_Waiting]) -> list[_Waiting]:
    """Those that still wait: a call that was cancelled, is over, or whose receipt is missing, does not."""
    return [waiting for waiting in batch if not waiting.reached.done()]


def _round_of(batch: list[_Waiting]) -> float:
    """Seconds for which the server is asked to wait, so that its answer comes before any of these calls is over."""
    now = asyncio.get_running_loop().time()
    return min([_ROUND, *((waiting.until - now) * _SHARE for waiting in batch if waiting.until is not None)])
