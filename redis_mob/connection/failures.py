"""How a call can end without a result: the exceptions that stay inside `connection/`, as one tree.

    CallError
    ├── TransportError              the request has no reply that counts
    │   ├── NotSentError            it never left this process, so it had no effect
    │   │   ├── UnreachableError    there is no connection to send it on
    │   │   │   └── CutShortError   the server was reached, and the connection lost before it could be used
    │   │   └── ScriptNotLoadedError   the reply to loading its script was lost, so the script was not run
    │   ├── ReplyLostError          it was sent, or may have been, and its effect is unknown
    │   ├── ServerRefusalError      the server answered with an error
    │   ├── UnsettledError          it had no effect here, and a later attempt may find another server
    │   ├── UnconfirmedError        a server has answered it, and may have lost the write since
    │   ├── UnrecordedError         a server has answered it, and could not note that it had
    │   ├── UnreadableReceiptError  the receipt of a write is damaged, so that the server cannot tell what became of it
    │   ├── InDoubtError            the attempts of a write are over, and its effect is still unknown
    │   ├── HalfDoneError           the script of a write failed after its first effect
    │   └── EpochMismatchError      the server has gone back in time, and refused the write
    └── NotDurableError             the write has happened, and is not as durable as asked
    PipelineClosedError             what a pipeline tells a channel, which makes one of the above of it

`servers/channel.py` tells whether a request was refused, never sent, or sent with its reply lost, and `calls/calls.py`
what follows for the call. `calls/client.py` turns each end into the public error that says the same to users
(`redis_mob.errors`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from redis_mob.errors import Portable


class Requestable(Protocol):
    """What takes requests to one server: a channel."""

    async def request(self, *parts: bytes | str | int, until: float | None = None) -> Any:
        """Send one request and wait for its reply, at most until this time of the event loop."""
        ...


class CallError(Portable, Exception):
    """Why a call has no result; the driver's exception, where there is one, is the cause."""


class TransportError(CallError):
    """Why a request has no reply."""


class NotSentError(TransportError):
    """The request never left this process: it had no effect."""


class UnreachableError(NotSentError):
    """There is no connection to send the request on: no server listens, or none answers in time."""


class CutShortError(UnreachableError):
    """The server was reached, and the connection was lost before it could be used: a later attempt may do better."""


class ScriptNotLoadedError(NotSentError):
    """The reply to loading a script was lost, so that the script was not run."""


class ReplyLostError(TransportError):
    """The request was sent, or may have been, and no reply came: its effect is unknown."""


class ServerRefusalError(TransportError):
    """The server answered with an error; `code` is its first word, e.g. `NOSCRIPT`.

    `by` leads to the server that refused; it is None for a refusal on a dedicated connection.
    """

    def __init__(self, code: str, text: str, by: Requestable | None = None) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text
        self.by = by


class UnsettledError(TransportError):
    """Nothing had an effect, and a later request may find another server: `last` is how it ended here."""

    def __init__(self, last: TransportError) -> None:
        super().__init__(str(last))
        self.last = last


class UnconfirmedError(TransportError):
    """A server has answered a write, and cannot be asked whether it still has it: the write may be lost."""


class UnrecordedError(TransportError):
    """A server answered a write that changes nothing, and refused the receipt, so that an earlier attempt may change
    something after all."""


class UnreadableReceiptError(TransportError):
    """The session of a call, or its receipt there, is damaged: this attempt did nothing, and of earlier ones the server
    cannot tell."""


class HalfDoneError(TransportError):
    """The script of a write failed when it had written already; `token` asks for the receipt that says so."""

    def __init__(self, text: str, token: str) -> None:
        super().__init__(text)
        self.token = token


class InDoubtError(TransportError):
    """The write may have happened; `token` asks for its outcome later."""

    def __init__(self, doubt: CallError, token: str) -> None:
        super().__init__(str(doubt))
        self.doubt = doubt
        self.token = token


class EpochMismatchError(TransportError):
    """The server does not have what it had answered before; the write has not happened."""


class NotDurableError(CallError):
    """The write has happened, and was not as durable as asked in time; `reached` says how far it came.

    `waited` says that the server was asked as long as the call had time, or never will let this user ask; otherwise a
    later attempt may do better.
    """

    def __init__(self, reached: str, *, waited: bool = True) -> None:
        super().__init__(f"only {reached} had it in time")
        self.reached = reached
        self.waited = waited


class PipelineClosedError(Portable, Exception):
    """The connection ended before the reply came; `sent` says whether the request may have reached the server."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


def chain(error: BaseException) -> Iterator[BaseException]:
    """An exception, and those that led to it."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        # the context counts too, since redis-py raises its errors without naming a cause
        seen = seen.__cause__ or seen.__context__
