"""Calls that a handler makes once: their results are kept, so that a later attempt does not make them again.

A handler is not replayed, and need not be deterministic (decision 0041).
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, get_type_hints

from pydantic import TypeAdapter

from redis_mob.codec.arguments import valid_text
from redis_mob.codec.checkpoints import ANY_ARGUMENTS, answered_checkpoint, digest_of, is_reserved
from redis_mob.errors import ValidationError, shortened, shown
from redis_mob.fleet.asking import Asking, UnderWay
from redis_mob.fleet.outcome import MAX_OUTPUT_DEPTH
from redis_mob.fleet.plain_calls import run_in_thread
from redis_mob.fleet.typed.outputs import DeclaredOutput, output_json
from redis_mob.models.ask import Answer
from redis_mob.models.checkpoint import LONGEST_NAME, Checkpoint
from redis_mob.models.typed_values import adapter_of, read_json

_INSTEAD = "await ctx.once(...)"

Tell = Callable[[str, Any], Awaitable[None]]
"""Tells those who watch the run a message, with data."""


class CheckpointKeeper(Protocol):
    """Keeps the checkpoints of one attempt, wherever its handler runs."""

    async def find(self, name: str, ordinal: int, /) -> Checkpoint | None:
        """What an earlier attempt has kept, None if there is nothing."""
        ...

    async def keep(self, checkpoint: Checkpoint, /) -> None:
        """Keep one. Raises LeaseLostError if the execution is not this worker's any more."""
        ...


class KeptCheckpoints:
    """Keeps checkpoints in this object: for contexts that a test has made, which several contexts may share."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, int], Checkpoint] = {}

    async def find(self, name: str, ordinal: int, /) -> Checkpoint | None:
        """What was kept under this name and ordinal."""
        return self.kept.get((name, ordinal))

    async def keep(self, checkpoint: Checkpoint, /) -> None:
        """Keep it in the place of the one before."""
        self.kept[checkpoint.name, checkpoint.ordinal] = checkpoint

    def answer(self, kind: str, answer: Answer | None, ordinal: int = 0) -> None:
        """Answer what a handler will ask, the first of its kind unless `ordinal` counts on; None lets its time be over.

        The answer counts for any payload.
        """
        kept = answered_checkpoint(kind, ordinal, ANY_ARGUMENTS, answer)
        self.kept[kept.name, kept.ordinal] = kept


class UnkeptError(ValueError):
    """A call was made, and its result cannot be kept: made again it would cost again."""


class _Call(NamedTuple):
    """A call that is about to be made, and what its result is told apart by."""

    name: str
    ordinal: int
    arguments: str
    declared: DeclaredOutput | None

    def __str__(self) -> str:
        return f"call {self.ordinal} of {shown(self.name)}" if self.ordinal else f"the call {shown(self.name)}"


class Once:
    """The calls of one attempt that are made once (contract: checkpoint-3)."""

    def __init__(self, keeper: CheckpointKeeper) -> None:
        self.keeper = keeper
        self.under_way = UnderWay()
        """Which calls of the attempt are under way."""
        self.asking = Asking(keeper, self.under_way)
        """What the attempt asks people."""
        self._made: Counter[str] = Counter()

    async def call(
        self, tell: Tell, name: str, function: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any]
    ) -> Any:
        """The result of the call; see `StepContext.once`."""
        with self.under_way.call():
            return await self._called(tell, self._next(name, function, args, named), function, args, named)

    async def _called(
        self, tell: Tell, call: _Call, function: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any]
    ) -> Any:
        if (kept := await self.keeper.find(call.name, call.ordinal)) is not None:
            if kept.arguments == call.arguments:
                return _typed(call, kept.value)
            await _tell_changed(call, tell)
        value = function(*args, **named)
        if inspect.isawaitable(value):
            value = await value
        return await self._keep(call, value)

    def call_in_thread(
        self, tell: Tell, name: str, function: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any]
    ) -> Any:
        """The result of the call, in a thread where no event loop runs; see `StepContext.call_once`."""
        call = self._next(name, function, args, named)
        if (kept := run_in_thread(self.keeper.find(call.name, call.ordinal), _INSTEAD)) is not None:
            if kept.arguments == call.arguments:
                return _typed(call, kept.value)
            run_in_thread(_tell_changed(call, tell), _INSTEAD)
        value = function(*args, **named)
        if inspect.isawaitable(value):
            if inspect.iscoroutine(value):
                value.close()
            raise TypeError(f"{shown(name)} is a coroutine function: await ctx.once(...) in a handler that is one")
        return run_in_thread(self._keep(call, value), _INSTEAD)

    def _next(self, name: str, function: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any]) -> _Call:
        if not 0 < len(valid_text("name", name).encode()) <= LONGEST_NAME:
            raise ValidationError(f"name must be a text of 1 to {LONGEST_NAME} bytes, not {shown(name)}")
        if is_reserved(name):
            raise ValidationError(f"name must be a text that begins with no zero byte, not {shown(name)}")
        if not callable(function):
            raise ValidationError(f"once needs a function to call, not {shown(function)}: give it without calling it")
        try:
            digest = digest_of(output_json([list(args), dict(named)], MAX_OUTPUT_DEPTH))
        except ValueError as error:
            raise ValidationError(
                f"the arguments of {shown(name)} cannot be told apart: {shortened(error)}; give what the call depends "
                "on as arguments, and bind all else to the function"
            ) from None
        ordinal = self._made[name]
        self._made[name] += 1
        return _Call(name, ordinal, digest, _declared(function))

    async def _keep(self, call: _Call, value: Any) -> Any:
        try:
            plain = output_json(value, MAX_OUTPUT_DEPTH, call.declared)
        except ValueError as error:
            raise UnkeptError(f"the result of {call} cannot be kept: {shortened(error)}") from None
        await self.keeper.keep(Checkpoint(name=call.name, ordinal=call.ordinal, arguments=call.arguments, value=plain))
        return _typed(call, plain)


async def _tell_changed(call: _Call, tell: Tell) -> None:
    said = f"{call} is made again: its arguments are others than those of an earlier attempt"
    await tell(shortened(said), {"once": shortened(call.name), "ordinal": call.ordinal, "changed": True})


def _typed(call: _Call, value: Any) -> Any:
    """The value as the function's annotation has it: the same from the first call and from what was kept of it."""
    if call.declared is None:
        return value
    try:
        return read_json(call.declared.adapter, value)
    except ValueError as error:
        raise UnkeptError(f"the result of {call} cannot be read back: {shortened(error)}") from None


def _declared(function: Callable[..., Any]) -> DeclaredOutput | None:
    """The type that a function says it returns; None if it says none that pydantic knows."""
    kind: Any = None
    adapter: TypeAdapter[Any] | None = None
    try:
        called = function if inspect.isroutine(function) else type(function).__call__
        kind = get_type_hints(inspect.unwrap(called)).get("return", Any)
        adapter = adapter_of(kind)
    except Exception:  # noqa: BLE001 - annotations are code of the function's, and so are hooks of the type
        return None
    return None if kind is Any else DeclaredOutput(kind, adapter)
