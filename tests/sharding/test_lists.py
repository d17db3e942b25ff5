"""One list of the runs of several namespaces."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from redis_mob.errors import ValidationError
from redis_mob.models import MobRunStatus
from redis_mob.sharding import FleetOfNamespaces, FoundRun
from tests.fleet.flows import FLOW
from tests.sharding.fleets import MANY, fleet_of, names


async def filled(fleet: FleetOfNamespaces, places: list[int]) -> None:
    """Start runs in these namespaces, one after the other."""
    for place in places:
        await (await fleet.fleet(fleet.namespaces[place])).start(FLOW, {"n": place})


async def in_order(fleet: FleetOfNamespaces) -> dict[str, list[str]]:
    """The runs of each namespace, the newest first."""
    found = await fleet.each(lambda admin: admin.runs(limit=1000))
    return {name: [run.run_id for run in page.runs] for name, page in found.items()}


@MANY
@given(st.lists(st.integers(0, 3), max_size=40) | st.lists(st.just(2), max_size=40), st.integers(1, 25))
@example([2] * 30, 25)  # more of one namespace than are read of it at a time
def test_pages_are_all_runs_once_and_each_namespace_in_its_order(places: list[int], limit: int) -> None:
    async def check() -> None:
        async with fleet_of("memory:", names(4)) as fleet:
            await filled(fleet, places)
            after: str | None = None
            listed: list[FoundRun] = []
            while True:
                page = await fleet.runs(limit=limit, after=after)
                listed += page.runs
                assert len(page.runs) == limit or page.next is None
                if (after := page.next) is None:
                    break
            times = [one.run.created_at for one in listed]
            assert times == sorted(times, reverse=True)
            for name, expected in (await in_order(fleet)).items():
                assert [one.run.run_id for one in listed if one.namespace == name] == expected
            assert [one async for one in fleet.all_runs()] == listed

    asyncio.run(check())


@MANY
@given(st.lists(st.integers(0, 2), min_size=5, max_size=30), st.integers(1, 7), st.integers(0, 2**32))
def test_runs_that_go_and_come_between_pages_disturb_no_others(places: list[int], limit: int, seed: int) -> None:
    """Some of the runs are deleted, and others started, while the list is read: all that stay are listed once."""
    random = Random(seed)

    async def check() -> None:
        async with fleet_of("memory:", names(3)) as fleet:
            await filled(fleet, places)
            stay = {run.run_id for run in [one.run async for one in fleet.all_runs()] if random.random() < 0.7}
            gone = [one.run.run_id async for one in fleet.all_runs() if one.run.run_id not in stay]
            listed: list[str] = []
            after = None
            while True:
                page = await fleet.runs(limit=limit, after=after)
                listed += (one.run.run_id for one in page.runs)
                if (after := page.next) is None:
                    break
                for run_id in [gone.pop() for _ in range(random.randint(0, 2)) if gone]:
                    admin = await fleet.admin(await fleet.namespace_of(run_id))
                    await admin.delete(run_id, cancel=True)
                await filled(fleet, [random.randrange(3)])
            assert len(listed) == len(set(listed))
            assert stay <= set(listed)

    asyncio.run(check())


async def test_pages_are_read_on_by_another_process_and_do_not_know_later_namespaces(url: str) -> None:
    async with fleet_of(url, (of := names(3))) as fleet, fleet_of(url, of) as other:
        await filled(fleet, [0, 1, 2, 0, 1, 2, 0])
        first = await fleet.runs(limit=3)
        await fleet.add(added := names(1)[0])
        await (await fleet.fleet(added)).start(FLOW)
        rest = await other.runs(limit=10, after=first.next)
        assert len(first.runs) + len(rest.runs) == 7
        assert rest.next is None
        assert (await fleet.runs(limit=1)).runs[0].namespace == added


async def test_conditions_hold_in_all_namespaces(url: str) -> None:
    async with fleet_of(url, names(2)) as fleet:
        await filled(fleet, [0, 1])
        assert (await fleet.runs(statuses=[MobRunStatus.COMPLETED])).runs == ()
        assert len((await fleet.runs(text='"n":1')).runs) == 1
        assert [one.namespace for one in (await fleet.runs(namespaces=[fleet.namespaces[1]])).runs] == [
            fleet.namespaces[1]
        ]


async def test_the_cursor_of_a_larger_fleet_is_refused(url: str) -> None:
    async with fleet_of(url, names(3)) as large, fleet_of(url, names(1)) as small:
        await filled(large, [0, 1, 2])
        page = await large.runs(limit=1)
        with pytest.raises(ValidationError, match="of a fleet of 3 namespaces, and this one has 1"):
            await small.runs(after=page.next)
