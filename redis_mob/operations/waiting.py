"""What a run, a step or a member waits for, in words and for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from redis_mob.codec.schedule import queue_of
from redis_mob.errors import shown
from redis_mob.fleet.limit_waits import full_limit
from redis_mob.fleet.waiting_text import asked_text, why_paused
from redis_mob.models.base import FrozenDict
from redis_mob.models.execution import Execution, ExecutionStatus
from redis_mob.models.flow import FlowFrameState, NodeStatus
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.limits import Limit, LimitLoad
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import RunView
from redis_mob.models.worker import LiveWorker
from redis_mob.operations.run_description import WaitsFor

MOST_NAMED = 5
"""How many of several things a sentence names."""

_OVER = (NodeStatus.COMPLETED, NodeStatus.FAILED, NodeStatus.SKIPPED, NodeStatus.CANCELED)


def run_waits_for(view: RunView, unserved: Sequence[str]) -> Iterator[WaitsFor]:
    """What a run as a whole waits for: to be resumed, its time, a worker that does not exist, its cancellation."""
    if view.run.status.is_terminal:
        return
    for text in why_paused(view.pauses):
        yield WaitsFor.unchecked(kind="pause", text=text)
    if view.run.status is MobRunStatus.PENDING and view.launched_at > view.now:
        yield WaitsFor.unchecked(kind="begin", text="it begins at a later time", until=view.launched_at)
    if view.waits_for_turn and view.turn is not None:
        text = f"its turn in conversation {shown(view.turn.id)}, in which another run is active"
        yield WaitsFor.unchecked(kind="turn", text=text)
    if view.cancel_requested:
        yield WaitsFor.unchecked(kind="cancel", text="its cancellation was requested, and a worker is to carry it out")
    run = f"run {view.run.run_id}"
    for text in unserved:
        told = text.removeprefix(f"{run}: ")
        yield WaitsFor.unchecked(
            kind="worker", text=f"it{told.removeprefix(run)}" if told == text else told, workers=()
        )


def node_waits_for(view: RunView, frame: FlowFrameState, node_id: str) -> WaitsFor | None:
    """What a node that has not begun waits for; None if it has."""
    status = frame.node_status[node_id]
    if view.run.status.is_terminal or status not in (NodeStatus.PENDING, NodeStatus.READY):
        return None
    if status is NodeStatus.READY:
        return WaitsFor.unchecked(kind="slot", text="a slot: as many steps of the run are under way as may be")
    left = [one for one in frame.node_dependencies.get(node_id, ()) if frame.node_status.get(one) not in _OVER]
    return WaitsFor.unchecked(kind="dependency", text=named(left)) if left else None


def member_waits_for(
    view: RunView,
    execution: Execution,
    flow: FlowSpec,
    workers: Sequence[LiveWorker],
    loads: Mapping[Limit, LimitLoad] = FrozenDict(),
) -> WaitsFor | None:
    """What an execution waits for; None if it is under way, or over."""
    if execution.status is ExecutionStatus.AWAITING:
        if (child := execution.child) is not None:
            text = f"run {child.run_id} of flow {shown(child.flow)}"
            return WaitsFor.unchecked(kind="child", text=text, until=execution.wait_until)
        signal = flow.waits[execution.step_id].signal
        return WaitsFor.unchecked(
            kind="signal",
            text=f"signal {shown(signal)}",
            until=execution.wait_until,
            signal=signal,
            payload_schema=view.launch.schemas.get(execution.step_id),
        )
    if execution.status is ExecutionStatus.ASKING:
        return WaitsFor.unchecked(
            kind="answer",
            text=asked_text(execution.asks),
            until=min((ask.until for ask in execution.asks if ask.until is not None), default=None),
            asks=execution.asks,
        )
    if execution.status is not ExecutionStatus.WAITING:
        return None
    if execution.due_at > view.now and execution.throttled:
        times = "once" if execution.throttled == 1 else f"{execution.throttled:,} times in turn"
        text = f"its service, which has throttled it {times}"
        return WaitsFor.unchecked(kind="throttle", text=text, until=execution.due_at)
    if execution.due_at > view.now:
        return WaitsFor.unchecked(kind="retry", text="its next attempt", until=execution.due_at)
    if (full := full_limit(execution, loads)) is not None:
        text = f"its turn: {full.said(view.run.flow_id)}"
        return WaitsFor.unchecked(kind="limit", text=text, until=full.room_at)
    if view.pauses:
        return WaitsFor.unchecked(kind="pause", text="the end of the pause")
    queue = queue_of(view.run.mob_id, execution.role, view.launch)
    serving = tuple(worker.record.id for worker in workers if worker.record.is_for(queue))
    release = f" of release {shown(queue.release)}" if queue.release else ""
    role = f"role {shown(execution.role)}{release}"
    text = f"a worker for {role}, and none is alive" if not serving else f"a worker for {role}: {_alive(len(serving))}"
    return WaitsFor.unchecked(kind="worker", text=text, workers=serving)


def named(names: Sequence[str]) -> str:
    """The first of these, and how many others there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(map(shown, names[:MOST_NAMED])) + (f" and {more:,} more" if more > 0 else "")


def _alive(workers: int) -> str:
    return "1 is alive" if workers == 1 else f"{workers:,} are alive"
