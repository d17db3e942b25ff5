"""Policies of retention: what they do not keep is deleted, and nothing else; a dry run says the same."""

# pyright: reportPrivateUsage=false
# Pages are made small, so that searches go over several of them.

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redis_mob.errors import SerializationError, ValidationError
from redis_mob.fleet.retention import Sweep
from redis_mob.memory import retention as in_memory
from redis_mob.models.deletion import DeletionStart
from redis_mob.models.events import MobReset
from redis_mob.models.retention import Group, PruneReport, RetentionPolicy, RunAges
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.stores import retention as on_server
from redis_mob.testing.samples.compound import scene
from redis_mob.testing.samples.new_events import new_event, numbered

HOUR = timedelta(hours=1)
HALF = timedelta(minutes=30)
"""Between two ages, so that no clock decides what has expired."""

COMPLETED, FAILED = MobRunStatus.COMPLETED, MobRunStatus.FAILED
MOBS = ("a", "b", "c")


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (in_memory, on_server):
        monkeypatch.setattr(module, "_RUNS", 2)
    monkeypatch.setattr(on_server, "_EVENTS", 3)


@dataclass(frozen=True)
class Aged:
    """A run: how many hours ago it was created, and how many of these it took until it was over."""

    mob_id: str
    status: MobRunStatus
    created: int
    took: int
    flow_id: str = "flow"

    @property
    def ended(self) -> timedelta:
        """How long ago it was over."""
        return max(self.created - self.took, 0) * HOUR


async def created(storage: MobStorage, *runs: Aged) -> list[str]:
    """These runs, in their order."""
    # a minute ago: what has only just ended would not have, once the clock of the machine is set back a little
    now, ids = datetime.now(UTC) - timedelta(minutes=1), list[str]()
    for one in runs:
        run = scene(
            run_id=str(uuid4()),
            mob_id=one.mob_id,
            flow_id=one.flow_id,
            status=one.status,
            created_at=now - one.created * HOUR,
            completed_at=now - one.ended if one.status.is_terminal else None,
        )
        await storage.runs.create_run(run)
        ids.append(run.run_id)
    return ids


async def left(storage: MobStorage) -> list[str]:
    """The runs that are there, the oldest first."""
    return [run.run_id async for run in FleetAdmin(storage).all_runs()][::-1]


async def policies_set(storage: MobStorage, policies: dict[Group, RetentionPolicy]) -> None:
    for group, policy in policies.items():
        mob, flow = group if isinstance(group, tuple) else (group, None)
        await FleetAdmin(storage).set_retention(policy, mob, flow)


def gone(runs: list[Aged], policies: dict[Group, RetentionPolicy]) -> set[int]:
    """Which of these runs the policies do not keep: the model."""
    groups = [next((one for one in ((run.mob_id, run.flow_id), run.mob_id) if one in policies), None) for run in runs]
    found: set[int] = set()
    for number, (run, group) in enumerate(zip(runs, groups, strict=True)):
        age = policies[group].age_of(run.status) if group in policies else None
        if age is not None and run.status.is_terminal and run.ended >= age:
            found.add(number)
    for group, policy in policies.items():
        if policy.max_runs is not None:
            kept = [number for number, of in enumerate(groups) if of == group and number not in found]
            over = [number for number in kept if runs[number].status.is_terminal]
            found.update(over[: max(len(kept) - policy.max_runs, 0)])
    return found


AGES = st.none() | st.integers(0, 6).map(lambda hours: hours * HOUR - (HALF if hours else timedelta()))
LIMITS = st.none() | st.integers(0, 6)
RUNS = st.lists(
    st.builds(
        Aged,
        st.sampled_from(MOBS),
        st.sampled_from(MobRunStatus),
        st.integers(0, 8),
        st.integers(0, 8),
        st.sampled_from(("x", "y")),
    ),
    max_size=14,
).map(lambda runs: sorted(runs, key=lambda run: -run.created))
OF_A_MOB = st.builds(RetentionPolicy, completed=AGES, failed=AGES, canceled=AGES, max_runs=LIMITS)
POLICIES = st.fixed_dictionaries(
    {}, optional={None: OF_A_MOB, "a": OF_A_MOB, "b": OF_A_MOB, ("a", "x"): OF_A_MOB, ("c", "y"): OF_A_MOB}
)


