"""One connection to a server that all callers share: requests leave in their order, and so do replies come back.

A request leaves at once if no reply is awaited; others of one turn of the event loop leave in one write. Each has one
of three ends: a reply, which may be the server's refusal; it was never sent; or it was sent, and its reply is lost.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Any

from redis.asyncio.connection import AbstractConnection

from redis_mob.connection.failures import PipelineClosedError
from redis_mob.connection.servers.driver_stream import take_stream
from redis_mob.connection.servers.reply_reader import MAX_REPLY_BYTES, NoReplyError, ReplyReader


class Pipeline(asyncio.Protocol):
    """A connection after the driver's handshake; `take_over` makes it."""

    def __init__(self, transport: asyncio.WriteTransport, keep: object, max_reply_bytes: int) -> None:
        self._transport = transport
        self._keep = keep
        """The driver's writer, which closes the connection when it is collected as garbage."""
        self._loop = asyncio.get_running_loop()
        self._reader = ReplyReader(max_reply_bytes)
        self._unsent: list[bytes] = []
        self._replies_to_unsent = 0
        self._waiting: deque[asyncio.Future[Any]] = deque()
        """A future for each reply that is still to come, in their order; those of unsent requests come last."""
        self._due: deque[float] = deque()
        """When each of these replies is overdue, by the time of the event loop."""
        self._alarm: asyncio.TimerHandle | None = None
        """When to look for overdue replies: one timer for all of them, because one for each costs more than to wait."""
        self._writable = asyncio.Event()
        self._writable.set()
        self._closed: str | None = None

    @classmethod
    def take_over(cls, connection: AbstractConnection, max_reply_bytes: int = MAX_REPLY_BYTES) -> Pipeline:
        """The wire of a connection that the driver has opened, and which it knows nothing of from now on."""
        stream = take_stream(connection)
        wire = cls(stream.transport, stream, max_reply_bytes)
        stream.transport.set_protocol(wire)
        return wire

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent, as far as is known."""
        return self._closed is None and not self._transport.is_closing()

    @property
    def is_writable(self) -> bool:
        """Whether the server takes what is sent; else it is kept here, which should not become much."""
        return self._writable.is_set()

    @property
    def takes_requests(self) -> bool:
        """Whether a request that is sent now leaves at once, as far as is known."""
        return self._closed is None and self._writable.is_set() and not self._transport.is_closing()

    @property
    def is_idle(self) -> bool:
        """Whether no caller waits for a reply any more."""
        return all(reply.done() for reply in self._waiting)

    async def writable(self) -> None:
        """Wait until the server takes what was sent before."""
        await self._writable.wait()

    @property
    def under_way(self) -> int:
        """How many replies are still to come."""
        return len(self._waiting)

    def send(self, request: bytes, *, replies: int = 1, by: float = math.inf) -> asyncio.Future[Any]:
        """Send a packed request; the future gets its reply, or the last one of so many replies.

        A refusal of the server is a reply too: a hiredis.ReplyError, which is not raised. When the connection ends
        before, the future raises PipelineClosedError; when this time of the event loop comes before, TimeoutError.
        Cancelling it drops this reply and no other.
        """
        reply: asyncio.Future[Any] = self._loop.create_future()
        if self._closed is not None or self._transport.is_closing():
            reply.set_exception(PipelineClosedError(self._closed or "the connection is being closed", sent=False))
            return reply
        if not self._waiting:
            # a caller that is alone waits for no turn of the loop, and the server begins while others are still asking
            self._transport.write(request)
        else:
            if not self._unsent:
                # at the end of this turn of the loop, so that all requests made in it leave in one system call
                self._loop.call_soon(self._flush)
            self._unsent.append(request)
            self._replies_to_unsent += replies
        for _ in range(replies - 1):
            # replies are told apart by their order alone, so that one which no caller reads needs a future too
            self._waiting.append(_ignored_reply(self._loop))
            self._due.append(math.inf)
        self._waiting.append(reply)
        self._due.append(by)
        if self._alarm is None or by < self._alarm.when():
            self._set_alarm(by)
        return reply

    def close(self, reason: str) -> None:
        """Cut the connection; what waits for a reply is told this reason."""
        if self._closed is None:
            self._end(reason)
        self._transport.abort()  # close() would first wait until a server that may be dead has read what is left

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.take(data, self._give)
        except NoReplyError as error:
            # it is not known where the next reply begins, so that none of the later ones can be trusted
            self.close(str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        # after `close` the callers know its reason already, so that the loss that follows from it is not told
        if self._closed is None:
            self._end(str(exc) if exc else "the server closed the connection")

    def _flush(self) -> None:
        # a closed pipeline has told its callers that these requests were never sent, so they must not leave now
        if self._closed is None:
            requests, self._unsent, self._replies_to_unsent = self._unsent, [], 0
            self._transport.writelines(requests)

    def _give(self, reply: Any) -> None:
        if not self._waiting:
            # one reply too many: the connection is cut, because every later reply would go to the wrong caller
            return self.close("the server sent a reply without a request")
        waiting = self._waiting.popleft()
        self._due.popleft()
        # a refusal is a result and no exception, because asyncio logs exceptions that a cancelled caller never reads
        if not waiting.done():
            waiting.set_result(reply)
        return None

    def _end(self, reason: str) -> None:
        self._closed = reason
        # wakes the callers in `writable`, which would otherwise wait for a server that is gone
        self._writable.set()
        # all that was handed to the transport counts as sent, because it may have reached the server
        sent = len(self._waiting) - self._replies_to_unsent
        for position, waiting in enumerate(self._waiting):
            if not waiting.done():
                waiting.set_exception(PipelineClosedError(reason, sent=position < sent))
        self._waiting.clear()
        self._due.clear()
        self._unsent.clear()
        self._set_alarm(math.inf)

    def _set_alarm(self, at: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None if at == math.inf else self._loop.call_at(at, self._end_overdue)

    def _end_overdue(self) -> None:
        """Tell the callers whose replies are overdue, and look again when the next ones would be."""
        now, following = self._loop.time(), math.inf
        for waiting, due in zip(self._waiting, self._due, strict=True):
            if waiting.done():
                continue
            if due <= now:
                waiting.set_exception(TimeoutError())
            else:
                following = min(following, due)
        self._alarm = None
        self._set_alarm(following)


def _ignored_reply(loop: asyncio.AbstractEventLoop) -> asyncio.Future[Any]:
    """A future for a reply that no caller waits for."""
    ignored: asyncio.Future[Any] = loop.create_future()
    ignored.cancel()
    return ignored
