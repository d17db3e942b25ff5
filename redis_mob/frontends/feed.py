"""What goes on in a run, for front ends: what its handlers tell, what they ask people, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeAlias, TypeVar

from redis_mob.codec.checkpoints import answer_of, ask_name
from redis_mob.contracts import WakeUp
from redis_mob.errors import NotFoundError, ProgressTrimmedError
from redis_mob.fleet.asks import has_answers, pending_of
from redis_mob.fleet.said import bounded
from redis_mob.fleet.watching import Watcher, watch
from redis_mob.models.ask import Answer, PendingAsk
from redis_mob.models.base import canonical_run_id
from redis_mob.models.execution import ExecutionKey, ExecutionStatus
from redis_mob.models.progress import ProgressReport, RunOver, StreamChunk, StreamEnd, StreamReset
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import RunView
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS
from redis_mob.storage import MobStorage

T = TypeVar("T")

MOST_REASON_BYTES = 2 * 1024
"""How much of the reason of a failure a front end is told."""

LOOK_PAUSE = 0.05
"""Least seconds between two looks at the run, so that looking never becomes the work."""

_MOVES_ON = (ExecutionStatus.WAITING, ExecutionStatus.LEASED, ExecutionStatus.REPORTED)
"""How an execution stands that needs nothing from people."""


class Began(NamedTuple):
    """The feed begins."""

    run_id: str


class Gap(NamedTuple):
    """What was told after one offset and before another is gone."""

    after: int
    first: int


class Asked(NamedTuple):
    """All that people are asked at the moment; told when something new is.

    If the run `waits`, nothing goes on in it until they answer: the feed ends with this, and another one goes on
    `after` this offset.
    """

    asks: tuple[PendingAsk, ...]
    waits: bool
    after: int


class Answered(NamedTuple):
    """What was said to an ask; None if its time was over, or its execution was ended."""

    ask: PendingAsk
    answer: Answer | None


class Ended(NamedTuple):
    """The run is over; of one that failed, why it did."""

    status: MobRunStatus
    reason: str | None
    after: int


FeedItem: TypeAlias = Began | Gap | ProgressReport | StreamChunk | StreamReset | StreamEnd | Asked | Answered | Ended
"""What a front end is told, in this order: Began, anything, and Ended or an Asked that waits."""


@asynccontextmanager
async def run_feed(
    storage: MobStorage, run_id: str, after: int | None = None
) -> AsyncGenerator[AsyncIterator[FeedItem]]:
    """Follow a run until it is over, or waits for answers alone (contract: progress-8).

    It begins with the oldest entry that is kept, or with the one after an offset. Raises as `Fleet.watch`; of entries
    that are gone meanwhile it tells.
    """
    async with (
        watch(storage.progress, run_id, None, after) as watcher,
        storage.executions.listen(run_id) as wake_up,
    ):
        feed = _Feed(storage, canonical_run_id(run_id), watcher, wake_up)
        try:
            yield feed.items()
        finally:
            await feed.aclose()


class _Look(NamedTuple):
    """What people are asked, whether nothing else goes on, and up to which offset that was told before."""

    asks: Mapping[str, PendingAsk]
    waits: bool
    newest: int


class _Feed:
    def __init__(self, storage: MobStorage, run_id: str, watcher: Watcher, wake_up: WakeUp) -> None:
        self._storage = storage
        self._run_id = run_id
        self._watcher = watcher
        self._wake_up = wake_up
        self._pending: Mapping[str, PendingAsk] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        """What is waited for: the next entry, and the next look at the run."""

    async def items(self) -> AsyncGenerator[FeedItem]:
        """What goes on, from now on."""
        yield Began(self._run_id)
        following, looking = self._started(self._entry()), self._started(self._look())
        while True:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                entry = self._result(following)
                if isinstance(entry, RunOver):
                    yield await self._ended(entry)
                    return
                yield entry
                following = self._started(self._entry())
            else:
                look = self._result(looking)
                for answered in await self._answered(look):
                    yield answered
                is_told = look.newest <= self._watcher.offset
                waits = look.waits and is_told
                if waits or not look.asks.keys() <= self._pending.keys():
                    yield Asked(tuple(look.asks.values()), waits, self._watcher.offset)
                if waits:
                    return
                self._pending = look.asks
                looking = self._started(self._look(pause=LOOK_PAUSE, waits=is_told or not look.waits))

    async def aclose(self) -> None:
        """Stop following."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _started(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        return task

    def _result(self, task: asyncio.Task[T]) -> T:
        self._tasks.discard(task)
        return task.result()

    async def _entry(self) -> FeedItem | RunOver:
        try:
            return await anext(self._watcher)
        except ProgressTrimmedError as error:
            return Gap(error.after, error.first_available)

    async def _look(self, pause: float = 0, *, waits: bool = False) -> _Look:
        if waits:
            await self._wake_up.wait(SWEEP_SECONDS)
        await asyncio.sleep(pause)
        view = await self._storage.executions.load(self._run_id)
        if view is None:
            raise NotFoundError.of_run(self._run_id, self._storage.namespace)
        asks = {one.ask.id: one for one in pending_of(view)}
        page = await self._storage.progress.read_after(self._run_id, 0, 1)
        return _Look(asks, _waits_for_people(view), page.newest)

    async def _answered(self, look: _Look) -> list[Answered]:
        """What was said to asks that are pending no more."""
        found: list[Answered] = []
        for ask_id, pending in self._pending.items():
            if ask_id not in look.asks:
                key, ask = ExecutionKey(pending.frame_id, pending.node_id, pending.target), pending.ask
                kept = await self._storage.checkpoints.find(self._run_id, key, ask_name(ask.kind), ask.ordinal)
                is_of_it = kept is not None and kept.arguments == ask.digest
                found.append(Answered(pending, answer_of(kept) if kept is not None and is_of_it else None))
        return found

    async def _ended(self, over: RunOver) -> Ended:
        reason: str | None = None
        if over.status is MobRunStatus.FAILED:
            view = await self._storage.executions.load(self._run_id)
            failures = () if view is None else view.run.failure_ledger
            reason = bounded(failures[-1].reason, MOST_REASON_BYTES) if failures else None
        return Ended(over.status, reason, over.offset)


def _waits_for_people(view: RunView) -> bool:
    """Whether all that could go on in a run waits for answers."""
    statuses = {execution.status for execution in view.executions.values()}
    return ExecutionStatus.ASKING in statuses and statuses.isdisjoint(_MOVES_ON) and not has_answers(view)
