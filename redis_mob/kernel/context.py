"""What conditions, templates and handlers see of a run (contract: kernel-31, kernel-32)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from redis_mob.kernel.seeds import body_frame_id
from redis_mob.models.base import FrozenDict
from redis_mob.models.execution import Item
from redis_mob.models.flow import FlowFrameState, FrameScope, LoopIterationState, NodeStatus
from redis_mob.models.flow_spec import FlowSpec, FrameSpec, FrameStepSpec, RepeatUntilSpec
from redis_mob.models.run import MobRun

_EARLIER = "_earlier_iterations"
"""Where the state of a loop remembers its iterations but for the last."""

_MEMORY = "_completed"
"""Where the state of a body frame remembers the outputs of its steps."""


@dataclass(frozen=True, slots=True)
class ConditionContext:
    """The values that paths lead into.

    `steps` holds the visible output of each step. `loops` holds for each loop its iterations in order, each with the
    outputs of its steps. `item` is that of an execution of a step with `for_each`.
    """

    params: Any
    steps: dict[str, Any]
    loops: dict[str, tuple[Mapping[str, Any], ...]]
    item: Item | None = None


def visible_context(run: MobRun, flow: FlowSpec) -> ConditionContext:
    """What this moment of a run shows to its steps and until conditions (contract: kernel-32).

    Of each loop, only its current instance counts: the one started last. Its iterations are those whose body frame
    exists, and each shows the outputs of exactly the steps that completed in that frame, so that values which an
    earlier instance recorded for the same iteration are invisible. A step has the output of the latest of these
    iterations that has one, else its output of the root frame.

    Holds for a step within a body (the iteration under way is the last one) and for an until condition (the last
    iteration is complete) alike. `flow` is the definition that the run was started with.
    """
    steps_of_nodes = dict(_loop_bodies(flow.root)) if flow.root else {}
    steps: dict[str, Any] = dict(run.root_step_outputs)
    loops: dict[str, tuple[Mapping[str, Any], ...]] = {}
    for loop in _current_instances(run):
        shown = _iterations(run, loop, steps_of_nodes.get(loop.loop_id, {}))
        loops[loop.loop_id] = shown.iterations
        steps.update(shown.steps)
    return ConditionContext(params=run.activation_params, steps=steps, loops=loops)


class _Shown(NamedTuple):
    """The iterations of a loop instance, and of each of its steps the output of the latest one that has it."""

    iterations: tuple[Mapping[str, Any], ...]
    steps: dict[str, Any]


def _iterations(run: MobRun, loop: LoopIterationState, steps_of_nodes: Mapping[str, str]) -> _Shown:
    # All iterations but the last stay as they are. The state of the loop, and what is copied from it, remember them, or
    # each step of a long loop would look through all that were before it.
    earlier: _Shown | None = vars(loop).get(_EARLIER)
    bodies = _body_frames(run, loop, 0 if earlier is None else len(earlier.iterations))
    if bodies is None:
        bodies, earlier, is_in_order = _found_body_frames(run, loop.loop_instance_id), None, False
    else:
        is_in_order = True
    iterations, steps = earlier or ((), {})
    steps = steps.copy()
    new = [_completed(run, loop.loop_id, body, steps_of_nodes) for body in bodies]
    for outputs in new[:-1]:
        steps.update(outputs)
    if is_in_order and len(new) > 1:
        vars(loop)[_EARLIER] = _Shown((*iterations, *new[:-1]), steps.copy())
    for outputs in new[-1:]:
        steps.update(outputs)
    return _Shown((*iterations, *new), steps)


def _body_frames(run: MobRun, loop: LoopIterationState, first: int) -> list[FlowFrameState] | None:
    """The body frames of a loop from this iteration on; None if they have other ids than ours, or one is missing."""
    bodies: list[FlowFrameState] = []
    instance = loop.loop_instance_id
    while (frame := run.frames.get(body_frame_id(instance, first + len(bodies)))) is not None:
        if frame.kernel_state.loop_instance_id != instance or frame.kernel_state.iteration != first + len(bodies):
            return None
        bodies.append(frame.kernel_state)
    latest = loop.current_iteration
    is_missing = first + len(bodies) <= latest and body_frame_id(instance, latest) in run.frames
    return None if is_missing else bodies or None


def _loop_bodies(frame: FrameSpec) -> Iterator[tuple[str, dict[str, str]]]:
    """For each loop in a frame, at any depth: its id, and which step each node of its body runs."""
    for node in frame.nodes.values():
        if isinstance(node, RepeatUntilSpec):
            yield (
                node.loop_id,
                {name: inner.step_id for name, inner in node.body.nodes.items() if isinstance(inner, FrameStepSpec)},
            )
            yield from _loop_bodies(node.body)


def _found_body_frames(run: MobRun, instance: str) -> list[FlowFrameState]:
    """The body frames of a loop instance, in the order of their iterations."""
    states = [frame.kernel_state for frame in run.frames.values()]
    bodies = [one for one in states if one.frame_scope is FrameScope.BODY and one.loop_instance_id == instance]
    return sorted(bodies, key=lambda frame: frame.iteration)


def _current_instances(run: MobRun) -> list[LoopIterationState]:
    """The instance of each loop that was started last, in the order of loop ids."""
    current: dict[str, tuple[tuple[int, ...], LoopIterationState]] = {}
    for snapshot in run.loops.values():
        loop = snapshot.kernel_state
        position = _position(run, loop)
        if loop.loop_id not in current or current[loop.loop_id][0] < position:
            current[loop.loop_id] = (position, loop)
    return [current[loop_id][1] for loop_id in sorted(current)]


def _position(run: MobRun, loop: LoopIterationState) -> tuple[int, ...]:
    """The iterations of the enclosing loops, outermost first: of one loop, a later instance has a greater position."""
    iterations: list[int] = []
    enclosing: LoopIterationState | None = loop
    while enclosing and len(iterations) < len(run.loops):
        parent = run.frames.get(enclosing.parent_frame_id)
        if parent is None or parent.kernel_state.frame_scope is FrameScope.ROOT:
            break
        iterations.append(parent.kernel_state.iteration)
        outer = run.loops.get(parent.kernel_state.loop_instance_id)
        enclosing = outer.kernel_state if outer else None
    return tuple(reversed(iterations))


def _completed(run: MobRun, loop_id: str, body: FlowFrameState, steps: Mapping[str, str]) -> Mapping[str, Any]:
    """The outputs of the steps that completed in a body frame, in the order in which they were recorded."""
    recorded = run.loop_iteration_outputs.get(loop_id, ())
    if body.iteration >= len(recorded):
        return FrozenDict()
    outputs, statuses = recorded[body.iteration], body.node_status
    # An instance remembers what was computed for it: of a loop, all iterations but the last stay as they are. States
    # and outputs are frozen, so that it holds for as long as these are the same objects.
    known = vars(body).get(_MEMORY)
    if known is None or known[0] is not outputs or known[1] is not statuses:
        done = {steps[node] for node, status in statuses.items() if status is NodeStatus.COMPLETED and node in steps}
        known = outputs, statuses, FrozenDict({step: output for step, output in outputs.items() if step in done})
        vars(body)[_MEMORY] = known
    return known[2]
