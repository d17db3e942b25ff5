"""The process of one isolated handler: calls it in its main thread, and tells its worker what came of it."""

from __future__ import annotations

import asyncio
import pickle
import signal
import socket
import threading
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from redis_mob.errors import HandlerError, ValidationError, shortened, shown
from redis_mob.fleet.conversation import HandlerConversation
from redis_mob.fleet.handler_call import CANCELLED_WITHIN, awaited, called, outcome_of
from redis_mob.fleet.isolation import (
    FRAME_LENGTH_BYTES,
    HistoryChange,
    Isolated,
    SoughtCheckpoint,
    SoughtHistory,
    ToldChunk,
    ToldReport,
    framed,
)
from redis_mob.fleet.once import Once
from redis_mob.fleet.outcome import Failed, Outcome, Throttled
from redis_mob.fleet.said import bounded, class_of, text_of
from redis_mob.fleet.spending import Answered, Spending, Told, Wanted
from redis_mob.fleet.step_context import StepContext
from redis_mob.fleet.telling import Ready
from redis_mob.fleet.typed.binding import BoundHandler, bound
from redis_mob.fleet.typed.dependencies import Dependencies, Dependency
from redis_mob.models.checkpoint import Checkpoint
from redis_mob.models.conversation import ChangeKind, ConversationItem
from redis_mob.models.labels import LabelChange
from redis_mob.telemetry.handler_process import enter_attempt, flush
from redis_mob.telemetry.log_context import LogIds


