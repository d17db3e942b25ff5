"""Subscribers whose connections are killed see each event once and in order; one that does not is found out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from redis_mob.storage import MobStorage
from redis_mob.testing.samples.new_events import numbered
from redis_mob.testing.samples.states import NOON
from tests.robustness import subscribers
from tests.robustness.seeds import new_seed

SMALL: dict[str, Any] = {"events": 2_000, "processes": 2, "storages": 2, "subscribers": 5, "peace": 0.1}


async def append_twice(storage: MobStorage) -> None:
    await storage.events.append(numbered(1))


async def lose(storage: MobStorage) -> None:
    await storage.events.append(numbered(1, timestamp=NOON))
    assert await storage.events.prune(NOON + timedelta(seconds=1)) == 1


async def test_each_subscriber_sees_each_event_once_and_in_order() -> None:
    report = await subscribers.run(seed=new_seed(), **SMALL)
    assert report.broken == []
    assert report.figures["deliveries"] == 20 * SMALL["events"]
    assert report.figures["connections killed by the server"]
    assert report.figures["connections of subscribers"] > 2 * 4


@pytest.mark.parametrize("saboteur", [append_twice, lose])
async def test_an_event_that_is_doubled_or_lost_is_found_out(saboteur: Callable[[MobStorage], Awaitable[None]]) -> None:
    report = await subscribers.run(seed=new_seed(), **{**SMALL, "processes": 1}, saboteur=saboteur)
    assert len(report.broken) == 10
