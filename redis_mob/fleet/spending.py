"""What the calls of a handler use: each asks before it begins, and tells when it has ended (contract: budget-2)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from enum import StrEnum
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self, TypeVar

from redis_mob.codec.arguments import integer, optional_valid_text
from redis_mob.errors import ValidationError, shown
from redis_mob.fleet.asking import HandlerSuspended, UnderWay
from redis_mob.fleet.plain_calls import run_in_thread
from redis_mob.fleet.step_failed import StepFailed, StepThrottled
from redis_mob.host_environment import environment
from redis_mob.models.budget import MOST, MOST_COST, micro
from redis_mob.models.model_usage import LONGEST_MODEL
from redis_mob.models.prices import ModelUse
from redis_mob.models.printable import printable

T = TypeVar("T")

_INSTEAD = "async with ctx.spend(...)"

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 0.5
"""How long a call waits that was told to ask again: twice as long each time."""


class Wanted(NamedTuple):
    """What a call may use, as its handler says; None of what it uses none of.

    `number` tells apart the calls of an attempt. `cost` is in millionths. `elapsed_ms` is how long the handler has run
    since that was told last. One that `is_patient` may be answered when there is room for it; another one is told
    at once to ask again.
    """

    number: int
    tokens: int | None = None
    cost: int | None = None
    tool_calls: int = 0
    model: str | None = None
    elapsed_ms: int = 0
    is_patient: bool = True

    @property
    def puts_aside(self) -> bool:
        """Whether what it uses is known only when it has ended."""
        return self.tokens is not None or self.cost is not None or self.model is not None


class Told(NamedTuple):
    """What a call has used; `use` is None if it did not tell, `cost` if that is a matter of prices, `model` if it is
    the one that the call has named."""

    wanted: Wanted
    use: ModelUse | None = None
    cost: int | None = None
    elapsed_ms: int = 0
    model: str | None = None

    @property
    def priced_model(self) -> str | None:
        """The model whose price counts."""
        return self.wanted.model if self.model is None else self.model


class Beginning(StrEnum):
    """Whether a call begins now or asks again, whether its run was paused instead, or the call is refused for good."""

    NOW = "now"
    LATER = "later"
    PAUSED = "paused"
    REFUSED = "refused"


class Answered(NamedTuple):
    """Whether a call begins, and why not; `has_waited` says that it was kept waiting for room."""

    beginning: Beginning
    reason: str = ""
    has_waited: bool = False


NOW = Answered(Beginning.NOW)


class SpendKeeper(Protocol):
    """Keeps the accounts that the calls of one attempt draw on, wherever its handler runs."""

    async def begin_call(self, wanted: Wanted, /) -> Answered:
        """Whether a call may begin; if so, what it wants is put aside."""
        ...

    async def end_call(self, told: Told, /) -> None:
        """Count what a call has used."""
        ...


class KeptSpending:
    """Allows each call, and remembers what was told: for contexts that a test has made."""

    def __init__(self) -> None:
        self.wanted: list[Wanted] = []
        self.told: list[Told] = []

    async def begin_call(self, wanted: Wanted, /) -> Answered:
        """It may begin."""
        self.wanted.append(wanted)
        return NOW

    async def end_call(self, told: Told, /) -> None:
        """Remember it."""
        self.told.append(told)


class BudgetExceededError(StepFailed):
    """A budget refuses a call for good. A handler may catch it and do without the call; else its step fails by it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False)


_within: ContextVar[tuple[object, ...]] = ContextVar("_within", default=())
"""The attempts, by their spending, in calls of which what runs here takes part."""


class Spending:
    """The calls of one attempt that draw on budgets."""

    def __init__(
        self, keeper: SpendKeeper, under_way: UnderWay | None = None, clock: Callable[[], float] | None = None
    ) -> None:
        self.keeper = keeper
        self.under_way = under_way or UnderWay()
        self._clock = clock or environment().monotonic
        self._told_at = self._clock()
        self._number = 0

    def spend(
        self,
        *,
        tokens: int | None = None,
        cost: float | None = None,
        tool_calls: int = 0,
        model: str | None = None,
    ) -> Spend:
        """The next call. Raises ValidationError for what makes no sense."""
        self._number += 1
        return Spend(self, wanted_of(self._number, tokens, cost, tool_calls, model))

    def elapsed_ms(self) -> int:
        """How long the handler has run since this was asked last: calls side by side count once."""
        before, self._told_at = self._told_at, self._clock()
        return max(round((self._told_at - before) * 1000), 0)

    def forget_pause(self) -> None:
        """What has elapsed since it was asked was spent with waiting, and does not count."""
        self._told_at = self._clock()


