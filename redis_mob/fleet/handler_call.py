"""Calls a handler, and turns what it returns or raises into an outcome."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Collection
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

from redis_mob.errors import shown
from redis_mob.fleet.handler_threads import HandlerThreads, drop
from redis_mob.fleet.outcome import MAX_OUTPUT_DEPTH, Failed, Outcome, Succeeded, refused
from redis_mob.fleet.plain_values import plain_copy
from redis_mob.fleet.said import bounded, class_of, json_of, text_of, traceback_of
from redis_mob.fleet.step_context import Handler, StepContext, StepFailed, checked_pause
from redis_mob.models.base import check_json

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

    def __init__(self, handler: Handler, context: StepContext, threads: HandlerThreads) -> None:
        self.began = monotonic()
        self._context = context
        self._function = getattr(handler, "__qualname__", type(handler).__qualname__)
        self._thread: asyncio.Future[Any] | None = None
        self._thread_id: int | None = None
        self._coroutine = outcome_of(self._called(handler, threads), context.step_id)
        self.outcome = asyncio.create_task(self._coroutine)

    def __str__(self) -> str:
        context = self._context
        return (
            f"{self._function} for role {shown(context.role)}, step {shown(context.step_id)} of run {context.run_id}, "
            f"since {monotonic() - self.began:.0f} s{'' if self.rest else ' (it has ended)'}"
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

    async def _called(self, handler: Handler, threads: HandlerThreads) -> Any:
        if is_coroutine_function(handler):
            return await handler(self._context)
        # context variables, such as those of tracing, reach a thread only in a copy of this task's context
        within = contextvars.copy_context()
        self._thread = threads.call(lambda: within.run(self._called_here, handler))
        try:
            value = await asyncio.shield(self._thread)  # the future tells when the thread has done, however late
        except asyncio.CancelledError:
            self._thread.add_done_callback(lambda thread: drop(thread.result()))
            raise
        return await awaited(value)

    def _called_here(self, handler: Handler) -> Any:
        self._thread_id = threading.get_ident()
        return called(handler, self._context)


def listed(calls: Collection[HandlerCall]) -> str:
    """The calls in one line, for a message; of many the longest ones."""
    longest = sorted(calls, key=lambda call: call.began)
    more = [f"and {len(calls) - MOST_LISTED} more"] if len(calls) > MOST_LISTED else []
    return "; ".join([*map(str, longest[:MOST_LISTED]), *more]) or "no handlers"


def is_coroutine_function(handler: Handler) -> bool:
    """Whether calling the handler only gives a coroutine, and so does not block."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004


async def awaited(value: Any) -> Any:
    """What a function returned, or what that gives when it is awaited."""
    # A lambda or a partial around a coroutine function does not look like one; its value does.
    return await value if inspect.isawaitable(value) else value


async def outcome_of(value: Awaitable[Any], step_id: str) -> Outcome:
    """The outcome that awaiting the value of a handler gives. Raises CancelledError if its task was cancelled."""
    # Nothing that a handler raises may leave the task: asyncio ends the loop for SystemExit and KeyboardInterrupt, a
    # future takes no StopIteration, and a CancelledError would pass for the cancellation of the task. Ctrl-C is not
    # among them: asyncio takes the signal itself and cancels the main task.
    try:
        return outcome_from(await value, step_id)
    except asyncio.CancelledError as cancelled:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
        return _failed(cancelled)
    except BaseException as error:  # noqa: BLE001
        return _failed(error)


def outcome_from(output: Any, step_id: str) -> Outcome:
    """The outcome that a returned value gives, or a `Raised`. Raises anything if the value does when it is looked at.

    The value is copied here, where the handler is called: from now on nothing of it runs code of the handler's.
    """
    if type(output) is Raised:
        return output.failed
    try:
        return Succeeded(check_json(plain_copy(output, MAX_OUTPUT_DEPTH), MAX_OUTPUT_DEPTH))
    except ValueError as error:
        # a mistake of the program, which it would make again
        return refused(step_id, error, retryable=False)


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
    if isinstance(error, FailedElsewhere):
        return error.failed
    name, shown = class_of(error), traceback_of(error, frames)
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


@dataclass(frozen=True, slots=True)
class Raised:
    """What a function in a thread raised: a future refuses StopIteration and never ends, a coroutine changes it."""

    failed: Failed


def called(handler: Handler, context: StepContext) -> Any:
    """What the handler returns, or a `Raised` of what it raises; this raises nothing."""
    try:
        return handler(context)
    except BaseException as error:  # noqa: BLE001
        return Raised(_failed(error))  # described in the thread too: its `__str__` may take its time
