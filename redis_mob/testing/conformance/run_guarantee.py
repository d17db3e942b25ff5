"""What the guarantees about runs share: a stored run, further handles on it, and reading it."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from redis_mob.contracts import MobRunStore
from redis_mob.models import FlowAuthorityInput, MobRun, MobRunStatus
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.compound import INPUTS, scene

TERMINAL = [status for status in MobRunStatus if status.is_terminal]

Inputs = tuple[FlowAuthorityInput, ...]

both_forms = pytest.mark.parametrize("inputs", [(), INPUTS], ids=["plain", "with_authority"])
every_terminal_status = pytest.mark.parametrize("status", TERMINAL)


class RunGuarantee(Guarantee):
    """A guarantee about runs."""

    @pytest_asyncio.fixture
    async def run(self, runs: MobRunStore) -> MobRun:
        """A stored run on which every operation wins."""
        return await created(runs)

    @pytest_asyncio.fixture
    async def handles(self, open_stores: Opener) -> list[MobRunStore]:
        """The runs as four more handles see them."""
        return [given("runs", (await open_stores()).runs) for _ in range(4)]


async def created(runs: MobRunStore, **changes: Any) -> MobRun:
    """A stored run on which every operation wins unless these changes prevent it."""
    run = scene(**changes)
    await runs.create_run(run)
    return run


async def read(runs: MobRunStore, run: MobRun) -> MobRun:
    """A run that exists, as it is stored now."""
    stored = await runs.get_run(run.run_id)
    assert stored is not None
    return stored