@pytest.mark.parametrize("looks", [None, 3])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=RUNS, policies=POLICIES)
def test_what_the_policies_keep_stays_and_nothing_else(
    url: str, looks: int | None, runs: list[Aged], policies: dict[Group, RetentionPolicy]
) -> None:
    async def examined() -> None:
        async with MobStorage.open(url, namespace=f"retention-{uuid4().hex}") as storage:
            ids = await created(storage, *runs)
            await policies_set(storage, policies)
            expected = gone(runs, policies)
            dry = await FleetAdmin(storage).prune(dry_run=True)
            assert await left(storage) == ids
            report = await swept(storage, looks)
            assert await left(storage) == [run_id for number, run_id in enumerate(ids) if number not in expected]
            by_end = Counter(str(runs[number].status) for number in expected)
            assert report == report_of(by_end)
            assert dry == report_of(by_end).model_copy(update={"is_dry_run": True})
            assert await FleetAdmin(storage).prune() == PruneReport()

    asyncio.run(examined())


def report_of(counts: Mapping[str, int]) -> PruneReport:
    return PruneReport.model_validate(dict(counts))


async def swept(storage: MobStorage, looks: int | None) -> PruneReport:
    """What a prune came to, or the rounds of a worker together, each of which looks at few runs."""
    if looks is None:
        return await FleetAdmin(storage).prune()
    sweep = Sweep(storage.retention, storage.steering, most_looked_at=looks)
    total = Counter[str]()
    for _ in range(40):
        report = await sweep.round(await storage.retention.policies())
        total.update(completed=report.completed, failed=report.failed, canceled=report.canceled)
    return report_of(total)


async def test_events_go_by_their_age_and_structure_stays(storage: MobStorage) -> None:
    admin, now = FleetAdmin(storage), datetime.now(UTC)
    for hours in (9, 8, 7, 6, 5, 4, 3, 2, 1):
        await storage.events.append(numbered(hours, timestamp=now - hours * HOUR))
    await admin.set_retention(RetentionPolicy(events=3 * HOUR - HALF))
    assert await admin.prune(dry_run=True) == PruneReport(events=7, is_dry_run=True)
    assert len(await storage.events.replay_all()) == 9
    assert await admin.prune() == PruneReport(events=7)
    assert [event.cursor for event in await storage.events.replay_all()] == [8, 9]
    assert await admin.prune() == PruneReport()


async def test_the_newest_events_stay_by_their_number(storage: MobStorage) -> None:
    """The contract is operations-88."""
    admin, now = FleetAdmin(storage), datetime.now(UTC)
    for hours in (1, 9, 8, 7, 6, 5, 4, 3, 2):  # by time, the first one is the newest
        await storage.events.append(numbered(hours, timestamp=now - hours * HOUR))
    await admin.set_retention(RetentionPolicy(max_events=4))
    assert await admin.prune(dry_run=True) == PruneReport(events=5, is_dry_run=True)
    assert len(await storage.events.replay_all()) == 9
    assert await admin.prune() == PruneReport(events=5)
    assert [event.cursor for event in await storage.events.replay_all()] == [1, 7, 8, 9]
    assert await admin.prune() == PruneReport()
    await admin.set_retention(RetentionPolicy(max_events=3, events=9 * HOUR))
    assert await admin.prune() == PruneReport(events=1)
    await admin.set_retention(RetentionPolicy(max_events=3, events=3 * HOUR - HALF))
    assert await admin.prune() == PruneReport(events=1)
    assert [event.cursor for event in await storage.events.replay_all()] == [1, 9]
    await admin.set_retention(RetentionPolicy(max_events=0))
    assert await admin.prune() == PruneReport(events=2)
    assert await storage.events.replay_all() == []


async def test_structure_stays_among_too_many_events_and_counts_no_more_once_passed_by(storage: MobStorage) -> None:
    admin, now = FleetAdmin(storage), datetime.now(UTC)
    for hours in (9, 8, 7, 6):
        await storage.events.append(new_event(MobReset(), timestamp=now - hours * HOUR))
    for hours in (5, 4, 3, 2, 1):
        await storage.events.append(numbered(hours, timestamp=now - hours * HOUR))
    await admin.set_retention(RetentionPolicy(max_events=3))
    assert await admin.prune() == PruneReport(events=2)
    assert [event.cursor for event in await storage.events.replay_all()] == [1, 2, 3, 4, 7, 8, 9]
    await storage.events.append(numbered(0, timestamp=now))
    assert await admin.prune(dry_run=True) == PruneReport(events=1, is_dry_run=True)
    assert await admin.prune() == PruneReport(events=1)
    assert [event.cursor for event in await storage.events.replay_all()] == [1, 2, 3, 4, 8, 9, 10]


