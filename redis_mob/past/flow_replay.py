"""The nodes and loops of a run as its events lead to them, in time that grows with the events alone. Pure.

The log tells of steps, and not of loops: which iteration an event is in follows from what it tells, and from the
definition, since each step has one place in a flow. What no event tells is what came of the condition of a loop: it is
given, or else the next event decides that could not come otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from heapq import heappush

from redis_mob.codec.definitions import flow_of
from redis_mob.kernel.frame import ENDED
from redis_mob.kernel.seeds import body_frame_id, loop_instance_id, root_frame_id
from redis_mob.kernel.told_reasons import LOOP_SKIPPED, NOT_REACHED, exhausted_text
from redis_mob.kernel.topology import is_forbidden
from redis_mob.models.definition import LimitsSpec, MobDefinition
from redis_mob.models.flow import NodeStatus
from redis_mob.models.flow_spec import DependsOnMode, FrameStepSpec
from redis_mob.models.transition import NodeKey
from redis_mob.past.canceled_nodes import skipped_by_cancel, told_as_skipped
from redis_mob.past.frame_replay import Frame, Loop, Path, Plan
from redis_mob.past.loop_answers import NO_ANSWERS, LoopAnswers

_BEGUN = ENDED | {NodeStatus.RUNNING}


class FlowReplay:
    """The frames and loops of a run, moved by what its events tell of steps.

    `answers` are those of all loops that have begun, by their ids; without them a loop goes on, or is over, with the
    first event that says so. `changed` is told each node whose status changes, `began` each body that begins.
    """

    def __init__(
        self,
        definition: MobDefinition,
        flow_id: str,
        run_id: str,
        answers: Mapping[str, LoopAnswers] | None,
        changed: Callable[[NodeKey, NodeStatus], None],
        began: Callable[[Loop, Frame], None],
    ) -> None:
        self.flow = flow_of(definition, run_id, flow_id)
        self.frames: dict[str, Frame] = {}
        self._definition, self._run_id, self._answers = definition, run_id, answers
        self._changed, self._began = changed, began
        limits = definition.limits or LimitsSpec()
        self._most_nodes, self._most_bodies = limits.max_active_nodes or 0, limits.max_active_frames or 0
        self._most_depth = limits.max_frame_depth or 0
        self._plan = Plan(self.flow.root_frame)
        self._paths = dict(self._plan.paths())
        self._root: Frame | None = None
        self._loops: dict[str, Loop] = {}
        self._undecided: dict[str, Loop] = {}
        self._waiting: set[str] = set()
        """Loops that may begin their next body."""
        self._with_ready: dict[str, Frame] = {}
        self._slots: set[NodeKey] = set()
        self._untold: Counter[str] = Counter()
        """Steps that are skipped, which the log is still to tell."""
        self._stuck: NodeKey | None = None
        """A node that must not begin: the run fails, or the step is skipped."""
        self._is_ending = False

    def start(self) -> None:
        """The run has begun."""
        if self._root is None:
            self._root = self._new_frame(root_frame_id(self._run_id), self._plan, None)
            self._grant()

    def node_of(self, step_id: str) -> NodeKey | None:
        """The node that an event about a step is about, which is under way; None for a step that has none."""
        path = self._paths.get(step_id)
        if path is None or self._root is None:
            return None
        self._prove(path)
        if (found := self._find(path)) is not None and found.status[path[-1]] in ENDED:
            self._repeat(path)
        self._grant()
        frame = self._root
        for node_id in path[:-1]:
            loop = self._loop_at(frame, node_id)
            frame = loop.body or self._start_body(loop)
        if frame.status[path[-1]] in (NodeStatus.PENDING, NodeStatus.READY):
            self._admit(frame, path[-1])
        return frame.frame_id, path[-1]

    def status_of(self, node: NodeKey) -> NodeStatus:
        """Where a node of a frame stands."""
        return self.frames[node[0]].status[node[1]]

    def is_loop(self, node: NodeKey) -> bool:
        """Whether a node runs a loop."""
        return node[1] in self.frames[node[0]].plan.bodies

    def end_node(self, node: NodeKey, status: NodeStatus) -> None:
        """The step of a node is over."""
        frame = self.frames[node[0]]
        if frame.status[node[1]] not in ENDED:
            self._settle(frame, node[1], status)
        self._grant()

    def skip(self, step_id: str, reason: str) -> None:
        """A step is told as skipped: by its condition, or since it is not reached, which may be known already."""
        path = self._paths.get(step_id)
        if reason == LOOP_SKIPPED:
            return  # it is in no frame; of the loop that follows from the steps before
        if not self._untold[step_id] and path is not None and reason == NOT_REACHED:
            self._exhaust(path)
        if self._untold[step_id]:
            self._untold[step_id] -= 1
        elif (node := self.node_of(step_id)) is not None:
            self.end_node(node, NodeStatus.SKIPPED)

    def end(self, status: NodeStatus, reason: str = "") -> list[NodeKey]:
        """The run is over, as this says; the nodes that are skipped of steps which were canceled with it."""
        if self._root is None:
            return []
        while self._undecided and status is not NodeStatus.CANCELED:
            loop = next(iter(self._undecided.values()))
            self._answer(loop, is_met=exhausted_text(loop.spec.loop_id) not in reason)
        if not self._root.left:
            return []
        if status is not NodeStatus.CANCELED:
            self._grant()
        self._is_ending = True
        before = told_as_skipped(self.frames, self._untold)
        is_canceled = status is NodeStatus.CANCELED
        if not is_canceled and self._stuck is not None:
            frame, node_id = self.frames[self._stuck[0]], self._stuck[1]
            self._admit(frame, node_id)
            self._settle(frame, node_id, NodeStatus.FAILED)
        self._end_frame(self._root, NodeStatus.CANCELED if is_canceled else NodeStatus.FAILED)
        return skipped_by_cancel(self.frames, before) if is_canceled else []

    def _new_frame(self, frame_id: str, plan: Plan, loop: Loop | None) -> Frame:
        frame = self.frames[frame_id] = Frame(frame_id, plan, loop)
        for node_id, status in frame.status.items():
            self._changed((frame_id, node_id), status)
        if frame.ready:
            self._with_ready[frame_id] = frame
        return frame

    def _set(self, frame: Frame, node_id: str, status: NodeStatus) -> None:
        frame.status[node_id] = status
        if status is NodeStatus.READY:
            heappush(frame.ready, frame.plan.places[node_id])
            self._with_ready[frame.frame_id] = frame
        self._changed((frame.frame_id, node_id), status)

    def _grant(self) -> None:
        """Give nodes slots, and loops their bodies, as far as there are some (contract: kernel-10, kernel-11)."""
        while not self._is_ending:
            if self._with_ready and (not self._most_nodes or len(self._slots) < self._most_nodes):
                frame = self._with_ready[min(self._with_ready)]
                if (node_id := frame.next_ready()) is None:
                    del self._with_ready[frame.frame_id]
                elif not self._may_begin(frame, node_id):
                    self._stuck = frame.frame_id, node_id
                    return
                else:
                    self._admit(frame, node_id)
            elif (waiting := self._next_waiting()) is not None:
                self._start_body(self._loops[waiting])
            else:
                return

    def _may_begin(self, frame: Frame, node_id: str) -> bool:
        node = frame.plan.nodes[node_id]
        if isinstance(node, FrameStepSpec):
            step = self.flow.steps[node.step_id]
            return not (step.has_members and is_forbidden(self._definition, step.role))
        return not 0 < self._most_depth < frame.depth + 1

    def _next_waiting(self) -> str | None:
        outermost = sum(1 for loop in self._loops.values() if loop.depth == 1 and loop.body) if self._most_bodies else 0
        is_free = not self._most_bodies or outermost < self._most_bodies
        waiting = (one for one in self._waiting if is_free or self._loops[one].depth > 1)
        return min((one for one in waiting if self._has_begun_another(self._loops[one])), default=None)

    def _has_begun_another(self, loop: Loop) -> bool:
        """Whether its next body did begin, which a cancellation may have kept it from; True if that is not known."""
        return self._answers is None or loop.bodies < self._answers.get(loop.id, NO_ANSWERS).begun

    def _admit(self, frame: Frame, node_id: str) -> None:
        """A node gets its slot; members of its branch that are ready stand back (contract: kernel-17)."""
        node, key = frame.plan.nodes[node_id], (frame.frame_id, node_id)
        self._stuck = None if self._stuck == key else self._stuck
        self._set(frame, node_id, NodeStatus.RUNNING)
        for rival in frame.plan.rivals(node_id):
            if frame.status[rival] is NodeStatus.READY:
                self._set(frame, rival, NodeStatus.PENDING)
                frame.parked.add(rival)
        if isinstance(node, FrameStepSpec):
            if node.step_id not in self.flow.without_members:
                self._slots.add(key)
        elif not self._is_ending:
            loop_id = loop_instance_id(frame.frame_id, node_id)
            self._loops[loop_id] = Loop(loop_id, frame, node_id, node, frame.depth + 1)
            self._waiting.add(loop_id)

    def _start_body(self, loop: Loop) -> Frame:
        self._waiting.discard(loop.id)
        self._undecided.pop(loop.id, None)
        frame_id = body_frame_id(loop.id, loop.bodies)
        loop.bodies += 1
        loop.body = self._new_frame(frame_id, loop.parent.plan.bodies[loop.node_id], loop)
        self._began(loop, loop.body)
        return loop.body

    def _settle(self, frame: Frame, node_id: str, status: NodeStatus) -> None:
        """A node is over, and with it what that decides (contract: kernel-18 to kernel-21)."""
        self._slots.discard((frame.frame_id, node_id))
        over = [(node_id, status)]
        if status is NodeStatus.COMPLETED and (branch := frame.plan.branch_of(node_id)) is not None:
            frame.winners.add(branch)
            rivals = (one for one in frame.plan.rivals(node_id) if frame.status[one] not in _BEGUN)
            over += ((one, NodeStatus.SKIPPED) for one in rivals)
        while over:
            ended, how = over.pop()
            if frame.status[ended] in ENDED:
                continue
            if how is NodeStatus.SKIPPED and frame.status[ended] is not NodeStatus.RUNNING:
                self._untold.update(frame.plan.steps_of(ended))
            self._set(frame, ended, how)
            frame.parked.discard(ended)
            frame.left -= 1
            for dependent in frame.plan.dependents[ended]:
                (frame.completed if how is NodeStatus.COMPLETED else frame.unreached)[dependent] += 1
                if frame.status[dependent] is NodeStatus.PENDING:
                    over += self._decided(frame, dependent)
        for rival in sorted(frame.parked, key=frame.plan.places.__getitem__):
            frame.parked.discard(rival)
            self._set(frame, rival, NodeStatus.READY)
        if not frame.left and frame.loop is not None and not self._is_ending:
            self._end_body(frame.loop, frame)

    def _decided(self, frame: Frame, node_id: str) -> list[tuple[str, NodeStatus]]:
        verdict = frame.verdict(node_id)
        if verdict is NodeStatus.SKIPPED:
            return [(node_id, verdict)]
        if verdict is NodeStatus.READY and node_id not in frame.parked:
            self._set(frame, node_id, verdict)
        return []

    def _end_body(self, loop: Loop, body: Frame) -> None:
        loop.body = None
        if (outcome := body.outcome) is not NodeStatus.COMPLETED:
            self._settle(loop.parent, loop.node_id, outcome)
            return
        self._undecided[loop.id] = loop
        answers = (self._answers or {}).get(loop.id, NO_ANSWERS)
        if answers.not_met >= loop.bodies:
            self._answer(loop, is_met=False)
        elif answers.is_met:
            self._answer(loop, is_met=True)

    def _answer(self, loop: Loop, *, is_met: bool) -> None:
        """The condition of a loop held after its latest body, or not (contract: kernel-26)."""
        del self._undecided[loop.id]
        if is_met:
            self._settle(loop.parent, loop.node_id, NodeStatus.COMPLETED)
        elif loop.bodies >= loop.spec.max_iterations:
            self._settle(loop.parent, loop.node_id, NodeStatus.FAILED)
        else:
            self._waiting.add(loop.id)

    def _find(self, path: Path) -> Frame | None:
        """The frame that the last node of a path is in now; None if the loops around it are not under way."""
        frame = self._root
        for node_id in path[:-1]:
            loop = None if frame is None else self._loops.get(loop_instance_id(frame.frame_id, node_id))
            frame = None if loop is None else self._latest(loop)
        return frame

    def _latest(self, loop: Loop) -> Frame | None:
        return self.frames[body_frame_id(loop.id, loop.bodies - 1)] if loop.bodies else None

    def _loop_at(self, frame: Frame, node_id: str) -> Loop:
        """The loop at a node, which is under way: an event says so."""
        loop_id = loop_instance_id(frame.frame_id, node_id)
        if loop_id not in self._loops:
            self._admit(frame, node_id)
        return self._loops[loop_id]

    def _repeat(self, path: Path) -> None:
        """An event tells of a step that is over in the latest body: the innermost loop around it that may goes on."""
        frame, around = self._root, list[Loop]()
        for node_id in path[:-1]:
            loop = self._loops[loop_instance_id(frame.frame_id, node_id)] if frame is not None else None
            if loop is not None:
                around.append(loop)
                frame = self._latest(loop)
        for loop in reversed(around):
            if loop.body is not None:
                self._conclude(loop.body)
            if loop.id in self._undecided:
                if loop.bodies < loop.spec.max_iterations:
                    self._answer(loop, is_met=False)
                    return
                self._answer(loop, is_met=True)
            elif loop.id in self._waiting:
                return

    def _prove(self, path: Path) -> None:
        """What a step depends on that is told as begun has completed: loops whose condition is not known held."""
        frame = self._root
        for node_id in path if self._undecided else ():
            if frame is None:
                return
            node = frame.plan.nodes[node_id]
            is_proven = node.depends_on_mode is DependsOnMode.ALL or not frame.completed[node_id]
            if frame.status[node_id] is NodeStatus.PENDING and is_proven:
                for needed in node.depends_on:
                    self._conclude(frame, needed)
            loop = self._loops.get(loop_instance_id(frame.frame_id, node_id))
            frame = None if loop is None else self._latest(loop)

    def _conclude(self, frame: Frame, *node_ids: str) -> None:
        """These nodes of a frame, or all, are over: of loops among them, and in these, the condition held."""
        for node_id in node_ids or frame.plan.bodies:
            loop_id = loop_instance_id(frame.frame_id, node_id)
            loop = self._loops.get(loop_id)
            if loop is not None and loop.body is not None:
                self._conclude(loop.body)
            if (undecided := self._undecided.get(loop_id)) is not None:
                self._answer(undecided, is_met=True)

    def _exhaust(self, path: Path) -> None:
        """A step is not reached: the loops that it needs, and whose condition is not known, are exhausted."""
        frame = self._find(path) if self._undecided else None
        if frame is None:
            return
        node = frame.plan.nodes[path[-1]]
        order = {loop_id: place for place, loop_id in enumerate(self._undecided)}
        over = {one: [order[loop_id] for loop_id in self._undecided_at(frame, one)] for one in node.depends_on}
        needed = sorted((one for one, places in over.items() if places), key=lambda one: max(over[one]))
        if node.depends_on_mode is DependsOnMode.ALL:
            # had the condition not held of a loop that was over before, the step would have been skipped then
            for one in needed[:-1]:
                self._conclude(frame, one)
            needed = needed[-1:]
        for one in needed:
            self._exhaust_at(frame, one)

    def _undecided_at(self, frame: Frame, node_id: str) -> Iterator[str]:
        """The loops at a node, and within its body, whose condition is not known."""
        loop = self._loops.get(loop_instance_id(frame.frame_id, node_id))
        if loop is not None and loop.id in self._undecided:
            yield loop.id
        elif loop is not None and loop.body is not None:
            for inner in loop.body.plan.bodies:
                yield from self._undecided_at(loop.body, inner)

    def _exhaust_at(self, frame: Frame, node_id: str) -> None:
        """The loop at a node has failed: it is exhausted, or those in its body are, unless that failed by a step."""
        loop = self._loops.get(loop_instance_id(frame.frame_id, node_id))
        if loop is None:
            return
        if loop.id in self._undecided:
            if loop.bodies >= loop.spec.max_iterations:
                self._answer(loop, is_met=False)
        elif (body := loop.body) is not None and body.outcome is not NodeStatus.COMPLETED:
            self._conclude(body)
        elif body is not None:
            for inner in body.plan.bodies:
                self._exhaust_at(body, inner)
            self._conclude(body)

    def _end_frame(self, frame: Frame, ending: NodeStatus) -> None:
        """End all nodes of a frame, bodies of its loops first (contract: kernel-41, kernel-42)."""
        for node_id in [one for one in frame.plan.order if frame.status[one] is NodeStatus.RUNNING]:
            loop = self._loops.get(loop_instance_id(frame.frame_id, node_id))
            how = NodeStatus.CANCELED if loop is not None else ending
            if loop is not None and loop.body is not None:
                self._end_frame(loop.body, ending)
                how = loop.body.outcome
            self._settle(frame, node_id, how if how is not NodeStatus.COMPLETED else NodeStatus.CANCELED)
        while (node_id := frame.next_ready()) is not None:
            self._admit(frame, node_id)
            self._settle(frame, node_id, NodeStatus.CANCELED)
