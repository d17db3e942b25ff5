"""Runs scripts on the server that holds a namespace, again and again until it is known what became of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

from redis_mob.connection.confirmations import Confirmations, NotSafe, Unconfirmed
from redis_mob.connection.locator import Unsettled
from redis_mob.connection.refusals import is_transient, tells_that_it_ran
from redis_mob.connection.retry import Attempts, RetryPolicy
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


class Calls:
    """The calls of one connection.

    With sessions a write happens at most once however often it is sent; without, it is sent once. `confirmations` says
    when an answered write is safe.
    """

    def __init__(self, router: Router, retry: RetryPolicy, sessions: Sessions | None) -> None:
        self._router = router
        self._retry = retry
        self._sessions = sessions
        self.confirmations: Confirmations | None = None
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

    async def write(self, script: Script, keys: Keys, arguments: Arguments) -> Any:
        """Run a script that writes, once, and return its raw reply.

        Raises OutcomeUnknown, NotSafe, EpochChanged, or another TransportError if nothing has happened.
        """
        if self._sessions is not None:
            return await self._once(self._sessions, script, keys, arguments)
        try:
            once_only = partial(self._run, b"EVALSHA", script, keys, arguments)
            return await self._patiently(once_only, lambda error: _may_pass(error) and not isinstance(error, ReplyLost))
        except ReplyLost as error:
            raise OutcomeUnknown(error, uuid4().hex) from error.__cause__

    async def _once(self, sessions: Sessions, script: Script, keys: Keys, arguments: Arguments) -> Any:
        slot = sessions.begin()
        try:
            reply = await self._until_known(
                once(script), sessions.keys(keys, slot), sessions.arguments(arguments, slot), slot
            )
        except ServerRefusal as refusal:
            if refusal.code != "EPOCH":
                raise
            sessions.changed_epoch(int(refusal.text))
            raise EpochChanged(str(refusal)) from refusal.__cause__
        finally:
            sessions.end(slot)
        slot.acknowledged = slot.sequence
        return first_reply(reply)

    async def _until_known(self, script: Script, keys: Keys, arguments: Arguments, slot: Slot) -> Any:
        """Send a write until its outcome is known, and it is safe. Raises as `write` does, but EPOCH as it comes."""
        doubt: TransportError | None = None  # an attempt may have had an effect, or a server may have lost it again
        attempts: Attempts | None = None
        while True:
            try:
                reply = await self._run(b"EVALSHA", script, keys, arguments)
                if self.confirmations is not None:
                    await self.confirmations.confirm(slot)
                return reply
            except (ReplyLost, Unconfirmed, NotSafe) as error:
                doubt = last = error
            except ServerRefusal as refusal:
                last = refusal
                if not is_transient(refusal.code):
                    if doubt is None or refusal.code == "EPOCH" or tells_that_it_ran(refusal.text):
                        raise
                    raise self._given_up(slot, doubt, last) from last.__cause__
            except TransportError as error:
                last = error
                if doubt is None and not _may_pass(error):
                    raise
            attempts = attempts or self._retry.attempts()
            at_once = isinstance(last, NotSafe)  # the server has let time pass already
            if self.closed or slot.may_have_expired or not await attempts.wait(at_once=at_once):
                raise self._given_up(slot, doubt, last) from last.__cause__

    def _given_up(self, slot: Slot, doubt: TransportError | None, last: TransportError) -> TransportError:
        """What is raised for a write that is not sent again."""
        if doubt is None or isinstance(last, NotSafe):
            return last
        slot.outcome_unknown = True
        return OutcomeUnknown(doubt, slot.token)

    async def _patiently(
        self, attempt: Callable[[], Awaitable[Any]], may_go_on: Callable[[TransportError], bool]
    ) -> Any:
        """Make attempts until one returns, or fails for good, or there have been enough of them."""
        attempts: Attempts | None = None
        while True:
            try:
                return await attempt()
            except TransportError as error:
                attempts = attempts or self._retry.attempts()
                if self.closed or not may_go_on(error) or not await attempts.wait():
                    raise

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
