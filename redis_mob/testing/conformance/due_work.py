"""What is due when: runs that a worker must look at, and executions that a worker may claim."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from redis_mob.contracts import ExecutionStore, MobRunStore
from redis_mob.models.due_work import DueWork
from redis_mob.models.execution import EVERYTHING, OVERDUE, ExecutionStatus, HowLost, Left, Serves
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import Commit
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.driven_runs import (
    LONG_LEASE,
    ONE_MINUTE,
    ONE_STEP,
    ROLES,
    STEP_OF_EACH_ROLE,
    STEPS_AND_LOOP,
    a_worker,
    keys_of,
    launched,
    pending,
    started,
    waiting,
)
from redis_mob.testing.samples.states import new_run
from redis_mob.testing.waiting import LONG

MOMENT = timedelta(milliseconds=20)
SHORT_LEASE = timedelta(seconds=1)


class TestDueWork(Guarantee):
    """Work is due when its time has come, is taken by one worker that asks for it, and comes back if it is not done."""

    async def test_nothing_is_due_in_an_empty_store(self, executions: ExecutionStore, runs: MobRunStore) -> None:
        await runs.create_run(new_run())
        work = await what_is_taken(executions)
        assert (work.runs, work.executions, work.next_run_at, work.next_execution_at) == ((), (), None, None)

    async def test_a_run_that_was_started_is_due(self, executions: ExecutionStore) -> None:
        run = await launched(executions, ONE_STEP)
        assert (await what_is_taken(executions)).runs == (run.run_id,)
        assert (await what_is_taken(executions)).runs == ()

    async def test_a_request_to_cancel_makes_the_run_due(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, STEPS_AND_LOOP)
        assert (await what_is_taken(executions)).runs == ()
        await executions.request_cancel(run.run_id)
        assert (await what_is_taken(executions)).runs == (run.run_id,)

    async def test_no_more_is_taken_than_was_asked_for(self, executions: ExecutionStore) -> None:
        for _ in range(3):
            await launched(executions, ONE_STEP)
        await waiting(executions, ONE_STEP, members=3)
        none = await what_is_taken(executions, max_runs=0, max_executions=0)
        assert (none.runs, none.executions) == ((), ())
        some = await what_is_taken(executions, max_runs=2, max_executions=1)
        rest = await what_is_taken(executions, max_runs=9, max_executions=9)
        assert (len(some.runs), len(rest.runs), len({*some.runs, *rest.runs})) == (2, 1, 3)
        assert (len(some.executions), len(rest.executions), len({*some.executions, *rest.executions})) == (1, 2, 3)

    async def test_what_is_due_is_spread_over_those_who_ask(self, open_stores: Opener) -> None:
        stores = [given("executions", (await open_stores()).executions) for _ in range(3)]
        run = await waiting(stores[0], ONE_STEP, members=10)
        shares = await asyncio.gather(*(what_is_taken(store, max_executions=4) for store in stores))
        assert all(len(share.executions) <= 4 for share in shares)
        rest = await what_is_taken(stores[0])
        taken = [work.key for share in (*shares, rest) for work in share.executions]
        assert sorted(taken) == keys_of(await run.view())
        assert (await what_is_taken(stores[1])).executions == ()

    async def test_what_was_taken_and_not_done_comes_back(self, executions: ExecutionStore) -> None:
        run = await launched(executions, ONE_STEP)
        first = await what_is_taken(executions, keep=MOMENT)
        assert first.runs == (run.run_id,)
        assert _is_at(first.next_run_at, first.now + MOMENT)
        again = await at_last(lambda: what_is_taken(executions, keep=LONG_LEASE), lambda work: work.runs)
        assert again.runs == (run.run_id,)

    async def test_what_is_under_way_is_not_due_until_it_is_long_out_of_time(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, ONE_STEP, members=1)
        [due] = (await what_is_taken(executions)).executions
        await run.claim(due.key)
        lease = (await run.view()).executions[due.key].lease
        assert lease is not None
        assert _is_at((await what_is_taken(executions)).next_execution_at, lease.deadline + OVERDUE)
        await run.settle(due.key)
        work = await what_is_taken(executions)
        assert (work.runs, work.executions, work.next_run_at, work.next_execution_at) == ((), (), None, None)

    async def test_a_run_is_due_when_a_transition_says_so(self, executions: ExecutionStore) -> None:
        """The flow of this run must end after a minute."""
        run = await waiting(executions, ONE_MINUTE)
        deadline = (await run.view()).deadline
        assert deadline is not None
        assert _is_at((await what_is_taken(executions)).next_run_at, deadline)

    async def test_only_roles_that_are_served_are_taken(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, STEP_OF_EACH_ROLE, members=1)
        view = await run.view()

        async def roles_taken(*served: str, all: bool = False) -> list[str]:
            work = await what_is_taken(executions, serves=EVERYTHING if all else Serves(roles=frozenset(served)))
            return sorted(view.executions[due.key].role for due in work.executions)

        assert sorted(execution.role for execution in view.executions.values()) == sorted(ROLES)
        assert await roles_taken("rev", "other") == ["rev"]
        assert await roles_taken("rev", "rev-2") == ["rev-2"]
        assert await roles_taken() == []
        assert await roles_taken(all=True) == ["reviewer", "worker"]

    async def test_only_mobs_and_releases_that_are_served_are_taken(self, executions: ExecutionStore) -> None:
        for release in (None, "v1", "v2"):
            await started(executions, ONE_STEP, release=release)

        async def releases_taken(mob: str, release: str) -> list[str | None]:
            work = await what_is_taken(executions, serves=Serves(mobs=frozenset((mob,)), release=release))
            views = [await executions.load(due.run_id) for due in work.executions]
            return [view.launch.release for view in views if view is not None]

        assert await releases_taken("another", "v1") == []
        assert sorted(map(str, await releases_taken(ONE_STEP.id, "v1"))) == ["None", "v1"]
        assert await releases_taken(ONE_STEP.id, "") == []
        assert await releases_taken(ONE_STEP.id, "v2") == ["v2"]

    async def test_a_definition_is_left_to_workers_that_are_made_for_it(self, executions: ExecutionStore) -> None:
        """As long as there are any."""
        run = await started(executions, ONE_STEP)
        digest = (await run.view()).launch.definition
        own, other = (Serves(definitions=frozenset((name,))) for name in (digest, "another"))
        await executions.join_workers(a_worker("own").model_copy(update={"definitions": (digest,)}), LONG_LEASE)
        work = await what_is_taken(executions, serves=other)
        assert (work.executions, work.left) == ((), {Left(digest, "", "")})
        work = await what_is_taken(executions, serves=own, keep=timedelta())
        assert ([due.run_id for due in work.executions], work.left) == ([run.run_id], frozenset())
        await executions.leave_workers("own")
        assert [due.run_id for due in (await what_is_taken(executions, serves=other)).executions] == [run.run_id]

    async def test_greater_priorities_are_taken_first(self, executions: ExecutionStore) -> None:
        runs = {priority: await started(executions, ONE_STEP, priority=priority) for priority in (0, -63, 63, 1)}
        taken = [(await what_is_taken(executions, max_executions=1)).executions[0].run_id for _ in runs]
        assert taken == [runs[priority].run_id for priority in (63, 1, 0, -63)]

    async def test_each_run_gets_its_turn(self, executions: ExecutionStore) -> None:
        large = await waiting(executions, ONE_STEP, members=20)
        small = await waiting(executions, ONE_STEP, members=1)
        taken = [(await what_is_taken(executions, max_executions=1)).executions[0].run_id for _ in range(2)]
        assert sorted(taken) == sorted((large.run_id, small.run_id))
        rest = await what_is_taken(executions, max_executions=10)
        assert ({due.run_id for due in rest.executions}, rest.more) == ({large.run_id}, True)

    async def test_a_run_of_which_something_was_reported_is_left_to_its_leader_for_a_while(
        self, executions: ExecutionStore
    ) -> None:
        run = await waiting(executions, ONE_STEP)
        first, second = keys_of(await run.view())
        await run.claim(first, second)

        async def runs_taken(leads: tuple[str, ...], patience: timedelta) -> tuple[tuple[str, ...], DueWork]:
            work = await executions.take_due(
                max_runs=9, max_executions=0, keep=timedelta(), leads=leads, patience=patience
            )
            return work.runs, work

        assert await executions.commit(run.reported(await run.view(), first))
        runs, work = await runs_taken((), LONG_LEASE)
        assert runs == ()
        assert work.next_run_at is not None
        assert timedelta() < work.next_run_at - work.now <= LONG_LEASE
        assert (await runs_taken((run.run_id,), LONG_LEASE))[0] == (run.run_id,)
        await run.advance()
        assert await executions.commit(run.reported(await run.view(), second))
        assert (await runs_taken((), timedelta()))[0] == (run.run_id,)

    async def test_a_run_may_begin_later(self, executions: ExecutionStore) -> None:
        at = datetime.now(UTC) + timedelta(hours=1)
        run, launch = pending(ONE_MINUTE)
        assert await executions.start_run(run, launch, ONE_MINUTE, at=at)
        work = await what_is_taken(executions)
        assert (work.runs, _is_at(work.next_run_at, at)) == ((), True)
        view = await executions.load(run.run_id)
        assert view is not None
        assert view.deadline is not None
        assert _is_at(view.deadline, at + timedelta(minutes=1)), "the time of the flow begins with the run"


class TestWorkers(Guarantee):
    """A worker holds a lease, which keeps what it executes; when that is gone, all of it waits for others."""

    async def test_a_worker_is_known_while_it_has_a_lease(self, executions: ExecutionStore) -> None:
        await executions.join_workers(a_worker("one"), LONG_LEASE)
        await executions.join_workers(a_worker("two"), MOMENT)
        assert [live.record for live in await executions.workers()][-1] == a_worker("one")
        await _until_gone(executions, "two")
        assert [live.record.id for live in await executions.workers()] == ["one"]
        await what_is_taken(executions)
        assert await executions.renew_worker(a_worker("one"), LONG_LEASE) is True
        assert await executions.renew_worker(a_worker("two"), LONG_LEASE) is False
        assert await executions.leave_workers("one") is True
        assert await executions.leave_workers("one") is False
        assert await executions.workers() == ()

    async def test_what_is_handed_back_waits_at_once_and_counts_as_no_loss(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, ONE_STEP, members=2)
        keys = keys_of(await run.view())
        await executions.join_workers(a_worker("one"), LONG_LEASE)
        await run.claim(*keys)
        assert await executions.held("one") == {(run.run_id, key) for key in keys}
        assert (await what_is_taken(executions)).executions == ()
        assert await executions.leave_workers("one") is True
        assert await executions.held("one") == frozenset()
        taken = (await what_is_taken(executions, max_suspects=0)).executions
        assert sorted(due.key for due in taken) == keys
        assert {due.loss and (due.loss.how, due.loss.worker, due.loss.host) for due in taken} == {
            (HowLost.HANDED_BACK, "one", "host")
        }
        for due in taken:
            await run.claim(due.key, owner="two", loss=due.loss)
        again = (await run.view()).executions.values()
        assert [(one.attempt, one.lost, one.suspect, one.fencing_token) for one in again] == [(1, 0, False, 2)] * 2
        assert await executions.held("two") == {(run.run_id, key) for key in keys}

    async def test_what_a_lost_worker_held_alone_is_due_and_counted(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, ONE_STEP, members=1)
        [key] = keys_of(await run.view())
        await executions.join_workers(a_worker("one"), MOMENT)
        await run.claim(key)
        assert (await what_is_taken(executions, max_suspects=0)).executions == ()
        work = await at_last(lambda: what_is_taken(executions), lambda work: work.executions)
        [due] = work.executions
        assert due.loss is not None
        assert (due.loss.how, due.loss.worker) == (HowLost.ALONE, "one")
        await run.claim(key, owner="two", loss=due.loss)
        execution = (await run.view()).executions[key]
        assert (execution.status, execution.fencing_token) == (ExecutionStatus.LEASED, 2)
        assert (execution.attempt, execution.lost, execution.suspect) == (2, 1, True)

    async def test_the_end_of_a_run_wakes_up_who_waits_for_it(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, ONE_STEP, members=1)
        [key] = keys_of(await run.view())
        async with executions.listen(run.run_id, only_end=True) as ended:
            assert await ended.wait(LONG), "it is set once what happens from now on is heard"
            await run.claim(key)
            await run.settle(key)
            assert await ended.wait(LONG)
            assert (await executions.status(run.run_id)) is MobRunStatus.COMPLETED

    async def test_suspects_are_taken_as_few_at_a_time_as_is_asked_for(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, ONE_STEP, members=3)
        keys = keys_of(await run.view())
        await executions.join_workers(a_worker("one"), LONG_LEASE)
        await run.claim(*keys)
        assert await executions.leave_workers("one", is_orderly=False) is True
        assert (await what_is_taken(executions, max_suspects=0)).executions == ()
        first = (await what_is_taken(executions, max_suspects=1)).executions
        rest = (await what_is_taken(executions)).executions
        assert (len(first), len(rest)) == (1, 2)
        assert {due.loss and due.loss.how for due in (*first, *rest)} == {HowLost.AMONG_OTHERS}
        for due in (*first, *rest):
            await run.claim(due.key, owner="two", loss=due.loss)
        assert {(one.lost, one.suspect) for one in (await run.view()).executions.values()} == {(0, True)}

    async def test_the_only_suspect_of_a_lost_worker_is_counted(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, ONE_STEP, members=2)
        suspect, other = keys_of(await run.view())
        await executions.join_workers(a_worker("one"), LONG_LEASE)
        await run.claim(suspect)
        await executions.leave_workers("one", is_orderly=False)
        [due] = (await what_is_taken(executions, max_executions=1)).executions
        await executions.join_workers(a_worker("two"), LONG_LEASE)
        await run.claim(suspect, owner="two", loss=due.loss)
        await run.claim(other, owner="two")
        await executions.leave_workers("two", is_orderly=False)
        how = {due.key: due.loss and due.loss.how for due in (await what_is_taken(executions)).executions}
        assert how == {suspect: HowLost.ONLY_SUSPECT, other: HowLost.AMONG_OTHERS}

    async def test_what_a_lost_worker_still_claims_is_handed_on_at_once(self, executions: ExecutionStore) -> None:
        """It has decided before it was let go of, and commits after that."""
        run = await waiting(executions, ONE_STEP, members=1)
        [key] = keys_of(await run.view())
        await executions.join_workers(a_worker("one"), LONG_LEASE)
        claim = run.claimed(await run.view(), key)
        await executions.leave_workers("one", is_orderly=False)
        assert await executions.commit(claim) is Commit.HANDED_ON
        [due] = (await what_is_taken(executions, max_suspects=0)).executions
        assert (due.key, due.loss and due.loss.how, due.loss and due.loss.worker) == (key, HowLost.HANDED_BACK, "one")
        await run.claim(key, owner="two", loss=due.loss)
        execution = (await run.view()).executions[key]
        assert (execution.attempt, execution.lost, execution.fencing_token) == (1, 0, 2)

    async def test_a_result_that_comes_after_the_loss_and_before_a_takeover_counts(
        self, executions: ExecutionStore
    ) -> None:
        run = await waiting(executions, ONE_STEP, members=1)
        [key] = keys_of(await run.view())
        await executions.join_workers(a_worker("one"), LONG_LEASE)
        await run.claim(key)
        await executions.leave_workers("one", is_orderly=False)
        await run.settle(key)
        assert (await what_is_taken(executions)).executions == ()
        assert (await run.view()).executions[key].status is ExecutionStatus.COMPLETED

    async def test_a_lease_is_kept_by_something_that_the_event_loop_does_not_block(
        self, executions: ExecutionStore
    ) -> None:
        lost: list[bool] = []
        # twice as long as other short leases: a busy machine may stand still for a second, and then it is lost for good
        lease = 2 * SHORT_LEASE
        worker = a_worker("one")
        await executions.join_workers(worker, lease)
        first = (await executions.workers())[0].expires_at
        async with executions.keep_alive(worker, lease, lambda: lost.append(True)):
            time.sleep(lease.total_seconds())  # noqa: ASYNC251  # the event loop is blocked on purpose
            await at_last(lambda: what_is_taken(executions), lambda work: (work.next_loss_at or first) > first)
            assert await executions.leave_workers("one", is_orderly=False) is True
            deadline = time.monotonic() + LONG
            while not lost:
                assert time.monotonic() < deadline, "it never learns that its lease is lost"
                await asyncio.sleep(0.001)
        assert lost == [True]


async def _until_gone(executions: ExecutionStore, worker_id: str) -> None:
    deadline = time.monotonic() + LONG
    while worker_id in {live.record.id for live in await executions.workers()}:
        assert time.monotonic() < deadline, "its lease never expires"
        await asyncio.sleep(0.001)


async def what_is_taken(
    executions: ExecutionStore,
    *,
    max_runs: int = 99,
    max_executions: int = 99,
    keep: timedelta = LONG_LEASE,
    serves: Serves = EVERYTHING,
    max_suspects: int | None = None,
) -> DueWork:
    """What one worker takes; by default all that is due, for a long time."""
    return await executions.take_due(
        max_runs=max_runs, max_executions=max_executions, keep=keep, serves=serves, max_suspects=max_suspects
    )


async def at_last(ask: Callable[[], Awaitable[DueWork]], found: Callable[[DueWork], object]) -> DueWork:
    """The first answer with what is waited for; fails the test if it does not come for a long time."""
    deadline = time.monotonic() + LONG
    while not found(work := await ask()):
        assert time.monotonic() < deadline, "it never becomes due"
        await asyncio.sleep(0.001)
    return work


def _is_at(moment: datetime | None, expected: datetime) -> bool:
    """Whether a time is the expected one, to the millisecond."""
    return moment is not None and abs(moment - expected) <= timedelta(milliseconds=1)
