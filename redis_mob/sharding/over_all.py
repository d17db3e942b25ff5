"""What is asked of all namespaces of a fleet at a time, and of the one that a run is in."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TypeVar, Unpack

from redis_mob.admin.doctor.examination import Examination, examine
from redis_mob.codec.arguments import flag, integer, optional_text, text
from redis_mob.codec.run_ids import LENGTH, beginning_of_ids, one_of
from redis_mob.connection.calls.durability import Durability
from redis_mob.errors import NotFoundError, RedisMobError, shown
from redis_mob.models.retention import PruneReport
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.run_description import RunDescription
from redis_mob.operations.run_list import PAGE, Conditions
from redis_mob.operations.stats import NamespaceStats
from redis_mob.past.run_events import checked_run_id
from redis_mob.sharding.failures import NamespacesFailedError
from redis_mob.sharding.merged_log import MergedLog, Wanted, merged_log
from redis_mob.sharding.merged_runs import FleetPage, FoundRun, page_of_all
from redis_mob.sharding.namespaces import Namespaces, Shard
from redis_mob.sharding.run_ids import number_in
from redis_mob.storage import MobStorage

T = TypeVar("T")


class OverAll:
    """The operations of `FleetAdmin` that make sense over several namespaces, and the way to those of one.

    What is asked of all is asked of each, also where some fail: then NamespacesFailedError names these, and its
    `partial` is what the others gave (contract: shards-8).
    """

    def __init__(self, namespaces: Namespaces, durability: str) -> None:
        self._namespaces = namespaces
        self._durability = Durability.parse(durability)

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that this process knows, in the order in which they were added."""
        return self._namespaces.names

    async def refresh(self) -> None:
        """Look now for namespaces that other processes have added; else that is done every five seconds."""
        await self._namespaces.refresh()

    async def storage(self, namespace: str) -> MobStorage:
        """The storage of one namespace. Raises ValidationError if the fleet has no such one, and as its opening."""
        return await self._namespaces.named(text("namespace", namespace)).storage()

    async def admin(self, namespace: str) -> FleetAdmin:
        """What operators do in one namespace; raises as `storage`."""
        return FleetAdmin(await self.storage(namespace))

    async def namespace_of(self, run_id: str) -> str:
        """The namespace that a run is in.

        An id that this fleet made tells it; others, as those of runs of steps, are looked for in all namespaces.
        Raises NotFoundError if none has it, NamespacesFailedError if that cannot be said.
        """

        async def there(shard: Shard) -> str:
            if await (await shard.storage()).executions.status(checked_run_id(run_id)) is None:
                raise NotFoundError.of_run(run_id, shard.namespace)
            return shard.namespace

        return await self._at_run(run_id, there)

    async def each(
        self, ask: Callable[[FleetAdmin], Awaitable[T]], namespaces: Collection[str] | None = None
    ) -> dict[str, T]:
        """What `ask` gives for each namespace, by name; of all, or of these. It is called for 16 at a time."""
        return await self._namespaces.all(_by_admin(ask), self._namespaces.chosen(namespaces))

    async def runs(
        self,
        *,
        limit: int = 50,
        after: str | None = None,
        namespaces: Collection[str] | None = None,
        **which: Unpack[Conditions],
    ) -> FleetPage:
        """A page of the runs in all namespaces, or in these, the newest first; conditions as of `FleetAdmin.runs`.

        Each namespace is in its order, and of two the run goes first that was created later. What the `next` of a page
        is, the page behind it is `after`: no run of it is given twice or left out (contract: shards-5). Where
        namespaces failed, the `partial` of the error is the page of the others, whose `next` goes on in all. Raises
        ValidationError for what is no such text.
        """
        chosen = self._namespaces.chosen(namespaces)
        limit, after = integer("limit", limit, least=1), optional_text("after", after)
        return await page_of_all(self._namespaces, chosen, which, limit, after)

    async def all_runs(
        self, *, after: str | None = None, namespaces: Collection[str] | None = None, **which: Unpack[Conditions]
    ) -> AsyncIterator[FoundRun]:
        """All of them, read page by page; takes what `runs` does, but for the length of a page."""
        while True:
            page = await self.runs(limit=PAGE, after=after, namespaces=namespaces, **which)
            for run in page.runs:
                yield run
            if (after := page.next) is None:
                return

    async def count(self, **which: Unpack[Conditions]) -> Mapping[MobRunStatus, int]:
        """How many runs there are of each status in all namespaces; conditions as of `FleetAdmin.count`."""
        answers, failures = await self._asked_each(lambda admin: admin.count(**which))
        counted = Counter[MobRunStatus]()
        for answer in answers.values():
            counted.update(answer)
        if failures:
            raise NamespacesFailedError(failures, dict(counted))
        return dict(counted)

    async def find(self, prefix: str) -> str:
        """The id of the one run whose id begins like this, in at least four digits (contract: operations-4).

        Raises NotFoundError if there is none, ValidationError naming some of them if there are several.
        """

        async def found(admin: FleetAdmin) -> str | None:
            try:
                return await admin.find(prefix)
            except NotFoundError:
                return None

        beginning = beginning_of_ids(prefix)
        answers, failures = await self._asked_each(found)
        ids = [run_id for run_id in answers.values() if run_id is not None]
        if failures and not (ids and len(beginning) == LENGTH):
            raise NamespacesFailedError(failures, ids)
        return one_of(beginning, ids)

    async def describe(self, run_id: str, *, outputs: bool = False, attempts: bool = False) -> RunDescription:
        """A run as it is now; as `FleetAdmin.describe`."""

        async def described(shard: Shard) -> RunDescription:
            return await (await shard.admin()).describe(run_id, outputs=outputs, attempts=attempts)

        return await self._at_run(run_id, described)

    def tail(
        self,
        *,
        mob: str | None = None,
        flow: str | None = None,
        kinds: Collection[str] | None = None,
        after: str | None = None,
        follow: bool = True,
        namespaces: Collection[str] | None = None,
    ) -> AbstractAsyncContextManager[MergedLog]:
        """Follow the event logs of all namespaces, or of these, as an async iterator (contract: shards-6).

        It begins with the next events, or with the first ones after the `cursor` of an event that it gave before, or
        of the log as it was then. The events of each namespace come once and in their order; those of two in the order
        in which they were read. A namespace that is added meanwhile, or after the cursor was given, is followed from
        its beginning. Without `follow` it ends with the newest events that the logs have now.
        Raises ValidationError for a kind that is not known, or what is no cursor. What one namespace raises, as
        EventsTrimmedError, is raised once, as NamespacesFailedError; then it goes on.
        """
        wanted = Wanted(optional_text("mob", mob), optional_text("flow", flow), kinds)
        all_of, chosen = namespaces is None, self._namespaces.chosen(namespaces)
        begin = optional_text("after", after)
        return merged_log(self._namespaces, chosen, wanted, begin, follow=flag("follow", follow), all_of=all_of)

    async def stats(self) -> dict[str, NamespaceStats]:
        """How much there is in each namespace; as `FleetAdmin.stats`."""
        return await self.each(lambda admin: admin.stats())

    async def prune(self, *, dry_run: bool = False, most: int | None = None) -> dict[str, PruneReport]:
        """Apply the policies of each namespace once, to at most `most` runs there; as `FleetAdmin.prune`."""
        return await self.each(lambda admin: admin.prune(dry_run=dry_run, most=most))

    async def pause_flow(self, mob_id: str, flow_id: str, reason: str | None = None) -> dict[str, bool]:
        """Pause all runs of a flow everywhere; False where it was paused before (contract: operations-122).

        It holds also for namespaces that are added later.
        """
        return await self.each(lambda admin: admin.pause_flow(mob_id, flow_id, reason))

    async def resume_flow(self, mob_id: str, flow_id: str) -> dict[str, bool]:
        """Let a flow go on everywhere; False where it was not paused."""
        return await self.each(lambda admin: admin.resume_flow(mob_id, flow_id))

    async def pause_mob(self, mob_id: str, reason: str | None = None) -> dict[str, bool]:
        """Pause all runs of a mob everywhere; as `pause_flow`."""
        return await self.each(lambda admin: admin.pause_mob(mob_id, reason))

    async def resume_mob(self, mob_id: str) -> dict[str, bool]:
        """Let a mob go on everywhere; as `resume_flow`."""
        return await self.each(lambda admin: admin.resume_mob(mob_id))

    async def examine(self) -> dict[str, Examination]:
        """What `redis-mob doctor` finds, for each namespace; nothing is written."""

        async def examined(shard: Shard) -> Examination:
            return await examine(self._namespaces.url_of(shard), shard.namespace, self._durability)

        return await self._namespaces.all(examined)

    async def _asked_each(
        self, ask: Callable[[FleetAdmin], Awaitable[T]]
    ) -> tuple[dict[str, T], dict[str, RedisMobError]]:
        return await self._namespaces.each(_by_admin(ask))

    async def _at_run(self, run_id: str, act: Callable[[Shard], Awaitable[T]]) -> T:
        """What is done with a run, in the namespace that it is in (contract: shards-3)."""
        run_id, told = checked_run_id(run_id), None
        if (number := number_in(run_id)) is not None and (told := await self._namespaces.numbered(number)) is not None:
            try:
                return await act(told)
            except NotFoundError:
                # of what is asked for beside the run; or the id was made elsewhere, and tells a number by chance
                other = await self._searched(run_id)
                if other is None or other is told:
                    raise
                return await act(other)
        if (found := await self._searched(run_id)) is None:
            names = ", ".join(map(shown, self.namespaces[:10]))
            raise NotFoundError(f"run {run_id} is in none of the {len(self.namespaces)} namespaces: {names}")
        return await act(found)

    async def _searched(self, run_id: str) -> Shard | None:
        async def there(shard: Shard) -> bool:
            return await (await shard.storage()).executions.status(run_id) is not None

        answers, failures = await self._namespaces.each(there)
        for shard in self._namespaces:
            if answers.get(shard.namespace):
                return shard
        if failures:
            raise NamespacesFailedError(failures)
        return None


def _by_admin(ask: Callable[[FleetAdmin], Awaitable[T]]) -> Callable[[Shard], Awaitable[T]]:
    async def asked(shard: Shard) -> T:
        return await ask(await shard.admin())

    return asked
