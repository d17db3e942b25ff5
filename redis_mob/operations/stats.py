"""How much there is in a namespace, what memory it takes, and what bounds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from redis_mob.models.model_usage import ModelUsageTotal
from redis_mob.models.retention import NamespaceSizes, RetentionPolicies
from redis_mob.models.retention_text import bound_of_runs, text_of_events
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.asks import number_of_asks
from redis_mob.storage import MobStorage

_OF_EVENTS = ("events", "events:index", "events:by_time")


@dataclass(frozen=True, slots=True)
class Growth:
    """Something of which there may be ever more: how many, how many bytes if that is known, and what bounds it.

    `bound` is None if nothing does.
    """

    what: str
    number: int
    bytes: int | None
    bound: str | None


@dataclass(frozen=True, slots=True)
class NamespaceStats:
    """What is in a namespace: its runs by status, what else grows, and the policies by which it is kept small.

    `asks` is how many wait for an answer, `usage` what the calls of each flow have used of each model.
    """

    runs: Mapping[MobRunStatus, int]
    sizes: NamespaceSizes
    policies: RetentionPolicies
    asks: int = 0
    usage: tuple[ModelUsageTotal, ...] = ()

    @property
    def growths(self) -> tuple[Growth, ...]:
        """What may grow, and what bounds it. The memory of runs is that of some of them, times their number."""
        sizes = self.sizes
        over = sum(number for status, number in self.runs.items() if status.is_terminal)
        general = self.policies.general
        return (
            Growth("runs that are over", over, self._bytes_of(over), bound_of_runs(self.policies)),
            Growth("runs under way", under_way := sum(self.runs.values()) - over, self._bytes_of(under_way), None),
            Growth(
                "events",
                sizes.events,
                self._bytes_in(*_OF_EVENTS),
                f"{text_of_events(general)}; deleted with their runs" if general and general.bounds_events else None,
            ),
            Growth("asks without an answer", self.asks, self._bytes_in("asks"), "over with their runs"),
            Growth("definitions", sizes.definitions, self._bytes_in("definitions"), "deleted with their last runs"),
        )

    def _bytes_of(self, runs: int) -> int | None:
        return 0 if not runs else None if (one := self.sizes.bytes_of_a_run) is None else one * runs

    def _bytes_in(self, *names: str) -> int | None:
        return sum(self.sizes.keys.get(name, 0) for name in names) if self.sizes.keys else None


async def read_stats(storage: MobStorage) -> NamespaceStats:
    """See `FleetAdmin.stats`."""
    runs = await storage.operations.count()
    sizes, policies = await storage.retention.sizes(), await storage.retention.policies()
    usage = tuple(await storage.budgets.usage())
    return NamespaceStats(runs, sizes, policies, await number_of_asks(storage), usage)
