"""Workers set the retention policies that their mob declares, where none is stored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from redis_mob.errors import DefinitionError, ReadFailedError
from redis_mob.fleet import declared_policies
from redis_mob.fleet.declared_policies import DeclaredPolicies
from redis_mob.fleet.fleet import Fleet
from redis_mob.flows import Mob, step
from redis_mob.models.base import SortedDict
from redis_mob.models.mob_retention import MobRetention
from redis_mob.models.retention import Group, RetentionPolicy
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG

DAY = timedelta(days=1)
OWN, OF_FLOW = RetentionPolicy(completed=7 * DAY), RetentionPolicy(max_runs=5)
DECLARED: dict[Group, RetentionPolicy] = {"m": OWN, ("m", "f"): OF_FLOW}


def mob() -> Mob:
    made = Mob("m", retention=OWN)

    @made.handler
    async def worker() -> str:
        return "done"

    made.flow("f", [step("a", "Do it", role="worker")], retention=OF_FLOW)
    made.flow("g", [step("a", "Do it", role="worker")])
    return made


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(LONG):
        while not await condition():  # noqa: ASYNC110 - it has to look
            await asyncio.sleep(0.01)


async def test_a_worker_sets_what_its_mob_declares(storage: MobStorage) -> None:
    """The contract is operations-89."""
    admin = FleetAdmin(storage)
    general = RetentionPolicy(failed=DAY)
    await admin.set_retention(general)
    async with mob().fleet(storage).working():
        await until(lambda: admin.get_retention("m", "f"))
    assert (await admin.retention()).groups == {None: general, **DECLARED}
    assert await admin.clear_retention("m")
    async with mob().fleet(storage).working():
        await until(lambda: admin.get_retention("m"))


async def test_what_is_stored_stays_and_is_told(storage: MobStorage, caplog: pytest.LogCaptureFixture) -> None:
    admin, other = FleetAdmin(storage), RetentionPolicy(failed=DAY)
    await admin.set_retention(other, "m")
    with caplog.at_level(logging.INFO):
        await DeclaredPolicies(storage.retention, DECLARED).run(asyncio.Event(), "one")
        await DeclaredPolicies(storage.retention, DECLARED).run(asyncio.Event(), "two")
    assert (await admin.retention()).groups == {"m": other, ("m", "f"): OF_FLOW}
    stays = "leaves the retention of mob m as it is stored: failed 1d; `redis-mob retention apply` sets what its mob "
    assert caplog.messages == [
        f"worker one {stays}declares: completed 7d",
        "worker one has set the retention of flow f of mob m: at most 5 runs",
        f"worker two {stays}declares: completed 7d",
    ]


async def test_it_is_tried_again_while_the_storage_is_away(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(declared_policies, "AGAIN_SECONDS", 0.001)
    retention: Any = storage.retention
    asked: list[object] = []

    class Away:
        async def set_policy(self, policy: RetentionPolicy, *group: object, if_none: bool) -> bool:
            asked.append(group)
            if len(asked) in (2, 3):
                raise ReadFailedError("the server is away")
            return await retention.set_policy(policy, *group, if_none=if_none)

    away: Any = Away()
    await DeclaredPolicies(away, DECLARED).run(asyncio.Event(), "one")
    assert (await FleetAdmin(storage).retention()).groups == DECLARED
    assert asked == [("m", None), ("m", "f"), ("m", "f"), ("m", "f")]
    told = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert told == ["worker one cannot set the retention policies of its mob: the server is away"]


async def test_a_worker_that_drains_does_not_wait_for_it() -> None:
    class Away:
        async def set_policy(self, *_: object, **__: object) -> bool:
            stop.set()
            raise ReadFailedError("the server is away")

    stop, away = asyncio.Event(), Away()
    untyped: Any = away
    async with asyncio.timeout(LONG):
        await DeclaredPolicies(untyped, DECLARED).run(stop, "one")


async def test_a_fleet_refuses_what_its_mob_cannot_declare(storage: MobStorage) -> None:
    definition = mob().definition()
    with pytest.raises(DefinitionError, match=r"retention\.flows\.h: the mob has no such flow \(nearest: '[fg]'\)"):
        Fleet(storage, definition, retention=MobRetention(flows=SortedDict({"h": OF_FLOW})))
    with pytest.raises(DefinitionError, match=r"retention\.max_events: the log of events is that of all mobs"):
        Fleet(storage, definition, retention=MobRetention(policy=RetentionPolicy(max_events=1)))
