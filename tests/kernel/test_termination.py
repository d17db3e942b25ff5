"""Canceling and aborting runs: nothing is left running, and completed steps stay Completed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from redis_mob.errors import KernelError
from redis_mob.kernel.actions import EvaluateUntil, RunNode, SealFrame, StartBodyFrame, StartLoop
from redis_mob.kernel.commands import Frame, Run
from redis_mob.kernel.draft import Draft
from redis_mob.kernel.machine import apply, replay
from redis_mob.kernel.reconcile import reconcile
from redis_mob.kernel.termination import abort_run, cancel_run
from redis_mob.models.definition import LimitsSpec
from redis_mob.models.flow import FramePhase, LoopPhase, NodeStatus
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.run_status import MobRunStatus
from tests.kernel.drive import Drive, grant_all, started
from tests.kernel.flows import flow, frame, loop, step
from tests.kernel.told import on_node, on_run

WIDE = flow(frame(a=step("a"), b=step("b"), c=step("c"), d=step("d", "a"), e=step("e", "b")))
LOOPS = flow(
    frame(
        a=step("a"),
        l=loop("outer", frame(b=step("b"), i=loop("inner", frame(c=step("c"))))),
        m=loop("later", frame(d=step("d")), "l"),
    )
)


def halfway() -> Drive:
    """`a` completed; `b`, `c` and `d` run or wait for their turn."""
    drive = started(WIDE, LimitsSpec(max_active_nodes=2))
    grant_all(drive)
    drive.result(f"{drive.machine.run_id}-root", "a", "complete")
    return drive


def test_cancel_settles_running_and_ready_nodes() -> None:
    """Two nodes ran at the same time: both are settled, which upstream does not do."""
    drive = halfway()
    grant_all(drive)
    root = f"{drive.machine.run_id}-root"
    assert len(drive.running()) == 2
    drive.take(lambda draft: cancel_run(draft, drive.flow))
    assert drive.running() == []
    assert drive.machine.status is MobRunStatus.CANCELED
    assert drive.machine.frame(root).phase is FramePhase.CANCELED
    assert drive.machine.flow_state.step_status == {
        "a": "Completed",
        "b": "Canceled",
        "c": "Canceled",
        "d": "Canceled",
        "e": "Canceled",
    }
    assert reconcile(drive.stored()) == ()


def test_abort_fails_what_runs_and_keeps_what_is_done() -> None:
    drive = halfway()
    drive.take(lambda draft: abort_run(draft, drive.flow))
    assert drive.running() == []
    assert drive.machine.status is MobRunStatus.FAILED
    assert drive.machine.frame(f"{drive.machine.run_id}-root").phase is FramePhase.FAILED
    assert drive.machine.flow_state.step_status == {
        "a": "Completed",
        "b": "Failed",
        "c": "Failed",
        "d": "Failed",
        "e": "Failed",
    }


@pytest.mark.parametrize("end", [cancel_run, abort_run])
@pytest.mark.parametrize("stop", ["pending", "start", "body", "inner", "until"])
def test_loops_end_with_their_run_wherever_they_are(end: Callable[[Draft, FlowSpec], None], stop: str) -> None:
    drive = Drive(LOOPS)
    if stop == "start":
        drive.act(drive.until(StartBodyFrame))
    elif stop == "body":
        drive.act(drive.until(StartLoop))
        drive.act(drive.until(StartBodyFrame))
        grant_all(drive)
    elif stop in ("inner", "until"):
        while not any(step_id == "c" for step_id in running_steps(drive)):
            drive.act(drive.actions()[0])
    if stop == "until":
        instance = f"{drive.machine.run_id}-root::l::iter-0::i"
        drive.result(f"{instance}::iter-0", "c", "complete")
        drive.until(EvaluateUntil)
    drive.take(lambda draft: end(draft, drive.flow))

    canceled = end is cancel_run
    assert drive.machine.status is (MobRunStatus.CANCELED if canceled else MobRunStatus.FAILED)
    assert all(item.kernel_state.phase is not LoopPhase.RUNNING for item in drive.machine.loops.values())
    assert all(item.kernel_state.phase is not FramePhase.RUNNING for item in drive.machine.frames.values())
    if stop == "until":
        assert drive.machine.flow_state.step_status["c"] == "Completed"
        assert drive.machine.loop(f"{drive.machine.run_id}-root::l::iter-0::i").phase is LoopPhase.CANCELED
    state = drive.machine.flow_state
    assert (state.active_node_count, state.active_frame_count, state.pending_body_frame_loops) == (0, 0, ())
    assert reconcile(drive.stored()) == ()
    assert replay(drive.log) == drive.machine


def running_steps(drive: Drive) -> list[str | None]:
    return [drive.machine.step_of(*node) for node in drive.running()]


def test_a_body_that_was_sealed_already_counts() -> None:
    drive = started(flow(frame(l=loop("loop", frame(b=step("b"))))))
    drive.act(drive.until(RunNode))
    body = f"{drive.machine.run_id}-root::l::iter-0"
    drive.result(body, "b", "complete")
    drive.act(SealFrame(body, FramePhase.COMPLETED))
    drive.take(lambda draft: cancel_run(draft, drive.flow))
    assert drive.machine.flow_state.step_status == {"b": "Completed"}
    assert drive.machine.frame(body).phase is FramePhase.COMPLETED


def test_a_loop_node_without_its_loop_is_settled_too() -> None:
    """A writer that splits the start of a loop in two can stop in between."""
    drive = started(flow(frame(l=loop("loop", frame(b=step("b"))))))
    root = f"{drive.machine.run_id}-root"
    grant = (
        on_run(drive.machine.run_id, Run.PUMP_NODE_SCHEDULER, frame_id=root),
        on_node(root, Frame.ADMIT_NEXT_READY_NODE, "l"),
    )
    draft = Draft(apply(drive.machine, *grant))
    cancel_run(draft, drive.flow)
    assert draft.machine.frame(root).node_status == {"l": NodeStatus.CANCELED}


@pytest.mark.parametrize("end", [cancel_run, abort_run])
def test_what_is_over_is_not_ended_again(end: Callable[[Draft, FlowSpec], None]) -> None:
    drive = Drive(flow(frame(a=step("a"))))
    drive.to_end()
    with pytest.raises(KernelError, match="is completed; "):
        end(Draft(drive.machine), drive.flow)
