"""Calls a handler, and turns what it returns or raises into an outcome."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast

from redis_mob.errors import shown
from redis_mob.fleet.asking import suspension_in
from redis_mob.fleet.handler_threads import HandlerThreads, drop
from redis_mob.fleet.outcome import MAX_OUTPUT_DEPTH, Failed, Outcome, Succeeded, Throttled, refused
from redis_mob.fleet.said import bounded, class_of, json_of, text_of, traceback_of
from redis_mob.fleet.step_context import StepContext, StepFailed, StepThrottled, checked_pause
from redis_mob.fleet.typed.binding import BoundHandler
from redis_mob.fleet.typed.dependencies import Dependencies, DependencyError
from redis_mob.fleet.typed.inputs import InputError, arguments_for
from redis_mob.fleet.typed.outputs import DeclaredOutput, output_json
from redis_mob.host_environment import environment

MOST_LISTED = 10
"""Calls that one message names."""

CANCELLED_WITHIN = "the handler was cancelled from within"


class FailedElsewhere(StepFailed):
    """A handler failed in another process, which described the failure."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.reason, failed.retryable, failed.detail, failed.retry_after)
        self.failed = failed


class HandlerCall:
    """One call of a handler: a coroutine function runs in this event loop, any other callable in a thread.

    `outcome` is the task of the call. It is cancelled if it is asked to, or if the handler cancels it.
    """

    def __init__(
        self, handler: BoundHandler, context: StepContext, threads: HandlerThreads, dependencies: Dependencies
    ) -> None:
        self.began = environment().monotonic()
        self._context = context
        self._function = getattr(handler.function, "__qualname__", type(handler.function).__qualname__)
        self._thread: asyncio.Future[Any] | None = None
        self._thread_id: int | None = None
        value = self._called(handler, threads, dependencies)
        self._coroutine = outcome_of(value, context.step_id, handler.signature.output)
        self.outcome = asyncio.create_task(self._coroutine)
        # a task that is cancelled before its first turn awaits nothing, and Python would warn of the coroutine
        self.outcome.add_done_callback(lambda _: value.close())

    def __str__(self) -> str:
        context = self._context
        return (
            f"{self._function} for role {shown(context.role)}, step {shown(context.step_id)} of run {context.run_id}, "
            f"since {environment().monotonic() - self.began:.0f} s{'' if self.rest else ' (it has ended)'}"
        )

    @property
    def rest(self) -> asyncio.Future[Any] | None:
        """What of the call still goes on; None if nothing does. A thread goes on when the task has been cancelled."""
        return next((part for part in (self._thread, self.outcome) if part is not None and not part.done()), None)

    @property
    def is_in_thread(self) -> bool:
        """Whether it is a function that was called in a thread, which may have returned."""
        return self._thread is not None

    @property
    def thread_id(self) -> int | None:
        """The thread in which a function goes on; None for what runs in the event loop, and before and after that."""
        return None if self._thread is None or self._thread.done() else self._thread_id

    def result(self) -> Outcome:
        """The outcome, once the task is done, which was not cancelled from here."""
        if self.outcome.cancelled():
            return Failed(CANCELLED_WITHIN, error_class="CancelledError")
        return self.outcome.result()

    def close(self) -> None:
        """End a coroutine that ignores its cancellation; a thread cannot be ended.

        The end of an event loop waits for all tasks, and would last for ever. A coroutine that is closed gets no
        CancelledError but a GeneratorExit, and may not await anything more.
        """
        if not self.outcome.done():
            with suppress(RuntimeError):  # it ignores that too
                self._coroutine.close()
            self.outcome.cancel()

    async def _called(self, handler: BoundHandler, threads: HandlerThreads, dependencies: Dependencies) -> Any:
        needed = handler.signature.dependencies
        made = await dependencies.values(needed) if needed else {}
        if handler.is_coroutine_function:
            return await _call(handler, self._context, made)
        # context variables, such as those of tracing, reach a thread only in a copy of this task's context
        within = contextvars.copy_context()
        self._thread = threads.call(lambda: within.run(self._called_here, handler, made))
        try:
            value = await asyncio.shield(self._thread)  # the future tells when the thread has done, however late
        except asyncio.CancelledError:
            self._thread.add_done_callback(lambda thread: drop(thread.result()))
            raise
        return await awaited(value)

    def _called_here(self, handler: BoundHandler, made: Mapping[str, Any]) -> Any:
        self._thread_id = threading.get_ident()
        return called(handler, self._context, made)


def listed(calls: Collection[HandlerCall]) -> str:
    """The calls in one line, for a message; of many the longest ones."""
    longest = sorted(calls, key=lambda call: call.began)
    more = [f"and {len(calls) - MOST_LISTED} more"] if len(calls) > MOST_LISTED else []
    return "; ".join([*map(str, longest[:MOST_LISTED]), *more]) or "no handlers"


async def awaited(value: Any) -> Any:
    """What a function returned, or what that gives when it is awaited."""
    # A lambda or a partial around a coroutine function does not look like one; its value does.
    return await value if inspect.isawaitable(value) else value


