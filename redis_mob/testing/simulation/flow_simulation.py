"""Simulations of a flow of a user, with its own handlers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from redis_mob.errors import Portable
from redis_mob.fleet.step_context import Handler
from redis_mob.flows.mob import Flow
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.testing.simulation.plans import plan_of
from redis_mob.testing.simulation.seeds import simulate_plan
from redis_mob.testing.simulation.subject import Subject
from redis_mob.testing.simulation.telling import failure_text
from redis_mob.testing.steps import given_flow


class SimulationError(Portable, AssertionError):
    """A simulation has broken a promise. Its text has the smallest schedule that still does.

    `seed` is the seed of the simulation.
    """

    def __init__(self, seed: int, text: str) -> None:
        super().__init__(text)
        self.seed = seed


def simulate_flow(
    flow: Flow | MobDefinition | FlowSpec,
    handlers: Mapping[str, Handler] | Handler | None = None,
    *,
    flow_id: str | None = None,
    params: Any = None,
    members: Mapping[str, int] | None = None,
    signals: Sequence[tuple[str, Any]] = (),
    seeds: Iterable[int] = range(100),
    same_outputs: bool = False,
    timeout: timedelta = timedelta(hours=1),
) -> None:
    """Simulate a flow under each seed: workers crash, stand still and lose replies, and calls come late.

    What is given is as in `run_flow`. Each run has to end within the `timeout` of simulated time, in which nothing is
    waited for. What must hold then is what the engine promises: an execution counts once, a run ends once, its events,
    ledgers and outputs agree with what its handlers returned. With `same_outputs` no run is cancelled, and each must
    have the outputs that it has when nothing goes wrong: for handlers that always give the same for the same.

    Handlers run in the event loop of the simulation, plain functions too. They must take their time by `asyncio.sleep`
    alone, and ask neither a clock nor the network nor random numbers of the process: then a seed gives the same
    simulation each time. What they ask people is not answered. To be called without a running event loop.

    Raises SimulationError with the smallest schedule of the first seed that breaks a promise; ValidationError for
    handlers with dependencies; what `run_flow` raises for flows and handlers that do not go together.
    """
    tested = given_flow(flow, handlers, flow_id, members or {})
    subject = Subject(
        tested.definition,
        tested.flow_id,
        tested.handlers,
        tested.members,
        params,
        same_outputs,
        tuple(signals),
        timeout.total_seconds(),
    )
    for seed in seeds:
        plan = plan_of(subject, seed)
        if simulate_plan(plan).violations:
            how_to_repeat = f"simulate_flow(..., seeds=[{seed}])"
            raise SimulationError(seed, failure_text(plan, simulate_plan, lambda _, how=how_to_repeat: how))
