"""Any flow, driven in any order with any results, ends; and what must hold holds after every move."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from redis_mob.kernel.actions import EvaluateUntil
from redis_mob.kernel.reconcile import reconcile
from redis_mob.kernel.termination import abort_run, cancel_run
from redis_mob.models.definition import LimitsSpec
from redis_mob.models.flow import FramePhase, NodeStatus
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.run_status import MobRunStatus
from tests.kernel.drive import Drive
from tests.kernel.flows import FLOWS, LIMITS
from tests.support.examples import examples
from tests.support.health_checks import ALL_HEALTH_CHECKS

MOST_MOVES = 3000
"""Far above what the greatest generated flow needs; a drive that gets here does not end."""

GENEROUS = settings(max_examples=examples(150), deadline=None, suppress_health_check=ALL_HEALTH_CHECKS)


def move_somehow(drive: Drive, random: Random) -> None:
    """One planned action or one result of a running step, at random."""
    running = drive.running()
    choices = [*drive.actions(), *running]
    assert choices, "nothing is planned and nothing runs: the run hangs"
    choice = random.choice(choices)
    if isinstance(choice, tuple):
        drive.result(*choice, random.choices(("complete", "fail", "skip"), weights=(8, 1, 1))[0])
    else:
        drive.act(choice, met=isinstance(choice, EvaluateUntil) and random.random() < 0.6)


def check_end(drive: Drive) -> None:
    machine = drive.machine
    state = machine.flow_state
    assert (state.active_node_count, state.active_frame_count) == (0, 0)
    assert state.ready_frames == state.pending_body_frame_loops == ()
    assert all(frame.kernel_state.phase is not FramePhase.RUNNING for frame in machine.frames.values())
    assert all(status is not None for status in state.step_status.values())
    assert drive.actions() == ()
    assert reconcile(drive.stored()) == ()
    check_completed_steps_stay(drive)


def check_completed_steps_stay(drive: Drive) -> None:
    ends: dict[str, set[NodeStatus]] = {}
    for frame_id, frame in drive.machine.frames.items():
        for node, status in frame.kernel_state.node_status.items():
            if step := drive.machine.step_of(frame_id, node):
                ends.setdefault(step, set()).add(status)
    for step, statuses in ends.items():
        if NodeStatus.FAILED in statuses:
            assert drive.machine.flow_state.step_status[step] == "Failed"
        elif NodeStatus.COMPLETED in statuses:
            assert drive.machine.flow_state.step_status[step] == "Completed"


@GENEROUS
@given(flow=FLOWS, limits=LIMITS, random=st.randoms(use_true_random=False))
def test_every_run_ends_in_order(flow: FlowSpec, limits: LimitsSpec, random: Random) -> None:
    drive = Drive(flow, limits)
    for _ in range(MOST_MOVES):
        if drive.machine.status.is_terminal:
            break
        move_somehow(drive, random)
    assert drive.machine.status.is_terminal
    check_end(drive)


@GENEROUS
@given(flow=FLOWS, limits=LIMITS, random=st.randoms(use_true_random=False), moves=st.integers(0, 60))
def test_every_run_can_be_canceled_or_aborted_at_any_point(
    flow: FlowSpec, limits: LimitsSpec, random: Random, moves: int
) -> None:
    drive = Drive(flow, limits)
    for _ in range(moves):
        if not drive.machine.status.is_terminal:
            move_somehow(drive, random)
    if drive.machine.status.is_terminal:
        return
    if random.random() < 0.5:
        drive.take(lambda draft: cancel_run(draft, flow))
        assert drive.machine.status is MobRunStatus.CANCELED
    else:
        drive.take(lambda draft: abort_run(draft, flow))
        assert drive.machine.status is MobRunStatus.FAILED
    check_end(drive)
