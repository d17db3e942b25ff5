"""Calls a handler, and turns what it returns or raises into an outcome."""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from redis_mob.fleet.outcome import MAX_OUTPUT_DEPTH, Failed, Outcome, Succeeded
from redis_mob.fleet.step_context import Handler, StepContext, StepFailed
from redis_mob.models.base import check_json


def start_handler(handler: Handler, context: StepContext, threads: ThreadPoolExecutor) -> asyncio.Task[Any]:
    """Start a handler in a task of its own: a coroutine function in this event loop, any other callable in a thread."""
    work = asyncio.create_task(_call(handler, context, threads))
    work.add_done_callback(_retrieve_exception)
    return work


async def _call(handler: Handler, context: StepContext, threads: ThreadPoolExecutor) -> Any:
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None)):  # noqa: B004
        return await handler(context)
    value = await asyncio.get_running_loop().run_in_executor(threads, handler, context)
    # A lambda or a partial around a coroutine function does not look like one; its value does.
    return await value if inspect.isawaitable(value) else value


def _retrieve_exception(work: asyncio.Task[Any]) -> None:
    # The result of a cancelled handler is dropped. If it raised instead of stopping, asyncio would log "Task exception
    # was never retrieved", though the outcome of the execution is decided already.
    if not work.cancelled():
        work.exception()


def outcome_of(work: asyncio.Task[Any]) -> Outcome:
    """The outcome of a handler that has ended by itself."""
    if work.cancelled():
        # The handler cancelled itself, or awaited a task that was cancelled. It fails like any other: if the
        # cancellation went on up from here, it would end the worker.
        return Failed("the handler was cancelled from within", error_class="CancelledError")
    match work.exception():
        case None:
            return Succeeded(work.result())
        case StepFailed() as failed:
            return Failed(_text(failed.reason), failed.retryable, "StepFailed", _json(failed.detail))
        case error:
            name, text = type(error).__name__, _text(error)
            return Failed(f"{name}: {text}" if text else name, error_class=name)


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
