"""A small run of the program that kills workers whose handlers share a budget."""

from __future__ import annotations

import asyncio

import pytest

from tests.robustness import shared_budget
from tests.robustness.seeds import new_seed


@pytest.mark.slow
async def test_a_budget_is_used_up_and_not_exceeded_over_workers_that_are_killed() -> None:
    async with asyncio.timeout(120):
        report = await shared_budget.run(seed=new_seed(), agents=8, tokens=100_000, every=0.5, workers=2)
    assert report.broken == [], report
