"""Follows the event log from outside, filtered by run, mob, flow and kind (contract: operations-22)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis_mob.codec.arguments import flag, integer, optional_text, texts
from redis_mob.codec.event_kinds import event_kind
from redis_mob.errors import NotFoundError
from redis_mob.models.events import EVENT_KINDS, MobEvent, flow_of_kind, terminal_identity
from redis_mob.models.flow_events import FlowStarted
from redis_mob.past.run_events import beginning_of, checked_run_id, pages_after, run_of
from redis_mob.storage import MobStorage

KINDS = EVENT_KINDS
"""The kinds of events."""

LOOK_SECONDS = 5.0
"""How long nothing comes of a run until it is looked whether that is over."""

MOST_KNOWN = 10_000
"""Runs whose flows are remembered."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted; None stands for all."""

    run_id: str | None = None
    mob_id: str | None = None
    flow_id: str | None = None
    kinds: frozenset[str] | None = None

    @classmethod
    def of(
        cls, run_id: str | None, mob_id: str | None, flow_id: str | None, kinds: Collection[str] | None
    ) -> EventFilter:
        """The filter of these arguments. Raises ValidationError for what is none, and for a kind that is misspelled."""
        wanted = None if kinds is None else frozenset(event_kind(kind) for kind in texts("kinds", kinds))
        run = None if run_id is None else checked_run_id(run_id)
        return cls(run, optional_text("mob", mob_id), optional_text("flow", flow_id), wanted)

    def lets_pass(self, event: MobEvent) -> bool:
        """Whether it is wanted, as far as it says so itself: it does not tell the flow of its run."""
        return (
            (self.run_id is None or run_of(event) == self.run_id)
            and (self.mob_id is None or event.mob_id == self.mob_id)
            and (self.kinds is None or event.kind.type in self.kinds)
        )


@asynccontextmanager
async def tail(
    storage: MobStorage, wanted: EventFilter, after: int | None, *, follow: bool, until_over: bool
) -> AsyncGenerator[AsyncIterator[MobEvent]]:
    """See `FleetAdmin.tail`."""
    begin = None if after is None else integer("after", after, least=0)
    flag("follow", follow)
    flag("until_over", until_over)
    if wanted.run_id is not None:
        begin = await _beginning(storage, wanted.run_id, begin)
    ends_with = wanted.run_id if until_over else None
    if not follow:
        begin = await storage.events.latest_cursor() if begin is None else begin
        yield _Tail(storage, wanted, pages_after(storage.events, begin), ends_with)
        return
    async with storage.events.subscribe(begin) as events:
        following = _FollowingTail(storage, wanted, events, ends_with)
        await following.look(begin)
        yield following


async def _beginning(storage: MobStorage, run_id: str, after: int | None) -> int | None:
    """Where to begin to read for the events of a run after a cursor. Raises NotFoundError if there is no such run."""
    if await storage.executions.status(run_id) is None:
        raise NotFoundError.of_run(run_id, storage.namespace)
    if after != 0:
        return after
    try:
        view = await storage.executions.load(run_id)
    except NotFoundError:  # no fleet has started it
        return after
    return 0 if view is None else await beginning_of(storage.events, run_id, view.launched_at)


class _Tail(AsyncIterator[MobEvent]):
    """The wanted ones of some events, until the run that it ends with is over."""

    def __init__(
        self, storage: MobStorage, wanted: EventFilter, events: AsyncIterator[MobEvent], ends_with: str | None
    ) -> None:
        self._storage = storage
        self._wanted = wanted
        self._events = events
        self._ends_with = ends_with
        self._has_ended = False
        self._flows: dict[str, str | None] = {}

    async def __anext__(self) -> MobEvent:
        while not self._has_ended:
            event = await self._next()
            if event is None:
                break
            self._has_ended = self._is_end(event)
            if self._wanted.lets_pass(event) and await self._is_of_flow(event):
                return event
        raise StopAsyncIteration

    async def _next(self) -> MobEvent | None:
        """The next event of the log; None if no other one is to be waited for."""
        return await anext(self._events, None)

    def _is_end(self, event: MobEvent) -> bool:
        end = terminal_identity(event.kind)
        return self._ends_with is not None and end is not None and end[0] == self._ends_with

    async def _is_of_flow(self, event: MobEvent) -> bool:
        if self._wanted.flow_id is None:
            return True
        flow_id = flow_of_kind(event.kind)
        run_id = run_of(event)
        if flow_id is None and run_id is not None:
            flow_id = await self._flow_of(run_id)
        elif isinstance(event.kind, FlowStarted):
            self._remember(event.kind.run_id, event.kind.flow_id)
        return flow_id == self._wanted.flow_id

    async def _flow_of(self, run_id: str) -> str | None:
        if run_id not in self._flows:
            run = await self._storage.operations.summary(run_id)
            self._remember(run_id, None if run is None else run.flow_id)
        return self._flows[run_id]

    def _remember(self, run_id: str, flow_id: str | None) -> None:
        self._flows[run_id] = flow_id
        if len(self._flows) > MOST_KNOWN:
            del self._flows[next(iter(self._flows))]


class _FollowingTail(_Tail):
    """An error is raised once, then it goes on, as the subscription does. A cancelled wait loses nothing.

    The end of a run is an event; one that was pruned, or never told, is found by looking at the run.
    """

    _passed = 0
    _last: int | None = None
    """The greatest cursor under which there can be an event of the run; None as long as that is not over."""

    async def look(self, passed: int | None) -> None:
        """Look whether the run is over that it ends with, when the events up to a cursor were passed; None for all."""
        if self._ends_with is None:
            return
        status = await self._storage.executions.status(self._ends_with)
        if status is None or status.is_terminal:
            self._last = 0 if passed is None else await self._storage.events.latest_cursor()
        self._passed = passed or self._passed

    async def _next(self) -> MobEvent | None:
        if self._ends_with is None:
            return await anext(self._events)
        while self._last is None or self._passed < self._last:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    event = await anext(self._events)
            except TimeoutError:
                await self.look(self._passed)
            else:
                self._passed = event.cursor
                return event
        return None
