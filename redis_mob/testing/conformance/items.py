"""What a store keeps of steps over items: how far they are, the items, and the executions that are over."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from redis_mob.contracts import ExecutionStore
from redis_mob.errors import NotFoundError
from redis_mob.models import MobRunStatus
from redis_mob.models.execution import ExecutionKey, ExecutionStatus
from redis_mob.models.transition import Commit
from redis_mob.testing.conformance.base import Guarantee
from redis_mob.testing.samples.driven_runs import ITEMS, OVER_ITEMS, DrivenRun, at_noon, keys_of, over_items


async def _claimed_first(executions: ExecutionStore) -> tuple[DrivenRun, ExecutionKey]:
    run = await over_items(executions)
    first = keys_of(await run.view())[0]
    await run.claim(first)
    return run, first


class TestItems(Guarantee):
    """Items and executions of them that are over are kept, but not read with their run."""

    async def test_the_items_are_kept_as_they_were_when_the_step_began(self, executions: ExecutionStore) -> None:
        run = await over_items(executions)
        view = await run.view()
        [(node, progress)] = view.progress.items()
        assert (progress.step_id, progress.items, progress.begun, progress.completed) == ("a", len(ITEMS), 2, 0)
        assert list(await executions.items(run.run_id, *node)) == ITEMS
        assert [one.item and one.item.value for _, one in sorted(view.executions.items())] == ITEMS[:2]

    async def test_an_execution_of_an_item_that_is_over_is_put_aside(self, executions: ExecutionStore) -> None:
        run, first = await _claimed_first(executions)
        await run.settle(first)
        view = await run.view()
        assert first not in view.executions
        ended = (await executions.ended(run.run_id, [first]))[0]
        assert (ended.status, ended.output, ended.item and ended.item.index) == (ExecutionStatus.COMPLETED, 1, 0)
        [progress] = view.progress.values()
        assert (progress.begun, progress.completed) == (3, 1)

    async def test_a_lost_commit_puts_nothing_aside(self, executions: ExecutionStore) -> None:
        run, first = await _claimed_first(executions)
        late = run.settled(await run.with_items(await run.view()), first)
        other = keys_of(await run.view())[1]
        await run.claim(other)
        await run.settle(other)
        before = await run.view()
        assert await executions.commit(late) is Commit.LOST
        assert at_noon(await run.view()) == at_noon(before)
        with pytest.raises(NotFoundError, match="worker-1#0"):
            await executions.ended(run.run_id, [first])

    async def test_progress_that_is_not_what_was_read_loses_a_commit(self, executions: ExecutionStore) -> None:
        run, first = await _claimed_first(executions)
        view = await run.with_items(await run.view())
        [(node, progress)] = view.progress.items()
        other = replace(view, progress={node: progress.model_copy(update={"completed": 1})})
        assert await executions.commit(replace(run.settled(view, first), before=other)) is Commit.LOST
        assert (await run.view()).progress == view.progress

    async def test_the_last_item_completes_the_step_with_what_was_put_aside(self, executions: ExecutionStore) -> None:
        run = await over_items(executions)
        await run.end_items(left=1)
        [last] = (await run.view()).executions
        await run.claim(last)
        await run.settle(last)
        view = await run.view()
        assert view.run.status is MobRunStatus.COMPLETED
        assert view.run.root_step_outputs["a"] == [1, 1, 1]
        assert dict(view.executions) == {}

    async def test_a_definition_with_for_each_is_read_as_it_was(self, executions: ExecutionStore) -> None:
        run = await over_items(executions)
        assert await executions.get_definition((await run.view()).launch.definition) == OVER_ITEMS

    async def test_what_is_not_there_is_no_item(self, executions: ExecutionStore) -> None:
        run, first = await _claimed_first(executions)
        with pytest.raises(NotFoundError, match="'other'"):
            await executions.items(run.run_id, first.frame_id, "other")
        with pytest.raises(NotFoundError):
            await executions.items(str(uuid4()), *first.node)
        with pytest.raises(NotFoundError):
            await executions.ended(str(uuid4()), [first])
        assert list(await executions.ended(run.run_id, [])) == []
