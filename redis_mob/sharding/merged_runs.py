"""One list of the runs of several namespaces, by pages, the newest first (contract: shards-5)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from redis_mob.errors import MobStoreError, RedisMobError
from redis_mob.models.run_summary import RunSummary
from redis_mob.operations.run_list import Conditions
from redis_mob.sharding.cursors import RunPlaces, places_of_runs, run_cursor
from redis_mob.sharding.failures import NamespacesFailedError
from redis_mob.sharding.namespaces import Namespaces, Shard

FEWEST = 8
"""How many runs are read of a namespace at a time, at least."""


class FoundRun(NamedTuple):
    """A run in a list, and the namespace that it is in."""

    namespace: str
    run: RunSummary


@dataclass(frozen=True, slots=True)
class FleetPage:
    """Some runs of a list over all namespaces; `next` is what the next page is `after`, None if this is the last."""

    runs: tuple[FoundRun, ...]
    next: str | None


@dataclass(slots=True)
class _Source:
    """What was read of the list of one namespace, and how much of that was given."""

    shard: Shard
    which: Conditions
    start: str
    """The place in the list where the runs in `read` begin."""
    read: list[RunSummary] = field(default_factory=list[RunSummary])
    following: str | None = None
    given: int = 0
    failure: RedisMobError | None = None
    is_at_end: bool = False

    @property
    def head(self) -> RunSummary | None:
        """The next run, as far as it was read."""
        return self.read[self.given] if self.given < len(self.read) else None

    async def look(self, number: int) -> None:
        """Read on if all that was read is given."""
        if self.head is not None or self.is_at_end or self.failure is not None:
            return
        try:
            page = await self._page(number)
        except MobStoreError as failure:
            self.failure = failure
            return
        self.read, self.given, self.following = list(page[0]), 0, page[1]
        self._pass_on()

    def take(self) -> None:
        """The next run is given."""
        self.given += 1
        self._pass_on()

    async def place(self) -> str | None:
        """Where the list goes on behind what was given; None behind the last run.

        Only the store knows the place of a run, and tells it of the last one of a page: so a page that ends there is
        read, until one is found whose runs are those that were given.
        """
        if self.is_at_end or not self.given or self.failure is not None:
            return None if self.is_at_end else self.start
        left, last = {run.run_id for run in self.read[self.given :]}, self.read[self.given - 1].run_id
        wanted, is_settled = self.given, False
        while True:
            try:
                runs, following = await self._page(wanted)
            except MobStoreError as failure:
                self.failure = failure
                return self.start
            first = next((place for place, run in enumerate(runs) if run.run_id in left), None)
            if first is None:
                if following is None or is_settled or runs[-1].run_id == last:
                    return following
                wanted += 1  # a run has come to be among those that are asked for
            elif first == 0:
                return self.start
            else:
                # of what was given, some is deleted or not asked for any more, and something may have come between
                wanted, is_settled = first, True

    async def _page(self, number: int) -> tuple[Sequence[RunSummary], str | None]:
        page = await (await self.shard.admin()).runs(limit=number, after=self.start or None, **self.which)
        return page.runs, page.next

    def _pass_on(self) -> None:
        if self.head is not None:
            return
        if self.following is None:
            self.is_at_end = True
        else:
            self.start, self.read, self.given = self.following, [], 0


async def page_of_all(
    namespaces: Namespaces, among: Iterable[Shard], which: Conditions, limit: int, after: str | None
) -> FleetPage:
    """A page over namespaces; see `FleetOfNamespaces.runs`."""
    shards = tuple(among)
    places = await _places(namespaces, shards, after)
    number = max(math.ceil(2 * limit / max(len(shards), 1)), FEWEST)
    sources = [
        _Source(shard, which, place)
        for shard in shards
        if shard.number < len(places) and (place := places[shard.number]) is not None
    ]
    await asyncio.gather(*(source.look(min(number, limit + 1)) for source in sources))
    found: list[FoundRun] = []
    while len(found) < limit:
        heads = [(head, source) for source in sources if (head := source.head) is not None]
        if not heads:
            break
        run, newest = max(heads, key=lambda one: one[0].created_at)
        found.append(FoundRun(newest.shard.namespace, run))
        newest.take()
        await newest.look(number)
    for source, place in zip(sources, await asyncio.gather(*(source.place() for source in sources)), strict=True):
        places[source.shard.number] = place
    goes_on = any(places[source.shard.number] is not None for source in sources)
    page = FleetPage(tuple(found), run_cursor(places) if goes_on else None)
    failures = {source.shard.namespace: source.failure for source in sources if source.failure is not None}
    if failures:
        raise NamespacesFailedError(failures, page)
    return page


async def _places(namespaces: Namespaces, shards: Sequence[Shard], after: str | None) -> RunPlaces:
    """Where the list of each namespace goes on; a namespace that was added since the first page is not in the list."""
    if after is None:
        asked = {shard.number for shard in shards}
        return ["" if shard.number in asked else None for shard in namespaces]
    places = places_of_runs(after)
    await namespaces.require_places(places)
    return places
