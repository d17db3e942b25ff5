"""What is due when: runs that a worker must look at, and executions that a worker may claim."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from redis_mob.contracts import ExecutionStore, MobRunStore
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.transition import DueWork
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.driven_runs import (
    LONG_LEASE,
    ONE_MINUTE,
    ONE_STEP,
    ROLES,
    STEP_OF_EACH_ROLE,
    STEPS_AND_LOOP,
    keys_of,
    launched,
    waiting,
)
from redis_mob.testing.samples.states import new_run
from redis_mob.testing.waiting import LONG

MOMENT = timedelta(milliseconds=20)


class TestDueWork(Guarantee):
    """Work is due when its time has come, is taken by one worker that asks for it, and comes back if it is not done."""

    async def test_nothing_is_due_in_an_empty_store(self, executions: ExecutionStore, runs: MobRunStore) -> None:
        await runs.create_run(new_run())
        work = await _taken(executions)
        assert (work.runs, work.executions, work.next_run_at, work.next_execution_at) == ((), (), None, None)

    async def test_a_run_that_was_started_is_due(self, executions: ExecutionStore) -> None:
        run = await launched(executions, ONE_STEP)
        assert (await _taken(executions)).runs == (run.run_id,)
        assert (await _taken(executions)).runs == ()

    async def test_a_request_to_cancel_makes_the_run_due(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, STEPS_AND_LOOP)
        assert (await _taken(executions)).runs == ()
        await executions.request_cancel(run.run_id)
        assert (await _taken(executions)).runs == (run.run_id,)

    async def test_no_more_is_taken_than_was_asked_for(self, executions: ExecutionStore) -> None:
        for _ in range(3):
            await launched(executions, ONE_STEP)
        await waiting(executions, ONE_STEP, members=3)
        none = await _taken(executions, max_runs=0, max_executions=0)
        assert (none.runs, none.executions) == ((), ())
        some = await _taken(executions, max_runs=2, max_executions=1)
        rest = await _taken(executions, max_runs=9, max_executions=9)
        assert (len(some.runs), len(rest.runs), len({*some.runs, *rest.runs})) == (2, 1, 3)
        assert (len(some.executions), len(rest.executions), len({*some.executions, *rest.executions})) == (1, 2, 3)

    async def test_what_is_due_is_spread_over_those_who_ask(self, open_stores: Opener) -> None:
        stores = [given("executions", (await open_stores()).executions) for _ in range(3)]
        run = await waiting(stores[0], ONE_STEP, members=10)
        shares = await asyncio.gather(*(_taken(store, max_executions=4) for store in stores))
        assert all(len(share.executions) <= 4 for share in shares)
        rest = await _taken(stores[0])
        taken = [work for share in (*shares, rest) for work in share.executions]
        assert sorted(taken) == [(run.run_id, key) for key in keys_of(await run.view())]
        assert (await _taken(stores[1])).executions == ()

    async def test_what_was_taken_and_not_done_comes_back(self, executions: ExecutionStore) -> None:
        run = await launched(executions, ONE_STEP)
        first = await _taken(executions, keep=MOMENT)
        assert first.runs == (run.run_id,)
        assert _is_at(first.next_run_at, first.now + MOMENT)
        again = await _at_last(lambda: _taken(executions, keep=LONG_LEASE), lambda work: work.runs)
        assert again.runs == (run.run_id,)

    async def test_times_of_executions_follow_their_leases(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, ONE_STEP, members=1)
        [(_, key)] = (await _taken(executions)).executions
        await run.claim(key)
        lease = (await run.view()).executions[key].lease
        assert lease is not None
        assert _is_at((await _taken(executions)).next_execution_at, lease.expires_at)
        assert await run.renew(await run.view(), key)
        assert _is_at((await _taken(executions)).next_execution_at, lease.expires_at + LONG_LEASE)
        await run.settle(key)
        work = await _taken(executions)
        assert (work.runs, work.executions, work.next_run_at, work.next_execution_at) == ((), (), None, None)

    async def test_an_expired_lease_is_due_to_everybody(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, ONE_STEP, members=1)
        [key] = keys_of(await run.view())
        await run.claim(key, lease=MOMENT)
        work = await _at_last(lambda: _taken(executions), lambda work: work.executions)
        assert work.executions == ((run.run_id, key),)
        await run.claim(key)
        execution = (await run.view()).executions[key]
        assert (execution.status, execution.fencing_token, execution.lost) == (ExecutionStatus.LEASED, 2, 1)

    async def test_a_run_is_due_when_a_transition_says_so(self, executions: ExecutionStore) -> None:
        """The flow of this run must end after a minute."""
        run = await waiting(executions, ONE_MINUTE)
        deadline = (await run.view()).deadline
        assert deadline is not None
        assert _is_at((await _taken(executions)).next_run_at, deadline)

    async def test_only_roles_that_are_served_are_taken(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, STEP_OF_EACH_ROLE, members=1)
        view = await run.view()

        async def roles_taken(*served: str, all: bool = False) -> list[str]:
            work = await _taken(executions, roles=None if all else served)
            return sorted(view.executions[key].role for _, key in work.executions)

        assert sorted(execution.role for execution in view.executions.values()) == sorted(ROLES)
        assert await roles_taken("rev", "other") == ["rev"]
        assert await roles_taken("rev", "rev-2") == ["rev-2"]
        assert await roles_taken() == []
        assert await roles_taken(all=True) == ["reviewer", "worker"]


async def _taken(
    executions: ExecutionStore,
    *,
    max_runs: int = 99,
    max_executions: int = 99,
    keep: timedelta = LONG_LEASE,
    roles: tuple[str, ...] | None = None,
) -> DueWork:
    """What one worker takes; by default all that is due, for a long time."""
    return await executions.take_due(max_runs=max_runs, max_executions=max_executions, keep=keep, roles=roles)


async def _at_last(ask: Callable[[], Awaitable[DueWork]], found: Callable[[DueWork], object]) -> DueWork:
    """The first answer with what is waited for; fails the test if it does not come for a long time."""
    deadline = time.monotonic() + LONG
    while not found(work := await ask()):
        assert time.monotonic() < deadline, "it never becomes due"
        await asyncio.sleep(0.001)
    return work


def _is_at(moment: datetime | None, expected: datetime) -> bool:
    """Whether a time is the expected one, to the millisecond."""
    return moment is not None and abs(moment - expected) <= timedelta(milliseconds=1)
