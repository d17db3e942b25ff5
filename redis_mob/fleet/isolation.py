"""Handlers in processes of their own, which can be ended at any moment: `isolated`, and the worker's side of it.

The process itself is in `handler_process`, its keeper in `handler_keeper` (contract: engine-39, decision 0024).
"""

from __future__ import annotations

import asyncio
import functools
import json
import operator
import os
import pickle
import pickletools
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from typing import Any, NamedTuple, TypeAlias

from redis_mob.errors import HandlerError, RedisMobError, shortened, shown
from redis_mob.fleet import handler_keeper
from redis_mob.fleet.asking import HandlerSuspended
from redis_mob.fleet.handler_call import FailedElsewhere
from redis_mob.fleet.lease import LeaseLostError
from redis_mob.fleet.once import UnkeptError
from redis_mob.fleet.outcome import Failed, Outcome, Succeeded, Suspended, Throttled
from redis_mob.fleet.spending import Told, Wanted
from redis_mob.fleet.step_context import CalledElsewhere, Handler, StepContext, StepThrottled
from redis_mob.models.checkpoint import Checkpoint
from redis_mob.models.conversation import ChangeKind
from redis_mob.models.labels import LabelChange
from redis_mob.telemetry.handler_process import current_traceparent

TERMINATION_SECONDS = 1.0
"""How long a process has between SIGTERM and SIGKILL, and to end by itself once it has told its outcome."""

FRAME_LENGTH_BYTES = 8
"""A message between the two processes is a pickle behind its length, which takes this many bytes."""

NOT_SENT = ("cancelled", "heartbeat", "publish", "teller", "label", "checkpoints", "talk", "spending")
"""Fields of the context that the process makes for itself."""


class ToldReport(NamedTuple):
    """The handler has reported."""

    value: dict[str, Any]


class SoughtCheckpoint(NamedTuple):
    """The handler asks for what an earlier attempt has kept."""

    name: str
    ordinal: int


class SoughtHistory(NamedTuple):
    """The handler asks for the history of its conversation."""

    changes: int
    limit: int


class HistoryChange(NamedTuple):
    """The handler changes the history of its conversation."""

    number: int
    kind: ChangeKind
    items: tuple[Any, ...]
    after: str


class ToldChunk(NamedTuple):
    """The handler has told a chunk."""

    topic: str
    value: Any


def isolated(handler: Handler) -> Handler:
    """The same handler, each call of which is made in a new process; a decorator of functions, or a wrapper.

    For functions that may hang, crash or hold the interpreter: at the deadline, on cancellation, and when the worker
    loses the execution or ends, the process is ended with all that it has started. It gets SIGTERM, which sets
    `ctx.cancelled` and cancels a coroutine, and SIGKILL a second later. What the handler returns or raises is as it is
    without the process. A process that ends in another way is a failed attempt, which is tried again.

    The handler must be one that pickle finds by its name: at the top level of a module, and not of the script that
    runs, which the process does not run again. Nothing else is shared: the module is imported anew, and context
    variables are not there, but for the span of the attempt, if that module sets a provider of OpenTelemetry. Starting
    takes as long as importing does, a second perhaps, and counts as time of the step.
    """
    return handler if isinstance(handler, Isolated) else Isolated(handler)


class Isolated(CalledElsewhere):
    """A handler that calls another one in a process of its own."""

    def __init__(self, handler: Handler) -> None:
        functools.update_wrapper(self, handler, updated=())
        self.handler = handler

    async def __call__(self, ctx: StepContext) -> Any:
        """What the handler returns. Raises FailedElsewhere for what it raises, HandlerSuspended if it asks people,
        StepThrottled if its service asks to be left alone."""
        outcome = await _outcome(self, ctx)
        if isinstance(outcome, Failed):
            raise FailedElsewhere(outcome)
        if isinstance(outcome, Suspended):
            raise HandlerSuspended(outcome.asks)
        if isinstance(outcome, Throttled):
            raise StepThrottled(outcome.reason, outcome.retry_after)
        return outcome.output

    def __reduce__(self) -> str | tuple[Any, ...]:
        # A decorated function is found under its name as this object, and is not found itself.
        name = getattr(self, "__qualname__", "")
        with suppress(KeyError, AttributeError):
            if name and operator.attrgetter(name)(sys.modules[self.__module__]) is self:
                return name
        return isolated, (self.handler,)


def require_importable(handlers: Mapping[str, Handler]) -> None:
    """Raises HandlerError naming the role of an isolated handler that its process could not import."""
    for role, handler in handlers.items():
        if isinstance(handler, Isolated):
            try:
                _pickled(handler)
            except HandlerError as error:
                raise HandlerError(f"role {shown(role)}: {error}") from error.__cause__


def _pickled(handler: Isolated) -> bytes:
    name = getattr(handler, "__qualname__", type(handler.handler).__qualname__)
    advice = "define it at the top level of a module that can be imported"
    try:
        data = pickle.dumps(handler)
    except Exception as error:  # pickle calls code of the handler's, and says "no" by many exceptions
        problem = shortened(error)
        raise HandlerError(f"handler {name} cannot run in a process of its own: {problem}; {advice}") from error
    if any(argument == "__main__" for _, argument, _ in pickletools.genops(data)):
        raise HandlerError(
            f"handler {name} cannot run in a process of its own: it is defined in the script that runs; {advice}"
        )
    return data


