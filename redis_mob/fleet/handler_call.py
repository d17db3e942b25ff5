"""Calls a handler, and turns what it returns or raises into an outcome."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from redis_mob.fleet.outcome import MAX_OUTPUT_DEPTH, Failed, Outcome, Succeeded
from redis_mob.fleet.said import bounded, class_of, json_of, text_of, traceback_of
from redis_mob.fleet.step_context import Handler, StepContext, StepFailed, checked_pause


def start_handler(handler: Handler, context: StepContext, threads: ThreadPoolExecutor) -> asyncio.Task[Outcome]:
    """Start a handler in a task of its own: a coroutine function in this event loop, any other callable in a thread.

    The task gives the outcome. It is cancelled if the task is, and by nothing else.
    """
    return asyncio.create_task(_outcome(handler, context, threads))


async def _outcome(handler: Handler, context: StepContext, threads: ThreadPoolExecutor) -> Outcome:
    # Nothing that a handler raises may leave the task: asyncio ends the loop for SystemExit and KeyboardInterrupt, a
    # future takes no StopIteration, and a CancelledError would pass for the cancellation of the task. Ctrl-C is not
    # among them: asyncio takes the signal itself and cancels the main task.
    try:
        value = await _call(handler, context, threads)
    except asyncio.CancelledError as cancelled:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
        return _failed(cancelled)
    except BaseException as error:  # noqa: BLE001
        return _failed(error)
    return value.failed if isinstance(value, _Raised) else Succeeded(value)


def _failed(error: BaseException) -> Failed:
    """The failure that an exception of a handler makes; this raises nothing for any exception."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals is globals():
        frames = frames.tb_next  # the frames of this module say nothing about the handler
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
        return Failed("the handler was cancelled from within", error_class=name, traceback=shown)
    text = text_of(error)
    return Failed(bounded(f"{name}: {text}") if text else name, error_class=name, traceback=shown)


async def _call(handler: Handler, context: StepContext, threads: ThreadPoolExecutor) -> Any:
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None)):  # noqa: B004
        return await handler(context)
    # context variables, such as those of tracing, reach a thread only in a copy of this task's context
    within = contextvars.copy_context()
    called = await asyncio.get_running_loop().run_in_executor(threads, within.run, partial(_called, handler, context))
    # A lambda or a partial around a coroutine function does not look like one; its value does.
    return await called if inspect.isawaitable(called) else called


@dataclass(frozen=True, slots=True)
class _Raised:
    """What a function in a thread raised: a future refuses StopIteration and never ends, a coroutine changes it."""

    failed: Failed


def _called(handler: Handler, context: StepContext) -> Any:
    try:
        return handler(context)
    except BaseException as error:  # noqa: BLE001
        return _Raised(_failed(error))  # described in the thread too: its `__str__` may take its time
