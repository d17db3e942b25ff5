"""The smallest part of a plan that still breaks what it broke: decisions are taken out as long as it does."""

from __future__ import annotations

import re
from collections.abc import Callable

from redis_mob.testing.simulation.decisions import Cancel, Decision, Hire, PauseFor, Send, Start
from redis_mob.testing.simulation.execution import Outcome
from redis_mob.testing.simulation.plans import Plan

MOST_TRIES = 300
"""How often a plan is carried out to make it smaller."""

_NAMES = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}\S*|worker-\S+|[a-z]+[0-9]\w*|[0-9][0-9.]*")


def kind_of(violation: str) -> str:
    """The violation without what differs from one simulation to another: ids, times, names of steps."""
    return _NAMES.sub("", violation)[:60]


def smallest_plan(plan: Plan, simulate: Callable[[Plan], Outcome]) -> tuple[int, ...]:
    """The indices of the decisions that are left of a plan, which breaks something, when none can be left out."""
    broken = simulate(plan).violations
    if not broken:
        raise ValueError(f"the plan of seed {plan.seed} breaks nothing")
    wanted, left, tries = kind_of(broken[0]), list(range(len(plan.decisions))), 0

    def still_breaks(indices: list[int]) -> bool:
        nonlocal tries
        tries += 1
        if tries > MOST_TRIES:
            return False
        found = simulate(plan.only(set(indices))).violations
        return bool(found) and kind_of(found[0]) == wanted

    size = max(len(left) // 2, 1)
    while size:
        start = 0
        while start < len(left):
            kept = _with_needed(plan, left[:start] + left[start + size :])
            if len(kept) < len(left) and _is_whole(plan, kept) and still_breaks(kept):
                left = kept
            else:
                start += size
        size = 0 if size == 1 else size // 2
    return tuple(left)


def _with_needed(plan: Plan, indices: list[int]) -> list[int]:
    """Of runs that are not started the rest goes too; each run that is started keeps what it needs: its signals."""
    started = {one.run for number in indices if isinstance(one := plan.decisions[number], Start)}

    def is_needed(number: int, decision: Decision) -> bool:
        if isinstance(decision, Send):
            return decision.run in started
        if isinstance(decision, Cancel | PauseFor) and decision.run not in started:
            return False
        return number in indices

    return [number for number, decision in enumerate(plan.decisions) if is_needed(number, decision)]


def _is_whole(plan: Plan, indices: list[int]) -> bool:
    """Whether there are a run and a worker: without them nothing would ever end."""
    kept = [plan.decisions[number] for number in indices]
    return any(isinstance(one, Start) for one in kept) and any(isinstance(one, Hire) for one in kept)
