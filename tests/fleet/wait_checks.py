"""What holds of signals, and of the steps that wait for them, in any order of things."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from redis_mob.models.ask import ANSWER_NEWS
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus
from redis_mob.models.flow import NodeStatus
from redis_mob.models.flow_spec import FlowSpec, OnTimeout
from redis_mob.models.signal import Signal
from redis_mob.models.transition import RunView, Transition

NODES_OF = {
    ExecutionStatus.AWAITING: (NodeStatus.RUNNING,),
    ExecutionStatus.COMPLETED: (NodeStatus.COMPLETED,),
    ExecutionStatus.FAILED: (NodeStatus.FAILED,),
    ExecutionStatus.CANCELED: (NodeStatus.CANCELED, NodeStatus.FAILED),
}
"""What the node of a step may be that waits, or has waited. Where a run fails, what is still open in it fails too."""


def waits_of(flow: FlowSpec, executions: Mapping[ExecutionKey, Execution]) -> dict[ExecutionKey, Execution]:
    """The executions of steps that wait, or have waited, for a signal."""
    return {key: one for key, one in executions.items() if one.step_id in flow.waits and one.escalation is None}


def check_signals(flow: FlowSpec, sent: Mapping[int, Signal], view: RunView) -> None:
    """Each signal waits or was taken, once; those of one name were taken in the order in which they were sent."""
    waits = waits_of(flow, view.executions)
    taken = {one.signal: one for one in waits.values() if one.signal is not None}
    numbers = [one.signal for one in view.executions.values() if one.signal is not None]
    waiting = [number for number, one in view.signals.items() if one.name != ANSWER_NEWS]
    for_steps = [number for number, one in sent.items() if one.name != ANSWER_NEWS]
    assert sorted([*numbers, *waiting]) == for_steps, "a signal is lost, or was taken twice"
    for number, one in taken.items():
        signal = sent[number]
        assert flow.waits[one.step_id].signal == signal.name, "a step took a signal of another name"
        assert one.output == {"signal": signal.name, "payload": signal.payload, "timed_out": False}
    for number, signal in view.signals.items():
        assert all(one < number or sent[one].name != signal.name for one in taken), "a later signal was taken first"
    for key, one in waits.items():
        assert one.signal is None or one.status is ExecutionStatus.COMPLETED
        node = view.run.frames[key.frame_id].kernel_state.node_status[key.node_id]
        assert node in NODES_OF[one.status], f"{key} is {one.status}, and its node {node}"


def check_ends_of_waits(flow: FlowSpec, transition: Transition) -> None:
    """A step ends its wait with a signal, or when its time is over and none is there, or with its run.

    The one that has waited longest comes first.
    """
    read, changed = transition.before, waits_of(flow, transition.executions)
    left = {signal.name for number, signal in read.signals.items() if number not in transition.taken}
    for key, one in changed.items():
        spec, before = flow.waits[one.step_id], read.executions.get(key)
        assert before is None or before.status is ExecutionStatus.AWAITING, f"{key} ended twice"
        assert one.due_at == (read.now if before is None else before.due_at)
        time = None if spec.timeout_ms is None else timedelta(milliseconds=spec.timeout_ms)
        assert one.wait_until == (None if time is None else one.due_at + time)
        if one.status is ExecutionStatus.CANCELED:
            assert transition.run.status.is_terminal, f"{key} was canceled in a run that goes on"
        elif one.status is not ExecutionStatus.AWAITING and one.signal is None:
            assert one.wait_until is not None
            assert one.wait_until <= read.now, f"{key} ended without a signal, before its time was over"
            assert spec.signal not in left, f"{key} ran out of time, though its signal was there"
            assert (one.status is ExecutionStatus.FAILED) == (spec.on_timeout is OnTimeout.FAIL)
            if one.status is ExecutionStatus.COMPLETED:
                assert one.output == {"signal": spec.signal, "payload": None, "timed_out": True}
    _check_turns(flow, {**waits_of(flow, read.executions), **changed}, transition)


def _check_turns(flow: FlowSpec, waits: Mapping[ExecutionKey, Execution], transition: Transition) -> None:
    """Of steps that wait for one name, the one that has waited longer took a signal that was sent before."""
    took = {key: one for key, one in waits.items() if one.signal in transition.taken}
    open_before = {
        key: one for key, one in waits.items() if key in transition.executions or one.status is ExecutionStatus.AWAITING
    }
    for key, one in took.items():
        assert one.signal is not None
        for other_key, other in open_before.items():
            if flow.waits[other.step_id].signal == flow.waits[one.step_id].signal and other.due_at < one.due_at:
                in_turn = other.signal is not None and other.signal < one.signal
                assert in_turn, f"{key} took signal {one.signal} before {other_key}, which had waited longer"


def next_end(flow: FlowSpec, view: RunView) -> datetime | None:
    """When the next step ends its wait, if no more signals come; None if none does."""
    names = {signal.name for signal in view.signals.values()}
    waits = [one for one in waits_of(flow, view.executions).values() if one.status is ExecutionStatus.AWAITING]
    if any(flow.waits[one.step_id].signal in names for one in waits):
        return view.now
    return min((one.wait_until for one in waits if one.wait_until is not None), default=None)
