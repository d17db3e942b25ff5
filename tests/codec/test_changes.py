"""What a compare-and-swap sends turns the stored fields of one state into those of the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_mob.codec.changes import (
    ABSENT,
    FLOW_DIGEST,
    Argument,
    change_of_frame,
    change_of_loop,
    change_of_run,
    counted,
    fields_of_frame,
    fields_of_loop,
    fields_of_run,
    snapshot_field,
)
from redis_mob.codec.snapshots import encode
from redis_mob.models import FlowFrameState, FlowRunState, FrameSnapshot
from redis_mob.testing.samples.states import flow_state, frame, loop
from tests.codec.strategies import states
from tests.support.examples import examples


class Change(NamedTuple):
    """A change as scripts read it."""

    field: Argument
    expected: Argument
    next: Argument
    groups: list[Argument]
    dropped: list[Argument]

    def applied(self, stored: Mapping[Argument, Argument]) -> dict[Argument, Argument]:
        kept = {field: value for field, value in stored.items() if field not in self.dropped}
        return kept | pairs(self.groups) | {self.field: self.next}


def as_read(arguments: Sequence[Argument]) -> Change:
    left = iter(arguments)
    change = Change(next(left), next(left), next(left), listed(left), listed(left))
    assert not list(left)
    return change


def listed(arguments: Iterator[Argument]) -> list[Argument]:
    count = next(arguments)
    assert isinstance(count, int)
    return [next(arguments) for _ in range(count)]


def pairs(flat: Sequence[Argument]) -> dict[Argument, Argument]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


@given(states(FlowRunState), states(FlowRunState))
@settings(max_examples=examples(60), deadline=None)
def test_a_change_of_the_run_leads_from_one_state_to_the_next(before: FlowRunState, after: FlowRunState) -> None:
    change = as_read(change_of_run(before, after))
    assert (change.field, change.expected, change.next) == (FLOW_DIGEST, encode(before).digest, encode(after).digest)
    assert change.applied(pairs(fields_of_run(before))) == pairs(fields_of_run(after))


@given(states(FlowFrameState), states(FlowFrameState))
@settings(max_examples=examples(60), deadline=None)
def test_a_change_of_a_frame_leaves_other_frames_alone(before: FlowFrameState, after: FlowFrameState) -> None:
    other = pairs(fields_of_frame("fram", FrameSnapshot(kernel_state=before)))
    change = as_read(change_of_frame("frame", FrameSnapshot(kernel_state=before), FrameSnapshot(kernel_state=after)))
    stored = pairs(fields_of_frame("frame", FrameSnapshot(kernel_state=before)))
    assert change.applied(stored | other) == pairs(fields_of_frame("frame", FrameSnapshot(kernel_state=after))) | other


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        (change_of_frame("x", None, frame()), fields_of_frame("x", frame())),
        (change_of_loop("x", None, loop()), fields_of_loop("x", loop())),
    ],
    ids=["frame", "loop"],
)
def test_what_must_be_absent_is_sent_whole(arguments: list[Argument], first: list[Argument]) -> None:
    change = as_read(arguments)
    assert (change.field, change.expected, change.dropped) == (snapshot_field("x"), ABSENT, [])
    assert change.applied({}) == pairs(first)


def test_a_change_to_the_same_value_sends_no_group() -> None:
    change = as_read(change_of_run(flow_state(), flow_state()))
    assert change.expected == change.next
    assert change.groups == change.dropped == []


def test_a_state_that_loses_blocks_drops_their_groups() -> None:
    change = as_read(change_of_run(flow_state([f"s{number:02}" for number in range(70)]), flow_state(["s00"])))
    assert change.dropped == [b"flow:1", b"flow:2"]


@given(st.lists(st.text(), min_size=2, max_size=2, unique=True))
def test_the_fields_of_two_snapshots_never_meet(names: list[str]) -> None:
    one, two = (pairs(fields_of_frame(name, frame())) for name in names)
    assert one.keys().isdisjoint(two.keys())


def test_counted() -> None:
    assert counted([]) == [0]
    assert counted([b"a", 2]) == [2, b"a", 2]
