"""How much there is in a namespace, what memory it takes, and what bounds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from redis_mob.models.retention import Group, NamespaceSizes, RetentionPolicies, RetentionPolicy
from redis_mob.models.run import MobRunStatus
from redis_mob.storage import MobStorage

_OF_EVENTS = ("events", "events:index", "events:by_time")
_UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1)))


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
    """What is in a namespace: its runs by status, what else grows, and the policies by which it is kept small."""

    runs: Mapping[MobRunStatus, int]
    sizes: NamespaceSizes
    policies: RetentionPolicies

    @property
    def growths(self) -> tuple[Growth, ...]:
        """What may grow, and what bounds it. The memory of runs is that of some of them, times their number."""
        sizes = self.sizes
        over = sum(number for status, number in self.runs.items() if status.is_terminal)
        events = None if self.policies.general is None else self.policies.general.events
        return (
            Growth("runs that are over", over, self._bytes_of(over), self._bound_of_runs()),
            Growth("runs under way", under_way := sum(self.runs.values()) - over, self._bytes_of(under_way), None),
            Growth(
                "events",
                sizes.events,
                self._bytes_in(*_OF_EVENTS),
                None if events is None else f"kept for {age_text(events)}; deleted with their runs",
            ),
            Growth("definitions", sizes.definitions, self._bytes_in("definitions"), "deleted with their last runs"),
        )

    def _bytes_of(self, runs: int) -> int | None:
        return 0 if not runs else None if (one := self.sizes.bytes_of_a_run) is None else one * runs

    def _bytes_in(self, *names: str) -> int | None:
        return sum(self.sizes.keys.get(name, 0) for name in names) if self.sizes.keys else None

    def _bound_of_runs(self) -> str | None:
        """The policies of runs; None if those of some mobs are never deleted."""
        said = [
            f"{'' if group is None else f'{group_text(group)}: '}{text_of(policy)}"
            for group, policy in self.policies.groups.items()
            if policy.bounds_runs
        ]
        if not said:
            return None
        general = self.policies.general
        if general is None or not general.bounds_runs:
            said.append("other mobs: nothing")
        return "; ".join(said)


async def read_stats(storage: MobStorage) -> NamespaceStats:
    """See `FleetAdmin.stats`."""
    runs = await storage.operations.count()
    return NamespaceStats(runs, await storage.retention.sizes(), await storage.retention.policies())


def group_text(group: Group) -> str:
    """Of which runs a policy is."""
    if isinstance(group, tuple):
        return f"flow {group[1]} of mob {group[0]}"
    return "all others" if group is None else f"mob {group}"


def text_of(policy: RetentionPolicy) -> str:
    """What a policy says of runs: `completed 7d, failed 30d, at most 100000 runs`."""
    ages = {"completed": policy.completed, "failed": policy.failed, "canceled": policy.canceled}
    said = [f"{name} {age_text(age)}" for name, age in ages.items() if age is not None]
    said += [] if policy.max_runs is None else [f"at most {policy.max_runs} runs"]
    return ", ".join(said)


def age_text(age: timedelta) -> str:
    """An age as it is written in commands, as 7d or 90s."""
    for unit, length in _UNITS:
        if age and not age % length:
            return f"{age // length}{unit}"
    return f"{age.total_seconds():g}s"
