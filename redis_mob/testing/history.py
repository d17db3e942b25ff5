"""Whether what concurrent clients saw could have happened as one call after the other: a checker of linearizability.

    history = History[str]()
    await asyncio.gather(*(history.record(client, "add", counter.add) for client in range(4)))
    await check(history, CounterModel())

A history is linearizable if its calls can be put in one serial order that explains it: a call that ended before another
one started comes first, and the model gives every call the result that was recorded. `check` looks for such an order by
the search of Wing and Gong, and never enters twice what it has tried: the same calls done, the same state reached
(Lowe). That takes few steps where few calls overlap and their results tell much, and where independent objects are
checked one by one (`History.split`); in the worst case it takes exponentially many.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, Protocol, TypeVar

from redis_mob.errors import Portable

_LONGEST = 300
"""Characters of a call or result that a report shows."""

C = TypeVar("C")
C_contra = TypeVar("C_contra", contravariant=True)
K = TypeVar("K", bound=Hashable)
R = TypeVar("R")
S = TypeVar("S", bound=Hashable)


class Model(Protocol[C_contra, S]):
    """What the calls do when they come one after the other, as a function of states.

    Two states that are equal must behave alike for ever.
    """

    def start(self) -> S:
        """The state before the first call."""
        ...

    async def apply(self, state: S, call: C_contra, /) -> tuple[object, S]:
        """The result of a call in this state, and the state after it. The given state stays as it is."""
        ...


@dataclass(frozen=True, slots=True)
class RecordedCall(Generic[C]):
    """One call of one client.

    Times are nanoseconds of a clock that all clients share, as `time.monotonic_ns` is for all processes of a machine.
    `ended` is None when the outcome of the call is unknown: it may take effect at any moment from `started` on, or
    never, and `result` says nothing.
    """

    client: Hashable
    call: C
    started: int
    ended: int | None = None
    result: object = None


class History(Generic[C]):
    """The calls of all clients, in any order."""

    def __init__(self, calls: Iterable[RecordedCall[C]] = ()) -> None:
        self.calls = list(calls)

    async def record(self, client: Hashable, call: C, perform: Callable[[], Awaitable[R]]) -> R:
        """Perform a call and return its result, which is recorded with the times at which it started and ended.

        When it raises or is cancelled, its outcome counts as unknown. An error that is an answer, such as a lost
        compare, has to be returned as a result.
        """
        place, started = len(self.calls), RecordedCall(client, call, time.monotonic_ns())
        self.calls.append(started)
        result = await perform()
        self.calls[place] = replace(started, ended=time.monotonic_ns(), result=result)
        return result

    def split(self, by: Callable[[C], K]) -> dict[K, History[C]]:
        """A history for each object, given which one a call is about.

        A history is linearizable exactly if those of its objects are, provided that no call is about two.
        """
        parts: dict[K, History[C]] = {}
        for recorded in self.calls:
            parts.setdefault(by(recorded.call), History()).calls.append(recorded)
        return parts


class Misfit(NamedTuple, Generic[C]):
    """A call that cannot come next, since the model answers something else."""

    recorded: RecordedCall[C]
    answer: object


class NoSerialOrderError(Portable, AssertionError, Generic[C]):
    """No serial order was found that explains a history; the message shows how far one gets.

    `prefix` is the longest one found, `misfits` are the calls of which one would have to come next. `exhausted` says
    that there is no order at all; otherwise the search was given up.
    """

    def __init__(
        self,
        calls: Sequence[RecordedCall[C]],
        prefix: Sequence[RecordedCall[C]],
        misfits: Sequence[Misfit[C]],
        *,
        exhausted: bool,
    ) -> None:
        self.prefix = prefix
        self.misfits = misfits
        self.exhausted = exhausted
        epoch = min(recorded.started for recorded in calls)
        lines = [
            f"{'there is no' if exhausted else 'found no'} serial order that explains these {len(calls)} calls; "
            f"the longest possible one has {len(prefix)}:",
            *(_line(recorded, epoch) for recorded in prefix),
            "and these cannot come next:",
            *(f"{_line(recorded, epoch)}; the model says {_short(answer)}" for recorded, answer in misfits),
        ]
        super().__init__("\n".join(lines))


async def check(history: History[C], model: Model[C, S], *, limit: int = 100_000) -> list[RecordedCall[C]]:
    """A serial order that explains a history.

    It holds every call whose outcome is known, and of the others those that take effect in it. Raises
    NoSerialOrderError if there is none, or if none was found after the model had applied `limit` calls.
    """
    calls = sorted(history.calls, key=lambda recorded: recorded.started)
    known = sum(1 << number for number, recorded in enumerate(calls) if recorded.ended is not None)
    path = [_Step(0, model.start(), _possible(calls, 0))]
    tried = {(0, path[0].state)}
    order: list[int] = []
    longest: list[int] = []
    applied = 0
    while path:
        done, state, untried = path[-1]
        if done & known == known:
            return [calls[number] for number in order]
        if applied == limit:
            break
        number = next(untried, None)
        if number is None:
            path.pop()
            del order[-1:]
            continue
        answer, after = await model.apply(state, calls[number].call)
        applied += 1
        reached = (done | 1 << number, after)
        if _fits(calls[number], answer, has_effect=after != state) and reached not in tried:
            tried.add(reached)
            path.append(_Step(*reached, _possible(calls, reached[0])))
            order.append(number)
            if len(order) > len(longest):
                longest = order.copy()
    raise NoSerialOrderError(calls, *await _explain(calls, model, longest), exhausted=not path)


class _Step(NamedTuple, Generic[S]):
    """The calls done so far as a set of bits, the state they led to, and what is still to be tried after them."""

    done: int
    state: S
    untried: Iterator[int]


def _possible(calls: Sequence[RecordedCall[C]], done: int) -> Iterator[int]:
    """Which calls may come next: those that started before any other one which is not done had ended."""
    possible: list[int] = []
    first_end = math.inf
    for number, recorded in enumerate(calls):
        if done >> number & 1:
            continue
        if recorded.started > first_end:
            break
        possible.append(number)
        first_end = min(first_end, _end(recorded))
    return iter(sorted(possible, key=lambda number: _end(calls[number])))


def _end(recorded: RecordedCall[C]) -> float:
    return math.inf if recorded.ended is None else recorded.ended


def _fits(recorded: RecordedCall[C], answer: object, *, has_effect: bool) -> bool:
    """Whether a call may come next; one of unknown outcome only has to where it changes something."""
    return has_effect if recorded.ended is None else answer == recorded.result


async def _explain(
    calls: Sequence[RecordedCall[C]], model: Model[C, S], order: Sequence[int]
) -> tuple[list[RecordedCall[C]], list[Misfit[C]]]:
    """The calls of a serial order, and those that cannot follow it."""
    state, done = model.start(), 0
    for number in order:
        _, state = await model.apply(state, calls[number].call)
        done |= 1 << number
    misfits: list[Misfit[C]] = []
    for number in _possible(calls, done):
        answer, _ = await model.apply(state, calls[number].call)
        if calls[number].ended is not None and answer != calls[number].result:
            misfits.append(Misfit(calls[number], answer))
    return [calls[number] for number in order], misfits


def _line(recorded: RecordedCall[C], epoch: int) -> str:
    started, ended, outcome = (recorded.started - epoch) // 1000, "?", "unknown"
    if recorded.ended is not None:
        ended, outcome = (recorded.ended - epoch) // 1000, _short(recorded.result)
    return f"  {recorded.client}, {started} to {ended} µs: {_short(recorded.call)} -> {outcome}"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
