"""Applies the policies of retention: finds the runs and events that are not kept, and deletes them one by one.

Why it walks in the order of creation is in decision 0031.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from redis_mob.contracts import RetentionStore, SteeringStore
from redis_mob.errors import SerializationError
from redis_mob.fleet.run_deletion import delete_if_over, finish_deletion
from redis_mob.models.retention import PruneReport, RetentionPolicies, RunAge, RunAges
from redis_mob.models.run import MobRunStatus

T = TypeVar("T")

MOST_TOLD = 20
"""Runs that cannot be deleted which a report names."""

ENDS = tuple(status for status in MobRunStatus if status.is_terminal)


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
    by_group: Counter[str | None] = field(default_factory=Counter["str | None"])
    events: int = 0
    left: list[str] = field(default_factory=list[str])
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
        if general is not None and general.events is not None and not await self._prune_events(general.events):
            return False
        async for run in self._expired():
            if not await self._delete(run):
                return False
        excess = {
            group: max(number - (self.policies.groups[group].max_runs or 0) - self.by_group[group], 0)
            for group, number in numbers.items()
        }
        async for run in self._oldest(excess):
            if not await self._delete(run):
                return False
        return not self.unfinished

    async def _finish_deletions(self) -> None:
        """Go on with what was interrupted, here or elsewhere."""
        for run_id in await self.sweep.steering.deletions():
            try:
                await self._step(finish_deletion(self.sweep.steering, run_id))
            except SerializationError as damage:
                self.left.append(str(damage))

    async def _number_of(self, group: str | None) -> int:
        number = await self.sweep.retention.count_runs(group)
        if group is None:
            for mob_id in self.policies.of_mobs:
                number -= await self.sweep.retention.count_runs(mob_id)
        return number

    async def _prune_events(self, age: timedelta) -> bool:
        retention, older_than, after = self.sweep.retention, self.policies.now - age, None
        while await self.may_go_on():
            if self.dry_run:
                pruned = await retention.count_events(older_than, after)
            else:
                pruned = await self._step(retention.prune_events(older_than))
            self.events += pruned.found
            after = pruned.after
            if after is None:
                return True
        return False

    async def _expired(self) -> AsyncIterator[RunAge]:
        """The runs that were over for longer than they are kept."""
        for status in MobRunStatus:
            # one that an older release has ended may stand in the index as it was before
            kept = [
                age
                for policy in self.policies.groups.values()
                for end in ((status,) if status.is_terminal else ENDS)
                if (age := policy.age_of(end)) is not None
            ]
            if not kept:
                continue
            bound = self.policies.now - min(kept)
            async for page in self._pages(status, str(status)):
                for run in page.runs:
                    if self.policies.has_expired(run):
                        yield run
                # A run that was created later cannot have ended before. A whole page says so, since the time of
                # creation may be by the clock of another machine.
                if page.runs and all(min(run.created_at, run.completed_at or bound) > bound for run in page.runs):
                    self.sweep.set_mark(str(status), None)
                    break

    async def _oldest(self, excess: Mapping[str | None, int]) -> AsyncIterator[RunAge]:
        """The oldest runs that are over, as many of each group as there are too many; not those that have expired."""
        left = {group: number for group, number in excess.items() if number}
        searches = {status: f"oldest {status}" for status in ENDS} if left else {}
        heads = {status: self._runs(status, search) for status, search in searches.items()}
        waiting: dict[MobRunStatus, RunAge] = {}
        for status, runs in heads.items():
            if (run := await anext(runs, None)) is not None:
                waiting[status] = run
        # behind one that has looked at enough there may be older runs than those of the others
        while waiting and left and not self.unfinished.intersection(searches.values()):
            status, run = min(waiting.items(), key=lambda item: item[1].sequence)
            group = self.policies.group_of(run.mob_id)
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
        async for page in self._pages(status, search):
            for run in page.runs:
                yield run

    async def _pages(self, status: MobRunStatus, search: str) -> AsyncIterator[RunAges]:
        after, looks = self.sweep.mark_of(search), 0
        while True:
            # a round that ends within a page leaves the rest of it for the next one
            self.sweep.set_mark(search, after)
            if self.sweep.most_looked_at is not None and looks >= self.sweep.most_looked_at:
                self.unfinished.add(search)
                return
            page = await self._step(self.sweep.retention.oldest_runs(status, after))
            after = page.last
            self.left += page.unreadable
            gone = self.deleted[status]
            yield page
            looks += len(page.runs) + len(page.unreadable) - (self.deleted[status] - gone)
            if after is None:
                self.sweep.set_mark(search, None)
                return

    async def _delete(self, run: RunAge) -> bool:
        """Delete a run, or count it in a dry run; False if this round is to end before it."""
        if (self.most is not None and self.deleted.total() >= self.most) or not await self.may_go_on():
            return False
        try:
            is_gone = self.dry_run or await self._step(delete_if_over(self.sweep.steering, run.run_id))
        except SerializationError as damage:  # which must not keep all other runs for ever
            self.left.append(str(damage))
            return True
        if is_gone:
            self.deleted[run.status] += 1
        self.by_group[self.policies.group_of(run.mob_id)] += 1
        return True

    async def _step(self, step: Awaitable[T]) -> T:
        clock = asyncio.get_running_loop()
        begun = clock.time()
        try:
            return await step
        finally:
            await self.sweep.pace.after(clock.time() - begun)
