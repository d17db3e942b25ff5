"""A small mob over several namespaces."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from hypothesis import settings

from redis_mob.fleet.step_context import StepContext
from redis_mob.models.definition import MobDefinition
from redis_mob.sharding import FleetOfNamespaces
from tests.fleet.flows import mob, step, wait
from tests.support.examples import examples
from tests.support.health_checks import ALL_HEALTH_CHECKS

MANY = settings(max_examples=examples(30), deadline=None, suppress_health_check=ALL_HEALTH_CHECKS)
"""For tests that try random fleets in memory."""

TWO_STEPS = mob({"first": step(), "second": step("first")})
WAITING = mob({"go": wait()})
"""A mob whose runs wait for the signal `go`."""


def names(number: int) -> list[str]:
    """So many names of namespaces that no other test uses."""
    prefix = uuid4().hex
    return [f"test-{prefix}-{place}" for place in range(number)]


async def name_it(ctx: StepContext) -> str:
    """A handler that gives the name of its step."""
    return ctx.step_id


@asynccontextmanager
async def fleet_of(
    url: str, namespaces: Sequence[str], definition: MobDefinition = TWO_STEPS, **more: Any
) -> AsyncGenerator[FleetOfNamespaces]:
    """A fleet over namespaces, with a handler for all roles unless others are given."""
    handlers = more.pop("handlers", {"*": name_it})
    async with FleetOfNamespaces.open(definition, handlers, url=url, namespaces=namespaces, **more) as fleet:
        yield fleet
