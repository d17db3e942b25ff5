"""Small flows for the kernel's tests, by hand and by hypothesis."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import strategies as st

from redis_mob.models.base import FrozenDict
from redis_mob.models.conditions import EqCondition
from redis_mob.models.definition import LimitsSpec
from redis_mob.models.flow_spec import (
    DependsOnMode,
    FlowSpec,
    FlowStepSpec,
    FrameSpec,
    FrameStepSpec,
    RepeatUntilSpec,
)

DONE = EqCondition(path="params.done", value=True)


def step(step_id: str, *needs: str, any_of: bool = False, branch: str | None = None) -> FrameStepSpec:
    """A node that runs a step after `needs`."""
    mode = DependsOnMode.ANY if any_of else DependsOnMode.ALL
    return FrameStepSpec(step_id=step_id, depends_on=needs, depends_on_mode=mode, branch=branch)


def loop(loop_id: str, body: FrameSpec, *needs: str, most: int = 3, any_of: bool = False) -> RepeatUntilSpec:
    """A node that repeats `body`."""
    mode = DependsOnMode.ANY if any_of else DependsOnMode.ALL
    return RepeatUntilSpec(
        loop_id=loop_id, depends_on=needs, depends_on_mode=mode, body=body, until=DONE, max_iterations=most
    )


def frame(**nodes: FrameStepSpec | RepeatUntilSpec) -> FrameSpec:
    """A frame of these nodes, in this order."""
    return FrameSpec(nodes=FrozenDict(nodes))


def flow(root: FrameSpec) -> FlowSpec:
    """A flow with this root frame, which declares all its steps."""
    steps = {step_id: FlowStepSpec(role="worker", message="do it") for step_id in steps_in(root)}
    return FlowSpec(steps=FrozenDict(steps), root=root)


def steps_in(root: FrameSpec) -> Iterator[str]:
    """The step ids of a frame and of everything nested in it."""
    for node in root.nodes.values():
        if isinstance(node, FrameStepSpec):
            yield node.step_id
        else:
            yield from steps_in(node.body)


@st.composite
def _frames(draw: st.DrawFn, path: str, depth: int) -> FrameSpec:
    names = [f"{path}{number}" for number in range(draw(st.integers(0 if depth else 1, 5 if depth < 2 else 2)))]
    nodes: dict[str, FrameStepSpec | RepeatUntilSpec] = {}
    for number, name in enumerate(names):
        needs = tuple(draw(st.lists(st.sampled_from(names[:number]), max_size=3))) if number else ()
        any_of = draw(st.booleans())
        if depth < 3 and draw(st.integers(0, 3)) == 0:
            body = draw(_frames(f"{name}.", depth + 1))
            nodes[name] = loop(f"loop {name}", body, *needs, most=draw(st.integers(1, 2)), any_of=any_of)
        else:
            branch = draw(st.sampled_from((None, None, "left", "right")))
            nodes[name] = step(f"step {name}", *needs, any_of=any_of, branch=branch)
    return FrameSpec(nodes=FrozenDict({name: nodes[name] for name in draw(st.permutations(names))}))


FLOWS: st.SearchStrategy[FlowSpec] = _frames("n", 0).map(flow)
"""Flows with dependencies, branches and loops up to three deep; empty bodies too."""

LIMITS = st.builds(
    LimitsSpec,
    max_active_nodes=st.integers(0, 3),
    max_active_frames=st.integers(0, 2),
    max_frame_depth=st.sampled_from((0, 0, 0, 1, 2)),
)
"""Caps on nodes, frames and nesting; 0 is none."""