async def outcome_of(value: Awaitable[Any], step_id: str, declared: DeclaredOutput | None = None) -> Outcome:
    """The outcome that awaiting the value of a handler gives. Raises CancelledError if its task was cancelled."""
    # Nothing that a handler raises may leave the task: asyncio ends the loop for SystemExit and KeyboardInterrupt, a
    # future takes no StopIteration, and a CancelledError would pass for the cancellation of the task. Ctrl-C is not
    # among them: asyncio takes the signal itself and cancels the main task.
    try:
        return outcome_from(await value, step_id, declared)
    except asyncio.CancelledError as cancelled:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
        return _failed(cancelled)
    except BaseException as error:  # noqa: BLE001
        return _ended_by(error)


def outcome_from(output: Any, step_id: str, declared: DeclaredOutput | None) -> Outcome:
    """The outcome that a returned value gives, or an `Ended`. Raises anything if the value does when it is looked at.

    The value is copied here, where the handler is called: from now on nothing of it runs code of the handler's.
    """
    if type(output) is Ended:
        return output.outcome
    try:
        return Succeeded(output_json(output, MAX_OUTPUT_DEPTH, declared))
    except ValueError as error:
        # a mistake of the program, which it would make again
        return refused(step_id, error, retryable=False)


def _ended_by(error: BaseException) -> Outcome:
    """That the handler waits, for answers or its service, or the failure that it makes; this raises nothing."""
    return suspension_in(error) or _throttled(error) or _failed(error)


def _throttled(error: BaseException) -> Throttled | None:
    """That the service of the handler asks to be left alone, if the exception says that; this raises nothing."""
    alone = _alone(error)
    if not isinstance(alone, StepThrottled):
        return None
    try:
        return Throttled(bounded(text_of(alone.reason)), checked_pause(alone.retry_after))
    except BaseException:  # noqa: BLE001 - a subclass may lack the attributes; then it is one like any other
        return None


def _failed(error: BaseException) -> Failed:
    """The failure that an exception of a handler makes; this raises nothing for any exception."""
    try:
        return _described(error)
    except BaseException as another:  # noqa: BLE001 - even its attributes and its class may be code of the handler's
        return Failed(f"{type(error).__name__}, which cannot be described: {type(another).__name__}")


def _described(error: BaseException) -> Failed:
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals is globals():
        frames = frames.tb_next  # the frames of this module say nothing about the handler
    whole, error = error, _alone(error)
    if isinstance(error, FailedElsewhere):
        return error.failed
    if isinstance(error, InputError):
        return Failed(bounded(str(error)), retryable=False)  # the next attempt would get the same values
    if isinstance(error, DependencyError) and error.__cause__ is not None:
        failed = _failed(error.__cause__)
        return replace(failed, reason=bounded(f"dependency {error.name} cannot be made: {failed.reason}"))
    name, shown = class_of(error), traceback_of(whole, frames)
    if isinstance(error, StepFailed):
        try:
            detail = json_of(error.detail, MAX_OUTPUT_DEPTH)
            pause = checked_pause(error.retry_after)  # attributes may have been set since it was made
            return Failed(text_of(error.reason), bool(error.retryable), "StepFailed", detail, shown, pause)
        except BaseException:  # noqa: BLE001,S110 - a subclass may lack the attributes; then it is one like any other
            pass
    if isinstance(error, asyncio.CancelledError):
        # The handler cancelled itself, or awaited a task that was cancelled.
        return Failed(CANCELLED_WITHIN, error_class=name, traceback=shown)
    text = text_of(error)
    return Failed(bounded(f"{name}: {text}") if text else name, error_class=name, traceback=shown)


def _alone(error: BaseException) -> BaseException:
    """The exception itself, or what a group has that has one: a TaskGroup wraps what its only task has raised."""
    alone: Any = error
    while isinstance(alone, BaseExceptionGroup) and len(within := cast("tuple[Any, ...]", alone.exceptions)) == 1:
        [alone] = within
    return cast("BaseException", alone)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a function in a thread ended: a future refuses StopIteration and never ends, a coroutine changes it."""

    outcome: Outcome


def called(handler: BoundHandler, context: StepContext, made: Mapping[str, Any]) -> Any:
    """What the handler returns if that is to be awaited, else an `Ended`; this raises nothing."""
    # All that may take its time happens in the thread: values are read and dumped there, exceptions described.
    try:
        value = _call(handler, context, made)
        if inspect.isawaitable(value):
            return value
        return Ended(outcome_from(value, context.step_id, handler.signature.output))
    except BaseException as error:  # noqa: BLE001
        return Ended(_ended_by(error))


def _call(handler: BoundHandler, context: StepContext, made: Mapping[str, Any]) -> Any:
    if handler.takes_context_alone:
        return handler.function(context)
    arguments, named = arguments_for(handler.signature, context, made)
    return handler.function(*arguments, **named)
