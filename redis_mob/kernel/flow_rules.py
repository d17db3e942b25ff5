"""Rules for flows, topology and supervisor (contract: definition-12, definition-13, definition-14, definition-17)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from redis_mob.errors import shown
from redis_mob.kernel.diagnostics import Diagnostic, Severity
from redis_mob.kernel.flow_graph import Cycle, dependency_order
from redis_mob.kernel.later_rules import validate_failure_policies, validate_supervisor_time
from redis_mob.kernel.limit_rules import validate_limits
from redis_mob.kernel.path_rules import validate_paths
from redis_mob.kernel.subflow_rules import validate_subflows
from redis_mob.kernel.wait_rules import validate_waits
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_spec import (
    CollectQuorum,
    DependsOnMode,
    DispatchMode,
    FlowSpec,
    FlowStepSpec,
    FrameSpec,
    FrameStepSpec,
    RepeatUntilSpec,
)

MAX_DEPTH = 32
"""The longest chain of steps, and the deepest nesting of loops, that a flow may have."""


def validate_flows(definition: MobDefinition) -> Iterator[Diagnostic]:
    """Findings about supervisor, topology and flows, in this order."""
    roles = definition.profiles
    supervisor = definition.supervisor
    if supervisor and supervisor.role not in roles:
        yield _unknown_role(supervisor.role, "supervisor.role")
    for index, rule in enumerate(definition.topology.rules if definition.topology else ()):
        for side, role in (("from_role", rule.from_role), ("to_role", rule.to_role)):
            if role != "*" and role not in roles:
                yield Diagnostic(
                    "topology_unknown_role",
                    f"the role {shown(role)} is not defined; name a profile, or '*' for any",
                    f"topology.rules[{index}].{side}",
                )
    yield from validate_supervisor_time(supervisor)
    for flow_id, flow in definition.flows.items():
        yield from _flow(definition, f"flows.{flow_id}", flow)


def _unknown_role(role: str, location: str) -> Diagnostic:
    return Diagnostic("flow_unknown_role", f"the role {shown(role)} is not defined; add [profiles.{role}]", location)


def _flow(definition: MobDefinition, location: str, flow: FlowSpec) -> Iterator[Diagnostic]:
    for step_id, step in flow.steps.items():
        if step.has_members and step.role not in definition.profiles:
            yield _unknown_role(step.role, f"{location}.steps.{step_id}.role")
        yield from _step(flow, f"{location}.steps.{step_id}", step)
    yield from validate_waits(flow, f"{location}.steps")
    yield from validate_subflows(definition.flows, flow, f"{location}.steps")
    yield from _branches(flow, f"{location}.steps")
    yield from _chain(flow, f"{location}.steps")
    if flow.root is not None:
        graph = _FrameGraph(flow)
        yield from graph.frame(f"{location}.root", flow.root, nesting=0)
        omitted = [step_id for step_id in flow.steps if step_id not in graph.step_ids]
        if omitted:
            yield Diagnostic(
                "flow_unknown_step", f"no node of the root frame runs {_quoted(omitted)}; add nodes", f"{location}.root"
            )
    yield from validate_paths(location, flow)
    yield from validate_limits(location, flow)
    yield from validate_failure_policies(location, flow)


def _step(flow: FlowSpec, location: str, step: FlowStepSpec) -> Iterator[Diagnostic]:
    for dependency in step.depends_on:
        if dependency not in flow.steps:
            yield Diagnostic(
                "flow_unknown_step", f"the flow has no step {shown(dependency)} to depend on", f"{location}.depends_on"
            )
    match step.collection_policy:
        case CollectQuorum(n=0):
            yield _bad_quorum("a quorum of 0 is no quorum; ask for at least 1", f"{location}.collection_policy.n")
        case CollectQuorum(n=n) if n > 1 and step.dispatch_mode is DispatchMode.ONE_TO_ONE and step.for_each is None:
            yield _bad_quorum(
                f"one_to_one asks one member only, so a quorum of {n} can never be met",
                f"{location}.collection_policy.n",
            )
        case _:
            pass
    if step.max_parallel is not None and step.for_each is None:
        yield Diagnostic(
            "for_each_missing",
            f"max_parallel = {step.max_parallel} bounds the items of for_each, which the step does not have",
            f"{location}.max_parallel",
        )
    dependencies = [flow.steps[dependency] for dependency in step.depends_on if dependency in flow.steps]
    if step.depends_on_mode is DependsOnMode.ANY and not any(one.branch is not None for one in dependencies):
        yield Diagnostic(
            "branch_join_without_branch",
            "the step waits for any of its dependencies, but none of them belongs to a branch",
            f"{location}.depends_on_mode",
            Severity.WARNING,
        )


def _bad_quorum(message: str, location: str) -> Diagnostic:
    return Diagnostic("quorum_invalid", message, location)


def _branches(flow: FlowSpec, location: str) -> Iterator[Diagnostic]:
    groups: dict[str, list[str]] = {}
    for step_id, step in flow.steps.items():
        if step.branch is not None:
            groups.setdefault(step.branch, []).append(step_id)
    for branch, members in sorted(groups.items()):
        if len(members) < 2:
            yield Diagnostic(
                "branch_group_empty",
                f"the branch {shown(branch)} has only the step {shown(members[0])}; a choice needs at least two",
                location,
            )
        expected = set(flow.steps[members[0]].depends_on)
        for step_id in members:
            if flow.steps[step_id].condition is None:
                yield Diagnostic(
                    "branch_step_missing_condition",
                    f"the step belongs to the branch {shown(branch)} and needs a condition",
                    f"{location}.{step_id}.condition",
                )
            if set(flow.steps[step_id].depends_on) != expected:
                yield Diagnostic(
                    "branch_step_conflicting_deps",
                    f"the steps of the branch {shown(branch)} must all depend on the same steps as {shown(members[0])}",
                    f"{location}.{step_id}.depends_on",
                )


def _chain(flow: FlowSpec, location: str) -> Iterator[Diagnostic]:
    order = dependency_order({step_id: step.depends_on for step_id, step in flow.steps.items()})
    if isinstance(order, Cycle):
        yield Diagnostic("flow_cycle_detected", f"steps depend on each other: {order}", location)
        return
    depth: dict[str, int] = {}
    for step_id in order:
        depth[step_id] = 1 + max((depth.get(one, 0) for one in flow.steps[step_id].depends_on), default=0)
    longest = max(depth.values(), default=0)
    if longest > MAX_DEPTH:
        yield Diagnostic(
            "flow_depth_exceeded", f"{longest} steps depend on each other in a row; {MAX_DEPTH} is the limit", location
        )


@dataclass(frozen=True, slots=True)
class _FrameGraph:
    """Walks all frames of one flow; step ids and loop ids are unique in all of them together."""

    flow: FlowSpec
    step_ids: set[str] = field(default_factory=set[str])
    loop_ids: set[str] = field(default_factory=set[str])

    def frame(self, location: str, frame: FrameSpec, *, nesting: int) -> Iterator[Diagnostic]:
        if nesting > MAX_DEPTH:
            yield Diagnostic("flow_depth_exceeded", f"loops are nested deeper than {MAX_DEPTH} levels", location)
            return
        for node_id, node in frame.nodes.items():
            here = f"{location}.nodes.{node_id}"
            match node:
                case FrameStepSpec():
                    yield from self._step(here, node)
                    yield from _node_dependencies(here, node, frame)
                case RepeatUntilSpec():
                    yield from self._loop(here, node)
                    yield from _node_dependencies(here, node, frame)
                    if node.max_iterations == 0:
                        yield _bad_quorum("a loop needs at least one iteration", f"{here}.max_iterations")
                    yield from self.frame(f"{here}.body", node.body, nesting=nesting + 1)
        order = dependency_order({node_id: node.depends_on for node_id, node in frame.nodes.items()})
        if isinstance(order, Cycle):
            yield Diagnostic("flow_cycle_detected", f"nodes depend on each other: {order}", location)

    def _step(self, location: str, node: FrameStepSpec) -> Iterator[Diagnostic]:
        if node.step_id not in self.flow.steps:
            yield Diagnostic("flow_unknown_step", f"the flow has no step {shown(node.step_id)}", f"{location}.step_id")
        if node.step_id in self.step_ids:
            yield Diagnostic(
                "flow_cycle_detected",
                f"the step {shown(node.step_id)} is run by another node already; in all frames of a flow, loop bodies "
                "included, each step has one node",
                f"{location}.step_id",
            )
        self.step_ids.add(node.step_id)

    def _loop(self, location: str, node: RepeatUntilSpec) -> Iterator[Diagnostic]:
        if node.loop_id in self.loop_ids:
            yield Diagnostic(
                "flow_cycle_detected",
                f"the loop id {shown(node.loop_id)} is taken; each loop of a flow needs one of its own",
                f"{location}.loop_id",
            )
        self.loop_ids.add(node.loop_id)


def _node_dependencies(location: str, node: FrameStepSpec | RepeatUntilSpec, frame: FrameSpec) -> Iterator[Diagnostic]:
    for dependency in node.depends_on:
        if dependency not in frame.nodes:
            yield Diagnostic(
                "flow_unknown_step", f"the frame has no node {shown(dependency)} to depend on", f"{location}.depends_on"
            )


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
