"""A small mob over several namespaces."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from redis_mob.connection.retry import RetryPolicy
from redis_mob.fleet.step_context import StepContext
from redis_mob.models.definition import MobDefinition
from redis_mob.sharding import FleetOfNamespaces
from tests.fleet.flows import FLOW, mob, step, wait

TWO_STEPS = mob(first=step(), second=step("first"))
WAITING = mob(go=wait())
"""A flow whose runs wait for the signal `go`."""

SOON = RetryPolicy(deadline=0.5)
"""For storages of servers that are down: how long each call tries to reach them."""


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
    """A fleet over namespaces, with a handler for all roles."""
    handlers: Mapping[str, Any] = more.pop("handlers", {"*": name_it})
    async with FleetOfNamespaces.open(url, definition, handlers, namespaces=namespaces, **more) as fleet:
        yield fleet


__all__ = ["FLOW"]
