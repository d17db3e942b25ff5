"""Moves requests to one server and their replies back; each request has one of four ends.

It is answered, refused by the server (ServerRefusalError), never sent (NotSentError), or sent with its reply lost
(ReplyLostError). The last distinction is what exactly-once builds on, so nothing here ever sends a request twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from time import perf_counter
from typing import Any, TypeVar

import hiredis
from redis import exceptions as driver
from redis.asyncio.connection import AbstractConnection

from redis_mob.connection.failures import (
    CutShortError,
    NotSentError,
    PipelineClosedError,
    ReplyLostError,
    UnreachableError,
)
from redis_mob.connection.retry import RetryPolicy
from redis_mob.connection.servers.address import ServerAddress, TcpAddress
from redis_mob.connection.servers.circuit import Circuit
from redis_mob.connection.servers.dedicated import DedicatedConnection
from redis_mob.connection.servers.driver_errors import LOST, hang_up, reason_of, refusal_in, refusal_of, was_cut
from redis_mob.connection.servers.handshake import new_connection, timeout_message
from redis_mob.connection.servers.pipeline import Pipeline
from redis_mob.connection.servers.requests import Part, packed
from redis_mob.connection.servers.tls import TLS_WANTED, certificate_problem, speaks_tls
from redis_mob.connection.servers.turns import Turns
from redis_mob.telemetry import active
from redis_mob.telemetry.names import WIRE_ROUND_TRIP

T = TypeVar("T")

_ASKING = packed((b"ASKING",))
_CLOSED = "the storage was closed"
_USUAL = RetryPolicy()


class Channel:
    """The way to one server, used by one event loop: one pipeline for all requests, made when it is needed.

    Connecting takes at most `connect_timeout` seconds, a request at most `reply_timeout` seconds with everything it
    waits for; as many requests as `max_requests` are under way at a time, further ones wait. A server that could not be
    reached is left alone for one of the pauses of `retry`, and requests that come meanwhile fail at once. A pipeline
    that was lost is made again after a random part of the first pause, so that clients that lost theirs together do not
    come back together.
    """

    def __init__(
        self,
        address: ServerAddress,
        *,
        connect_timeout: float,
        reply_timeout: float,
        max_requests: int,
        retry: RetryPolicy = _USUAL,
    ) -> None:
        self._address = address
        self._connect_timeout = connect_timeout
        self._reply_timeout = reply_timeout
        self._turns = Turns(max_requests)
        self._pipeline: Pipeline | None = None
        self._connecting: asyncio.Task[Pipeline] | None = None
        self._overdue: set[Pipeline] = set()
        """Pipelines on which a reply is overdue: they serve the requests that wait there, and get no further ones."""
        self._circuit = Circuit(retry)
        self._closed = False
        self._was_connected = False

    async def request(self, *parts: Part, asking: bool = False, until: float | None = None) -> Any:
        """Send one request and wait for its reply: bytes, int, None or a list of these.

        It is waited for until this time of the event loop, if that comes before the reply timeout is over.
        With `asking` it begins with ASKING: a node of a Cluster then also serves a slot that is being moved to it.
        Raises NotSentError, ReplyLostError or ServerRefusalError. When it is cancelled the effect of the request is
        unknown; other requests are not disturbed.
        """
        # in one piece, because ASKING is about the next request of the connection, and that could be another caller's
        request, replies = (_ASKING + packed(parts), 2) if asking else (packed(parts), 1)
        overdue = asyncio.get_running_loop().time() + self._reply_timeout
        by = overdue if until is None else min(overdue, until)
        # In the usual case nothing is waited for but the reply, and the pipeline keeps one timer for all replies: one
        # for each request would cost more than to send it.
        if not self._turns.take_free():
            # the time covers the wait for a turn too, because a caller waits for its reply and not for one stage of it;
            # a request whose turn did not come is not tried again, since more attempts would only lengthen the queue
            await self._within(self._turns.take(), by, until, NotSentError)
        try:
            while True:
                pipeline = self._pipeline
                if pipeline is None or not pipeline.takes_requests:
                    pipeline = await self._within(self._open_pipeline(), by, until, UnreachableError)
                try:
                    instruments = active.instruments
                    if instruments is not None and not instruments.measures_round_trip():
                        instruments = None
                    sent = 0.0 if instruments is None else perf_counter()
                    reply = await pipeline.send(request, replies=replies, by=by)
                    if instruments is not None:
                        instruments.record(WIRE_ROUND_TRIP, perf_counter() - sent)
                    break
                except PipelineClosedError as error:
                    if error.sent:
                        raise ReplyLostError(str(error)) from driver.ConnectionError(str(error))
                    # the request never left this process, so that the next pipeline may take it
                except TimeoutError as error:
                    # replies come in order, so that every later request on it would wait behind the overdue one too
                    self._set_aside(pipeline)
                    raise ReplyLostError(self._no_answer(by, until)) from error
        finally:
            self._turns.give_back()
        if isinstance(reply, hiredis.ReplyError):
            refusal = refusal_of(str(reply), self)
            if refusal.code == "READONLY":
                # the next request connects anew, because the host name may lead to another server since a failover
                self._set_aside(pipeline)
            raise refusal from driver.ResponseError(str(reply))
        return reply

    async def _within(self, work: Awaitable[T], by: float, until: float | None, late: type[NotSentError]) -> T:
        """The result of what comes before sending; raises `late` if it has not come by this time of the event loop."""
        try:
            async with asyncio.timeout_at(by):
                return await work
        except TimeoutError as error:
            raise late(self._no_answer(by, until)) from error

    def _no_answer(self, by: float, until: float | None) -> str:
        return "no answer within " + ("the deadline of the call" if by == until else f"{self._reply_timeout:g} s")

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection that was not lost, as far as is known."""
        return self._pipeline is not None and self._pipeline.is_open

    def drop_lost_pipeline(self) -> bool:
        """Whether the server has cut the pipeline since the last request; forgets it, so that this is True once."""
        lost = self._pipeline is not None and not self._pipeline.is_open
        if lost:
            self._pipeline = None
        return lost

    async def dedicated_connection(self) -> DedicatedConnection:
        """A new connection of the caller's own, which must close it; raises NotSentError or ServerRefusalError."""
        return DedicatedConnection(await self._connect())

    async def aclose(self) -> None:
        """Cut the pipeline: requests that were sent have an unknown outcome, those that were not are never sent."""
        self._closed = True
        # the attempt under way ends first, or it would leave behind a pipeline that is never closed
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        for pipeline in (self._pipeline, *self._overdue):
            if pipeline is not None:
                pipeline.close(_CLOSED)
        self._pipeline = None
        self._overdue.clear()

    async def _open_pipeline(self) -> Pipeline:
        """A pipeline that takes a request now."""
        # looked at anew after each wait, since the pipeline may be lost then, or the channel closed
        while True:
            if self._closed:
                raise NotSentError(_CLOSED)
            pipeline = self._pipeline
            if pipeline is None or not pipeline.is_open:
                pipeline = await self._connected()
            if pipeline.is_writable:
                return pipeline
            # a server that reads slowly is waited for here, so that its requests do not pile up in memory
            await pipeline.writable()

    async def _connected(self) -> Pipeline:
        """A new pipeline. Requests that need one at the same time share the attempt."""
        if (failure := self._circuit.failure) is not None:
            # a copy for each request, because raising an exception changes it
            raise type(failure)(str(failure)) from failure.__cause__
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._make_pipeline(), name="redis_mob connects")
            self._connecting.add_done_callback(self._has_connected)
        try:
            # shielded: a caller that is cancelled must not end the attempt that others wait for
            return await asyncio.shield(self._connecting)
        except asyncio.CancelledError:
            # it was `aclose` that cancelled the attempt, and not this caller, so that the request ends as not sent
            if self._closed:
                raise NotSentError(_CLOSED) from None
            raise

    async def _make_pipeline(self) -> Pipeline:
        # a random pause, so that clients that lost their connections together do not come back all at once
        await asyncio.sleep(self._circuit.pause)
        try:
            connection = await self._connect()
        except UnreachableError as error:
            # no other failure opens the circuit, since every other one shows that the server was reached
            self._circuit.failed(error)
            raise
        self._circuit.connected()
        self._pipeline = Pipeline.take_over(connection)
        return self._pipeline

    def _has_connected(self, task: asyncio.Task[Pipeline]) -> None:
        self._connecting = None
        if not task.cancelled():
            # read here, because asyncio logs exceptions that are never read, and every caller may have been cancelled
            task.exception()

    async def _connect(self) -> AbstractConnection:
        connection = new_connection(self._address, self._connect_timeout)
        try:
            async with asyncio.timeout(self._connect_timeout):
                await connection.connect()
        except BaseException as error:
            # also after a cancellation, which would otherwise leave the socket open
            await hang_up(connection)
            if isinstance(error, LOST):
                # a refusal is looked for first, because the driver raises connection errors for some of them
                raise refusal_in(error, self) or await self._no_connection(error, connection.was_reached) from error
            raise
        self._was_connected = True
        return connection

    async def _no_connection(self, error: BaseException, was_reached: bool) -> NotSentError:
        endpoint = self._address.endpoint
        if (reason := certificate_problem(error, endpoint)) is not None:
            # not UnreachableError, which is tried again, since a wrong certificate does not pass by waiting
            return NotSentError(reason)
        if isinstance(error, TimeoutError | driver.TimeoutError):
            kind = CutShortError if was_reached else UnreachableError
            return kind(timeout_message(self._address, self._connect_timeout))
        speaks_something_else = isinstance(error, driver.InvalidResponse)
        if (speaks_something_else or was_cut(error)) and await self._wants_tls():
            return NotSentError(TLS_WANTED.format(server=endpoint))
        if speaks_something_else:
            return UnreachableError(f"{endpoint} does not speak the protocol of Redis: {error}")
        return (CutShortError if was_cut(error) else UnreachableError)(reason_of(error))

    async def _wants_tls(self) -> bool:
        """Whether the server speaks TLS where we do not: it cuts such connections silently, as bad networks do."""
        address = self._address
        # not asked where it has worked without TLS before, since the cut must have another reason then
        if self._was_connected or not isinstance(address, TcpAddress) or address.tls is not None:
            return False
        return await speaks_tls(address.host, address.port)

    def _set_aside(self, pipeline: Pipeline) -> None:
        if pipeline is self._pipeline:
            # not closed, because other callers may still get their replies on it: their outcomes would be unknown
            self._pipeline = None
            self._overdue.add(pipeline)
        for silent in [silent for silent in self._overdue if silent.is_idle or not silent.is_open]:
            self._overdue.remove(silent)
            silent.close("a reply was overdue")
