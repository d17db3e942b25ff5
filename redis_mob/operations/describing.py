"""Makes the description of a run from what is stored of it. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from redis_mob.fleet.unserved import unserved_work
from redis_mob.kernel.machine import FlowMachine, loop_spec
from redis_mob.models.ask import ANSWER_NEWS
from redis_mob.models.base import FrozenDict, SortedDict
from redis_mob.models.execution import END_OF_TIME, Execution, ExecutionKey, ExecutionStatus
from redis_mob.models.flow import FlowFrameState, FlowStepStatus, FrameScope, LoopIterationState, LoopPhase, NodeStatus
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.ledger import StepLedgerEntry
from redis_mob.models.limits import Limit, LimitLoad
from redis_mob.models.order import natural_key
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.state_of import STATE_OF_EXECUTION, STATE_OF_NODE
from redis_mob.models.states import State
from redis_mob.models.subflow import CHILD_NEWS
from redis_mob.models.transition import NodeKey, RunView
from redis_mob.models.worker import LiveWorker
from redis_mob.operations.failures import failures_of
from redis_mob.operations.run_description import (
    Attempt,
    ChildDescription,
    EscalationDescription,
    ItemsDescription,
    IterationDescription,
    LoopDescription,
    MemberDescription,
    NodeDescription,
    RunDescription,
    StepDescription,
    WaitsFor,
    WorkerAtWork,
    seconds_between,
)
from redis_mob.operations.step_times import Span, StepTimes
from redis_mob.operations.waiting import member_waits_for, node_waits_for, run_waits_for

if TYPE_CHECKING:
    from redis_mob.models.events import MobEvent
    from redis_mob.operations.run_attempts import RunAttempts

SHORT_PARAMS = 400
"""Bytes of parameters that each description has (contract: operations-232)."""

_NO_OUTPUT = object()

_NEWS = (ANSWER_NEWS, CHILD_NEWS)
"""Signals of the engine's own."""

_BEGUN = (NodeStatus.RUNNING, NodeStatus.COMPLETED, NodeStatus.FAILED, NodeStatus.CANCELED)


