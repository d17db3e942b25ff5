"""Limits of roles: how many executions of one may be under way, in all runs of a mob together."""

from __future__ import annotations

from random import Random

from redis_mob.contracts import ExecutionStore
from redis_mob.fleet import engine
from redis_mob.fleet.engine import Claimant
from redis_mob.models.execution import Claim
from redis_mob.models.transition import Commit
from redis_mob.testing.conformance.base import Guarantee
from redis_mob.testing.conformance.due_work import MOMENT, at_last, what_is_taken
from redis_mob.testing.samples.driven_runs import ONE_STEP, keys_of, must, started


class TestRoleLimits(Guarantee):
    """Of a role with a limit no more is under way than that, and no place is ever lost."""

    async def test_each_run_gets_its_turn_where_a_role_has_a_limit(self, executions: ExecutionStore) -> None:
        limit = {"worker": 1}
        runs = [await started(executions, ONE_STEP, members=3, max_concurrency=limit) for _ in range(3)]
        served: list[str] = []
        for _ in range(9):
            [due] = (await what_is_taken(executions)).executions
            served.append(due.run_id)
            run = next(run for run in runs if run.run_id == due.run_id)
            await run.claim(due.key)
            await run.settle(due.key)
        order = sorted(run.run_id for run in runs)
        assert served == order * 3

    async def test_no_more_of_a_role_is_under_way_than_its_limit(self, executions: ExecutionStore) -> None:
        limit = {"worker": 2}
        first = await started(executions, ONE_STEP, members=2, max_concurrency=limit)
        second = await started(executions, ONE_STEP, members=2, max_concurrency=limit)
        taken = (await what_is_taken(executions)).executions
        assert len(taken) == 2
        assert (await what_is_taken(executions)).executions == ()
        runs = {run.run_id: run for run in (first, second)}
        await runs[taken[0].run_id].claim(taken[0].key)
        assert (await what_is_taken(executions)).executions == ()
        await runs[taken[0].run_id].settle(taken[0].key)
        assert len((await what_is_taken(executions)).executions) == 1

    async def test_what_comes_back_does_not_count_against_the_limit(self, executions: ExecutionStore) -> None:
        await started(executions, ONE_STEP, members=2, max_concurrency={"worker": 1})
        assert len((await what_is_taken(executions, keep=MOMENT)).executions) == 1
        again = await at_last(lambda: what_is_taken(executions), lambda work: work.executions)
        assert len(again.executions) == 1

    async def test_a_claim_that_comes_late_leaves_its_place_to_what_was_taken_meanwhile(
        self, executions: ExecutionStore
    ) -> None:
        limit = {"worker": 1}
        runs = [await started(executions, ONE_STEP, max_concurrency=limit) for _ in range(2)]
        [late] = (await what_is_taken(executions, keep=MOMENT)).executions
        [taken] = (await at_last(lambda: what_is_taken(executions), lambda work: work.executions)).executions
        assert late.run_id != taken.run_id  # each run in its turn
        late_run, taken_run = sorted(runs, key=lambda run: run.run_id != late.run_id)
        claim = late_run.claimed(await late_run.view(), late.key)
        assert await executions.commit(claim) is Commit.LOST
        await taken_run.claim(taken.key)
        assert await executions.commit(claim) is Commit.LOST
        await taken_run.settle(taken.key)
        assert await executions.commit(claim) is Commit.WON
        assert (await what_is_taken(executions)).executions == ()

    async def test_a_claim_that_comes_late_takes_a_place_that_is_free(self, executions: ExecutionStore) -> None:
        limit = {"worker": 1}
        run = await started(executions, ONE_STEP, members=2, max_concurrency=limit)
        view = await run.view()
        first, second = keys_of(view)
        claims, claimant = (Claim(first), Claim(second)), Claimant("one")
        both = engine.note(view, run.definition, claims=claims, claimant=claimant, random=Random(0)).transition
        assert await executions.commit(must(both)) is Commit.LOST
        await run.claim(first)
        assert (await what_is_taken(executions)).executions == ()
        await run.settle(first)
        assert [one.key for one in (await what_is_taken(executions)).executions] == [second]

    async def test_a_run_that_knows_no_limit_gives_its_place_back(self, executions: ExecutionStore) -> None:
        before = await started(executions, ONE_STEP)
        after = await started(executions, ONE_STEP, max_concurrency={"worker": 1})
        for _ in range(2):
            [due] = (await what_is_taken(executions)).executions
            run = before if due.run_id == before.run_id else after
            await run.claim(due.key)
            await run.settle(due.key)
