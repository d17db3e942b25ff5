"""Random mobs: dependencies, branches, nested loops, dispatch modes, policies, conditions and limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from redis_mob.models.conditions import ConditionExpr, EqCondition, GtCondition, NotCondition
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_spec import DependsOnMode, DispatchMode, FlowStepSpec
from tests.fleet.flows import Node, loop, mob, node, step

PARAMS = {"items": [1, None, {"a": [1]}]}
"""The parameters of every run: some steps are over these items."""

NEVER = EqCondition(path="params.none", value=1)
ALWAYS = NotCondition(expr=NEVER)

JOINS = [mode.value for mode in DependsOnMode]


@dataclass(frozen=True)
class Choices:
    """What a random mob may hold."""

    policies: tuple[str | int, ...]
    branches: tuple[str | None, ...]
    depths: tuple[int, ...]
    conditions: tuple[ConditionExpr | None, ...] = (None, None, None, ALWAYS, NEVER)


EVERYTHING = Choices(policies=("all", "any", 1, 2, 3), branches=(None, None, "left", "right"), depths=(0, 0, 1))

SETTLED = Choices(policies=("all",), branches=(None,), depths=(0,))
"""Flows that have one outcome in every order in which their steps end."""


@st.composite
def mobs(draw: st.DrawFn, choices: Choices) -> MobDefinition:
    """Mobs of small flows whose root frame holds everything."""
    steps: dict[str, FlowStepSpec] = {}
    root = _nodes(draw, choices, steps, "n", 0)
    limits = {
        "max_step_retries": draw(st.integers(0, 2)),
        "max_active_nodes": draw(st.integers(0, 3)),
        "max_active_frames": draw(st.integers(0, 2)),
        "max_frame_depth": draw(st.sampled_from(choices.depths)),
    }
    return mob(steps, root, limits=limits)


def _nodes(draw: st.DrawFn, choices: Choices, steps: dict[str, FlowStepSpec], path: str, depth: int) -> dict[str, Node]:
    names = [f"{path}{number}" for number in range(draw(st.integers(1, 4 if depth == 0 else 2)))]
    nodes: dict[str, Node] = {}
    for number, name in enumerate(names):
        needs = draw(st.lists(st.sampled_from(names[:number]), max_size=2, unique=True)) if number else []
        join = draw(st.sampled_from(JOINS))
        if depth < 2 and draw(st.integers(0, 3)) == 0:
            body = _nodes(draw, choices, steps, f"{name}x", depth + 1)
            until = _until(draw, f"{name}x0", steps)
            nodes[name] = loop(f"loop-{name}", until, draw(st.integers(1, 3)), *needs, join=join, **body)
        else:
            steps[name] = _step(draw, choices)
            nodes[name] = node(name, *needs, join=join, branch=draw(st.sampled_from(choices.branches)))
    return nodes


def _until(draw: st.DrawFn, first: str, steps: dict[str, FlowStepSpec]) -> ConditionExpr:
    """A condition that holds after some rounds of a step of the body, if that is what its first node runs."""
    if first not in steps:
        return draw(st.sampled_from((ALWAYS, ALWAYS, NEVER)))
    steps[first] = step(policy="any", condition=steps[first].condition)
    return GtCondition(path=f"steps.{first}.round", value=draw(st.integers(-1, 1)))


def _step(draw: st.DrawFn, choices: Choices) -> FlowStepSpec:
    mode = draw(st.sampled_from(list(DispatchMode)))
    policy = draw(st.sampled_from(choices.policies))
    if mode is DispatchMode.ONE_TO_ONE:
        policy = "any"
    items: dict[str, Any] = {}
    if draw(st.integers(0, 3)) == 0:
        items = {"for_each": "params.items", "max_parallel": draw(st.sampled_from((None, 1, 2)))}
    return step(policy=policy, dispatch_mode=mode, condition=draw(st.sampled_from(choices.conditions)), **items)