@dataclass(frozen=True)
class StoredRun:
    """What is stored of a run: its core with its executions, its ledger, its flow, the workers that are alive.

    `events` are all events of the run, None if they were not read, or are not all there. `children` are its runs of
    other flows, with the status of each, None of one that is not there.
    """

    view: RunView
    step_ledger: Sequence[StepLedgerEntry]
    flow: FlowSpec
    workers: Sequence[LiveWorker]
    events: Sequence[MobEvent] | None = None
    with_outputs: bool = False
    loads: Mapping[Limit, LimitLoad] = FrozenDict()
    """How full the limits are of executions that wait."""
    children: Mapping[str, MobRunStatus | None] = FrozenDict()

    def described(self) -> RunDescription:
        """The description. Raises KernelError if the run does not fit its flow."""
        view, run = self.view, self.view.run
        params_bytes = len(to_json(run.activation_params))
        nodes = tuple(self._nodes(root)) if (root := self._root) is not None else ()
        described = RunDescription.unchecked(
            run_id=run.run_id,
            mob_id=run.mob_id,
            flow_id=run.flow_id,
            status=run.status,
            now=view.now,
            created_at=run.created_at,
            begins_at=view.launched_at,
            completed_at=run.completed_at,
            seconds=seconds_between(view.launched_at, run.completed_at or view.now),
            deadline=view.deadline,
            definition=view.launch.definition,
            release=view.launch.release,
            priority=view.launch.priority,
            forked_from=view.launch.forked_from,
            parent=view.parent,
            attributes=view.labels.attributes,
            summary=view.labels.summary,
            conversation=None if view.turn is None else view.turn.id,
            cancel_requested=view.cancel_requested,
            pauses=view.pauses,
            params_bytes=params_bytes,
            params=run.activation_params if self.with_outputs or params_bytes <= SHORT_PARAMS else None,
            signals=SortedDict(Counter(one.name for one in view.signals.values() if one.name not in _NEWS)),
            waits_for=tuple(run_waits_for(view, unserved_work(view, self.workers))),
            failures=failures_of(run, self.step_ledger, view.executions, self._rounds),
            escalations=tuple(self._escalations()),
            has_attempts=self.events is not None,
            nodes=nodes,
        )
        counts = Counter(str(step.state) for _, step in described.each_step())
        return described.model_copy(update={"steps": SortedDict(counts)})

    def spans(self) -> Mapping[ExecutionKey, Span]:
        """The times of its executions that have begun."""
        return {
            key: self._times.of(key)
            for key, execution in self.view.executions.items()
            if execution.status is not ExecutionStatus.WAITING or execution.attempt > 1
        }

    @cached_property
    def _machine(self) -> FlowMachine:
        return FlowMachine.from_run(self.view.run, self.flow)

    @cached_property
    def _root(self) -> FlowFrameState | None:
        frames = (frame.kernel_state for frame in self.view.run.frames.values())
        return next((frame for frame in frames if frame.frame_scope is FrameScope.ROOT), None)

    @cached_property
    def _rounds(self) -> Mapping[str, tuple[int, ...]]:
        """The rounds of the loops around each frame, outermost first."""
        machine, found = self._machine, dict[str, tuple[int, ...]]()
        for frame_id in machine.frames:
            inner: list[int] = []
            frame = machine.frame(frame_id)
            while frame.frame_scope is FrameScope.BODY:
                inner.append(frame.iteration + 1)
                frame = machine.frame(machine.loop(frame.loop_instance_id).parent_frame_id)
            found[frame_id] = tuple(reversed(inner))
        return found

    @cached_property
    def _bodies(self) -> Mapping[str, Sequence[FlowFrameState]]:
        """The frames of each loop in the order of its iterations."""
        found: defaultdict[str, list[FlowFrameState]] = defaultdict(list)
        for frame in self.view.run.frames.values():
            if frame.kernel_state.frame_scope is FrameScope.BODY:
                found[frame.kernel_state.loop_instance_id].append(frame.kernel_state)
        return {loop: sorted(frames, key=lambda frame: frame.iteration) for loop, frames in found.items()}

    @cached_property
    def _loops(self) -> Mapping[NodeKey, LoopIterationState]:
        loops = (loop.kernel_state for loop in self.view.run.loops.values())
        return {(loop.parent_frame_id, loop.parent_node_id): loop for loop in loops}

    @cached_property
    def _members(self) -> Mapping[NodeKey, Sequence[tuple[ExecutionKey, Execution]]]:
        found: defaultdict[NodeKey, list[tuple[ExecutionKey, Execution]]] = defaultdict(list)
        for key, execution in sorted(self.view.executions.items(), key=lambda one: natural_key(one[0].target)):
            found[key.node].append((key, execution))
        return found

    @cached_property
    def _times(self) -> StepTimes:
        with_items = {node: progress.step_id for node, progress in self.view.progress.items()}
        return StepTimes(self.step_ledger, self.view.executions, self._rounds, with_items)

    @cached_property
    def _attempts(self) -> RunAttempts | None:
        if self.events is None:
            return None
        from redis_mob.operations.run_attempts import RunAttempts  # with the models of events, which few ask for

        return RunAttempts(self.events)

    @cached_property
    def _numbers(self) -> Mapping[NodeKey, int]:
        """For the how many-th time each node executes its step; not of those that may do so at the same time."""
        nodes: defaultdict[str, list[tuple[tuple[int, ...], NodeKey]]] = defaultdict(list)
        for frame_id, frame in self._machine.frames.items():
            for node_id, status in frame.kernel_state.node_status.items():
                step_id = self._machine.step_of(frame_id, node_id)
                if step_id is not None and status in _BEGUN:
                    nodes[step_id].append((self._rounds[frame_id], (frame_id, node_id)))
        return {
            node: number
            for placed in nodes.values()
            if len({rounds for rounds, _ in placed}) == len(placed)
            for number, (_, node) in enumerate(sorted(placed))
        }

    @cached_property
    def _reasons(self) -> Mapping[str, str]:
        """Why steps failed as a whole: of each the last reason in the failure ledger."""
        return {row.step_id: row.reason for row in self.view.run.failure_ledger}

    def _nodes(self, frame: FlowFrameState) -> Iterator[NodeDescription]:
        for node_id in frame.ordered_nodes:
            step_id = self._machine.step_of(frame.frame_id, node_id)
            yield self._loop(frame, node_id) if step_id is None else self._step(frame, node_id, step_id)

    def _loop(self, frame: FlowFrameState, node_id: str) -> LoopDescription:
        node = frame.frame_id, node_id
        loop, spec = self._loops.get(node), loop_spec(self.view.run, self.flow, *node)
        bodies = () if loop is None else self._bodies.get(loop.loop_instance_id, ())
        status = frame.node_status[node_id]
        return LoopDescription.unchecked(
            loop_id=spec.loop_id,
            node_id=node_id,
            state=STATE_OF_NODE[status],
            max_iterations=spec.max_iterations,
            is_exhausted=loop is not None and loop.phase is LoopPhase.EXHAUSTED,
            waits_for=node_waits_for(self.view, frame, node_id),
            iterations=tuple(self._iteration(body) for body in bodies),
        )

    def _iteration(self, body: FlowFrameState) -> IterationDescription:
        return IterationDescription.unchecked(
            number=body.iteration + 1,
            frame_id=body.frame_id,
            state=State(body.phase.lower()),
            nodes=tuple(self._nodes(body)),
        )

    def _step(self, frame: FlowFrameState, node_id: str, step_id: str) -> StepDescription:
        node = frame.frame_id, node_id
        members = tuple(self._member(key, execution) for key, execution in self._members.get(node, ()))
        state = self._state(frame.node_status[node_id], step_id, members)
        span = self._span(node, state, members)
        output = self._output(frame, step_id) if state is State.COMPLETED else _NO_OUTPUT
        has_output = output is not _NO_OUTPUT
        progress = self.view.progress.get(node)
        return StepDescription.unchecked(
            step_id=step_id,
            node_id=node_id,
            role=self.flow.steps[step_id].role,
            state=state,
            began_at=span.start,
            ended_at=span.ended_at,
            seconds=seconds_between(span.start, span.ended_at or (None if state.is_final else self.view.now)),
            waits_for=node_waits_for(self.view, frame, node_id),
            reason=self._reason(state, step_id, members),
            items=None
            if progress is None
            else ItemsDescription.unchecked(
                items=progress.items,
                completed=progress.completed,
                failed=progress.failed,
                open=sum(not execution.is_over for _, execution in self._members.get(node, ())),
                not_begun=progress.items - progress.begun,
                reasons=progress.reasons,
            ),
            members=members,
            output_bytes=len(to_json(output)) if has_output else None,
            output=output if has_output and self.with_outputs else None,
            is_carried=state is State.COMPLETED
            and self.view.launch.carried.step(self.view.run.run_id, *node) is not None,
        )

    def _is_carried(self, node: NodeKey) -> bool:
        return self.view.launch.carried.step(self.view.run.run_id, *node) is not None

    def _reason(self, state: State, step_id: str, members: Sequence[MemberDescription]) -> str | None:
        """Why a step failed, if none of its members says so."""
        says = any(member.state is State.FAILED for member in members)
        return None if state is not State.FAILED or says else self._reasons.get(step_id)

    def _state(self, status: NodeStatus, step_id: str, members: Sequence[MemberDescription]) -> State:
        is_canceled = self.view.run.flow_state.step_status.get(step_id) is FlowStepStatus.CANCELED
        states = {member.state for member in members}
        if status is NodeStatus.RUNNING and State.WAITING in states and State.RUNNING not in states:
            return State.WAITING  # a step is at work while a member is
        # a node of a run that was canceled was passed over only because of that
        return State.CANCELED if is_canceled and status is NodeStatus.SKIPPED else STATE_OF_NODE[status]

    def _span(self, node: NodeKey, state: State, members: Sequence[MemberDescription]) -> Span:
        of_items = self._times.of_items(node)
        starts = [member.began_at or member.queued_at for member in members]
        start = of_items.began_at or min((one for one in starts if one is not None), default=None)
        ends = [member.ended_at for member in members]
        known = [end for end in ends if end is not None]
        end = of_items.ended_at or (max(known) if known and len(known) == len(ends) else None)
        return Span(began_at=start, ended_at=end if state.is_final else None)

    def _output(self, frame: FlowFrameState, step_id: str) -> Any:
        run = self.view.run
        if frame.frame_scope is FrameScope.ROOT:
            return run.root_step_outputs.get(step_id, _NO_OUTPUT)
        iterations = run.loop_iteration_outputs.get(self._machine.loop(frame.loop_instance_id).loop_id, ())
        return iterations[frame.iteration].get(step_id, _NO_OUTPUT) if frame.iteration < len(iterations) else _NO_OUTPUT

    def _member(self, key: ExecutionKey, execution: Execution) -> MemberDescription:
        state, attempts = _state_of(execution), self._attempts_of(key, execution)
        span = self._times.of(key)
        began_at = span.began_at or (attempts[0].began_at if attempts else None)
        start = began_at or span.queued_at
        ended_at = span.ended_at or (attempts[-1].ended_at if attempts and state.is_final else None)
        until = ended_at or (None if state.is_final else self.view.now)
        return MemberDescription.unchecked(
            member=key.target,
            state=state,
            attempt=execution.attempt,
            lost=execution.lost + execution.lost_with_others,
            queued_at=span.queued_at,
            began_at=began_at,
            ended_at=ended_at,
            seconds=seconds_between(start, until),
            worker=self._worker(execution),
            deadline=None if execution.lease is None else execution.lease.deadline,
            waits_for=self._waits_for(execution),
            reason=execution.reason if execution.failure is None else execution.failure.reason,
            output_bytes=len(to_json(execution.output)) if state is State.COMPLETED else None,
            attempts=attempts,
            child=self._child(execution),
        )

    def _child(self, execution: Execution) -> ChildDescription | None:
        if (child := execution.child) is None:
            return None
        status = self.children.get(child.run_id)
        return ChildDescription.unchecked(run_id=child.run_id, flow_id=child.flow, status=status)

    def _escalations(self) -> Iterator[EscalationDescription]:
        found = ((key, one) for key, one in self.view.executions.items() if one.escalation is not None)
        for key, execution in sorted(found, key=lambda one: (one[1].wait_until or END_OF_TIME, one[0])):
            if execution.escalation is not None:
                has_answer = self.with_outputs and execution.status is ExecutionStatus.COMPLETED
                yield EscalationDescription.unchecked(
                    step_id=execution.step_id,
                    reason=execution.escalation.reason,
                    failures=execution.escalation.failures,
                    role=execution.role,
                    told=self._member(key, execution),
                    until=execution.wait_until,
                    answer=execution.output if has_answer else None,
                )

    def _attempts_of(self, key: ExecutionKey, execution: Execution) -> tuple[Attempt, ...]:
        number = None if self._attempts is None else self._numbers.get(key.node)
        return (
            () if number is None or self._attempts is None else self._attempts.of(execution.step_id, number, key.target)
        )

    def _worker(self, execution: Execution) -> WorkerAtWork | None:
        if execution.lease is None:
            return None
        owner = execution.lease.owner
        for worker in self.workers:
            if worker.record.id == owner:
                return WorkerAtWork.unchecked(id=owner, host=worker.record.host, pid=worker.record.pid)
        return WorkerAtWork.unchecked(id=owner)

    def _waits_for(self, execution: Execution) -> WaitsFor | None:
        if self.view.run.status.is_terminal:
            return None
        return member_waits_for(self.view, execution, self.flow, self.workers, self.loads)


def _state_of(execution: Execution) -> State:
    # a run that is waited for is at work, as a member is
    is_child = execution.status is ExecutionStatus.AWAITING and execution.child is not None
    return State.RUNNING if is_child else STATE_OF_EXECUTION[execution.status]