class Spend:
    """A call that draws on budgets, while it is under way: see `StepContext.spend`."""

    def __init__(self, spending: Spending, wanted: Wanted) -> None:
        self._spending = spending
        self._wanted = wanted
        self._told = Told(wanted)
        self._call: AbstractContextManager[None] | None = None
        self._reset: Token[tuple[object, ...]] | None = None

    def used(
        self,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cache_read_tokens: int = 0,
        cache_write_tokens: int = 0,
        cost: float | None = None,
        model: str | None = None,
    ) -> None:
        """Tell what the call has used, in all: of several times the last one counts. Without arguments: nothing.

        `input_tokens` are all that the model was given, those read from a cache, or written to one, among them. Without
        a `cost` it is that of the prices, of the `model` that has answered if that is another one than the call has
        named. What a service tells must not fail a step that was paid: a greater number than can be counted counts as
        the greatest, and a longer name of a model is cut to 256 characters, with escapes in the place of those that are
        not printable. Raises ValidationError for what is no number from 0 on, or no text.
        """
        use = ModelUse.unchecked(
            input_tokens=_told_count("input_tokens", input_tokens),
            output_tokens=_told_count("output_tokens", output_tokens),
            cache_read_tokens=_told_count("cache_read_tokens", cache_read_tokens),
            cache_write_tokens=_told_count("cache_write_tokens", cache_write_tokens),
        )
        self._told = Told(self._wanted, use, _told_cost(cost), model=_told_model(model))

    async def __aenter__(self) -> Self:
        self._require_alone()
        pause = FIRST_PAUSE_SECONDS
        while not self._begins(await self._begin()):
            await asyncio.sleep(pause)
            pause = self._waited(pause)
        if self._is_paused:
            await self._spending.under_way.none()
            raise HandlerSuspended(())
        self._enter()
        self._call = self._spending.under_way.call()
        self._call.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if (told := self._ended(error)) is not None:
                await _to_its_end(asyncio.ensure_future(self._end(told)))
        finally:
            if self._call is not None:
                self._call.__exit__(kind, error, trace)

    def __enter__(self) -> Self:
        self._require_alone()
        pause = FIRST_PAUSE_SECONDS
        while not self._begins(run_in_thread(self._begin(), _INSTEAD)):
            time.sleep(pause)
            pause = self._waited(pause)
        if self._is_paused:
            raise HandlerSuspended(())
        self._enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if (told := self._ended(error)) is not None:
            run_in_thread(self._end(told), _INSTEAD)

    async def _begin(self) -> Answered:
        """Whether it begins. One that is cancelled while it asks may have begun: nothing stays put aside for it."""
        keeper = self._spending.keeper
        asking = asyncio.ensure_future(_answer(keeper, self._asked()))
        try:
            return await _to_its_end(asking)
        except asyncio.CancelledError:
            if asking.done() and not asking.cancelled() and not asking.exception() and asking.result() == NOW:
                await keeper.end_call(Told(self._wanted, ModelUse()))
            raise

    async def _end(self, told: Told) -> None:
        await self._spending.keeper.end_call(told)

    _is_paused = False

    def _asked(self) -> Wanted:
        return self._wanted._replace(elapsed_ms=self._spending.elapsed_ms())

    def _begins(self, answered: Answered) -> bool:
        """Whether the wait is over. Raises BudgetExceededError if the call is refused."""
        if answered.beginning is Beginning.REFUSED:
            raise BudgetExceededError(answered.reason)
        self._is_paused = answered.beginning is Beginning.PAUSED
        if answered.has_waited:
            self._spending.forget_pause()
        return answered.beginning is not Beginning.LATER

    def _waited(self, pause: float) -> float:
        self._spending.forget_pause()
        return min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _require_alone(self) -> None:
        if self._wanted.puts_aside and self._spending in _within.get():
            raise ValidationError(
                "a call that draws on a budget has no other one within it, which would wait for its end: tell what "
                "both use by the outer one, or begin them one after the other"
            )

    def _enter(self) -> None:
        if self._wanted.puts_aside:
            self._reset = _within.set((*_within.get(), self._spending))

    def _ended(self, error: BaseException | None) -> Told | None:
        """What is to be told of the call, None if all of it counted from its beginning."""
        if isinstance(error, StepThrottled) and self._told.use is None:
            self.used()  # its service has refused it
        if self._reset is not None:
            _within.reset(self._reset)
        elif self._told.use is None:
            return None
        return self._told._replace(elapsed_ms=self._spending.elapsed_ms())


async def _answer(keeper: SpendKeeper, wanted: Wanted) -> Answered:
    return await keeper.begin_call(wanted)


async def _to_its_end(asking: asyncio.Future[T]) -> T:
    """What it gives. A caller that is cancelled meanwhile waits for its end: how it ended would not be known."""
    try:
        return await asyncio.shield(asking)
    except asyncio.CancelledError:
        await asyncio.wait([asking])
        if not asking.cancelled():
            asking.exception()  # it was looked at
        raise


def wanted_of(number: int, tokens: int | None, cost: float | None, tool_calls: int, model: str | None) -> Wanted:
    """What a call wants. Raises ValidationError for what makes no sense."""
    named = optional_valid_text("model", model)
    if named is not None and (len(named) > LONGEST_MODEL or not named.isprintable()):
        raise ValidationError(
            f"model must be the name of one, of at most {LONGEST_MODEL} printable characters, not {shown(named)}"
        )
    if tokens is None and cost is None and named is None and not tool_calls:
        raise ValidationError("spend needs what the call may use: tokens, cost, tool_calls or a model")
    return Wanted(
        number,
        None if tokens is None and named is None else _count("tokens", 0 if tokens is None else tokens),
        checked_cost(cost),
        _count("tool_calls", tool_calls),
        named,
    )


def checked_cost(cost: float | None) -> int | None:
    """A cost in millionths. Raises ValidationError for one that cannot be counted."""
    given: Any = cost
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= MOST_COST:
        raise ValidationError(f"cost must be a number from 0 to {MOST_COST:,}, not {shown(given)}")
    return micro(given)


def _told_count(name: str, value: Any) -> int:
    return min(integer(name, value, least=0), MOST)


def _told_cost(cost: float | None) -> int | None:
    given: Any = cost
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    return checked_cost(MOST_COST if is_number and given > MOST_COST else given)


def _told_model(model: str | None) -> str | None:
    given: Any = model
    if not isinstance(given, str):
        return optional_valid_text("model", given)
    return printable(given[:LONGEST_MODEL])[:LONGEST_MODEL]


def _count(name: str, value: Any) -> int:
    if (checked := integer(name, value, least=0)) > MOST:
        raise ValidationError(f"{name} must be from 0 to {MOST:,}, not {shown(value)}")
    return checked
