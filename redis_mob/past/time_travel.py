"""A run as it was at any moment, by its events: the states of its steps, members and loops.

(contract: operations-250, operations-252; decision 0051)

Pure. One pass over the events keeps what each of them changed; a moment is read from that, so that many moments of one
run cost one pass. What the log does not tell is in the contract, and is what the log proves until then.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any, Self

from pydantic import Field

from redis_mob.models.base import U64, Model, RunId, SortedDict, Timestamp, is_empty, is_none
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import MobEvent
from redis_mob.models.flow import NodeStatus
from redis_mob.models.flow_events import (
    FlowCanceled,
    FlowCompleted,
    FlowFailed,
    FlowStarted,
    StepCompleted,
    StepDispatched,
    StepFailed,
    StepSkipped,
    StepTargetCompleted,
    StepTargetFailed,
)
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.state_of import STATE_OF_NODE
from redis_mob.models.states import State
from redis_mob.models.transition import NodeKey
from redis_mob.past.flow_replay import FlowReplay
from redis_mob.past.frame_replay import Frame, Loop
from redis_mob.past.loop_answers import LoopAnswers

_AT = itemgetter(0)

_NO_MEMBERS: SortedDict[State] = SortedDict()

_SUPERVISOR = "supervisor:"
"""Begins the targets of failures that are those of an escalation, and no member's (contract: engine-83)."""


def node_id(frame_id: str, node: str) -> str:
    """What names a node of a run among those of all its frames."""
    return f"{frame_id}/{node}"


class NodeMoment(Model):
    """A step or a loop as it was: its state, since which event, and the states of the members that had begun.

    `since` is None of what has waited from the beginning. `completed` is how many members had completed.
    """

    state: State
    since: Timestamp | None = Field(default=None, exclude_if=is_none)
    members: SortedDict[State] = Field(default=SortedDict(), exclude_if=is_empty)
    completed: U64 = Field(default=0, exclude_if=is_empty)


class RunMoment(Model):
    """A run as it was behind the event of a cursor, the last one of the run up to the cursor that was asked for.

    `nodes` are its steps and loops by frame and node, `<frame_id>/<node_id>`; `iterations` how many each of its loops
    had begun, by the same ids. `cursor` is 0 and `at` None before the first event.
    """

    run_id: RunId
    cursor: U64
    at: Timestamp | None = None
    status: MobRunStatus
    nodes: SortedDict[NodeMoment] = SortedDict()
    iterations: SortedDict[U64] = Field(default=SortedDict(), exclude_if=is_empty)


