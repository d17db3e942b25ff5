"""The picture of a run: the graph of its flow, with a box for each loop, and one in that for each iteration. Pure.

It has no states: those come from the description of the run, or from any moment of its past, by the same ids. A loop
that has not begun is drawn with one iteration, which is to come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, sqrt
from typing import Any, NamedTuple

from redis_mob.kernel.seeds import body_frame_id, loop_instance_id, root_frame_id
from redis_mob.models.flow_spec import (
    CollectAny,
    CollectQuorum,
    DispatchMode,
    FlowSpec,
    FlowStepSpec,
    FrameSpec,
    FrameStepSpec,
    RepeatUntilSpec,
)
from redis_mob.models.order import dependency_order
from redis_mob.past.time_travel import node_id as node_id_of
from redis_mob.ui.layout import GAP_X, GAP_Y, Arrangement, Size, arranged

NODE_WIDTH, NODE_HEIGHT = 168.0, 48.0
BOX_HEAD = 26.0
"""Above what is in a box: its title."""
BOX_EDGE = 14.0
"""Around what is in a box."""
ROW_RATIO = 2.5
"""How many times as wide as high the iterations of a loop are laid out together, about."""


@dataclass(frozen=True, slots=True)
class Node:
    """A step in one frame. `quorum` says how many of how many members must succeed; None where there is one alone.

    `does` tells what does it: members, a signal that it waits for, a flow, or members for each item; `detail` names
    the role, the signal or the flow.
    """

    id: str
    step_id: str
    kind: str
    does: str
    x: float
    y: float
    w: float
    h: float
    box: str | None
    label: str
    detail: str
    role: str
    branch: str | None
    quorum: Mapping[str, int | None] | None


@dataclass(frozen=True, slots=True)
class Box:
    """A loop, or with an `iteration`, counted from 1, one of its iterations: then `parent` is the box of the loop."""

    id: str
    loop_id: str
    iteration: int | None
    x: float
    y: float
    w: float
    h: float
    label: str
    parent: str | None
    most: int


@dataclass(frozen=True, slots=True)
class Edge:
    """From a node or a loop to one that depends on it; `branch` says that one of its branch is enough for that.

    `points` go from the right side of the one to the left side of the other.
    """

    start: str
    end: str
    branch: bool
    points: tuple[tuple[float, float], ...]


@dataclass(slots=True)
class Picture:
    """All that is drawn of a run, in a coordinate system of its own."""

    width: float = 0.0
    height: float = 0.0
    nodes: list[Node] = field(default_factory=list[Node])
    boxes: list[Box] = field(default_factory=list[Box])
    edges: list[Edge] = field(default_factory=list[Edge])

    def as_json(self) -> dict[str, Any]:
        """It as a page reads it."""
        return {
            "width": self.width,
            "height": self.height,
            "nodes": self.nodes,
            "boxes": self.boxes,
            "edges": [
                {"from": edge.start, "to": edge.end, "branch": edge.branch, "points": edge.points}
                for edge in self.edges
            ],
        }


def picture_of(
    flow: FlowSpec, run_id: str, iterations: Mapping[str, int], members: Mapping[str, int] | None = None
) -> Picture:
    """The picture of a run of a flow; `iterations` says how many each loop has begun, by frame and node as all ids are,
    `members` how many members each role has."""
    painter = _Painter(flow, iterations, members or {})
    return painter.painted(run_id)


class _Rows(NamedTuple):
    """How the iterations of a loop lie in its box."""

    number: int
    columns: int
    each: Size
    whole: Size


class _Painter:
    def __init__(self, flow: FlowSpec, iterations: Mapping[str, int], members: Mapping[str, int]) -> None:
        self._flow, self._iterations, self._members = flow, iterations, members
        self._orders: dict[int, tuple[str, ...]] = {}
        self._alike: dict[int, Arrangement] = {}
        self._nested: dict[tuple[str, str], _Rows] = {}
        self._frames: dict[str, Arrangement] = {}
        self._picture = Picture()

    def painted(self, run_id: str) -> Picture:
        root = root_frame_id(run_id)
        whole = self._arrange(root, self._flow.root_frame)
        self._picture.width, self._picture.height = whole.width, whole.height
        self._paint(root, self._flow.root_frame, 0.0, 0.0, None)
        return self._picture

    def _order(self, spec: FrameSpec) -> tuple[str, ...]:
        if id(spec) not in self._orders:
            needs = {node_id: node.depends_on for node_id, node in spec.nodes.items()}
            self._orders[id(spec)] = dependency_order(needs, "node")
        return self._orders[id(spec)]

    def _arrange(self, frame_id: str, spec: FrameSpec) -> Arrangement:
        """Where everything is in a frame, from the innermost loops outwards. Bodies without loops are all alike."""
        sizes: dict[str, Size] = {}
        is_plain = True
        if (known := self._alike.get(id(spec))) is not None:
            self._frames[frame_id] = known
            return known
        for node_id in self._order(spec):
            node = spec.nodes[node_id]
            if isinstance(node, RepeatUntilSpec):
                sizes[node_id] = self._loop_size(frame_id, node_id, node)
                is_plain = False
            else:
                sizes[node_id] = NODE_WIDTH, NODE_HEIGHT
        made = arranged(sizes, {node_id: spec.nodes[node_id].depends_on for node_id in sizes})
        self._frames[frame_id] = made
        if is_plain:
            self._alike[id(spec)] = made
        return made

    def _loop_size(self, frame_id: str, node_id: str, loop: RepeatUntilSpec) -> Size:
        """The size of a loop: its iterations lie in rows, each as large as the largest one."""
        loop_id = loop_instance_id(frame_id, node_id)
        number = max(self._iterations.get(node_id_of(frame_id, node_id), 0), 1)
        inner = [self._arrange(body_frame_id(loop_id, one), loop.body) for one in range(number)]
        width = max(one.width for one in inner) + 2 * BOX_EDGE
        height = max(one.height for one in inner) + BOX_HEAD + BOX_EDGE
        columns = min(max(ceil(sqrt(number * ROW_RATIO * height / width)), 1), number)
        rows = ceil(number / columns)
        whole = (
            columns * width + (columns - 1) * GAP_X / 2 + 2 * BOX_EDGE,
            rows * height + (rows - 1) * GAP_Y + BOX_HEAD + BOX_EDGE,
        )
        self._nested[frame_id, node_id] = _Rows(number, columns, (width, height), whole)
        return whole

    def _paint(self, frame_id: str, spec: FrameSpec, left: float, top: float, box: str | None) -> None:
        arrangement = self._frames[frame_id]
        for node_id, (x, y) in arrangement.corners.items():
            node = spec.nodes[node_id]
            if isinstance(node, FrameStepSpec):
                self._picture.nodes.append(self._node(frame_id, node_id, node, (left + x, top + y), box))
            else:
                self._loop(frame_id, node_id, node, (left + x, top + y), box)
        for (start, end), way in arrangement.ways.items():
            node = spec.nodes[start]
            is_branch = isinstance(node, FrameStepSpec) and node.branch is not None
            points = tuple((left + x, top + y) for x, y in way)
            self._picture.edges.append(Edge(node_id_of(frame_id, start), node_id_of(frame_id, end), is_branch, points))

    def _loop(
        self, frame_id: str, node_id: str, loop: RepeatUntilSpec, corner: tuple[float, float], box: str | None
    ) -> None:
        loop_id, own = loop_instance_id(frame_id, node_id), node_id_of(frame_id, node_id)
        rows = self._nested[frame_id, node_id]
        of_loop = Box(own, loop.loop_id, None, *corner, *rows.whole, loop.loop_id, box, loop.max_iterations)
        self._picture.boxes.append(of_loop)
        for one in range(rows.number):
            x = corner[0] + BOX_EDGE + one % rows.columns * (rows.each[0] + GAP_X / 2)
            y = corner[1] + BOX_HEAD + one // rows.columns * (rows.each[1] + GAP_Y)
            body, label = body_frame_id(loop_id, one), f"iteration {one + 1}"
            self._picture.boxes.append(
                Box(body, loop.loop_id, one + 1, x, y, *rows.each, label, own, loop.max_iterations)
            )
            self._paint(body, loop.body, x + BOX_EDGE, y + BOX_HEAD, body)

    def _node(
        self, frame_id: str, node_id: str, node: FrameStepSpec, corner: tuple[float, float], box: str | None
    ) -> Node:
        step = self._flow.steps[node.step_id]
        return Node(
            id=node_id_of(frame_id, node_id),
            step_id=node.step_id,
            kind="step",
            does=_done_by(step),
            x=corner[0],
            y=corner[1],
            w=NODE_WIDTH,
            h=NODE_HEIGHT,
            box=box,
            label=node.step_id,
            detail=_named(step),
            role=step.role,
            branch=node.branch,
            quorum=self._quorum(step),
        )

    def _quorum(self, step: FlowStepSpec) -> Mapping[str, int | None] | None:
        if not step.has_members or (step.dispatch_mode is DispatchMode.ONE_TO_ONE and step.for_each is None):
            return None
        of = None if step.for_each is not None else self._members.get(step.role)
        match step.collection_policy:
            case CollectQuorum(n=n):
                return {"n": n, "m": of}
            case CollectAny():
                return {"n": 1, "m": of}
            case _:
                return None if of is None or of == 1 else {"n": of, "m": of}


def _named(step: FlowStepSpec) -> str:
    if step.wait_for is not None:
        return f"signal {step.wait_for.signal}"
    return step.role if step.flow is None else f"flow {step.flow}"


def _done_by(step: FlowStepSpec) -> str:
    if step.wait_for is not None:
        return "signal"
    if step.for_each is not None:
        return "items"
    return "flow" if step.flow is not None else "members"
