"""What the machine makes of a state keeps the fields that no class of ours has."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from redis_mob.kernel.termination import cancel_run
from redis_mob.models.definition import LimitsSpec
from redis_mob.models.flow import FrameSnapshot, LoopSnapshot
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.testing.samples.unknown_fields import LATER, with_unknown
from tests.kernel.drive import Drive
from tests.kernel.flows import FLOWS, LIMITS
from tests.kernel.test_properties import GENEROUS, check_end, move_somehow

Parts = Mapping[str, FrameSnapshot] | Mapping[str, LoopSnapshot]


def check_kept(before: Parts, after: Parts) -> None:
    """Those that were there have their unknown fields, and those that are new have none."""
    for name, part in after.items():
        expected = LATER if name in before else {}
        assert (part.model_extra or {}) == (part.kernel_state.model_extra or {}) == expected


@GENEROUS
@given(
    flow=FLOWS,
    limits=LIMITS,
    random=st.randoms(use_true_random=False),
    moves=st.integers(0, 30),
    then=st.integers(0, 60),
)
def test_runs_31_what_the_machine_makes_of_a_state_has_its_unknown_fields(
    flow: FlowSpec, limits: LimitsSpec, random: Random, moves: int, then: int
) -> None:
    drive = Drive(flow, limits)
    for _ in range(moves):
        if not drive.machine.status.is_terminal:
            move_somehow(drive, random)
    stored = with_unknown(drive.stored())
    drive.resume(stored)
    for _ in range(then):
        if not drive.machine.status.is_terminal:
            move_somehow(drive, random)
    if not drive.machine.status.is_terminal:
        drive.take(lambda draft: cancel_run(draft, flow))
    check_end(drive)
    after = drive.stored()
    assert after.model_extra == after.flow_state.model_extra == LATER
    check_kept(stored.frames, after.frames)
    check_kept(stored.loops, after.loops)
