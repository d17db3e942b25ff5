"""Limits that count the tokens which executions use: an estimate is reserved, and what was used is settled."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from redis_mob.contracts import ExecutionStore
from redis_mob.fleet import engine
from redis_mob.fleet.outcome import Outcome, Succeeded, Throttled
from redis_mob.models.due_work import DueExecution
from redis_mob.models.limits import TokenUse
from redis_mob.testing.conformance.base import Guarantee
from redis_mob.testing.samples.driven_runs import (
    LONG_LEASE,
    TOKENS_LIMITED,
    DrivenRun,
    a_worker,
    must,
    waiting,
)


class TestTokenLimits(Guarantee):
    """No more executions are handed out than their limit in tokens has room for, which each gives back once."""

    async def test_what_may_be_used_is_reserved_when_it_is_taken(self, executions: ExecutionStore) -> None:
        await waiting(executions, TOKENS_LIMITED, members=2)
        assert len(await _taken(executions)) == 1

    async def test_what_was_used_is_settled_with_the_outcome(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, TOKENS_LIMITED, members=3)
        await _ended(executions, run, Succeeded("done"), TokenUse(30, 10))
        [due] = await _taken(executions)
        await run.claim(due.key)
        assert await _taken(executions) == (), "40 were used, and 60 are reserved"

    async def test_an_attempt_that_tells_nothing_counts_as_it_was_estimated(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, TOKENS_LIMITED, members=2)
        await _ended(executions, run, Succeeded("done"), None)
        assert await _taken(executions) == ()

    async def test_what_is_used_beyond_the_estimate_counts_too(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, TOKENS_LIMITED, members=2)
        await _ended(executions, run, Succeeded("done"), TokenUse(50, 10))
        assert await _taken(executions) == ()

    async def test_what_was_taken_and_did_not_begin_has_used_nothing(self, executions: ExecutionStore) -> None:
        await waiting(executions, TOKENS_LIMITED, members=1)
        moment = timedelta(milliseconds=1)
        [first] = await _taken(executions, moment)
        while not (again := await _taken(executions, moment)):
            pass  # until that moment is over
        assert [one.key for one in again] == [first.key]

    async def test_what_a_lost_worker_had_counts_as_it_was_estimated(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, TOKENS_LIMITED, members=2)
        await executions.join_workers(a_worker("one"), timedelta(hours=1))
        [due] = await _taken(executions)
        await run.claim(due.key)
        await executions.leave_workers("one", is_orderly=False)
        assert await _taken(executions) == ()

    async def test_one_that_its_service_refuses_closes_the_limit(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, TOKENS_LIMITED, members=2)
        throttled = Throttled("too many", timedelta(hours=1))
        await _ended(executions, run, throttled, TokenUse(0, 0))
        assert await _taken(executions) == ()


async def _taken(executions: ExecutionStore, keep: timedelta = LONG_LEASE) -> tuple[DueExecution, ...]:
    """The executions that are handed out."""
    return (await executions.take_due(max_runs=0, max_executions=10, keep=keep)).executions


async def _ended(executions: ExecutionStore, run: DrivenRun, outcome: Outcome, used: TokenUse | None) -> None:
    """Take an execution, claim it, and commit how its attempt has ended."""
    [due] = await _taken(executions)
    await run.claim(due.key)
    view = await run.view()
    token = view.executions[due.key].fencing_token
    settled = engine.settle(view, run.definition, due.key, outcome, token=token, random=Random(0), used=used)
    assert await executions.commit(must(settled))
