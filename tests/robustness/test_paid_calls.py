"""A small run of the program that kills workers whose handlers call what costs."""

from __future__ import annotations

import asyncio

import pytest

from tests.robustness import paid_calls
from tests.robustness.seeds import new_seed


@pytest.mark.slow
async def test_calls_are_paid_once_over_workers_that_are_killed() -> None:
    async with asyncio.timeout(120):
        report = await paid_calls.run(seed=new_seed(), runs=60, calls=10, every=0.5, workers=2, slots=4)
    assert report.broken == [], report
    assert report.figures["executions taken over"] > 0, "nothing was shown"
