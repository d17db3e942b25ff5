"""A pytest plugin for those who test a fleet of their own; pytest finds it once redis_mob is installed.

`mob_storage` is a storage in memory, empty at first, `fleet` makes a fleet on it, and `mob_clock` skips all waiting:

    async def test_it_is_tried_again(fleet, mob_clock):
        reviews = fleet(DEFINITION, {"reviewer": review})
        async with reviews.working():
            run = await reviews.wait(await reviews.start("review"))
        assert run.status == "completed"

Needs pytest-asyncio. What is not of pytest is imported in the fixtures: a project that uses none of them does not wait.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from redis_mob.storage import MobStorage
    from redis_mob.testing.clock import VirtualClock
    from redis_mob.testing.steps import FleetFactory

F = TypeVar("F", bound=Callable[..., AsyncIterator[Any]])


def _async_fixture(function: F) -> F:
    """A fixture in the event loop of its test; where pytest-asyncio is missing, one that says so."""
    if find_spec("pytest_asyncio") is not None:
        import pytest_asyncio

        return cast("F", pytest_asyncio.fixture(function))
    name = function.__name__

    def missing() -> None:
        pytest.fail(f"the fixture {name} needs pytest-asyncio: pip install 'redis-mob[testing]'", pytrace=False)

    return cast("F", pytest.fixture(name=name)(missing))


@_async_fixture
async def mob_storage() -> AsyncIterator[MobStorage]:
    """A storage in memory, which is empty, and gone after the test."""
    from redis_mob.storage import MobStorage

    async with MobStorage.open("memory:", namespace=f"test-{uuid4().hex}") as storage:
        yield storage


@_async_fixture
async def mob_clock() -> AsyncIterator[VirtualClock]:
    """Skips all waiting in the event loop of the test, until its end; see `virtual_time`."""
    from redis_mob.testing.clock import virtual_time

    with virtual_time() as clock:
        yield clock


@pytest.fixture
def fleet(mob_storage: MobStorage) -> FleetFactory:
    """Makes fleets on the storage of the test: `fleet(definition, handlers)`, with the options of `Fleet`."""
    from redis_mob.fleet.fleet import Fleet

    return partial(Fleet, mob_storage)