class RunPast:
    """What each event of a run changed. Events are taken in their order; any moment up to the last one can be asked.

    `answers` are those of the conditions of its loops: `LoopAnswers.of` each loop that is stored, of the run as it was
    read after the events; None if they are not known.
    """

    def __init__(
        self, definition: MobDefinition, run_id: str, flow_id: str, answers: Mapping[str, LoopAnswers] | None = None
    ) -> None:
        self._run_id, self._definition = run_id, definition
        self._replay = FlowReplay(definition, flow_id, run_id, answers, self._node_changed, self._body_began)
        self._statuses: list[tuple[int, MobRunStatus]] = []
        self._nodes: dict[NodeKey, list[tuple[int, State]]] = {}
        self._members: dict[NodeKey, dict[str, list[tuple[int, State]]]] = {}
        self._bodies: dict[NodeKey, list[tuple[int, int]]] = {}
        self._failed: dict[NodeKey, dict[str, int]] = {}
        self._unsure: dict[NodeKey, str] = {}
        """The member of each node that has failed last, where the event does not say for good."""
        self._touched: dict[NodeKey, NodeStatus] = {}
        self.cursors: list[int] = []
        self.times: list[datetime] = []
        self._time_of: dict[int, datetime] = {}

    @classmethod
    def of(
        cls,
        definition: MobDefinition,
        run_id: str,
        flow_id: str,
        events: Iterable[MobEvent],
        answers: Mapping[str, LoopAnswers] | None = None,
    ) -> Self:
        """What all of these events changed."""
        past = cls(definition, run_id, flow_id, answers)
        for event in events:
            past.take(event)
        return past

    def take(self, event: MobEvent) -> None:
        """Take the next event; one that is about another run, or was taken already, changes nothing."""
        if event.run_id != self._run_id or (self.cursors and event.cursor <= self.cursors[-1]):
            return
        self.cursors.append(event.cursor)
        self.times.append(event.timestamp)
        self._time_of[event.cursor] = event.timestamp
        match event.kind:
            case FlowStarted():
                self._statuses.append((event.cursor, MobRunStatus.RUNNING))
                self._replay.start()
            case StepDispatched() as told:
                # a signal that is waited for is no work
                waits = told.step_id in self._replay.flow.waits
                self._member(told.step_id, told.target.identity, State.WAITING if waits else State.RUNNING)
            case StepTargetCompleted() as told:
                self._member(told.step_id, told.target.identity, State.COMPLETED)
            case StepTargetFailed() as told if not told.target.identity.startswith(_SUPERVISOR):
                self._member_failed(told)
            case StepCompleted() as told:
                self._step_over(told.step_id, NodeStatus.COMPLETED)
            case StepFailed() as told:
                self._step_over(told.step_id, NodeStatus.FAILED)
            case StepSkipped() as told:
                self._replay.skip(told.step_id, told.reason)
            case FlowFailed() as told:
                self._run_over(MobRunStatus.FAILED, NodeStatus.FAILED, told.reason)
            case FlowCompleted():
                self._run_over(MobRunStatus.COMPLETED, NodeStatus.COMPLETED)
            case FlowCanceled():
                self._run_over(MobRunStatus.CANCELED, NodeStatus.CANCELED)
            case _:
                pass
        self._note()

    def at(self, cursor: int) -> RunMoment:
        """The run behind its last event whose cursor is not greater than this."""
        place = bisect_right(self.cursors, cursor) - 1
        status = last_of(self._statuses, cursor)
        nodes = ((key, found) for key, changes in self._nodes.items() if (found := last_of(changes, cursor)))
        bodies = ((key, number) for key, changes in self._bodies.items() if (number := last_of(changes, cursor)))
        return RunMoment.unchecked(
            run_id=self._run_id,
            cursor=self.cursors[place] if place >= 0 else 0,
            at=self.times[place] if place >= 0 else None,
            status=MobRunStatus.PENDING if status is None else status[1],
            nodes=SortedDict((node_id(*key), self._node(key, *found, cursor)) for key, found in nodes),
            iterations=SortedDict((node_id(*key), number[1]) for key, number in bodies),
        )

    def _node(self, key: NodeKey, since: int, state: State, cursor: int) -> NodeMoment:
        members, completed = _NO_MEMBERS, 0
        if (changed := self._members.get(key)) is not None:
            known = ((name, last_of(changes, cursor)) for name, changes in changed.items())
            members = SortedDict((name, found[1]) for name, found in known if found is not None)
            completed = sum(one is State.COMPLETED for one in members.values())
        has_waited = state is State.WAITING and self._nodes[key][0][0] == since
        return NodeMoment.unchecked(
            state=state, since=None if has_waited else self._time_of[since], members=members, completed=completed
        )

    def _node_changed(self, node: NodeKey, status: NodeStatus) -> None:
        self._touched[node] = status

    def _body_began(self, loop: Loop, _body: Frame) -> None:
        key = loop.parent.frame_id, loop.node_id
        self._bodies.setdefault(key, []).append((self.cursors[-1], loop.bodies))

    def _note(self) -> None:
        """Keep the states that this event has changed."""
        for node, status in self._touched.items():
            self._put(self._nodes.setdefault(node, []), self._state(node, status))
        self._touched.clear()

    def _put(self, changes: list[tuple[int, State]], state: State) -> None:
        if not changes or changes[-1][1] is not state:
            if changes and changes[-1][0] == self.cursors[-1]:
                changes.pop()
            changes.append((self.cursors[-1], state))

    def _state(self, node: NodeKey, status: NodeStatus) -> State:
        if status is not NodeStatus.RUNNING or self._replay.is_loop(node):
            return STATE_OF_NODE[status]
        # a step is at work while a member is; what was asked and has not begun is not in the log
        is_at_work = any(changes[-1][1] is State.RUNNING for changes in self._members.get(node, {}).values())
        return State.RUNNING if is_at_work else State.WAITING

    def _member(self, step_id: str, member: str, state: State) -> NodeKey | None:
        """A member of a step has another state."""
        if (node := self._replay.node_of(step_id)) is not None:
            self._put(self._members.setdefault(node, {}).setdefault(member, []), state)
            self._touched.setdefault(node, self._replay.status_of(node))
        return node

    def _member_failed(self, told: StepTargetFailed) -> None:
        """An attempt has failed. Where the event does not say whether it was the last, their number does."""
        member = told.target.identity
        if (node := self._replay.node_of(told.step_id)) is None:
            return
        failed = self._failed.setdefault(node, {})
        failed[member] = failed.get(member, 0) + 1
        retry, limits = self._replay.flow.steps[told.step_id].retry, self._definition.limits
        most = (retry and retry.attempts) or ((limits and limits.max_step_retries) or 0) + 1
        waits = told.step_id in self._replay.flow.waits
        is_final = failed[member] >= most or waits if told.error is None else told.error.terminal
        if not is_final and told.error is None:
            self._unsure[node] = member
        self._member(told.step_id, member, State.FAILED if is_final else State.WAITING)

    def _step_over(self, step_id: str, status: NodeStatus) -> None:
        if (node := self._replay.node_of(step_id)) is None:
            return
        unsure = self._members.get(node, {}).get(self._unsure.get(node, "")) if status is NodeStatus.FAILED else None
        if unsure is not None and unsure[-1][1] is State.WAITING:
            self._put(unsure, State.FAILED)  # it was the last one that the step could do without
        self._close(node)
        self._replay.end_node(node, status)

    def _close(self, node: NodeKey) -> None:
        """Members that are still at it are canceled (contract: engine-13)."""
        for changes in self._members.get(node, {}).values():
            if not changes[-1][1].is_final:
                self._put(changes, State.CANCELED)

    def _run_over(self, status: MobRunStatus, how: NodeStatus, reason: str = "") -> None:
        self._statuses.append((self.cursors[-1], status))
        for node in self._members:
            self._close(node)
        canceled = self._replay.end(how, reason)
        self._touched.update(dict.fromkeys(canceled, NodeStatus.CANCELED))


def last_of(changes: list[tuple[int, Any]], cursor: int) -> tuple[int, Any] | None:
    """The last of these changes up to a cursor."""
    if changes and changes[-1][0] <= cursor:
        return changes[-1]
    place = bisect_right(changes, cursor, key=_AT)
    return changes[place - 1] if place else None
