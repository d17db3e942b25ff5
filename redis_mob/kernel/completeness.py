"""Whether a run that is under way still has all that it needs to go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from redis_mob.errors import SerializationError, shown
from redis_mob.kernel.seeds import loop_instance_id, root_frame_id
from redis_mob.models.base import SortedDict
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus
from redis_mob.models.flow import FlowFrameState, FramePhase, FrameScope, LoopPhase, NodeKind, NodeStatus
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus

_OVER = (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELED)


def missing_part(run: MobRun, executions: Mapping[ExecutionKey, Execution]) -> tuple[str, str] | None:
    """The part that a running run of a fleet lacks, and what is missing there; None if it can go on.

    It needs its root frame, the frames and loops that the others name, and an execution that is not over of each step
    node that runs: nothing else would ever move the run on. What it needs of these is committed with them, so that it
    can only have been lost.
    """
    if run.status is not MobRunStatus.RUNNING:
        return None
    return next(_missing(run, executions), None)


def drivable(run: MobRun, executions: Mapping[ExecutionKey, Execution], *, cancel_requested: bool) -> MobRun:
    """The run as a fleet may go on with it: as it is, if it has all that it needs.

    One that lacks something can still be canceled. When that was asked for, it has no frames and loops here, whichever
    of them are missing. Else SerializationError is raised, which names what is missing.
    """
    lost = missing_part(run, executions)
    if lost is None:
        return run
    part, what = lost
    if not cancel_requested:
        raise SerializationError(f"run {run.run_id}: {part} is damaged: {what}; the run can only be canceled")
    return run if part == "executions" else run.model_copy(update={"frames": SortedDict(), "loops": SortedDict()})


def _missing(run: MobRun, executions: Mapping[ExecutionKey, Execution]) -> Iterator[tuple[str, str]]:
    root = root_frame_id(run.run_id)
    if root not in run.frames:
        yield "frames", f"the root frame {shown(root)} is missing"
    open_nodes = {key[:2] for key, execution in executions.items() if execution.status not in _OVER}
    for frame_id, snapshot in run.frames.items():
        yield from _missing_around(frame_id, snapshot.kernel_state, run, open_nodes)
    for loop_id, loop in run.loops.items():
        state = loop.kernel_state
        # the frame of a running loop runs too: it is the root frame, or the body of a running loop
        running, body = state.phase is LoopPhase.RUNNING, state.active_body_frame_id
        if not running and state.parent_frame_id not in run.frames:
            yield "frames", f"frame {shown(state.parent_frame_id)}, which has loop {shown(loop_id)}, is missing"
        if running and body is not None and body not in run.frames:
            yield "frames", f"frame {shown(body)}, the body of loop {shown(loop_id)}, is missing"


def _missing_around(
    frame_id: str, state: FlowFrameState, run: MobRun, open_nodes: set[tuple[str, ...]]
) -> Iterator[tuple[str, str]]:
    if state.frame_scope is FrameScope.BODY and state.loop_instance_id not in run.loops:
        yield "loops", f"loop {shown(state.loop_instance_id)}, whose body is frame {shown(frame_id)}, is missing"
    if state.phase is not FramePhase.RUNNING:
        return
    for node, status in state.node_status.items():
        if status is not NodeStatus.RUNNING:
            continue
        if state.node_kind.get(node) is NodeKind.LOOP:
            if (loop_id := loop_instance_id(frame_id, node)) not in run.loops:
                yield "loops", f"loop {shown(loop_id)}, which runs, is missing"
        elif (frame_id, node) not in open_nodes:
            yield "executions", f"node {shown(node)} of frame {shown(frame_id)} runs, and nothing executes it"
