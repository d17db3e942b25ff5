"""Attributes and summaries of runs, which starts give, and operators and workers change."""

from __future__ import annotations

import asyncio
from enum import Enum, IntEnum
from uuid import uuid4

import pytest

from redis_mob.codec.labels import checked_labels
from redis_mob.contracts import ExecutionStore
from redis_mob.errors import CasConflictError, NotFoundError, ValidationError
from redis_mob.models.base import SortedDict
from redis_mob.models.execution import HowLost, Loss
from redis_mob.models.labels import NO_LABELS, LabelChange
from redis_mob.testing.conformance.base import Guarantee
from redis_mob.testing.samples.driven_runs import ONE_STEP, DrivenRun, keys_of, pending, waiting

SUMMARY = LabelChange(summary="said", sets_summary=True)


class Severity(IntEnum):
    """A number that is of no built-in class."""

    HIGH = 3


class Stage(str, Enum):  # noqa: UP042
    """A text that is of no built-in class, and that str() shows as another one."""

    DRAFT = "draft"


class TestLabels(Guarantee):
    """A run has what was set last; of the workers of an execution only the newest sets anything."""

    async def test_a_run_has_what_it_was_started_with(self, executions: ExecutionStore) -> None:
        run, launch = pending(ONE_STEP)
        labels = checked_labels({"é\0": "", "n": 3, "b": True, "f": 1.5}, "said")
        assert await executions.start_run(run, launch, ONE_STEP, labels=labels) is True
        assert await executions.start_run(run, launch, ONE_STEP, labels=checked_labels({"other": 1}, None)) is False
        view = await DrivenRun(executions, ONE_STEP, run.run_id).view()
        assert repr(view.labels) == repr(labels)

    async def test_a_value_of_a_subclass_is_what_it_holds(self, executions: ExecutionStore) -> None:
        run, launch = pending(ONE_STEP)
        labels = checked_labels({"severity": Severity.HIGH, Stage.DRAFT: Stage.DRAFT}, None)
        assert await executions.start_run(run, launch, ONE_STEP, labels=labels) is True
        assert await executions.set_labels(run.run_id, LabelChange({"next": Severity.HIGH})) is True
        view = await DrivenRun(executions, ONE_STEP, run.run_id).view()
        assert repr(view.labels.attributes) == repr(SortedDict({"draft": "draft", "next": 3, "severity": 3}))

    async def test_others_stay_and_none_removes(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, ONE_STEP)
        assert (await run.view()).labels == NO_LABELS
        assert await executions.set_labels(run.run_id, LabelChange({"a": 1, "b": "x"})) is True
        assert await executions.set_labels(run.run_id, SUMMARY) is True
        assert await executions.set_labels(run.run_id, LabelChange({"a": None, "c": False, "none": None})) is True
        assert (await run.view()).labels == checked_labels({"b": "x", "c": False}, "said")
        assert await executions.set_labels(run.run_id, LabelChange(sets_summary=True)) is True
        assert (await run.view()).labels == checked_labels({"b": "x", "c": False}, None)

    async def test_of_many_at_once_none_is_lost(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, ONE_STEP)
        changes = [LabelChange({f"n{number}": number}) for number in range(32)]
        await asyncio.gather(*(executions.set_labels(run.run_id, change) for change in changes))
        assert len((await run.view()).labels.attributes) == 32
        with pytest.raises(CasConflictError, match="a run may have 32 attributes"):
            await executions.set_labels(run.run_id, LabelChange({"n0": "x", "one more": 1}))
        assert (await run.view()).labels.attributes["n0"] == 0

    async def test_who_was_overtaken_sets_nothing(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, ONE_STEP)
        key = keys_of(await run.view())[0]
        await run.claim(key)
        view = await run.view()
        await run.claim(key, owner="two", loss=Loss(HowLost.ALONE, "one", "host", view.now))
        claimed = view.executions[key]
        assert await executions.set_labels(run.run_id, SUMMARY, key=key, execution=claimed) is False
        assert (await run.view()).labels == NO_LABELS
        newest = (await run.view()).executions[key]
        assert await executions.set_labels(run.run_id, SUMMARY, key=key, execution=newest) is True

    async def test_what_no_run_may_have_is_refused(self, executions: ExecutionStore) -> None:
        run = await waiting(executions, ONE_STEP)
        for change in (LabelChange({"": 1}), LabelChange({"a": "x" * 257}), LabelChange({"a=b": 1})):
            with pytest.raises(ValidationError):
                await executions.set_labels(run.run_id, change)
        with pytest.raises(NotFoundError):
            await executions.set_labels(str(uuid4()), SUMMARY)
        assert (await run.view()).labels == NO_LABELS
