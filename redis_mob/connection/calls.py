"""Runs scripts on the server that holds a namespace, again and again until it is known what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from redis_mob.connection.confirmations import Confirmations, NotSafe, Unconfirmed
from redis_mob.connection.locator import Unsettled
from redis_mob.connection.refusals import is_transient, tells_that_it_ran
from redis_mob.connection.retry import RetryPolicy
from redis_mob.connection.routing import Router
from redis_mob.connection.scripts import Script, once
from redis_mob.connection.sessions import Sessions, Slot, first_reply
from redis_mob.connection.transport import (
    NotSent,
    Part,
    ReplyLost,
    ServerRefusal,
    Transport,
    TransportError,
    Unreachable,
)

_LOADS = 3
"""How often one call loads its script: more than once only if others flush the server's scripts in between."""

Keys = Sequence[str | bytes]
Arguments = Sequence[Part]


class NotLoaded(NotSent):
    """The reply to loading a script was lost, so that the script was not run."""


class OutcomeUnknown(TransportError):  # noqa: N818
    """The write may have happened; `token` asks for it later."""

    def __init__(self, doubt: TransportError, token: str) -> None:
        super().__init__(str(doubt))
        self.token = token


class EpochChanged(TransportError):  # noqa: N818
    """The server does not have what it had answered before; the write has not happened."""


@dataclass(slots=True)
class _Write:
    script: Script
    keys: Keys
    arguments: Arguments
    slot: Slot
    doubt: TransportError | None = None
    """Why an attempt may have had an effect, or may have lost it again."""


class Calls:
    """The calls of one connection.

    With sessions a write happens at most once however often it is sent; without, it is sent once. `confirmations` says
    when an answered write is safe.
    """

    def __init__(
        self, router: Router, retry: RetryPolicy, sessions: Sessions | None, confirmations: Confirmations | None = None
    ) -> None:
        self._router = router
        self._retry = retry
        self._sessions = sessions
        self.confirmations = confirmations
        self.closed = False

    async def ask(self, *parts: Part) -> Any:
        """Send a request that has no effect; a server that is about to serve is waited for.

        Raises a TransportError.
        """
        return await self._patiently(partial(self._router.request, *parts), _is_about_to_serve)

    async def read(self, script: Script, keys: Keys, arguments: Arguments) -> Any:
        """Run a script that only reads, and return its raw reply. Raises a TransportError."""
        return await self._patiently(partial(self._run, b"EVALSHA_RO", script, keys, arguments), _may_pass)

    async def repeatable(self, script: Script, keys: Keys, arguments: Arguments) -> Any:
        """Run a script that may be run twice, and return its raw reply. Raises a TransportError."""
        return await self._patiently(partial(self._run, b"EVALSHA", script, keys, arguments), _may_pass)

    async def write(self, script: Script, keys: Keys, arguments: Arguments, token: str) -> Any:
        """Run a script that writes, once, and return its raw reply.

        Raises OutcomeUnknown, NotSafe, EpochChanged, or another TransportError if nothing has happened. `token` is
        what OutcomeUnknown carries when there is no session.
        """
        if self._sessions is not None:
            return await self._once(self._sessions, script, keys, arguments)
        try:
            once_only = partial(self._run, b"EVALSHA", script, keys, arguments)
            return await self._patiently(once_only, lambda error: _may_pass(error) and not isinstance(error, ReplyLost))
        except ReplyLost as error:
            raise OutcomeUnknown(error, token) from error.__cause__

    async def _once(self, sessions: Sessions, script: Script, keys: Keys, arguments: Arguments) -> Any:
        slot = sessions.begin()
        write = _Write(once(script), sessions.keys(keys, slot), sessions.arguments(arguments, slot), slot)
        try:
            reply = await self._patiently(partial(self._attempt, write), partial(self._may_go_on, sessions, write))
        except ServerRefusal as refusal:
            if refusal.code != "EPOCH":
                raise self._ended(write, refusal) from refusal.__cause__
            sessions.changed_epoch(int(refusal.text))
            raise EpochChanged(str(refusal)) from refusal.__cause__
        except TransportError as error:
            raise self._ended(write, error) from error.__cause__
        finally:
            sessions.end(slot)
        slot.acknowledged = slot.sequence
        return first_reply(reply)

    async def _attempt(self, write: _Write) -> Any:
        try:
            reply = await self._run(b"EVALSHA", write.script, write.keys, write.arguments)
            if self.confirmations is not None:
                await self.confirmations.confirm(write.slot)
        except (ReplyLost, Unconfirmed, NotSafe) as error:
            write.doubt = error
            raise
        except ServerRefusal as refusal:
            if tells_that_it_ran(refusal.code, refusal.text):
                write.doubt = None
            raise
        return reply

    def _may_go_on(self, sessions: Sessions, write: _Write, error: TransportError) -> bool:
        """Whether to send a write again after it ended so."""
        if write.doubt is None:
            return _may_pass(error)
        return not sessions.may_have_expired(write.slot) and not (
            isinstance(error, ServerRefusal) and not is_transient(error.code)
        )

    def _ended(self, write: _Write, last: TransportError) -> TransportError:
        """What the caller is told of a write that is not sent again."""
        if write.doubt is None or isinstance(last, NotSafe):
            return last
        write.slot.outcome_unknown = True
        return OutcomeUnknown(write.doubt, write.slot.token)

    async def _patiently(
        self, attempt: Callable[[], Awaitable[Any]], may_go_on: Callable[[TransportError], bool]
    ) -> Any:
        """Make attempts until one returns, or fails for good, or there have been enough of them."""
        pauses: Iterator[float] | None = None
        while True:
            try:
                return await attempt()
            except TransportError as error:
                if self.closed or not may_go_on(error):
                    raise
                pauses = pauses or self._retry.pauses()
                if (pause := next(pauses, None)) is None:
                    raise
            await asyncio.sleep(pause)

    async def _run(self, command: bytes, script: Script, keys: Keys, arguments: Arguments) -> Any:
        for _ in range(_LOADS):
            try:
                return await self._router.request(command, script.sha, len(keys), *keys, *arguments)
            except ServerRefusal as refusal:
                if refusal.code != "NOSCRIPT":
                    raise
                await self._load(script, refusal.by or self._router)
        return await self._router.request(command, script.sha, len(keys), *keys, *arguments)

    async def _load(self, script: Script, server: Transport | Router) -> None:
        try:
            await server.request(b"SCRIPT", b"LOAD", script.text)
        except ReplyLost as error:
            raise NotLoaded(str(error)) from error.__cause__


def _may_pass(error: TransportError) -> bool:
    """Whether a request without effect may do better a moment later."""
    if isinstance(error, ServerRefusal):
        return is_transient(error.code)
    return isinstance(error, Unsettled | Unreachable | ReplyLost | NotLoaded)


def _is_about_to_serve(error: TransportError) -> bool:
    """Whether it is a server that loads its data, or a failover under way."""
    return isinstance(error, Unsettled) or (isinstance(error, ServerRefusal) and is_transient(error.code))
