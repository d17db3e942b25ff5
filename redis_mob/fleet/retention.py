"""Applies the policies of retention: finds the runs and events that are not kept, and deletes some of them at a time.

Why it walks in the order of creation is in decision 0031.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeVar

from redis_mob.contracts import RetentionStore, SteeringStore
from redis_mob.errors import SerializationError
from redis_mob.fleet.run_deletion import delete_if_over, finish_deletion
from redis_mob.fleet.run_start import is_of_key
from redis_mob.models.retention import Group, PruneReport, RetentionPolicies, RetentionPolicy, RunAge, RunAges
from redis_mob.models.run_status import MobRunStatus

T = TypeVar("T")

MOST_TOLD = 20
"""Runs that cannot be deleted which a report names."""

DELETED_AT_ONCE = 4
"""Runs that are deleted at the same time: a deletion is some calls one after the other, and mostly waits for them."""

ENDS = tuple(status for status in MobRunStatus if status.is_terminal)


def _ages(policy: RetentionPolicy, ends: Iterable[MobRunStatus]) -> list[timedelta]:
    """How long runs are kept that have ended in one of these ways, where that is bounded."""
    return [age for end in ends if (age := policy.age_of(end)) is not None]


def _search(mob_id: str, flow_id: str) -> str:
    return json.dumps([mob_id, flow_id])


async def always() -> bool:
    """Go on to the end."""
    return True


@dataclass(slots=True)
class Pace:
    """How fast a sweep goes on: after each step it waits for a share of its time, and for `rest` seconds at least.

    So a part of the time is left to others, however fast or slow the server is.
    """

    rest: float = 0.0
    share: float = 0.0
    """How long it waits for each second that a step took."""

    async def after(self, seconds: float) -> None:
        """Wait after a step that took so long."""
        if pause := max(seconds * self.share, self.rest):
            await asyncio.sleep(pause)


@dataclass(slots=True)
class Sweep:
    """Applies all policies of a namespace in each of its rounds.

    With `most_looked_at` each search of a round passes by no more runs than that; in the next one it goes on behind the
    last of them. What is deleted does not count. There is a search for what has expired of each status, and one for the
    oldest that are over of each.
    """

    retention: RetentionStore
    steering: SteeringStore
    pace: Pace = field(default_factory=Pace)
    most_looked_at: int | None = None
    ended: set[str] = field(default_factory=set[str], init=False)
    """The searches for what has expired that have come to an end since runs were last deleted as too many."""
    _marks: dict[str, int | None] = field(default_factory=dict[str, "int | None"], init=False)
    """Where each search stopped in the last round, if it did not come to its end."""

    async def round(
        self,
        policies: RetentionPolicies,
        *,
        dry_run: bool = False,
        most: int | None = None,
        may_go_on: Callable[[], Awaitable[bool]] = always,
    ) -> PruneReport:
        """Delete what the policies do not keep: events, then runs, at most so many, as long as it may go on."""
        one = _Round(self, policies, dry_run, most, may_go_on)
        is_complete = await one.run()
        counts = {str(status): number for status, number in one.deleted.items()}
        return PruneReport(
            **counts, events=one.events, is_dry_run=dry_run, is_complete=is_complete, left=tuple(one.left[:MOST_TOLD])
        )

    def mark_of(self, search: str) -> int | None:
        """Where this search is to go on."""
        return self._marks.get(search)

    def set_mark(self, search: str, after: int | None) -> None:
        """Where it goes on in the next round; None is the beginning."""
        self._marks[search] = after


@dataclass(slots=True)
class _Round:
    sweep: Sweep
    policies: RetentionPolicies
    dry_run: bool
    most: int | None
    may_go_on: Callable[[], Awaitable[bool]]
    deleted: Counter[MobRunStatus] = field(default_factory=Counter[MobRunStatus])
    by_group: Counter[Group] = field(default_factory=Counter["Group"])
    events: int = 0
    left: list[str] = field(default_factory=list[str])
    searched: set[str] = field(default_factory=set[str])
    """The searches for what has expired that were made."""
    unfinished: set[str] = field(default_factory=set[str])
    """The searches that have looked at as many runs as they may."""

    async def run(self) -> bool:
        """Whether nothing is left that the policies do not keep."""
        of_mobs = self.policies.groups.items()
        # counted before anything goes: runs that are created meanwhile are for the next round
        numbers = {group: await self._number_of(group) for group, policy in of_mobs if policy.max_runs is not None}
        if not self.dry_run:
            await self._finish_deletions()
        general = self.policies.general
        if general is not None and general.bounds_events and not await self._prune_events(general):
            return False
        for runs in (self._expired_of_flows(), self._expired()):
            async for some in runs:
                if not await self._delete(some):
                    return False
        excess = {
            group: max(number - (self.policies.groups[group].max_runs or 0) - self.by_group[group], 0)
            for group, number in numbers.items()
            if self._knows_expired(group)
        }
        for runs in (self._oldest_of_flows(excess), self._oldest(excess)):
            async for run in runs:
                if not await self._delete([run]):
                    return False
        if excess and self.unfinished <= self.searched:
            self.sweep.ended.clear()
        return not self.unfinished

    async def _finish_deletions(self) -> None:
        """Go on with what was interrupted, here or elsewhere."""
        for run_id in await self.sweep.steering.deletions():
            try:
                await self._step(finish_deletion(self.sweep.steering, run_id))
            except SerializationError as damage:
                self.left.append(str(damage))

    async def _number_of(self, group: Group) -> int:
        count_runs = self.sweep.retention.count_runs
        if isinstance(group, tuple):
            return await count_runs(*group)
        number = await count_runs(group)
        if group is None:
            for mob_id in self.policies.of_mobs:
                number -= await count_runs(mob_id)
        for mob_id, flow_id in self.policies.of_flows:
            if mob_id == group or (group is None and mob_id not in self.policies.of_mobs):
                number -= await count_runs(mob_id, flow_id)
        return number

    def _knows_expired(self, group: Group) -> bool:
        """Whether all searches for what has expired of a group have come to their end.

        What they have not come to would count among those that are too many.
        """
        searches = {_search(*group)} if isinstance(group, tuple) else set(map(str, MobRunStatus))
        return not _ages(self.policies.groups[group], ENDS) or self.searched & searches <= self.sweep.ended

    async def _prune_events(self, policy: RetentionPolicy) -> bool:
        retention, newest, after = self.sweep.retention, policy.max_events, None
        older_than = None if policy.events is None else self.policies.now - policy.events
        while await self.may_go_on():
            if self.dry_run:
                pruned = await retention.count_events(older_than, after, newest=newest)
            else:
                pruned = await self._step(retention.prune_events(older_than, newest=newest))
            self.events += pruned.found
            after = pruned.after
            if after is None:
                return True
        return False

    async def _expired(self) -> AsyncIterator[list[RunAge]]:
        """The runs that were over for longer than they are kept, but for those of flows with policies of their own."""
        for status in MobRunStatus:
            # one that an older release has ended may stand in the index as it was before
            ends = (status,) if status.is_terminal else ENDS
            groups = self.policies.groups.items()
            kept = [age for group, one in groups if not isinstance(group, tuple) for age in _ages(one, ends)]
            if kept:
                async for runs in self._expired_of(self._pages_of(status, str(status)), str(status), min(kept)):
                    yield [run for run in runs if not isinstance(self.policies.group_of(run), tuple)]

    async def _expired_of_flows(self) -> AsyncIterator[list[RunAge]]:
        """Those of flows with policies of their own: found among the runs of the flow."""
        for flow, policy in self.policies.of_flows.items():
            search = _search(*flow)
            if kept := _ages(policy, ENDS):
                async for runs in self._expired_of(self._pages_of_flow(flow, search), search, min(kept)):
                    yield runs

    async def _expired_of(
        self, pages: AsyncIterator[RunAges], search: str, least: timedelta
    ) -> AsyncIterator[list[RunAge]]:
        """Those of each page."""
        bound = self.policies.now - least
        async for page in pages:
            yield [run for run in page.runs if self.policies.has_expired(run)]
            # A run that was created later cannot have ended before. A whole page says so, since the time of creation
            # may be by the clock of another machine.
            if page.runs and all(min(run.created_at, run.completed_at or bound) > bound for run in page.runs):
                self.sweep.set_mark(search, None)
                break
        self.searched.add(search)
        if search not in self.unfinished:
            self.sweep.ended.add(search)

    async def _oldest_of_flows(self, excess: Mapping[Group, int]) -> AsyncIterator[RunAge]:
        """The oldest runs that are over of each flow with a policy of its own, as many as are too many."""
        for flow in self.policies.of_flows:
            if not (left := excess.get(flow, 0)):
                continue
            search = f"oldest {_search(*flow)}"
            async for page in self._pages_of_flow(flow, search):
                for run in page.runs:
                    if left and run.status.is_terminal and not self.policies.has_expired(run):
                        left -= 1
                        yield run
                if not left:
                    self.sweep.set_mark(search, None)
                    break

    async def _oldest(self, excess: Mapping[Group, int]) -> AsyncIterator[RunAge]:
        """The oldest runs that are over, as many of each group as there are too many; not those that have expired."""
        left = {group: number for group, number in excess.items() if number and not isinstance(group, tuple)}
        searches = {status: f"oldest {status}" for status in ENDS} if left else {}
        heads = {status: self._runs(status, search) for status, search in searches.items()}
        waiting: dict[MobRunStatus, RunAge] = {}
        for status, runs in heads.items():
            if (run := await anext(runs, None)) is not None:
                waiting[status] = run
        # behind one that has looked at enough there may be older runs than those of the others
        while waiting and left and not self.unfinished.intersection(searches.values()):
            status, run = min(waiting.items(), key=lambda item: item[1].sequence)
            group = self.policies.group_of(run)
            if group in left and run.status.is_terminal and not self.policies.has_expired(run):
                left[group] -= 1
                if not left[group]:
                    del left[group]
                yield run
            following = await anext(heads[status], None)
            if following is None:
                del waiting[status]
            else:
                waiting[status] = following
        if not left:
            for search in searches.values():
                self.sweep.set_mark(search, None)

    async def _runs(self, status: MobRunStatus, search: str) -> AsyncIterator[RunAge]:
        async for page in self._pages_of(status, search):
            for run in page.runs:
                yield run

    def _pages_of(self, status: MobRunStatus, search: str) -> AsyncIterator[RunAges]:
        read = partial(self.sweep.retention.oldest_runs, status)
        return self._pages(search, read, lambda: self.deleted[status])

    def _pages_of_flow(self, flow: tuple[str, str], search: str) -> AsyncIterator[RunAges]:
        read = partial(self.sweep.retention.oldest_of_flow, *flow)
        return self._pages(search, read, lambda: self.by_group[flow])

    async def _pages(
        self, search: str, read: Callable[[int | None], Awaitable[RunAges]], deleted: Callable[[], int]
    ) -> AsyncIterator[RunAges]:
        """Pages of runs, from where the search has stopped; `deleted` tells how many of them were deleted in all."""
        after, looks = self.sweep.mark_of(search), 0
        while True:
            # a round that ends within a page leaves the rest of it for the next one
            self.sweep.set_mark(search, after)
            if self.sweep.most_looked_at is not None and looks >= self.sweep.most_looked_at:
                self.unfinished.add(search)
                return
            page = await self._step(read(after))
            after = page.last
            self.left += page.unreadable
            gone = deleted()
            yield page
            looks += len(page.runs) + len(page.unreadable) - (deleted() - gone)
            if after is None:
                self.sweep.set_mark(search, None)
                return

    async def _delete(self, runs: Sequence[RunAge]) -> bool:
        """Delete runs, or count them in a dry run; False if this round is to end before the last of them."""
        for first in range(0, len(runs), DELETED_AT_ONCE):
            following = runs[first : first + DELETED_AT_ONCE]
            left = len(following) if self.most is None else max(self.most - self.deleted.total(), 0)
            if not left or not await self.may_go_on():
                return False
            deleting = self._delete_at_once(following[:left])
            await (deleting if self.dry_run else self._step(deleting))
            if left < len(following):
                return False
        return True

    async def _delete_at_once(self, runs: Sequence[RunAge]) -> None:
        ends = await asyncio.gather(*map(self._delete_one, runs), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def _delete_one(self, run: RunAge) -> None:
        try:
            is_gone = self.dry_run or await delete_if_over(self.sweep.steering, run.run_id, self._keeps_key_of(run))
        except SerializationError as damage:  # which must not keep all other runs for ever
            self.left.append(str(damage))
            return
        if is_gone:
            self.deleted[run.status] += 1
        self.by_group[self.policies.group_of(run)] += 1

    def _keeps_key_of(self, run: RunAge) -> timedelta | None:
        """For how long its idempotency key is not free. A run without a key has an id that no other one can get."""
        policy = self.policies.policy_of(run)
        return None if policy is None or not is_of_key(run.run_id) else policy.keep_key

    async def _step(self, step: Awaitable[T]) -> T:
        clock = asyncio.get_running_loop()
        begun = clock.time()
        try:
            return await step
        finally:
            await self.sweep.pace.after(clock.time() - begun)