async def _outcome(handler: Isolated, ctx: StepContext) -> Outcome:
    try:
        data = _pickled(handler)
    except HandlerError as error:
        return Failed(str(error), retryable=False, error_class="HandlerError")
    told = {one.name: getattr(ctx, one.name) for one in fields(ctx) if one.name not in NOT_SENT}
    order = (data, told, None if ctx.talk is None else ctx.talk.id, current_traceparent())
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = await asyncio.create_subprocess_exec(
                # -P: the folder of the keeper holds no modules to import by their last names
                *(sys.executable, "-P", handler_keeper.__file__, json.dumps(sys.path), str(theirs.fileno())),
                stdin=asyncio.subprocess.PIPE,  # whose end tells the keeper that this process has ended
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        return await _outcome_of(process, _told(ours, order, ctx))


async def _outcome_of(process: asyncio.subprocess.Process, telling: Any) -> Outcome:
    """The outcome that the process tells, or how it ended without one; it has ended when this returns or raises."""
    told: asyncio.Task[Outcome | None] = asyncio.create_task(telling)
    ended = asyncio.create_task(process.wait())
    try:
        await asyncio.wait({told, ended}, return_when=asyncio.FIRST_COMPLETED)
        if not told.done():
            # What it said before it ended is still to be read, up to the end of the link. Processes that it started
            # may hold the link open.
            _signal_group(process, signal.SIGKILL)
            await asyncio.wait({told}, timeout=TERMINATION_SECONDS)
        if told.done() and (outcome := told.result()) is not None:
            await asyncio.wait({ended}, timeout=TERMINATION_SECONDS)
            return outcome
        return Failed(_end(await ended))
    except asyncio.CancelledError:
        _signal_group(process, signal.SIGTERM)
        await asyncio.wait({ended}, timeout=TERMINATION_SECONDS)
        raise
    finally:
        _signal_group(process, signal.SIGKILL)
        told.cancel()
        await asyncio.wait({told, ended})


def _signal_group(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # all have ended; macOS says so of those not yet waited for
        os.killpg(process.pid, number)


def _end(status: int) -> str:
    if status >= 0:
        return f"the process of the handler ended with exit status {status}, without a result"
    try:
        name = f" ({signal.Signals(-status).name})"
    except ValueError:
        name = ""
    return f"the process of the handler was ended by signal {-status}{name}"


async def _told(link: socket.socket, order: object, ctx: StepContext) -> Outcome | None:
    """Give the order, answer what the process asks, and return the outcome; None if it ended without one."""
    reader, writer = await asyncio.open_unix_connection(sock=link)
    try:
        await _send(writer, order)
        while True:
            length = int.from_bytes(await reader.readexactly(FRAME_LENGTH_BYTES))
            message = pickle.loads(await reader.readexactly(length))  # noqa: S301 - of our own process
            if isinstance(message, Succeeded | Failed | Suspended | Throttled):
                return message
            if isinstance(message, ToldReport):
                await ctx.teller.report(message.value)
            elif isinstance(message, ToldChunk):
                # as long as this waits the link fills up, so that the process waits too
                await ctx.teller.stream(message.topic, message.value)
            else:
                await _send(writer, await _answer(ctx, message))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    finally:
        writer.close()


def framed(message: object) -> bytes:
    """A message as it is sent to the other process."""
    data = pickle.dumps(message)
    return len(data).to_bytes(FRAME_LENGTH_BYTES) + data


async def _send(writer: asyncio.StreamWriter, message: object) -> None:
    writer.write(framed(message))
    await writer.drain()


Asked: TypeAlias = (
    LabelChange | Checkpoint | SoughtCheckpoint | SoughtHistory | HistoryChange | Wanted | Told | tuple[str, Any] | None
)
"""What the process asks of its worker."""


async def _answer(ctx: StepContext, asked: Asked) -> Any:
    """What to answer: to nothing a heartbeat, to a change of labels or a checkpoint that it is done, to a name and an
    ordinal their checkpoint, to what concerns the history what it gives, to a call that draws on budgets whether it
    begins, to a key and a value that they are published; or the error of it."""
    try:
        if isinstance(asked, Checkpoint):
            return await ctx.checkpoints.keeper.keep(asked)
        if isinstance(asked, SoughtCheckpoint):
            return await ctx.checkpoints.keeper.find(*asked)
        if isinstance(asked, SoughtHistory):
            return await ctx.conversation.keeper.history(*asked)
        if isinstance(asked, HistoryChange):
            return await ctx.conversation.keeper.change(*asked)
        if isinstance(asked, LabelChange):
            return await ctx.label(asked)
        if isinstance(asked, Wanted):
            return await ctx.spending.keeper.begin_call(asked)
        if isinstance(asked, Told):
            return await ctx.spending.keeper.end_call(asked)
        return await (ctx.heartbeat() if asked is None else ctx.publish(*asked))
    except (RedisMobError, LeaseLostError, UnkeptError) as error:
        return error
