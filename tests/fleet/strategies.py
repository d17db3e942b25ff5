"""Random mobs: dependencies, branches, nested loops, dispatch modes, policies, items, waits, conditions and limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from redis_mob.models.conditions import ConditionExpr, EqCondition, GtCondition, NotCondition
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_spec import DependsOnMode, DispatchMode, FlowStepSpec, OnTimeout
from tests.fleet.flows import Node, loop, mob, node, step, supervisor, wait

PARAMS = {"items": [1, None, {"a": [1]}], "empty": [], "single": [0], "many": list(range(7))}
"""The parameters of every run: some steps are over these items."""

LISTS = tuple(f"params.{name}" for name in PARAMS)

SILENT = "silent"
"""A signal that is never sent: a step that waits for it has a timeout."""

SCHEMAS = {"stop": '{"type": "integer"}'}
"""Those of the payloads of some signals."""

TIMEOUTS = (None, None, 1, 5_000, 20_000)
"""How long steps wait, in ms: without an end, no time at all, less and more than a lease."""

NEVER = EqCondition(path="params.none", value=1)
ALWAYS = NotCondition(expr=NEVER)

JOINS = [mode.value for mode in DependsOnMode]


@dataclass(frozen=True)
class Choices:
    """What a random mob may hold."""

    policies: tuple[str | int, ...]
    branches: tuple[str | None, ...]
    depths: tuple[int, ...]
    signals: tuple[str, ...] = ()
    """What steps wait for, several for the same. Without any each waits for one of its own, or in vain."""
    kinds: tuple[bool, ...] = (False, False, False, True)
    """Whether a step waits for a signal."""
    sizes: tuple[int, int] = (1, 4)
    """How many nodes the root frame has."""
    conditions: tuple[ConditionExpr | None, ...] = (None, None, None, ALWAYS, NEVER)


EVERYTHING = Choices(
    policies=("all", "any", 1, 2, 3), branches=(None, None, "left", "right"), depths=(0, 0, 1), signals=("go", "stop")
)

WAITS = Choices(
    policies=("all", "any"),
    branches=(None, None, None, "left"),
    depths=(0,),
    conditions=(None, None, None, None, NEVER),
    signals=("go", "go", "stop"),
    kinds=(True, True, False),
    sizes=(3, 6),
)
"""Flows of which many steps wait for the same signals at the same time."""

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
    threshold = draw(st.sampled_from((None, None, 1, 2)))
    return mob(steps, root, limits=limits, supervisor=None if threshold is None else supervisor(threshold))


def _nodes(draw: st.DrawFn, choices: Choices, steps: dict[str, FlowStepSpec], path: str, depth: int) -> dict[str, Node]:
    names = [f"{path}{number}" for number in range(draw(st.integers(*(choices.sizes if depth == 0 else (1, 2)))))]
    nodes: dict[str, Node] = {}
    for number, name in enumerate(names):
        needs = draw(st.lists(st.sampled_from(names[:number]), max_size=2, unique=True)) if number else []
        join = draw(st.sampled_from(JOINS))
        if depth < 2 and draw(st.integers(0, 3)) == 0:
            body = _nodes(draw, choices, steps, f"{name}x", depth + 1)
            until = _until(draw, f"{name}x0", steps)
            nodes[name] = loop(f"loop-{name}", until, draw(st.integers(1, 3)), *needs, join=join, **body)
        else:
            # What a step sees of others that it does not wait for depends on who does what when.
            seen = [one for one in needs if one in steps and steps[one].wait_for is not None]
            condition = _condition(draw, choices, seen if choices.signals or join == "all" else [])
            waits = draw(st.sampled_from(choices.kinds))
            steps[name] = _wait(draw, choices, name, condition) if waits else _step(draw, choices, condition)
            nodes[name] = node(name, *needs, join=join, branch=draw(st.sampled_from(choices.branches)))
    return nodes


def _until(draw: st.DrawFn, first: str, steps: dict[str, FlowStepSpec]) -> ConditionExpr:
    """A condition that holds after some rounds of a step of the body, if that is what its first node runs."""
    if first not in steps:
        return draw(st.sampled_from((ALWAYS, ALWAYS, NEVER)))
    if steps[first].wait_for is not None:
        return draw(st.sampled_from((ALWAYS, *_of_wait(first))))
    steps[first] = step(policy="any", condition=steps[first].condition)
    return GtCondition(path=f"steps.{first}.round", value=draw(st.integers(-1, 1)))


def _of_wait(step_id: str) -> tuple[ConditionExpr, ...]:
    """Conditions on what a step gives that has waited."""
    timed_out = tuple(EqCondition(path=f"steps.{step_id}.timed_out", value=value) for value in (False, True))
    return (*timed_out, GtCondition(path=f"steps.{step_id}.payload", value=1))


def _condition(draw: st.DrawFn, choices: Choices, waits: list[str]) -> ConditionExpr | None:
    return draw(st.sampled_from((*choices.conditions, *(one for step_id in waits for one in _of_wait(step_id)))))


def _wait(draw: st.DrawFn, choices: Choices, step_id: str, condition: ConditionExpr | None) -> FlowStepSpec:
    timeout = draw(st.sampled_from(TIMEOUTS))
    signal = draw(st.sampled_from(choices.signals or ((step_id,) if timeout is None else (SILENT,))))
    return wait(
        signal=signal,
        condition=condition,
        timeout_ms=timeout,
        on_timeout=draw(st.sampled_from(OnTimeout)),
        schema_ref=SCHEMAS.get(signal),
    )


def _step(draw: st.DrawFn, choices: Choices, condition: ConditionExpr | None) -> FlowStepSpec:
    mode = draw(st.sampled_from(list(DispatchMode)))
    policy = draw(st.sampled_from(choices.policies))
    if mode is DispatchMode.ONE_TO_ONE:
        policy = "any"
    items: dict[str, Any] = {}
    if draw(st.integers(0, 3)) == 0:
        items = {"for_each": draw(st.sampled_from(LISTS)), "max_parallel": draw(st.sampled_from((None, 1, 2)))}
    return step(policy=policy, dispatch_mode=mode, condition=condition, **items)
