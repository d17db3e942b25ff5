"""Whether what concurrent clients saw could have happened as one call after the other: a checker of linearizability.

    history = History[str]()
    await asyncio.gather(*(history.record(client, "add", counter.add) for client in range(4)))
    await check(history, CounterModel())

A history is linearizable if its calls can be put in one serial order that explains it: a call that ended before another
one started comes first, and the model gives every call the result that was recorded. `check` looks for such an order
(redis_mob/testing/serial_order.py says how). That takes few steps where few calls overlap and their results tell much,
and where independent objects are checked one by one (`check_parts`); in the worst case it takes exponentially many. A
model whose `apply` is a plain function is several times as fast as one that has to be awaited.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

from redis_mob.errors import Portable
from redis_mob.testing.serial_order import Misfit, Model, PlainModel, RecordedCall, Search

__all__ = [
    "History",
    "Misfit",
    "Model",
    "NoSerialOrderError",
    "PlainModel",
    "RecordedCall",
    "UndecidedHistoryError",
    "check",
    "check_parts",
]

_LONGEST = 300
"""Characters of a call or result that a report shows."""

_SHOWN = 100
"""Calls of the longest order that a report shows, the last ones."""

_LEAST_LIMIT = 100_000
_LIMIT_OF_A_CALL = 50
"""How often a model may be applied: at least, and for each call of a history."""

C = TypeVar("C")
K = TypeVar("K", bound=Hashable)
R = TypeVar("R")
S = TypeVar("S", bound=Hashable)


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


class NoSerialOrderError(Portable, AssertionError, Generic[C]):
    """No serial order was found that explains a history; the message shows how far one gets.

    `prefix` is the longest one found, `misfits` are the calls of which one would have to come next. `exhausted` says
    that there is no order at all; otherwise the search was given up. `part` is the object that the calls are about,
    where the history was checked in parts, else None.
    """

    def __init__(
        self,
        calls: Sequence[RecordedCall[C]],
        prefix: Sequence[RecordedCall[C]],
        misfits: Sequence[Misfit[C]],
        *,
        exhausted: bool,
        part: Hashable = None,
    ) -> None:
        self.prefix = prefix
        self.misfits = misfits
        self.exhausted = exhausted
        self.part = part
        epoch = min(recorded.started for recorded in calls)
        left_out = len(prefix) - _SHOWN
        lines = [
            f"{'there is no' if exhausted else 'found no'} serial order that explains these {len(calls)} calls"
            f"{'' if part is None else f' of {_short(part)}'}; the longest possible one has {len(prefix)}:",
            *([f"  (the first {left_out} are left out)"] if left_out > 0 else []),
            *(_line(recorded, epoch) for recorded in prefix[-_SHOWN:]),
            "and these cannot come next:",
            *(f"{_line(recorded, epoch)}; the model says {_short(answer)}" for recorded, answer in misfits),
        ]
        super().__init__("\n".join(lines))


class UndecidedHistoryError(NoSerialOrderError[C]):
    """The search was given up before it was known whether a history has a serial order."""


async def check(
    history: History[C],
    model: Model[C, S] | PlainModel[C, S],
    *,
    limit: int | None = None,
    seconds: float | None = None,
) -> list[RecordedCall[C]]:
    """A serial order that explains a history.

    It holds every call whose outcome is known, and of the others those that take effect in it. Raises
    NoSerialOrderError if there is none; UndecidedHistoryError, which is one too, if none was found after the model had
    applied `limit` calls, by default 100,000 or fifty for each recorded one, or after `seconds`.
    """
    return await _check(history, model, limit=limit, seconds=seconds, part=None)


async def check_parts(
    history: History[C],
    by: Callable[[C], K],
    model: Callable[[K], Model[C, Any] | PlainModel[C, Any]],
    *,
    limit: int | None = None,
    seconds: float | None = None,
) -> dict[K, list[RecordedCall[C]]]:
    """A serial order for each object of a history, given which one a call is about, and the model of each.

    A history is linearizable exactly if those of its objects are, provided that no call is about two. `limit` is that
    of one object, `seconds` are those of all together. Raises like `check`, for the first object that has no order;
    where none is without one, for the first that is undecided. The error has the object as `part`.
    """
    orders: dict[K, list[RecordedCall[C]]] = {}
    gives_up: type[UndecidedHistoryError[C]] = UndecidedHistoryError
    undecided: UndecidedHistoryError[C] | None = None
    deadline = None if seconds is None else time.monotonic() + seconds
    for part, calls in history.split(by).items():
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            orders[part] = await _check(calls, model(part), limit=limit, seconds=left, part=part)
        except gives_up as error:
            undecided = undecided or error
    if undecided is not None:
        raise undecided
    return orders


async def _check(
    history: History[C],
    model: Model[C, S] | PlainModel[C, S],
    *,
    limit: int | None,
    seconds: float | None,
    part: Hashable,
) -> list[RecordedCall[C]]:
    calls = history.calls
    most = max(_LEAST_LIMIT, _LIMIT_OF_A_CALL * len(calls)) if limit is None else limit
    sought = await Search(calls, model, limit=most, seconds=seconds).run()
    if sought.order is not None:
        return sought.order
    refusal: type[NoSerialOrderError[C]] = NoSerialOrderError if sought.exhausted else UndecidedHistoryError
    raise refusal(calls, sought.prefix, sought.misfits, exhausted=sought.exhausted, part=part)


def _line(recorded: RecordedCall[C], epoch: int) -> str:
    started, ended, outcome = (recorded.started - epoch) // 1000, "?", "unknown"
    if recorded.ended is not None:
        ended, outcome = (recorded.ended - epoch) // 1000, _short(recorded.result)
    return f"  {recorded.client}, {started} to {ended} µs: {_short(recorded.call)} -> {outcome}"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