async def test_so_many_runs_at_most_are_deleted(storage: MobStorage) -> None:
    ids = await created(storage, *(Aged("a", COMPLETED, 9 - number, 0) for number in range(5)))
    admin = FleetAdmin(storage)
    await admin.set_retention(RetentionPolicy(completed=HOUR))
    assert await admin.prune(most=2) == PruneReport(completed=2, is_complete=False)
    assert await left(storage) == ids[2:]
    assert await admin.prune(most=0) == PruneReport(is_complete=False)
    assert await admin.prune(most=3) == PruneReport(completed=3)


async def test_a_clock_that_was_ahead_hides_no_other_run(storage: MobStorage) -> None:
    """Runs are created by the clocks of their clients, of which one may be wrong by years."""
    wrong = Aged("a", COMPLETED, -10_000, -10_000)
    ids = await created(storage, wrong, *(Aged("a", COMPLETED, 5, 1) for _ in range(5)))
    admin = FleetAdmin(storage)
    await admin.set_retention(RetentionPolicy(completed=HOUR))
    assert await admin.prune() == PruneReport(completed=5)
    assert await left(storage) == ids[:1]


async def test_policies_are_set_read_and_cleared(storage: MobStorage, other_storage: MobStorage) -> None:
    admin, other = FleetAdmin(storage), FleetAdmin(other_storage)
    assert await admin.get_retention() is None
    assert not await admin.clear_retention()
    general, own = RetentionPolicy(completed=HOUR, events=HALF), RetentionPolicy(max_runs=3)
    await policies_set(storage, {None: general, "wörld": own, "general": RetentionPolicy()})
    assert await other.get_retention() == general
    assert await other.get_retention("wörld") == own
    assert await other.get_retention("other") is None
    assert (await other.retention()).groups == {None: general, "wörld": own, "general": RetentionPolicy()}
    assert await other.clear_retention("wörld")
    assert not await other.clear_retention("wörld")
    assert (await admin.retention()).of_mobs == {"general": RetentionPolicy()}


async def test_a_flow_is_kept_by_its_own_policy_and_found_among_its_own_runs(storage: MobStorage) -> None:
    others = await created(storage, *(Aged("a", COMPLETED, 9, 1) for _ in range(9)))
    own = await created(storage, *(Aged("a", COMPLETED, 5 - number, 1, "own") for number in range(4)))
    admin, read = FleetAdmin(storage), list[str]()
    await policies_set(storage, {("a", "own"): RetentionPolicy(completed=3 * HOUR - HALF, max_runs=1)})
    retention: Any = storage.retention

    class Watched:
        policies, count_runs, oldest_runs = retention.policies, retention.count_runs, retention.oldest_runs

        async def oldest_of_flow(self, *args: Any) -> RunAges:
            page = await retention.oldest_of_flow(*args)
            read.extend(run.run_id for run in page.runs)
            return page

    watched: Any = Watched()
    report = await Sweep(watched, storage.steering).round(await storage.retention.policies())
    assert report == PruneReport(completed=3)
    assert await left(storage) == [*others, own[3]]
    assert set(read) <= set(own)
    assert await admin.get_retention("a", "own") == RetentionPolicy(completed=3 * HOUR - HALF, max_runs=1)
    assert await admin.clear_retention("a", "own")
    assert not await admin.clear_retention("a", "own")


async def test_a_policy_that_is_set_may_stay(storage: MobStorage) -> None:
    one, other = RetentionPolicy(max_runs=1), RetentionPolicy(max_runs=2)
    assert await storage.retention.set_policy(one, "a", "f", if_none=True)
    assert not await storage.retention.set_policy(other, "a", "f", if_none=True)
    assert await FleetAdmin(storage).get_retention("a", "f") == one
    assert await storage.retention.set_policy(other, "a", "f")
    assert await FleetAdmin(storage).get_retention("a", "f") == other


