"""What a handler asks people while it runs: it finds their answers, or ends until there is one (contract: ask-2)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, Protocol, cast

from redis_mob.codec.arguments import valid_text
from redis_mob.codec.checkpoints import ANY_ARGUMENTS, answer_of, ask_name, digest_of
from redis_mob.errors import Portable, ValidationError, shortened, shown
from redis_mob.fleet.outcome import MAX_OUTPUT_DEPTH, NewAsk, Suspended
from redis_mob.fleet.plain_calls import run_in_thread
from redis_mob.fleet.schemas import checked_schema
from redis_mob.fleet.typed.outputs import output_json
from redis_mob.models.ask import LONGEST_KIND, Answer
from redis_mob.models.checkpoint import Checkpoint

QUIET_TURNS = 3
"""Turns of the event loop without a new call of the handler after which one that asks is suspended: so asks that are
made together become pending together."""


class AskTimeoutError(Portable, Exception):
    """There was no answer in time. A handler may catch it; else its attempt fails by it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class HandlerSuspended(Portable, BaseException):
    """Ends a handler that waits for answers, or whose run was paused by a budget.

    It is no Exception, so that handlers do not take it for a failure.
    """

    def __init__(self, asks: tuple[NewAsk, ...]) -> None:
        waits = f"it waits for an answer to {', '.join(shown(ask.kind) for ask in asks)}"
        super().__init__(waits if asks else "its run is paused")
        self.asks = asks


def suspension_in(error: BaseException) -> Suspended | None:
    """That the handler waits for answers, or for its run, if this is all that the exception says.

    Groups that hold only that do too.
    """
    if isinstance(error, HandlerSuspended):
        return Suspended(error.asks)
    if not isinstance(error, BaseExceptionGroup):
        return None
    found: dict[tuple[str, int], NewAsk] = {}
    for one in cast("tuple[BaseException, ...]", error.exceptions):
        if (suspended := suspension_in(one)) is None:
            return None
        found |= {(ask.kind, ask.ordinal): ask for ask in suspended.asks}
    return Suspended(tuple(found.values()))


class Finder(Protocol):
    """Finds checkpoints of an earlier attempt, or of this one before it was suspended."""

    async def find(self, name: str, ordinal: int, /) -> Checkpoint | None: ...


_within: ContextVar[tuple[object, ...]] = ContextVar("_within", default=())
"""The calls that what runs here is a part of."""


class UnderWay:
    """Which calls of a handler are under way: it is not ended before their results are kept.

    A call that asks people itself is not waited for: it goes on when it is made again.
    """

    def __init__(self) -> None:
        self._open: set[object] = set()
        self._asking: set[object] = set()
        self._begun = 0
        self._ended = asyncio.Event()

    @contextmanager
    def call(self) -> Generator[None]:
        """A call is under way within this."""
        call = object()
        around = _within.set((*_within.get(), call))
        self._open.add(call)
        self._begun += 1
        try:
            yield
        finally:
            self._open.discard(call)
            self._ended.set()
            _within.reset(around)

    async def none(self) -> None:
        """Return when none is but those that ask, this one among them, and none has begun for a moment."""
        self._asking.update(_within.get())
        self._ended.set()
        begun, quiet = -1, 0
        while quiet < QUIET_TURNS:
            if is_busy := bool(self._open - self._asking):
                self._ended.clear()
                await self._ended.wait()
            else:
                await asyncio.sleep(0)
            quiet = quiet + 1 if begun == self._begun and not is_busy else 0
            begun = self._begun


class Asking:
    """What one attempt of a handler asks people."""

    def __init__(self, finder: Finder, under_way: UnderWay) -> None:
        self._finder = finder
        self._under_way = under_way
        self._made: Counter[str] = Counter()
        self._pending: list[NewAsk] = []

    async def ask(self, kind: str, payload: Any, schema: Any, timeout: timedelta | None) -> Answer:
        """The answer; see `StepContext.ask`."""
        ask = self._next(kind, payload, schema, timeout)
        with self._under_way.call():
            kept = await self._finder.find(ask_name(ask.kind), ask.ordinal)
        if (answer := _answer_to(ask, kept)) is not None:
            return answer
        self._pending.append(ask)
        await self._under_way.none()
        raise HandlerSuspended(tuple(self._pending))

    def ask_in_thread(self, kind: str, payload: Any, schema: Any, timeout: timedelta | None) -> Answer:
        """The answer, in a thread where no event loop runs; see `StepContext.call_ask`."""
        ask = self._next(kind, payload, schema, timeout)
        kept = run_in_thread(self._finder.find(ask_name(ask.kind), ask.ordinal), "await ctx.ask(...)")
        if (answer := _answer_to(ask, kept)) is not None:
            return answer
        self._pending.append(ask)
        raise HandlerSuspended(tuple(self._pending))

    def _next(self, kind: str, payload: Any, schema: Any, timeout: timedelta | None) -> NewAsk:
        if not 0 < len(valid_text("kind", kind).encode()) <= LONGEST_KIND:
            raise ValidationError(f"kind must be a text of 1 to {LONGEST_KIND} bytes, not {shown(kind)}")
        try:
            plain = output_json(payload, MAX_OUTPUT_DEPTH)
        except ValueError as error:
            raise ValidationError(f"the payload of the ask {shown(kind)} is refused: {shortened(error)}") from None
        if schema is not None:
            schema = checked_schema(f"the schema of the ask {shown(kind)}", schema)
        ordinal = self._made[kind]
        self._made[kind] += 1
        milliseconds = None if timeout is None else -(-timeout // timedelta(milliseconds=1))
        return NewAsk(kind, ordinal, digest_of([plain, schema]), plain, schema, milliseconds)


def _answer_to(ask: NewAsk, kept: Checkpoint | None) -> Answer | None:
    """What was answered, None if nothing was to what is asked now. Raises AskTimeoutError if that is too late."""
    if kept is None or kept.arguments not in (ask.digest, ANY_ARGUMENTS):
        return None
    answer = answer_of(kept)
    if answer is None:
        raise AskTimeoutError(ask.kind, f"the ask {shown(ask.kind)} was not answered in time")
    return answer.model_copy(update={"value": ask.payload}) if answer.approved and not answer.edited else answer
