"""Runs scripts on the server that holds a namespace, and sends them again until their outcome is known.

What is sent again, and why that is safe: decision 0015.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from redis_mob.connection.calls.answers import HALF_DONE, NOTHING_DONE, UNREADABLE, Answer, read_answer, refusal_within
from redis_mob.connection.calls.durability_wait import DurabilityWait
from redis_mob.connection.calls.evalsha import Arguments, KeyNames, run
from redis_mob.connection.calls.scripts import Script, once
from redis_mob.connection.calls.sessions import Sessions, Slot
from redis_mob.connection.failures import (
    CallError,
    CutShortError,
    EpochMismatchError,
    HalfDoneError,
    InDoubtError,
    NotDurableError,
    ReplyLostError,
    ScriptNotLoadedError,
    ServerRefusalError,
    TransportError,
    UnconfirmedError,
    UnreachableError,
    UnreadableReceiptError,
    UnrecordedError,
    UnsettledError,
)
from redis_mob.connection.retry import RetryPolicy
from redis_mob.connection.servers.refusals import is_transient
from redis_mob.connection.servers.requests import Part
from redis_mob.connection.servers.router import Router
from redis_mob.host_environment import environment
from redis_mob.telemetry import active
from redis_mob.telemetry.names import DB_STORED_PROCEDURE_NAME, RECEIPTS_USED
from redis_mob.telemetry.store_calls import observed


class Calls:
    """The calls of one connection.

    With sessions a write happens at most once however often it is sent; without, it is sent once. `confirmations` says
    when an answered write is safe.
    """

    def __init__(self, router: Router, retry: RetryPolicy, sessions: Sessions | None) -> None:
        self._router = router
        self._retry = retry
        self._sessions = sessions
        self.confirmations: DurabilityWait | None = None
        self.closed = False

    async def ask(self, *parts: Part) -> Any:
        """Send a request that has no effect. Raises a TransportError."""
        return await self._patiently(partial(self._router.request, *parts), _may_pass)

    async def ask_first(self, *parts: Part) -> Any:
        """Send the first request to a server, which has no effect.

        A server that was never reached is not waited for: a wrong address is a likelier reason than a server that
        starts at this moment, and the user should learn of it at once. Raises a TransportError.
        """
        reached = False

        def may_go_on(error: TransportError) -> bool:
            nonlocal reached
            reached = reached or isinstance(error, CutShortError) or not isinstance(error, UnreachableError)
            return reached and _may_pass(error)

        return await self._patiently(partial(self._router.request, *parts), may_go_on)

    def read(self, script: Script, keys: KeyNames, arguments: Arguments) -> Coroutine[Any, Any, Any]:
        """Run a script that only reads, and return its raw reply. Raises a TransportError."""
        reading = self._patiently(partial(run, self._router, b"EVALSHA_RO", script, keys, arguments), _may_pass)
        return observed(script.name, reading) if active.is_on() else reading

    async def repeatable(self, script: Script, keys: KeyNames, arguments: Arguments) -> Any:
        """Run a script that may be run twice, and return its raw reply. Raises a TransportError."""
        return await self._patiently(partial(run, self._router, b"EVALSHA", script, keys, arguments), _may_pass)

    def write(self, script: Script, keys: KeyNames, arguments: Arguments) -> Coroutine[Any, Any, Any]:
        """Run a script that writes, once, and return its raw reply.

        Raises InDoubtError, HalfDoneError, NotDurableError, EpochMismatchError, or another TransportError if nothing
        has happened.
        """
        writing = self._write(script, keys, arguments)
        return observed(script.name, writing) if active.is_on() else writing

    async def _write(self, script: Script, keys: KeyNames, arguments: Arguments) -> Any:
        if self._sessions is not None:
            return await self._once(self._sessions, script, keys, arguments)
        try:
            once_only = partial(run, self._router, b"EVALSHA", script, keys, arguments)
            return await self._patiently(once_only, _may_pass_and_has_no_effect)
        except ReplyLostError as error:
            # without a session the server could not tell a second attempt from a second call
            raise InDoubtError(error, environment().new_id().hex) from error.__cause__

    async def _once(self, sessions: Sessions, script: Script, keys: KeyNames, arguments: Arguments) -> Any:
        slot = sessions.begin()
        try:
            answer = await self._until_known(
                sessions, once(script), sessions.keys(keys, slot), sessions.arguments(arguments, slot), slot
            )
            sessions.answered(slot, answer)
            if answer.repeated and active.instruments is not None:
                active.instruments.count(RECEIPTS_USED, {DB_STORED_PROCEDURE_NAME: script.name})
        except ServerRefusalError as refusal:
            if refusal.code != "EPOCH":
                raise
            # from now on the new epoch is sent, so that the loss is told once to the calls that were under way
            sessions.changed_epoch(int(refusal.text))
            raise EpochMismatchError(str(refusal)) from refusal.__cause__
        finally:
            sessions.end(slot)
        return answer.reply

    async def _until_known(
        self, sessions: Sessions, script: Script, keys: KeyNames, arguments: Arguments, slot: Slot
    ) -> Answer:
        """Send a write until its outcome is known, and it is safe. Raises as `write` does, but EPOCH as it comes.

        What an attempt proves of the attempts before it depends on whether it came to the receipt. An answer did, and
        so did PARTIAL, REFUSED and EPOCH: these end the call. Every other refusal may have come before the server
        looked for the receipt, so that it ends the call only if no attempt before it can have had an effect.
        """
        doubt: CallError | None = None  # an attempt may have had an effect, or a server may have lost it again
        last: CallError | None = None
        attempts = self._retry.attempts()
        while True:
            try:
                reply = await run(self._router, b"EVALSHA", script, keys, arguments, until=attempts.until)
                answer = _answer_in(reply, slot)
                if answer.recorded:
                    if self.confirmations is not None:
                        await self.confirmations.confirm(slot, attempts.until)
                elif doubt is not None:
                    # without a receipt nothing keeps an earlier attempt from arriving late, and from changing something
                    raise UnrecordedError("the server refuses writes, so that it cannot record its answer")
                return answer  # one without a receipt has changed nothing: there is nothing to make safe
            except NotDurableError as error:
                if error.waited:  # as long as the call had time
                    raise
                doubt = last = error
            except (ReplyLostError, UnconfirmedError) as error:
                doubt = last = error
            except UnreadableReceiptError as error:
                raise self._given_up(sessions, slot, error, error) from error.__cause__
            except ServerRefusalError as refusal:
                if refusal.code == UNREADABLE:
                    sessions.give_up()  # or all later calls would end like this
                    unreadable = _unreadable(slot, refusal.text)
                    raise self._given_up(sessions, slot, doubt and unreadable, unreadable) from refusal.__cause__
                self._raise_if_final(sessions, refusal, slot)
                last = refusal
                if not is_transient(refusal.code):
                    if doubt is None or refusal.code == "EPOCH":
                        raise
                    raise self._given_up(sessions, slot, doubt, last) from last.__cause__
            except TransportError as error:
                if last is None or not attempts.are_over:  # else the attempt only ran out of time: `last` says why
                    last = error
                # in doubt even what does not pass is tried again, since an attempt may yet find the receipt
                if doubt is None and not _may_pass(error):
                    raise
            # after closing, and once the receipt may have expired, an attempt more could do the write a second time
            if self.closed or slot.may_have_expired or not await attempts.wait():
                raise self._given_up(sessions, slot, doubt, last) from last.__cause__

    def _raise_if_final(self, sessions: Sessions, refusal: ServerRefusalError, slot: Slot) -> None:
        """Raise what a refusal stands for if it is about the operation, and was recorded as its outcome."""
        if refusal.code == HALF_DONE:
            slot.outcome_unknown = True  # the receipt says what was done, and may be asked for
            raise HalfDoneError(refusal.text, sessions.token(slot)) from refusal.__cause__
        if refusal.code == NOTHING_DONE:
            raise refusal_within(refusal) from refusal.__cause__

    def _given_up(self, sessions: Sessions, slot: Slot, doubt: CallError | None, last: CallError) -> CallError:
        """What is raised for a write that is not sent again."""
        # NotDurableError is no doubt: the write has happened, and is told as that
        if doubt is None or isinstance(last, NotDurableError):
            return last
        slot.outcome_unknown = True  # another call in the slot would overwrite the receipt that the token asks for
        return InDoubtError(doubt, sessions.token(slot))

    async def _patiently(
        self, attempt: Callable[..., Awaitable[Any]], may_go_on: Callable[[TransportError], bool]
    ) -> Any:
        """Make attempts until one returns, or fails for good, or the deadline of the call has come."""
        attempts, before = self._retry.attempts(), None
        while True:
            try:
                return await attempt(until=attempts.until)
            except TransportError as error:
                if before is not None and attempts.are_over:
                    raise before from before.__cause__  # it says why, while this attempt only ran out of time
                # after closing, a router would only find that there are no connections any more
                if self.closed or not may_go_on(error) or not await attempts.wait():
                    raise
                before = error


def _answer_in(reply: Any, slot: Slot) -> Answer:
    try:
        return read_answer(reply)
    except UnreadableReceiptError as error:
        raise _unreadable(slot, str(error)) from error.__cause__


def _unreadable(slot: Slot, what: str) -> UnreadableReceiptError:
    return UnreadableReceiptError(f"{slot.session.key} is damaged: {what}")


def _may_pass(error: TransportError) -> bool:
    """Whether a request without effect may do better a moment later."""
    if isinstance(error, ServerRefusalError):
        return is_transient(error.code)
    return isinstance(error, UnsettledError | UnreachableError | ReplyLostError | ScriptNotLoadedError)


def _may_pass_and_has_no_effect(error: TransportError) -> bool:
    """Whether a write without a session may be sent again: a lost reply may mean that it happened."""
    return _may_pass(error) and not isinstance(error, ReplyLostError)