async def test_bad_policies_are_refused(storage: MobStorage) -> None:
    admin, wrong = FleetAdmin(storage), {"completed": HOUR}
    untyped: Any = wrong
    with pytest.raises(ValidationError, match="the policy of mob 'a' bounds events, whose log is that of all mobs"):
        await admin.set_retention(RetentionPolicy(events=HOUR), "a")
    with pytest.raises(ValidationError, match="bounds events"):
        await admin.set_retention(RetentionPolicy(max_events=1), "a")
    with pytest.raises(ValidationError, match="the policy of flow 'f' needs the mob of the flow"):
        await admin.set_retention(RetentionPolicy(completed=HOUR), flow="f")
    with pytest.raises(ValidationError, match="the runs of flow 'f' need the mob of the flow"):
        await storage.retention.count_runs(None, "f")
    with pytest.raises(ValidationError, match="policy must be a RetentionPolicy"):
        await admin.set_retention(untyped)
    for fields in ({"completed": -HOUR}, {"failed": timedelta(days=40_000)}, {"max_runs": -1}, {"completed": 5}):
        with pytest.raises(ValueError, match="validation error"):
            RetentionPolicy.model_validate(fields)
    with pytest.raises(ValidationError, match="most must be an integer from 0"):
        await admin.prune(most=-1)


async def test_a_turn_is_one_holders_at_a_time(storage: MobStorage, other_storage: MobStorage) -> None:
    one, other = storage.retention, other_storage.retention
    assert await one.take_turn("one", HOUR)
    assert not await other.take_turn("other", HOUR)
    assert await one.take_turn("one", timedelta(milliseconds=50))
    async with asyncio.timeout(30):
        while not await other.take_turn("other", HOUR):  # noqa: ASYNC110 - time has to pass
            await asyncio.sleep(0.01)
    assert not await one.take_turn("one", HOUR)


async def test_a_run_that_cannot_be_deleted_keeps_no_other(storage: MobStorage) -> None:
    ids = await created(storage, *(Aged("a", COMPLETED, 5, 1) for _ in range(3)))
    admin = FleetAdmin(storage)
    await admin.set_retention(RetentionPolicy(completed=HOUR))
    steering: Any = storage.steering

    class Damaged:
        deletions, continue_deletion = steering.deletions, steering.continue_deletion

        async def begin_deletion(self, run_id: str, *, keep_id_for: timedelta | None) -> DeletionStart:
            if run_id == ids[0]:
                raise SerializationError(f"run {run_id} is damaged")
            return await steering.begin_deletion(run_id, keep_id_for=keep_id_for)

    damaged: Any = Damaged()
    report = await Sweep(storage.retention, damaged).round(await storage.retention.policies())
    assert report == PruneReport(completed=2, left=(f"run {ids[0]} is damaged",))
    assert await left(storage) == ids[:1]


async def test_stats_say_how_much_there_is_and_what_bounds_it(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    await created(storage, Aged("a", COMPLETED, 5, 1), Aged("a", FAILED, 5, 1), Aged("a", MobRunStatus.RUNNING, 5, 1))
    await storage.events.append(numbered(1))
    stats = await admin.stats()
    assert stats.runs[COMPLETED] == stats.runs[FAILED] == stats.runs[MobRunStatus.RUNNING] == 1
    assert [(one.what, one.number, one.bound) for one in stats.growths] == [
        ("runs that are over", 2, None),
        ("runs under way", 1, None),
        ("events", 1, None),
        ("asks without an answer", 0, "over with their runs"),
        ("definitions", 0, "deleted with their last runs"),
    ]
    assert stats.sizes.oldest_event is not None
    await policies_set(storage, {"b": RetentionPolicy(completed=7 * 24 * HOUR, max_runs=5)})
    assert (await admin.stats()).growths[0].bound == "mob b: completed 7d, at most 5 runs; other mobs: nothing"
    await policies_set(storage, {None: RetentionPolicy(failed=36 * HOUR, events=90 * timedelta(seconds=1))})
    over, _, events, *_ = (await admin.stats()).growths
    assert over.bound == "failed 36h; mob b: completed 7d, at most 5 runs"
    assert events.bound == "kept for 90s; deleted with their runs"
