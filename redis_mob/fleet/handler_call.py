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
from redis_mob.fleet.step_context import Handler, StepContext, StepFailed
from redis_mob.models.base import check_json


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
    return _failed(value.error) if isinstance(value, _Raised) else Succeeded(value)


def _failed(error: BaseException) -> Failed:
    match error:
        case StepFailed():
            return Failed(_text(error.reason), error.retryable, "StepFailed", _json(error.detail))
        case asyncio.CancelledError():
            # The handler cancelled itself, or awaited a task that was cancelled.
            return Failed("the handler was cancelled from within", error_class="CancelledError")
        case _:
            name, text = type(error).__name__, _text(error)
            return Failed(f"{name}: {text}" if text else name, error_class=name)


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

    error: BaseException


def _called(handler: Handler, context: StepContext) -> Any:
    try:
        return handler(context)
    except BaseException as error:  # noqa: BLE001
        return _Raised(error)


def _text(value: object) -> str:
    """The text of a value from a handler, made storable: it may hold lone surrogates, as names of files do."""
    try:
        return str(value).encode(errors="backslashreplace").decode()
    except Exception:  # noqa: BLE001 - `__str__` is the handler's own code, and may raise anything
        return f"<a {type(value).__name__} that cannot be shown>"


def _json(detail: object) -> Any:
    """A detail as it is if it is JSON, else its text."""
    try:
        return check_json(detail, MAX_OUTPUT_DEPTH)
    except ValueError:
        return _text(detail)
