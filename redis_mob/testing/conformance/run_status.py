"""The status of a run (contract: runs-6)."""

from __future__ import annotations

from uuid import uuid4

import pytest

from redis_mob.contracts import MobRunStore
from redis_mob.models import MobRun, MobRunStatus
from redis_mob.testing.backend import Backend
from redis_mob.testing.conformance.run_guarantee import RunGuarantee, created, every_terminal_status, read
from redis_mob.testing.samples.states import NOON


class TestRunStatus(RunGuarantee):
    """A status changes only if it is what was expected, and a terminal one never again."""

    @pytest.mark.parametrize("before", [MobRunStatus.PENDING, MobRunStatus.RUNNING])
    @pytest.mark.parametrize("after", list(MobRunStatus))
    async def test_any_change_of_a_status_that_is_not_terminal_is_allowed(
        self, runs: MobRunStore, backend: Backend, before: MobRunStatus, after: MobRunStatus
    ) -> None:
        run = await created(runs, status=before)
        earlier = await backend.now()
        assert await runs.cas_run_status(run.run_id, expected=before, next=after) is True
        stored = await read(runs, run)
        assert stored == run.model_copy(update={"status": after, "completed_at": stored.completed_at})
        if after.is_terminal:
            assert stored.completed_at is not None
            assert earlier <= stored.completed_at <= await backend.now()
        else:
            assert stored.completed_at is None

    @pytest.mark.parametrize("expected", [status for status in MobRunStatus if status != MobRunStatus.RUNNING])
    async def test_a_status_that_differs_is_left_alone(
        self, runs: MobRunStore, run: MobRun, expected: MobRunStatus
    ) -> None:
        for following in MobRunStatus:
            assert await runs.cas_run_status(run.run_id, expected=expected, next=following) is False
        assert await read(runs, run) == run

    @every_terminal_status
    async def test_case_049_a_terminal_status_is_final(self, runs: MobRunStore, status: MobRunStatus) -> None:
        run = await created(runs, status=status)
        for following in MobRunStatus:
            assert await runs.cas_run_status(run.run_id, expected=status, next=following) is False
        assert await read(runs, run) == run

    async def test_case_050_a_missing_run_is_a_lost_compare(self, runs: MobRunStore) -> None:
        missing = str(uuid4())
        for following in MobRunStatus:
            assert await runs.cas_run_status(missing, expected=MobRunStatus.RUNNING, next=following) is False
        assert await runs.get_run(missing) is None

    @every_terminal_status
    async def test_case_051_a_time_of_completion_is_kept(self, runs: MobRunStore, status: MobRunStatus) -> None:
        run = await created(runs, completed_at=NOON)
        assert await runs.cas_run_status(run.run_id, expected=MobRunStatus.RUNNING, next=status) is True
        assert await read(runs, run) == run.model_copy(update={"status": status})
