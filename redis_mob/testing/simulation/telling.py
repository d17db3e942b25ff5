"""What is told of a simulation that has broken something: its schedule in lines, and how to repeat it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from redis_mob.testing.simulation.execution import Outcome
from redis_mob.testing.simulation.plans import Plan
from redis_mob.testing.simulation.shrinking import smallest_plan

COMMAND = "python -m redis_mob.testing.simulation"

LAST_LINES = 25
"""How much of the end of a trace is shown."""


def schedule_lines(plan: Plan, indices: tuple[int, ...]) -> Iterator[str]:
    """The decisions of a plan that are left, each with its number."""
    for number in indices:
        yield f"  [{number}] {plan.decisions[number]}"
    if plan.deafness:
        yield f"  {plan.deafness:.0%} of all wake-ups are lost"


def failure_text(plan: Plan, simulate: Callable[[Plan], Outcome], how_to_repeat: Callable[[str], str]) -> str:
    """What a plan has broken, by its smallest part that still does, with its schedule and the end of its trace.

    `how_to_repeat` makes a command, or a call, of the numbers of the decisions that are left.
    """
    indices = smallest_plan(plan, simulate)
    outcome = simulate(plan.only(set(indices)))
    lines = [
        f"seed {plan.seed} breaks a promise; {len(indices)} of its {len(plan.decisions)} decisions are enough:",
        *schedule_lines(plan, indices),
        "what is broken:",
        *(f"  {one}" for one in outcome.violations[:5]),
        f"the last {LAST_LINES} things that happened:",
        *(f"  {line}" for line in outcome.lines[-LAST_LINES:]),
        f"to repeat it: {how_to_repeat(','.join(map(str, indices)))}",
    ]
    return "\n".join(lines)
