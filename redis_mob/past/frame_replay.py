"""Frames and loops that change in place, for a replay of the events of a run. Pure.

The kernel makes a new state of a whole frame for each input, which is what a store compares. Here each node that is
over costs what depends on it: the same rules (contract: kernel-17, kernel-20, kernel-22), counted along dependencies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heapify, heappop
from typing import TypeAlias

from redis_mob.models.flow import NodeStatus
from redis_mob.models.flow_spec import DependsOnMode, FrameSpec, FrameStepSpec, RepeatUntilSpec
from redis_mob.models.order import dependency_order

Path: TypeAlias = tuple[str, ...]
"""A node of a flow: the nodes of the loops around it, outermost first, and its own."""


class Plan:
    """A frame as it is defined: the order of its nodes, and what depends on what."""

    def __init__(self, spec: FrameSpec) -> None:
        self.nodes = spec.nodes
        needs = {node_id: node.depends_on for node_id, node in spec.nodes.items()}
        self.order = dependency_order(needs, "node")
        self.places = {node_id: place for place, node_id in enumerate(self.order)}
        self.dependents: dict[str, list[str]] = {node_id: [] for node_id in needs}
        for node_id, others in needs.items():
            for other in dict.fromkeys(others):
                self.dependents[other].append(node_id)
        self.needs = {node_id: len(set(others)) for node_id, others in needs.items()}
        self.branches: dict[str, list[str]] = {}
        for node_id, node in spec.nodes.items():
            if isinstance(node, FrameStepSpec) and node.branch is not None:
                self.branches.setdefault(node.branch, []).append(node_id)
        self.bodies = {
            node_id: Plan(node.body) for node_id, node in spec.nodes.items() if isinstance(node, RepeatUntilSpec)
        }

    def steps_of(self, node_id: str, *, deep: bool = False) -> Iterator[str]:
        """The step of a node; with `deep` also those in a loop."""
        node = self.nodes[node_id]
        if isinstance(node, FrameStepSpec):
            yield node.step_id
        elif deep:
            for inner in node.body.nodes:
                yield from self.bodies[node_id].steps_of(inner, deep=True)

    def paths(self, above: Path = ()) -> Iterator[tuple[str, Path]]:
        """Where each step is: each has one place in a flow."""
        for node_id, node in self.nodes.items():
            if isinstance(node, FrameStepSpec):
                yield node.step_id, (*above, node_id)
            else:
                yield from self.bodies[node_id].paths((*above, node_id))

    def rivals(self, node_id: str) -> Iterator[str]:
        """The other members of its branch."""
        branch = self.branch_of(node_id)
        return (one for one in self.branches.get(branch or "", ()) if one != node_id) if branch else iter(())

    def branch_of(self, node_id: str) -> str | None:
        """The branch that a node is a member of."""
        node = self.nodes[node_id]
        return node.branch if isinstance(node, FrameStepSpec) else None


class Frame:
    """A frame of the run: the status of each of its nodes, and how many dependencies of each are over."""

    def __init__(self, frame_id: str, plan: Plan, loop: Loop | None = None) -> None:
        self.frame_id, self.plan, self.loop = frame_id, plan, loop
        self.status = {n: NodeStatus.PENDING if count else NodeStatus.READY for n, count in plan.needs.items()}
        self.ready = [plan.places[node_id] for node_id, status in self.status.items() if status is NodeStatus.READY]
        heapify(self.ready)
        self.completed: Counter[str] = Counter()
        self.unreached: Counter[str] = Counter()
        self.parked: set[str] = set()
        """Members of a branch that were ready, and stood back for another one that was given its slot."""
        self.winners: set[str] = set()
        self.left = len(self.status)

    @property
    def depth(self) -> int:
        """How many loops are around it."""
        return 0 if self.loop is None else self.loop.depth

    def next_ready(self) -> str | None:
        """The first node that is ready."""
        while self.ready:
            node_id = self.plan.order[self.ready[0]]
            if self.status[node_id] is NodeStatus.READY:
                return node_id
            heappop(self.ready)
        return None

    def verdict(self, node_id: str) -> NodeStatus | None:
        """What a node becomes that is pending, by what it depends on; None if that is still open (kernel-19)."""
        needed = self.plan.needs[node_id]
        is_any = self.plan.nodes[node_id].depends_on_mode is DependsOnMode.ANY
        completed, unreached = self.completed[node_id], self.unreached[node_id]
        if needed and (unreached == needed if is_any else unreached > 0):
            return NodeStatus.SKIPPED
        return NodeStatus.READY if not needed or (completed > 0 if is_any else completed == needed) else None

    @property
    def outcome(self) -> NodeStatus:
        """How it ended, once all its nodes are over (contract: kernel-22, kernel-23)."""
        failed = (n for n, status in self.status.items() if status is NodeStatus.FAILED)
        if any(self.plan.branch_of(node_id) not in self.winners for node_id in failed):
            return NodeStatus.FAILED
        is_canceled = NodeStatus.CANCELED in self.status.values()
        return NodeStatus.CANCELED if is_canceled else NodeStatus.COMPLETED


@dataclass(slots=True)
class Loop:
    """A loop that has begun: its place, its body that is under way, and how many bodies there were."""

    id: str
    parent: Frame
    node_id: str
    spec: RepeatUntilSpec
    depth: int
    bodies: int = 0
    body: Frame | None = None
