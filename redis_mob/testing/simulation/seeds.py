"""The simulation of one seed, and its judgement."""

from __future__ import annotations

from redis_mob.testing.simulation.execution import Execution, Outcome
from redis_mob.testing.simulation.flows import generated_flow
from redis_mob.testing.simulation.plans import Plan, plan_of


def simulate_plan(plan: Plan) -> Outcome:
    """Carry out a plan. The runs of a settled flow are compared with those of the same plan without mishaps."""
    outcome = Execution(plan).carry_out()
    if outcome.violations or not plan.subject.is_settled or not outcome.comparable:
        return outcome
    calm = Execution(plan.without_mishaps()).carry_out()
    if calm.violations:
        return outcome._replace(violations=tuple(f"without mishaps: {one}" for one in calm.violations))
    different = [name for name, outputs in outcome.outputs.items() if outputs != calm.outputs.get(name)]
    told = (f"{name} is {outcome.outputs[name]}, without mishaps it is {calm.outputs.get(name)}" for name in different)
    return outcome._replace(violations=tuple(told))


def generated_plan(seed: int) -> Plan:
    """The plan of a seed for a flow that the seed generates, too."""
    return plan_of(generated_flow(f"flow {seed}"), seed)


def simulate_seed(seed: int) -> Outcome:
    """Carry out the plan of a seed."""
    return simulate_plan(generated_plan(seed))
