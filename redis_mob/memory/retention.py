"""Policies of retention in memory, and what they do not keep."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from redis_mob.codec import ledgers
from redis_mob.codec.arguments import duration, flag, member, optional_text, text
from redis_mob.codec.events import STRUCTURAL
from redis_mob.codec.retention import (
    checked_bounds,
    checked_policy,
    checked_sequence,
    decode_policies,
    encode_policy,
    policy_field,
    runs_prefix,
)
from redis_mob.codec.run_heads import place_prefix
from redis_mob.contracts import RetentionStore
from redis_mob.memory.namespace import Access
from redis_mob.models.retention import (
    NamespaceSizes,
    PrunedEvents,
    RetentionPolicies,
    RetentionPolicy,
    RunAge,
    RunAges,
)
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus

_RUNS = 50
"""How many runs one call gives, as on a server."""


class MemoryRetentionStore(RetentionStore):
    """The contract's `RetentionStore` in memory; its docstrings say what holds."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def set_policy(
        self, policy: RetentionPolicy, mob_id: str | None = None, flow_id: str | None = None, *, if_none: bool = False
    ) -> bool:
        field, encoded = policy_field(mob_id, flow_id), encode_policy(checked_policy(policy, mob_id))
        policies = self._access.content.retention
        if flag("if_none", if_none) and field in policies:
            return False
        policies[field] = encoded
        return True

    async def clear_policy(self, mob_id: str | None = None, flow_id: str | None = None) -> bool:
        field = policy_field(mob_id, flow_id)
        return self._access.content.retention.pop(field, None) is not None

    async def policies(self) -> RetentionPolicies:
        content = self._access.content
        return decode_policies(ledgers.microseconds(content.clock.now()), content.retention)

    async def take_turn(self, holder: str, length: timedelta) -> bool:
        holder, length = text("holder", holder), duration("length", length)
        content = self._access.content
        now, (of, ends) = content.clock.now(), content.retention_turn
        if of != holder and ends > now:
            return False
        content.retention_turn = holder, now + length
        return True

    async def oldest_runs(self, status: MobRunStatus, after: int | None = None) -> RunAges:
        status, after = member("status", status, MobRunStatus), checked_sequence(after)
        return self._oldest(after, lambda run: run.status is status)

    async def oldest_of_flow(self, mob_id: str, flow_id: str, after: int | None = None) -> RunAges:
        prefix, after = place_prefix(text("mob_id", mob_id), text("flow_id", flow_id)), checked_sequence(after)
        return self._oldest(after, lambda run: place_prefix(run.mob_id, run.flow_id) == prefix)

    def _oldest(self, after: int | None, belongs: Callable[[MobRun], bool]) -> RunAges:
        content, found = self._access.content, list[RunAge]()
        for run in content.runs.values():
            sequence = content.sequences[run.run_id]
            if belongs(run) and (after is None or sequence > after) and len(found) < _RUNS:
                ages = (run.status, run.created_at, run.completed_at)
                found.append(RunAge(run.run_id, sequence, run.mob_id, run.flow_id, *ages))
        return RunAges(tuple(found), found[-1].sequence if len(found) == _RUNS else None)

    async def count_runs(self, mob_id: str | None = None, flow_id: str | None = None) -> int:
        prefix = runs_prefix(mob_id, flow_id)
        return sum(
            place_prefix(run.mob_id, run.flow_id).startswith(prefix) for run in self._access.content.runs.values()
        )

    async def prune_events(self, older_than: datetime | None, *, newest: int | None = None) -> PrunedEvents:
        bounds = checked_bounds(older_than, newest)
        return PrunedEvents(self._access.content.log.prune(*bounds, kept=STRUCTURAL), None)

    async def count_events(
        self, older_than: datetime | None, after: str | None = None, *, newest: int | None = None
    ) -> PrunedEvents:
        bounds, _ = checked_bounds(older_than, newest), optional_text("after", after)
        return PrunedEvents(self._access.content.log.count(*bounds, kept=STRUCTURAL), None)

    async def sizes(self) -> NamespaceSizes:
        content = self._access.content
        entries = content.log.read_after(0, 1)
        return NamespaceSizes(
            events=len(content.log.read_after(0, None)),
            oldest_event=ledgers.moment(int(entries[0][1][b"timestamp"])) if entries else None,
            definitions=len(content.definitions),
            keys={},
            bytes_of_a_run=None,
            used_memory=None,
            max_memory=None,
            now=content.clock.now(),
        )
