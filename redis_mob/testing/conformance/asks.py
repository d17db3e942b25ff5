"""What handlers ask people, and the answers to it."""

from __future__ import annotations

import asyncio

import pytest

from redis_mob.codec.asks import answered_in
from redis_mob.codec.checkpoints import answer_of, ask_name
from redis_mob.contracts import AskStore, CheckpointStore, ExecutionStore
from redis_mob.errors import CasConflictError, NotFoundError
from redis_mob.fleet import engine
from redis_mob.fleet.outcome import NewAsk
from redis_mob.models import MobRunStatus
from redis_mob.models.ask import Answer, PendingAsk
from redis_mob.models.execution import ExecutionKey, ExecutionStatus
from redis_mob.models.transition import Commit
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.driven_runs import ONE_STEP, DrivenRun, keys_of, must, started

APPROVED, DENIED = Answer(approved=True, message="fine", by="ann"), Answer(approved=False)
TWO = (NewAsk("one", 0, "digest", {"n": 1}), NewAsk("two", 0, "digest", None))


class TestAsks(Guarantee):
    """An ask is pending from the commit that makes it until it is answered once, or its execution is over."""

    async def test_what_a_commit_asks_is_pending(self, executions: ExecutionStore, asks: AskStore) -> None:
        run, _, pending = await _asked(executions)
        assert await _ids(asks) == sorted(one.ask.id for one in pending)
        assert {one.run_id for one in await asks.pending()} == {run.run_id}

    async def test_pending_asks_are_read_in_pages_the_oldest_first(
        self, executions: ExecutionStore, asks: AskStore
    ) -> None:
        for _ in range(3):
            await _asked(executions)
        whole, pages, after = list(await asks.pending()), list[object](), None
        assert len(whole) == 6
        while page := await asks.pending(after=after, limit=4):
            pages += page
            after = page[-1]
        assert pages == whole
        assert await asks.pending(limit=0) == []

    async def test_an_answer_is_kept_for_the_handler_and_tells_the_run(
        self, executions: ExecutionStore, asks: AskStore, checkpoints: CheckpointStore
    ) -> None:
        run, key, [first, second] = await _asked(executions)
        assert await asks.answer(run.run_id, first.ask.id, APPROVED, pending=first)
        assert await _ids(asks) == [second.ask.id]
        kept = await checkpoints.find(run.run_id, key, ask_name("one"), 0)
        assert kept is not None
        assert (answer_of(kept), kept.arguments) == (APPROVED, first.ask.digest)
        [signal] = (await run.view()).signals.values()
        assert answered_in(signal) == (key, first.ask.id)
        await run.advance()
        view = await run.view()
        assert (view.executions[key].status, dict(view.signals)) == (ExecutionStatus.WAITING, {})
        assert view.executions[key].asks == (second.ask,)

    async def test_the_same_answer_again_changes_nothing_and_another_one_is_refused(
        self, executions: ExecutionStore, asks: AskStore
    ) -> None:
        run, _, [first, _] = await _asked(executions)
        assert await asks.answer(run.run_id, first.ask.id, APPROVED, pending=first)
        before = await run.view()
        assert await asks.answer(run.run_id, first.ask.id, APPROVED, pending=first) is False
        with pytest.raises(CasConflictError):
            await asks.answer(run.run_id, first.ask.id, DENIED, pending=first)
        assert dict((await run.view()).signals) == dict(before.signals)

    async def test_of_many_answers_at_once_one_counts(self, open_stores: Opener) -> None:
        opened = [await open_stores() for _ in range(3)]
        executions = given("executions", opened[0].executions)
        run, _, [first, second] = await _asked(executions)
        stores = [given("asks", one.asks) for one in opened]
        answers = [APPROVED, DENIED, Answer(approved=True, value=1, edited=True)]
        answering = [
            store.answer(run.run_id, first.ask.id, answer, pending=first)
            for store, answer in zip(stores, answers, strict=True)
        ]
        given_back = await asyncio.gather(*answering, return_exceptions=True)
        assert given_back.count(True) == 1
        assert sum(isinstance(one, CasConflictError) for one in given_back) == 2
        assert await _ids(stores[0]) == [second.ask.id]
        assert len((await run.view()).signals) == 1

    async def test_an_answer_and_a_decision_that_comes_too_late_do_not_both_count(
        self, executions: ExecutionStore, asks: AskStore
    ) -> None:
        run, key, [one] = await _asked(executions, NewAsk("ok", 0, "digest", None, timeout_ms=0))
        transition = must(engine.advance(await run.view(), ONE_STEP))
        assert await asks.answer(run.run_id, one.ask.id, APPROVED, pending=one)
        assert await executions.commit(transition) is Commit.LOST
        await run.advance()
        assert (await run.view()).executions[key].asks == ()

    async def test_the_commit_that_ends_a_run_takes_its_asks_along(
        self, executions: ExecutionStore, asks: AskStore
    ) -> None:
        run, _, [first, _] = await _asked(executions)
        await executions.request_cancel(run.run_id)
        await run.advance()
        assert (await run.view()).run.status is MobRunStatus.CANCELED
        assert await asks.pending() == []
        with pytest.raises(CasConflictError):
            await asks.answer(run.run_id, first.ask.id, APPROVED, pending=first)

    async def test_what_is_not_pending_and_an_unknown_run_are_refused(
        self, executions: ExecutionStore, asks: AskStore
    ) -> None:
        run, _, [first, second] = await _asked(executions)
        with pytest.raises(NotFoundError):
            await asks.answer(run.run_id, "0" * 16, APPROVED, pending=None)
        with pytest.raises(NotFoundError):
            await asks.answer("11111111-2222-3333-4444-555555555555", first.ask.id, APPROVED, pending=None)
        assert len(await asks.pending()) == 2
        assert await asks.forget(run.run_id, [first.place, second.place]) is False
        assert len(await asks.pending()) == 2


async def _ids(asks: AskStore) -> list[str]:
    """The ids of all that is pending."""
    return sorted(place.ask_id for place in await asks.pending())


async def _asked(executions: ExecutionStore, *asks: NewAsk) -> tuple[DrivenRun, ExecutionKey, list[PendingAsk]]:
    """A run whose one execution asks this, by kind."""
    run = await started(executions, ONE_STEP)
    [key] = keys_of(await run.view())
    pending = await run.ask(key, *(asks or TWO))
    return run, key, sorted(pending, key=lambda one: one.ask.kind)
