"""How long runs and events are kept, and what deleting them came to."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple, TypeAlias

from pydantic import Field

from redis_mob.models.base import U64, FrozenDict, Items, Model, is_none
from redis_mob.models.run_status import MobRunStatus

LONGEST_KEPT = timedelta(days=36500)
"""No age of a policy is greater: a hundred years."""

Group: TypeAlias = "str | tuple[str, str] | None"
"""The runs to which a policy applies: those of a mob, of a flow (mob, flow) of one, or None for all others."""

Age = Annotated[timedelta, Field(ge=timedelta(), le=LONGEST_KEPT)]


class RetentionPolicy(Model):
    """How long runs that are over are kept after their end, by how they ended; how many runs are kept; and events.

    `max_runs` counts all runs to which the policy applies; what goes is over, and the oldest. `keep_key` says for how
    long the idempotency key of a run that it deletes gives the id of that run, and starts no other one; without it the
    key is free. `events` and `max_events` are how long and how many events stay, of all mobs; the oldest go first
    (contract: operations-88). None bounds nothing.
    """

    completed: Age | None = Field(default=None, exclude_if=is_none)
    failed: Age | None = Field(default=None, exclude_if=is_none)
    canceled: Age | None = Field(default=None, exclude_if=is_none)
    max_runs: U64 | None = Field(default=None, exclude_if=is_none)
    keep_key: Age | None = Field(default=None, exclude_if=is_none)
    events: Age | None = Field(default=None, exclude_if=is_none)
    max_events: U64 | None = Field(default=None, exclude_if=is_none)

    @property
    def bounds_events(self) -> bool:
        """Whether events are deleted by it."""
        return self.events is not None or self.max_events is not None

    @property
    def bounds_runs(self) -> bool:
        """Whether runs are deleted by it."""
        return {self.completed, self.failed, self.canceled, self.max_runs} != {None}

    def age_of(self, status: MobRunStatus) -> timedelta | None:
        """How long a run is kept that has ended like this; None for ever, as one that is not over."""
        ages = {
            MobRunStatus.COMPLETED: self.completed,
            MobRunStatus.FAILED: self.failed,
            MobRunStatus.CANCELED: self.canceled,
        }
        return ages.get(status)


class RetentionPolicies(NamedTuple):
    """All policies of a namespace: of flows (mob, flow) and mobs that have one of their own, and of all others."""

    now: datetime
    """The time of the server."""
    general: RetentionPolicy | None
    of_mobs: Mapping[str, RetentionPolicy]
    of_flows: Mapping[tuple[str, str], RetentionPolicy] = FrozenDict()

    @property
    def groups(self) -> Mapping[Group, RetentionPolicy]:
        """Each policy by the runs to which it applies."""
        return {**({} if self.general is None else {None: self.general}), **self.of_mobs, **self.of_flows}

    def with_policy(self, group: Group, policy: RetentionPolicy) -> "RetentionPolicies":
        """These policies, with another one for these runs."""
        if group is None:
            return self._replace(general=policy)
        if isinstance(group, tuple):
            return self._replace(of_flows=FrozenDict({**self.of_flows, group: policy}))
        return self._replace(of_mobs=FrozenDict({**self.of_mobs, group: policy}))

    @property
    def bounds_runs(self) -> bool:
        """Whether any policy deletes runs."""
        return any(policy.bounds_runs for policy in self.groups.values())

    @property
    def bounds_events(self) -> bool:
        """Whether events are deleted."""
        return self.general is not None and self.general.bounds_events

    def group_of(self, run: "RunAge") -> Group:
        """The flow of the run if it has a policy of its own, else its mob if that has one, else None."""
        if (flow := (run.mob_id, run.flow_id)) in self.of_flows:
            return flow
        return run.mob_id if run.mob_id in self.of_mobs else None

    def policy_of(self, run: "RunAge") -> RetentionPolicy | None:
        """The policy that applies to a run."""
        return self.of_flows.get((run.mob_id, run.flow_id)) or self.of_mobs.get(run.mob_id, self.general)

    def has_expired(self, run: "RunAge") -> bool:
        """Whether a run was over for longer than it is kept."""
        policy = self.policy_of(run)
        age = None if policy is None else policy.age_of(run.status)
        return age is not None and run.completed_at is not None and run.completed_at <= self.now - age


class RunAge(NamedTuple):
    """A run, and what of it says how long it is kept."""

    run_id: str
    sequence: int
    mob_id: str
    flow_id: str
    status: MobRunStatus
    created_at: datetime
    completed_at: datetime | None


class RunAges(NamedTuple):
    """Some runs in the order of their creation; `last` is what the next ones are after, None if there are no more.

    `unreadable` says of runs among them what of each cannot be read.
    """

    runs: tuple[RunAge, ...]
    last: int | None
    unreadable: tuple[str, ...] = ()


class PrunedEvents(NamedTuple):
    """How many events were found that are not kept, and what the next ones are after, None if there are none."""

    found: int
    after: str | None


class PruneReport(Model):
    """How many runs were deleted, by how they had ended, and how many events beside theirs.

    In a dry run nothing was deleted: it says what would be. `is_complete` is False if more was to go. `left` says of
    some runs why they could not be deleted.
    """

    completed: U64 = 0
    failed: U64 = 0
    canceled: U64 = 0
    events: U64 = 0
    is_dry_run: bool = False
    is_complete: bool = True
    left: Items[str] = ()

    @property
    def runs(self) -> int:
        """How many runs in all."""
        return self.completed + self.failed + self.canceled


class NamespaceSizes(NamedTuple):
    """How much there is in a namespace, and how many bytes of memory it takes, as far as the server tells them."""

    events: int
    oldest_event: datetime | None
    definitions: int
    keys: Mapping[str, int]
    """Bytes of each key that is not of a run, by its name after the tag of the namespace; estimated for great ones."""
    bytes_of_a_run: int | None
    """The mean of some runs, the newest and the oldest."""
    used_memory: int | None
    """Bytes that the server uses, with all that is not of this namespace."""
    max_memory: int | None
    """Bytes that it may use; 0 for no limit."""
    now: datetime
