"""What is simulated: a flow, its handlers, and what its runs are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis_mob.fleet.step_context import Handler
from redis_mob.models.definition import MobDefinition

MOST_SECONDS = 1_500.0
"""How long all runs of a generated flow may take, by the clock of the simulation: many times what they need."""


@dataclass(frozen=True)
class Subject:
    """One flow of a definition.

    A settled one has the same outputs in each order in which things happen: nothing in it depends on time, and nothing
    fails for good. `signals` are the names and payloads of what each of its runs is sent; all of its runs have to be
    over after `most_seconds` by the clock of the simulation.
    """

    definition: MobDefinition
    flow_id: str
    handlers: Mapping[str, Handler]
    members: Mapping[str, int]
    params: Any
    is_settled: bool
    signals: tuple[tuple[str, Any], ...] = ()
    most_seconds: float = MOST_SECONDS
