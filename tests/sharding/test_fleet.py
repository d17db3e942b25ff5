"""Runs over several namespaces, on a server and in memory."""

from __future__ import annotations

import asyncio

import pytest

from tests.fleet.flows import FLOW
from tests.sharding.fleets import fleet_of, names


async def test_runs_without_a_key_are_spread_and_found_by_their_ids(url: str) -> None:
    async with fleet_of(url, names(3)) as fleet, fleet.working():
        runs = await asyncio.gather(*(fleet.start(FLOW) for _ in range(6)))
        ended = await asyncio.gather(*(fleet.wait(run_id) for run_id in runs))
        assert {run.status for run in ended} == {"completed"}
        places = [await fleet.namespace_of(run_id) for run_id in runs]
        assert sorted(places) == sorted([*fleet.namespaces] * 2)
