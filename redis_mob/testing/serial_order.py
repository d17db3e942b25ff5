"""The search for a serial order of recorded calls, which `redis_mob.testing.history` decides with.

It is the search of Wing and Gong, which never enters twice what it has tried (Lowe; decision 0065). What makes it fit
for histories of a hundred thousand calls:

* The calls that are not in the order yet are a linked list, out of which a call is taken, and into which it is put
  back, at a cost that does not depend on the length of the history. So a step costs what overlaps.
* What was tried is known by the first call that is missing, the later ones that are not, and the state. Where few calls
  overlap that is a small number and not a set of all calls.
* A call of unknown outcome may be left out. So it is tried only where no call of known outcome comes next, directly
  before one that does, and once the search has fallen back a little: most often another order of the calls before is
  what was missing. A place is not entered again with more of them spent, since all that could follow there could follow
  with fewer spent too. Of equal ones, which cannot be told apart, the one that started first comes first.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Hashable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

LOOK_UP_EVERY = 1_024
"""Applications of a model between two looks at the clock, at which other tasks may go on too."""

_COST_OF_UNKNOWN = 16
"""How many calls of known outcome less far the search may fall back before it tries one of unknown outcome."""

C = TypeVar("C")
C_contra = TypeVar("C_contra", contravariant=True)
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


class PlainModel(Protocol[C_contra, S]):
    """A model that awaits nothing: its `apply` is a plain function, and the search is several times as fast."""

    def start(self) -> S:
        """The state before the first call."""
        ...

    def apply(self, state: S, call: C_contra, /) -> tuple[object, S]:
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


class Misfit(NamedTuple, Generic[C]):
    """A call that cannot come next, since the model answers something else."""

    recorded: RecordedCall[C]
    answer: object


@dataclass(frozen=True, slots=True)
class Sought(Generic[C]):
    """What a search came to.

    `order` is the serial order, None if none was found; `exhausted` says then that there is none, and not that the
    search was given up. `prefix` is the longest order that was found, `misfits` are the calls that cannot follow it.
    """

    order: list[RecordedCall[C]] | None
    exhausted: bool
    prefix: list[RecordedCall[C]]
    misfits: list[Misfit[C]]


_Path: TypeAlias = "tuple[_Path, RecordedCall[Any]] | None"
"""The calls of an order, from the last one back."""


class _Place(NamedTuple):
    """Where the search is after some calls of known outcome, of which `taken` is the last one.

    `first` is the first one that is missing, `mask` are the later ones that are not, as a set of bits from `first` on.
    `ready` are those that may come next, `first_end` is when the first one of these ended.
    """

    parent: _Place | None
    taken: int
    depth: int
    first: int
    mask: int
    ready: list[int]
    first_end: float


@dataclass(slots=True)
class _Turn(Generic[S]):
    """A state at a place, and which of the ready calls is tried next.

    `spent` are the calls of unknown outcome that led there, as a set of bits; `chain` is how many came since the place
    was reached.
    """

    place: _Place
    state: S
    path: _Path
    spent: int
    chain: int = 0
    next: int = 0


class _Remaining:
    """The calls of known outcome that are not in the order, as a linked list in the order of their starts."""

    def __init__(self, calls: Sequence[RecordedCall[Any]]) -> None:
        edge = len(calls)
        self._starts = [recorded.started for recorded in calls]
        self._ends = [math.inf if recorded.ended is None else recorded.ended for recorded in calls]
        self._edge = edge
        self._after = [*range(1, edge + 1), 0]
        self._before = [edge, *range(edge)]

    def take(self, number: int) -> None:
        """Take a call out of the list."""
        before, after = self._before[number], self._after[number]
        self._after[before] = after
        self._before[after] = before

    def put_back(self, number: int) -> None:
        """Put the call back that was taken out last."""
        self._after[self._before[number]] = self._before[self._after[number]] = number

    def ready(self) -> tuple[list[int], float]:
        """The calls that may come next, those that ended first before the others, and when the first one ended.

        These are the calls that started before any other one of the list had ended.
        """
        starts, ends, after, edge = self._starts, self._ends, self._after, self._edge
        found: list[int] = []
        first_end = math.inf
        number = after[edge]
        while number != edge and starts[number] <= first_end:
            found.append(number)
            if ends[number] < first_end:
                first_end = ends[number]
            number = after[number]
        if len(found) > 1:
            found.sort(key=ends.__getitem__)
        return found, first_end


class Search(Generic[C, S]):
    """One search for a serial order of these calls, given up after so many applications of the model, or seconds."""

    def __init__(
        self,
        calls: Sequence[RecordedCall[C]],
        model: Model[C, S] | PlainModel[C, S],
        *,
        limit: int,
        seconds: float | None,
    ) -> None:
        by_start = sorted(calls, key=lambda recorded: recorded.started)
        self._known = [recorded for recorded in by_start if recorded.ended is not None]
        self._unknown = [recorded for recorded in by_start if recorded.ended is None]
        self._twins = _twins(self._unknown)
        self._model = model
        self._limit = limit
        self._deadline = math.inf if seconds is None else time.monotonic() + seconds
        self._applied = 0
        self._tried: dict[tuple[int, int, S], tuple[int, ...]] = {}
        self._remaining = _Remaining(self._known)
        self._place = _Place(None, -1, 0, 0, 0, *self._remaining.ready())
        """The calls that led here are those that are taken out of the list."""
        self._open: list[_Turn[S]] = []
        """What is to be tried, the last one first."""
        self._put_off: list[tuple[int, int, _Turn[S]]] = []
        """Where calls of unknown outcome are to be tried, as a heap: those that are furthest on first."""
        self._number = count()

    async def run(self) -> Sought[C]:
        """Search."""
        deepest = _Turn(self._place, self._model.start(), None, 0)
        self._is_new((0, 0, deepest.state), 0)
        self._open.append(deepest)
        while (turn := self._next_turn()) is not None:
            if not turn.place.ready:
                return Sought(_calls_of(turn.path), exhausted=False, prefix=[], misfits=[])
            if self._applied >= self._limit or not (self._applied % LOOK_UP_EVERY or await self._may_go_on()):
                break
            if turn.next == len(turn.place.ready):
                await self._spend(turn)
            elif (entered := await self._entered(turn)) is not None and entered.place.depth > deepest.place.depth:
                deepest = entered
        misfits: list[Misfit[C]] = []
        for number in deepest.place.ready:
            recorded = self._known[number]
            answer, _ = await self._apply(deepest.state, recorded.call)
            if answer != recorded.result:
                misfits.append(Misfit(recorded, answer))
        return Sought(None, exhausted=turn is None, prefix=_calls_of(deepest.path), misfits=misfits)

    def _next_turn(self) -> _Turn[S] | None:
        """What is to be tried next: one of `_put_off`, once nothing is open that is nearly as far on."""
        while self._open and self._open[-1].next == len(self._open[-1].place.ready) > 0:
            turn = self._open.pop()
            if self._unknown:
                rank = _COST_OF_UNKNOWN * (turn.chain + 1) - turn.place.depth
                heappush(self._put_off, (rank, next(self._number), turn))
        if self._put_off and (not self._open or -self._put_off[0][0] > self._open[-1].place.depth):
            return heappop(self._put_off)[2]
        return self._open[-1] if self._open else None

    async def _entered(self, turn: _Turn[S]) -> _Turn[S] | None:
        """Try the next ready call; None if the model answers something else, or what it leads to was tried before."""
        place = turn.place
        number = place.ready[turn.next]
        turn.next += 1
        recorded = self._known[number]
        answer, after = await self._apply(turn.state, recorded.call)
        if answer != recorded.result:
            return None
        first, mask = place.first, place.mask | 1 << (number - place.first)
        while mask & 1:
            first, mask = first + 1, mask >> 1
        key, path = (first, mask, after), (turn.path, recorded)
        if not self._is_new(key, turn.spent):
            return None
        self._go_to(place)
        self._remaining.take(number)
        self._place = _Place(place, number, place.depth + 1, first, mask, *self._remaining.ready())
        entered = _Turn(self._place, after, path, turn.spent)
        self._open.append(entered)
        return entered

    async def _spend(self, turn: _Turn[S]) -> None:
        """Open the states to which one more call of unknown outcome leads from this one."""
        place = turn.place
        for number, recorded in enumerate(self._unknown):
            if recorded.started > place.first_end or self._applied >= self._limit:
                break
            twin = self._twins[number]
            if turn.spent >> number & 1 or (twin is not None and not turn.spent >> twin & 1):
                continue
            _, after = await self._apply(turn.state, recorded.call)
            spent = turn.spent | 1 << number
            if after != turn.state and self._is_new((place.first, place.mask, after), spent):
                self._open.append(_Turn(place, after, (turn.path, recorded), spent, turn.chain + 1))

    def _go_to(self, place: _Place) -> None:
        """Have those calls out of the list that led to a place."""
        onward: list[int] = []
        there: _Place | None = place
        while self._place is not there:
            if there is not None and there.depth > self._place.depth:
                onward.append(there.taken)
                there = there.parent
            else:
                self._remaining.put_back(self._place.taken)
                assert self._place.parent is not None, "all places have the first one above them"
                self._place = self._place.parent
        for number in reversed(onward):
            self._remaining.take(number)
        self._place = place

    def _is_new(self, key: tuple[int, int, S], spent: int) -> bool:
        """Whether a state was not reached at its place before with as few calls of unknown outcome, or fewer.

        Notes that it was.
        """
        others = self._tried.get(key)
        if others is not None:
            if any(not other & ~spent for other in others):
                return False
            others = tuple(other for other in others if spent & ~other)
        self._tried[key] = (spent,) if not others else (*others, spent)
        return True

    async def _apply(self, state: S, call: C) -> tuple[object, S]:
        self._applied += 1
        applied = self._model.apply(state, call)
        return await applied if isinstance(applied, Awaitable) else applied

    async def _may_go_on(self) -> bool:
        await asyncio.sleep(0)
        return time.monotonic() < self._deadline


def _calls_of(path: _Path) -> list[RecordedCall[Any]]:
    calls: list[RecordedCall[Any]] = []
    while path is not None:
        path, recorded = path
        calls.append(recorded)
    calls.reverse()
    return calls


def _twins(calls: Sequence[RecordedCall[Any]]) -> list[int | None]:
    """For each call the last equal one before it, None if there is none, or if that cannot be known."""
    last: dict[Hashable, int] = {}
    twins: list[int | None] = []
    for number, recorded in enumerate(calls):
        try:
            key = (recorded.call, repr(recorded.call))  # 1 equals True, and a model may not take them for the same
            twins.append(last.get(key))
            last[key] = number
        except TypeError:  # there is no hash of it
            twins.append(None)
    return twins