class Link:
    """This process's end of the link to its worker."""

    def __init__(self, number: int) -> None:
        self._socket = socket.socket(fileno=number)
        self._socket.set_inheritable(False)  # programs that the handler starts must not hold the link open
        self._stream = self._socket.makefile("rb")
        self._answers: SimpleQueue[Any] = SimpleQueue()
        self._asking = threading.Lock()
        self._sending = threading.Lock()

    def receive(self) -> Any:
        """The next message of the worker. Raises EOFError when the worker has ended, and so the keeper ends this."""
        length = int.from_bytes(self._stream.read(FRAME_LENGTH_BYTES))
        data = self._stream.read(length)
        if not data or len(data) < length:
            raise EOFError
        return pickle.loads(data)  # noqa: S301 - of our own worker

    def follow(self) -> None:
        """Take the answers of the worker, until it ends."""
        with suppress(EOFError):
            while True:
                self._answers.put(self.receive())

    def send(self, message: object) -> None:
        """Send a message to the worker."""
        data = framed(message)
        with self._sending:  # threads of the handler may tell something at the same time
            self._socket.sendall(data)

    def report(self, value: dict[str, Any], /) -> Awaitable[None]:
        """Tell a report."""
        self.send(ToldReport(value))
        return Ready()

    def stream(self, topic: str, value: Any, /) -> Awaitable[None]:
        """Tell a chunk; waits while the worker has too much that is unsent."""
        self.send(ToldChunk(topic, value))
        return Ready()

    async def heartbeat(self) -> bool:
        """Let the worker ask whether the execution is still its own. Raises MobStoreError as it does there."""
        return await asyncio.to_thread(self._asked, None)

    async def publish(self, key: str, value: Any) -> None:
        """Let the worker publish a value. Raises as it does there; ValidationError for what cannot be sent to it."""
        try:
            framed((key, value))
        except Exception as error:  # pickle calls code of the value's, and says "no" by many exceptions
            raise ValidationError(f"the value published as {shown(key)} is refused: {shortened(error)}") from error
        await asyncio.to_thread(self._asked, (key, value))

    def label(self, change: LabelChange) -> Awaitable[None]:
        """Let the worker change attributes and summary; in a plain function that is done when this returns."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._asked(change)
            return Ready()
        return asyncio.to_thread(self._asked, change)

    async def find(self, name: str, ordinal: int, /) -> Checkpoint | None:
        """Let the worker look for a checkpoint. Raises as it does there."""
        return await asyncio.to_thread(self._asked, SoughtCheckpoint(name, ordinal))

    async def keep(self, checkpoint: Checkpoint, /) -> None:
        """Let the worker keep a checkpoint. Raises as it does there."""
        await asyncio.to_thread(self._asked, checkpoint)

    async def history(self, changes: int, limit: int, /) -> list[ConversationItem]:
        """Let the worker read the history of the conversation. Raises as it does there."""
        return await asyncio.to_thread(self._asked, SoughtHistory(changes, limit))

    async def change(self, number: int, kind: ChangeKind, items: Sequence[Any], after: str, /) -> tuple[Any, ...]:
        """Let the worker change that history; what is changed is JSON. Raises as it does there."""
        return await asyncio.to_thread(self._asked, HistoryChange(number, kind, tuple(items), after))

    async def begin_call(self, wanted: Wanted, /) -> Answered:
        """Let the worker say whether a call may begin. Raises as it does there."""
        # questions are answered in turn: the end of a call that this one waits for must not stand behind it
        return await asyncio.to_thread(self._asked, wanted._replace(is_patient=False))

    async def end_call(self, told: Told, /) -> None:
        """Let the worker count what a call has used. Raises as it does there."""
        await asyncio.to_thread(self._asked, told)

    def _asked(self, question: object) -> Any:
        with self._asking:
            self.send(question)
            answer = self._answers.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer


def main(number: int) -> None:
    """Do what the worker at the other end of this open socket says, and end."""
    link = Link(number)
    handler, told, conversation, traceparent = link.receive()
    threading.Thread(target=link.follow, daemon=True).start()
    try:
        loaded: Isolated = pickle.loads(handler)  # noqa: S301 - of our own worker
        called_here = bound(loaded.handler)
    except HandlerError as error:
        link.send(Failed(bounded(str(error)), retryable=False, error_class="HandlerError"))
        return
    except BaseException as error:  # noqa: BLE001 - it imports the module of the handler, which may raise anything
        reason = f"the handler cannot be imported in its process: {class_of(error)}: {text_of(error)}"
        link.send(Failed(bounded(reason), retryable=False, error_class=class_of(error)))
        return
    enter_attempt(traceparent, LogIds(told["run_id"], told["step_id"], told["member"], told["attempt"]))
    once = Once(link)
    context = StepContext(
        **told,
        cancelled=asyncio.Event(),
        heartbeat=link.heartbeat,
        publish=link.publish,
        teller=link,
        label=link.label,
        checkpoints=once,
        spending=Spending(link, once.under_way),
        talk=None if conversation is None else HandlerConversation(conversation, link),
    )
    signal.signal(signal.SIGTERM, lambda _number, _frame: context.cancelled.set())
    with asyncio.Runner() as runner:
        dependencies = Dependencies()
        # sent before the loop ends, which waits for all that the handler has left in threads
        outcome = _outcome(called_here, context, dependencies, runner)
        flush()
        link.send(outcome)


def _outcome(
    handler: BoundHandler, context: StepContext, dependencies: Dependencies, runner: asyncio.Runner
) -> Outcome:
    """Call the handler; a plain function outside of the event loop, so that it may run one of its own."""
    needed = handler.signature.dependencies
    made: dict[str, Any] = {}
    if needed:
        outcome = runner.run(outcome_of(_made(needed, dependencies, made), context.step_id))
        if isinstance(outcome, Failed | Throttled):
            return outcome
    outcome = runner.run(_awaited(awaited(called(handler, context, made)), handler, context))
    if needed:
        runner.run(dependencies.close())
    return outcome


async def _made(needed: Mapping[str, Dependency], dependencies: Dependencies, made: dict[str, Any]) -> None:
    made.update(await dependencies.values(needed))


async def _awaited(value: Awaitable[Any], handler: BoundHandler, context: StepContext) -> Outcome:
    handling = asyncio.create_task(outcome_of(value, context.step_id, handler.signature.output))

    def cancel() -> None:
        context.cancelled.set()
        handling.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, cancel)
    await asyncio.wait({handling})
    return Failed(CANCELLED_WITHIN, error_class="CancelledError") if handling.cancelled() else handling.result()
