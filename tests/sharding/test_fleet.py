"""Runs over several namespaces, on a server and in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from redis_mob.errors import HandlerError, NotFoundError, ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.lease import DEFAULT_LEASE
from redis_mob.flows import step as in_flow
from redis_mob.flows.mob import Mob
from redis_mob.models import MobRunStatus
from redis_mob.models.retention import RetentionPolicy
from redis_mob.sharding import FleetOfNamespaces, table
from redis_mob.sharding.key_slots import preferred, slot_of_key
from redis_mob.sharding.member_fleet import FleetTerms, MemberFleet
from redis_mob.sharding.run_ids import number_in
from tests.fleet.flows import FLOW, mob, runs, step, with_flows
from tests.sharding.fleets import TWO_STEPS, WAITING, fleet_of, names

KEYS = [f"customer-{number}" for number in range(40)]


async def test_runs_without_a_key_are_spread_and_found_by_their_ids(url: str) -> None:
    async with fleet_of(url, names(3)) as fleet, fleet.working():
        started = await asyncio.gather(*(fleet.start(FLOW) for _ in range(6)))
        ended = await asyncio.gather(*(fleet.wait(run_id) for run_id in started))
        assert {run.status for run in ended} == {"completed"}
        places = [await fleet.namespace_of(run_id) for run_id in started]
        assert sorted(places) == sorted([*fleet.namespaces] * 2)
        assert places == [fleet.namespaces[number_in(run_id) or 0] for run_id in started]


async def test_all_runs_of_a_key_are_in_one_namespace_in_every_process(url: str) -> None:
    async with fleet_of(url, (of := names(4))) as fleet, fleet_of(url, of[:1]) as other:
        assert other.namespaces == tuple(of)
        for key in KEYS:
            first, second = await fleet.start(FLOW, key=key), await other.start(FLOW, key=key)
            assert first != second
            assert await fleet.namespace_of(first) == await other.namespace_of(second)
        assert len({await fleet.namespace_of(await fleet.start(FLOW, key=key)) for key in KEYS}) == 4


async def test_a_key_stays_where_it_is_when_namespaces_are_added(url: str) -> None:
    async with fleet_of(url, names(2)) as fleet:
        places = {key: await fleet.namespace_of(await fleet.start(FLOW, key=key)) for key in KEYS}
        for added in names(3):
            await fleet.add(added)
        assert {key: await fleet.namespace_of(await fleet.start(FLOW, key=key)) for key in KEYS} == places
        new = [await fleet.namespace_of(await fleet.start(FLOW, key=f"new-{key}")) for key in KEYS]
        assert set(new) == set(fleet.namespaces)
        assert {await fleet.namespace_of(await fleet.start(FLOW)) for _ in range(5)} == set(fleet.namespaces)


async def test_a_start_is_idempotent_also_for_one_who_does_not_know_the_newest_namespace(url: str) -> None:
    of = names(2)
    async with fleet_of(url, of[:1]) as behind, fleet_of(url, of[:1]) as ahead:
        await ahead.add(of[1])
        assert behind.namespaces != ahead.namespaces
        new = [key for key in KEYS if preferred(slot_of_key(key), range(2)) == 1]
        first = await ahead.start(FLOW, {"n": 1}, new[0])
        for key in KEYS:
            starts = (one.start(FLOW, {"n": 1}, key) for one in (behind, ahead, ahead, behind))
            assert len(set(await asyncio.gather(*starts))) == 1
        assert sum((await ahead.count()).values()) == len(KEYS)
        assert await behind.start(FLOW, {"n": 1}, new[0]) == first
        assert await behind.namespace_of(first) == of[1]
        with pytest.raises(ValidationError, match="belongs to run"):
            await behind.start(FLOW, {"n": 2}, KEYS[0])


async def test_what_belongs_to_a_conversation_or_a_debounce_key_is_in_one_namespace(url: str) -> None:
    async with fleet_of(url, names(3)) as fleet:
        first = await fleet.start(FLOW, conversation="talk")
        again = await fleet.start(FLOW, None, "some key", conversation="talk")
        assert await fleet.namespace_of(first) == await fleet.namespace_of(again)
        assert (await fleet.describe(again)).run_id == again
        storage = await fleet.storage(await fleet.namespace_of(first))
        assert (await storage.conversations.find("talk")) is not None


async def test_a_run_is_signaled_canceled_and_described_where_it_is(url: str) -> None:
    async with fleet_of(url, names(3), WAITING) as fleet, fleet.working():
        signaled, canceled = await fleet.start(FLOW), await fleet.start(FLOW)
        await fleet.signal(signaled, "go", {"by": "me"})
        assert (await fleet.wait(signaled)).status == "completed"
        assert await fleet.cancel(canceled)
        assert (await fleet.wait(canceled)).status == "canceled"
        with pytest.raises(NotFoundError, match="no step"):
            await fleet.signal(signaled, "stop")
        assert await fleet.find(signaled[:18]) == signaled
        assert await fleet.unserved(signaled) == []
        assert await fleet.count() == {
            **dict.fromkeys(MobRunStatus, 0),
            MobRunStatus.COMPLETED: 1,
            MobRunStatus.CANCELED: 1,
        }


async def test_the_runs_of_steps_are_found_though_their_ids_tell_nothing(url: str) -> None:
    definition = with_flows(mob({"child": runs("inner")}), inner={"only": step()})
    async with fleet_of(url, names(3), definition) as fleet, fleet.working():
        run_id = await fleet.start(FLOW)
        await fleet.wait(run_id)
        [child] = (await (await fleet.admin(await fleet.namespace_of(run_id))).children(run_id)).runs
        assert (await fleet.wait(child.run_id)).status == "completed"
        assert await fleet.namespace_of(child.run_id) == await fleet.namespace_of(run_id)


async def test_an_id_that_tells_another_number_by_chance_is_found(url: str) -> None:
    async with fleet_of(url, names(3)) as fleet, fleet.working():
        storage = await fleet.storage(fleet.namespaces[0])
        terms = FleetTerms(TWO_STEPS, {}, {}, DEFAULT_LEASE, None, None, None)
        strange = await MemberFleet(storage, terms, 2).start(FLOW)
        assert number_in(strange) == 2
        assert (await fleet.wait(strange)).run_id == strange
        assert await fleet.namespace_of(strange) == fleet.namespaces[0]


async def test_a_run_that_is_nowhere_is_told(url: str) -> None:
    async with fleet_of(url, names(2)) as fleet:
        unknown = "00000000-0000-4000-8000-000000000000"
        with pytest.raises(NotFoundError, match="in none of the 2 namespaces"):
            await fleet.wait(unknown)
        with pytest.raises(NotFoundError, match="there is no run"):
            await fleet.find(unknown)
        with pytest.raises(ValidationError, match="a run is named by its id"):
            await fleet.cancel("x")


async def test_a_namespace_that_is_added_gets_the_pauses_and_the_retention_of_the_others(url: str) -> None:
    of = names(3)
    async with fleet_of(url, of[:2]) as fleet:
        await fleet.start(FLOW)
        await fleet.start(FLOW)
        policy = RetentionPolicy(max_runs=7)
        await (await fleet.admin(of[0])).set_retention(policy, "mob")
        assert await fleet.pause_flow("mob", FLOW, "for the test") == {of[0]: True, of[1]: True}
        await fleet.add(of[2])
        added = await fleet.admin(of[2])
        assert [(one.mob_id, one.flow_id, one.reason) for one in await added.pauses()] == [
            ("mob", FLOW, "for the test")
        ]
        assert await added.get_retention("mob") == policy
        assert await fleet.resume_flow("mob", FLOW) == dict.fromkeys(of, True)
        assert await fleet.pause_mob("mob") == dict.fromkeys(of, True)
        assert await fleet.resume_mob("mob") == dict.fromkeys(of, True)


async def test_what_is_asked_of_all_is_told_by_namespace(url: str) -> None:
    async with fleet_of(url, names(2)) as fleet:
        await fleet.start(FLOW)
        stats = await fleet.stats()
        assert {name: sum(one.runs.values()) for name, one in stats.items()} in (
            dict(zip(fleet.namespaces, pair, strict=True)) for pair in ((0, 1), (1, 0))
        )
        pruned = await fleet.prune(dry_run=True)
        assert {name: one.is_dry_run for name, one in pruned.items()} == dict.fromkeys(fleet.namespaces, True)
        only = fleet.namespaces[1]
        assert await fleet.each(lambda admin: admin.workers(), [only]) == {only: ()}


@pytest.mark.parametrize("wrong", [[], ["a", "a"], ["no name"], "abc", [1]])
def test_namespaces_that_cannot_be_are_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="name"):
        FleetOfNamespaces.open(TWO_STEPS, url="memory:", namespaces=wrong)


async def test_a_name_that_the_fleet_does_not_have_is_told(url: str) -> None:
    async with fleet_of(url, names(2)) as fleet:
        with pytest.raises(ValidationError, match="did you mean"):
            await fleet.storage(fleet.namespaces[0] + "x")
        with pytest.raises(ValidationError, match="no namespace of this fleet"):
            await fleet.runs(namespaces=["other"])


async def test_a_fleet_without_handlers_starts_runs_and_does_not_work(url: str) -> None:
    async with fleet_of(url, (of := names(2)), handlers=None) as starting, fleet_of(url, of) as fleet:
        run_id = await starting.start(FLOW)
        with pytest.raises(HandlerError, match="has no handlers"):
            await starting.work()
        await fleet.work(until_idle=True)
        assert (await starting.wait(run_id)).status == "completed"


async def test_a_mob_brings_its_handlers(url: str) -> None:
    made = Mob("reports")

    @made.handler
    def write(customer: str) -> str:
        return f"the report of {customer}"

    flow = made.flow("report", [in_flow("write")])
    async with FleetOfNamespaces.open(made, url=url, namespaces=names(2)) as fleet, fleet.working():
        run_id = await fleet.start(flow, {"customer": "acme"}, key="acme")
        assert (await fleet.wait(run_id)).output("write", str) == "the report of acme"
        assert isinstance(await fleet.fleet_of_key("acme"), Fleet)
        assert await table.read(await fleet.storage(fleet.namespaces[0])) == fleet.namespaces
