"""Decides what a forked run takes over of the run that it comes from, and what runs anew. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from redis_mob.errors import NotFoundError, ValidationError, did_you_mean, shown
from redis_mob.kernel.machine import FlowMachine
from redis_mob.kernel.seeds import body_frame_id, root_frame_id
from redis_mob.models.flow import NodeStatus
from redis_mob.models.flow_spec import FlowSpec, FrameSpec, FrameStepSpec, RepeatUntilSpec
from redis_mob.models.run import MobRun
from redis_mob.models.run_outputs import MOST_NAMED
from redis_mob.models.transition import NodeKey

_Node = FrameStepSpec | RepeatUntilSpec


@dataclass
class ForkPlan:
    """What is carried over: `steps` by the node that completed them, each with its node in the forked run.

    Frames have their ids in the run that is forked. `bodies` are those of loops that are carried over, `loops` says how
    many iterations each instance had.
    """

    steps: dict[NodeKey, tuple[str, str]] = field(default_factory=dict[NodeKey, tuple[str, str]])
    """(step id, node id in the forked run) by node."""
    bodies: list[str] = field(default_factory=list[str])
    loops: dict[str, int] = field(default_factory=dict[str, int])


def plan_fork(run: MobRun, old: FlowSpec, new: FlowSpec, from_step: str | None) -> ForkPlan:
    """What a run that is over gives to one that is forked from it, whose flow is `new`.

    Raises NotFoundError for a step that the new flow does not have; ValidationError for one in a loop, if nothing would
    run anew, and if the new flow has no place for what is carried over.
    """
    anew = set[str]() if from_step is None else _runs_anew(old.root_frame, new.root_frame, from_step)
    machine, root = FlowMachine.from_run(run, old), root_frame_id(run.run_id)
    plan, places = ForkPlan(), {_name(spec): (node, spec) for node, spec in new.root_frame.nodes.items()}
    misplaced: list[str] = []
    carried = set[str]()
    for node, spec in old.root_frame.nodes.items() if root in machine.frames else ():
        name = _name(spec)
        if name in anew or machine.frame(root).node_status.get(node) is not NodeStatus.COMPLETED:
            continue
        carried.add(name)
        place = places.get(name)
        if place is None or (isinstance(spec, RepeatUntilSpec) and not _fits(node, spec, *place)):
            misplaced.append(_shown(spec))
        elif isinstance(spec, FrameStepSpec):
            plan.steps[root, node] = spec.step_id, place[0]
        else:
            _carry_loop(plan, machine, spec, (root, node))
    if misplaced:
        raise ValidationError(
            f"the definition has no place for what run {run.run_id} has completed: it lacks {', '.join(misplaced)}, or "
            "has another loop there; run anew from there, or from a step before"
        )
    _require_one_winner(run, old, new, plan)
    if carried >= places.keys():
        raise ValidationError(f"run {run.run_id} has completed all of its steps: name the one from which to run anew")
    for instance, iterations in plan.loops.items():
        most = _most_iterations(new.root_frame, machine.loop(instance).loop_id)
        if iterations > most:
            loop_id = shown(machine.loop(instance).loop_id)
            raise ValidationError(f"loop {loop_id} had {iterations} iterations, and the definition allows {most}")
    return plan


def _carry_loop(plan: ForkPlan, machine: FlowMachine, spec: RepeatUntilSpec, node: NodeKey) -> None:
    loop = next(
        one.kernel_state
        for one in machine.loops.values()
        if (one.kernel_state.parent_frame_id, one.kernel_state.parent_node_id) == node
    )
    instance, iterations = loop.loop_instance_id, loop.last_completed_iteration + 1
    plan.loops[instance] = iterations
    for iteration in range(iterations):
        body = body_frame_id(instance, iteration)
        plan.bodies.append(body)
        for name, inner in spec.body.nodes.items():
            if machine.frame(body).node_status[name] is not NodeStatus.COMPLETED:
                continue
            if isinstance(inner, FrameStepSpec):
                plan.steps[body, name] = inner.step_id, name
            else:
                _carry_loop(plan, machine, inner, (body, name))


def _require_one_winner(run: MobRun, old: FlowSpec, new: FlowSpec, plan: ForkPlan) -> None:
    """Two members of a branch that were under way together may both have completed; then none of them can be skipped.

    The machine lets the second one begin when any other node ends, which may be one that runs anew.
    """
    bodies = {loop.loop_id: loop for loop in _loops(old.root_frame)}
    winners: dict[tuple[str, str], str] = {}
    for (frame_id, _), (step_id, place) in plan.steps.items():
        loop_id = None
        if frame_id != root_frame_id(run.run_id):
            instance = run.frames[frame_id].kernel_state.loop_instance_id
            loop_id = run.loops[instance].kernel_state.loop_id
        frame = new.root_frame if loop_id is None else bodies[loop_id].body
        node = frame.nodes[place]
        if not isinstance(node, FrameStepSpec) or node.branch is None:
            continue
        first = winners.setdefault((frame_id, node.branch), step_id)
        if first != step_id:
            where = "one of them" if loop_id is None else f"the loop around them, {shown(loop_id)}"
            raise ValidationError(
                f"run {run.run_id} has completed two steps of branch {shown(node.branch)}, {shown(first)} and "
                f"{shown(step_id)}, and a fork completes one of a branch: run anew from {where}, or from a step before"
            )


def _fits(node: str, spec: RepeatUntilSpec, new_node: str, new: _Node) -> bool:
    """Whether a loop of another definition repeats the same at the same place."""
    return node == new_node and isinstance(new, RepeatUntilSpec) and new.body.nodes == spec.body.nodes


def _most_iterations(frame: FrameSpec, loop_id: str) -> int:
    return next(loop.max_iterations for loop in _loops(frame) if loop.loop_id == loop_id)


def _loops(frame: FrameSpec) -> Iterator[RepeatUntilSpec]:
    for node in frame.nodes.values():
        if isinstance(node, RepeatUntilSpec):
            yield node
            yield from _loops(node.body)


def _runs_anew(old: FrameSpec, new: FrameSpec, from_step: str) -> set[str]:
    """The step or loop that is named, and all that runs after it in either flow.

    What completed in its branch instead of it runs anew too: only one of them counts.
    """
    chosen = _named(new, from_step)
    branch = chosen.branch if isinstance(chosen, FrameStepSpec) else None
    rivals = (one for one in new.nodes.values() if isinstance(one, FrameStepSpec) and one.branch == branch)
    anew = {_name(chosen), *(map(_name, rivals) if branch is not None else ())}
    needed = [(name, needs) for frame in (old, new) for name, needs in _needs(frame).items()]
    while more := {name for name, needs in needed if name not in anew and not anew.isdisjoint(needs)}:
        anew |= more
    return anew


def _needs(frame: FrameSpec) -> Mapping[str, set[str]]:
    return {
        _name(node): {_name(frame.nodes[one]) for one in node.depends_on if one in frame.nodes}
        for node in frame.nodes.values()
    }


def _named(frame: FrameSpec, from_step: str) -> _Node:
    """The node of the root frame that runs a step or a loop, or has this name."""
    nodes = frame.nodes
    for node in nodes.values():
        if isinstance(node, FrameStepSpec) and node.step_id == from_step:
            return node
    for node in nodes.values():
        if isinstance(node, RepeatUntilSpec) and node.loop_id == from_step:
            return node
    if from_step in nodes:
        return nodes[from_step]
    for node in nodes.values():
        if isinstance(node, RepeatUntilSpec) and from_step in _held(node.body):
            raise ValidationError(
                f"{shown(from_step)} is in loop {shown(node.loop_id)}, which runs anew as a whole: name the loop"
            )
    names = [node.step_id if isinstance(node, FrameStepSpec) else node.loop_id for node in nodes.values()]
    listed = ", ".join(map(shown, names[:MOST_NAMED])) + (" and others" if len(names) > MOST_NAMED else "")
    hint = did_you_mean(from_step, names)
    raise NotFoundError(f"the flow has no step {shown(from_step)} to run anew from; it has: {listed or 'none'}{hint}")


def _held(frame: FrameSpec) -> Iterator[str]:
    """The names of all that a frame holds."""
    for name, node in frame.nodes.items():
        yield name
        if isinstance(node, FrameStepSpec):
            yield node.step_id
        else:
            yield node.loop_id
            yield from _held(node.body)


def _name(node: _Node) -> str:
    """The same step or loop has the same name in two flows, wherever it stands; no step has that of a loop."""
    return f"steps.{node.step_id}" if isinstance(node, FrameStepSpec) else f"loops.{node.loop_id}"


def _shown(node: _Node) -> str:
    return f"step {shown(node.step_id)}" if isinstance(node, FrameStepSpec) else f"loop {shown(node.loop_id)}"
