"""Snapshots: equal states have equal digests, others have others, and the memory of groups never lies."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redis_mob.codec import snapshots
from redis_mob.codec.field_groups import Snapshot
from redis_mob.codec.snapshot_reading import decode
from redis_mob.codec.snapshots import encode
from redis_mob.errors import SerializationError
from redis_mob.models import FlowFrameState, FlowRunState, LoopIterationState
from redis_mob.models.flow import FlowStepStatus, NodeStatus
from redis_mob.testing.samples.states import flow_state, frame, loop, rebuilt
from tests.codec.strategies import IDS, STATES, State, field_values, states
from tests.support.examples import examples
from tests.support.golden import named
from tests.support.json_values import Json, is_object

KINDS: Mapping[str, type[State]] = {
    "flow_run": FlowRunState,
    "flow_frame": FlowFrameState,
    "loop_iteration": LoopIterationState,
}

FIELDS = [
    pytest.param(model, field, id=f"{model.__name__}.{field}") for model in STATES for field in model.model_fields
]

BASES: Mapping[type[State], list[State]] = {
    FlowRunState: [flow_state(()), flow_state(["a", "b"]), flow_state(["a", "b"], step_status={"z": None})],
    FlowFrameState: [frame(nodes=()).kernel_state, frame().kernel_state, frame(node_kind={}).kernel_state],
    LoopIterationState: [loop().kernel_state],
}
"""Without ids, with maps keyed by the ids, and with a map keyed by others."""

every_state = st.sampled_from(STATES).flatmap(states)


IN_BLOCKS = settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
"""For tests with the fixture `block`, which is the same for all examples of a test."""


@pytest.fixture(params=[2, 32], ids=["blocks_of_2", "blocks_of_32"])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small blocks, so that small states have several of them; and the real ones."""
    monkeypatch.setattr(snapshots, "BLOCK", request.param)


def stored(snapshot: Snapshot) -> dict[bytes, bytes]:
    return {name: group.data for name, group in snapshot.groups.items()}


def read_back(state: State) -> State:
    snapshot = encode(state)
    return decode(type(state), stored(snapshot), snapshot.digest)


def shuffled(value: Json, order: random.Random) -> Json:
    """The same JSON with the keys of objects in another order."""
    if is_object(value):
        keys = order.sample(list(value), len(value))
        return {key: shuffled(value[key], order) for key in keys}
    return value


@pytest.mark.parametrize("line", named("wire/kernel_states.jsonl"))
def test_golden_states_round_trip(line: dict[str, Any]) -> None:
    state = KINDS[line["kind"]].model_validate_json(json.dumps(line["state"]))
    back = read_back(state)
    assert back == state
    assert back.model_dump_json() == state.model_dump_json()
    assert encode(rebuilt(back)) == encode(rebuilt(state))


@pytest.mark.usefixtures("block")
@given(every_state)
@IN_BLOCKS
def test_every_state_round_trips(state: State) -> None:
    back = read_back(state)
    assert back == state
    assert back.model_dump_json() == state.model_dump_json()
    assert type(state).model_validate(back) == state


@pytest.mark.usefixtures("block")
@given(every_state, st.randoms(use_true_random=False))
@IN_BLOCKS
def test_equal_states_have_equal_groups_however_they_were_built(state: State, order: random.Random) -> None:
    digest, groups = encode(state).digest, stored(encode(state))
    plain = json.loads(state.model_dump_json())
    if isinstance(state, FlowRunState | FlowFrameState):
        plain[IDS[type(state)]] *= 2
    built: list[State] = [
        type(state).model_validate_json(json.dumps(shuffled(plain, order))),
        type(state).model_validate(dict(state)),
        read_back(state),
        state.model_copy(deep=True),
    ]
    for other in built:
        assert (encode(other).digest, stored(encode(other))) == (digest, groups)


@pytest.mark.parametrize(("model", "field"), FIELDS)
@given(data=st.data())
@settings(max_examples=examples(30), deadline=None)
def test_another_value_in_any_field_has_another_digest(model: type[State], field: str, data: st.DataObject) -> None:
    base = data.draw(st.sampled_from(BASES[model]))
    values = field_values(model, field, list(getattr(base, IDS[model])) if model in IDS else [])
    state = model.model_validate({**dict(base), field: data.draw(values)})
    other = model.model_validate({**dict(base), field: data.draw(values)})
    assert (encode(other).digest == encode(state).digest) == (other == state)


@pytest.mark.usefixtures("block")
@given(st.data())
@IN_BLOCKS
def test_the_memory_of_groups_never_lies(data: st.DataObject) -> None:
    """A state made by `model_copy`, however often, encodes as one that was built from scratch."""
    state: State = data.draw(every_state)
    for _ in range(data.draw(st.integers(1, 5))):
        encode(state)
        fields = data.draw(st.lists(st.sampled_from(list(type(state).model_fields)), unique=True, max_size=3))
        state = state.model_copy(update={field: data.draw(new_values(state, field)) for field in fields})
        assert encode(state) == encode(rebuilt(state))
        assert read_back(state) == state


def new_values(state: State, field: str) -> st.SearchStrategy[Any]:
    """Valid values for one field of this state, maps keyed by its ids among them."""
    model = type(state)
    values = field_values(model, field, list(getattr(state, IDS[model])) if model in IDS else [])
    return values.map(lambda value: getattr(model.model_validate({**dict(state), field: value}), field))


@pytest.mark.parametrize(
    ("state", "digest"),
    [
        (flow_state([f"s{number:02}" for number in range(33)]), "45c77f13ebd87052ad877e7555db3097"),
        (flow_state(target_retry_counts={"a": 1}, step_status={"z": None}), "d5cb199269df3bf7774b85d5fda1a7c6"),
        (
            frame(branch_winners=["main"], node_branches={"n1": "main", "n2": None}).kernel_state,
            "0831b6caa305266d60471675da1499da",
        ),
        (loop(active_body_frame_id="body").kernel_state, "7cede9b2992c0dd1a296af0b9d14f760"),
    ],
    ids=["flow", "irregular_flow", "frame", "loop"],
)
def test_the_encoding_stays_what_it_is(state: State, digest: str) -> None:
    """Stored states are compared with those of later releases: a new layout needs a new schema version."""
    assert encode(state).digest.hex() == digest


BLOCK_FIELDS = {
    "step_status": FlowStepStatus.FAILED,
    "output_recorded": True,
    "step_condition_results": False,
    "step_target_counts": 1,
    "step_target_success_counts": 2,
    "step_target_terminal_failure_counts": 3,
}


@pytest.mark.parametrize("field", BLOCK_FIELDS)
def test_a_change_at_any_place_of_any_block_is_seen(field: str) -> None:
    before = flow_state([f"s{number:02}" for number in range(2 * snapshots.BLOCK + 2)])
    for step in before.tracked_steps:
        encode(before)
        after = before.model_copy(update={field: getattr(before, field).set((step, BLOCK_FIELDS[field]))})
        assert stored(encode(after)) == stored(encode(rebuilt(after)))


def test_states_that_are_read_share_their_plan_and_change_by_themselves() -> None:
    """A plan never changes: it is decoded once, and what is made of the states is not seen by the other ones."""
    state = flow_state(["a", "b"], step_status={"a": None, "b": FlowStepStatus.FAILED})
    one, other = read_back(state), read_back(state.model_copy(update={"failure_count": 7}))
    assert isinstance(one, FlowRunState)
    assert isinstance(other, FlowRunState)
    assert one.step_dependencies is other.step_dependencies
    changed = one.model_copy(
        update={
            "step_branches": one.step_branches.set(("a", "main")),
            "step_status": one.step_status.set(("a", FlowStepStatus.COMPLETED)),
        }
    )
    assert (one, other) == (state, state.model_copy(update={"failure_count": 7}))
    assert read_back(changed) == changed
    assert read_back(state) == state


def test_a_read_state_encodes_as_it_was_stored_without_doing_it_again() -> None:
    state = flow_state([f"s{number:03}" for number in range(70)])
    back = read_back(state)
    assert encode(back).groups == encode(state).groups
    assert encode(back) is encode(back)
    assert encode(back.model_copy(update={"failure_count": 1})).groups[b"plan"] is encode(back).groups[b"plan"]


@pytest.mark.parametrize(
    ("changes", "groups"),
    [
        ({"step_status": {"s250": FlowStepStatus.DISPATCHED}}, 1),
        ({"output_recorded": {"s250": True}, "step_status": {"s250": FlowStepStatus.COMPLETED}}, 1),
        ({"step_target_counts": {"s250": 2}, "active_node_count": 1}, 2),
        ({"ready_frames": ("root",), "ready_frame_membership": ("root",)}, 1),
    ],
)
def test_one_step_of_a_big_run_rewrites_one_block(changes: dict[str, Any], groups: int) -> None:
    before = flow_state([f"s{number:03}" for number in range(500)])
    update = {
        name: getattr(before, name).set(*value.items()) if isinstance(value, dict) else value
        for name, value in changes.items()
    }
    old, new = encode(before), encode(before.model_copy(update=update))
    assert old.groups.keys() == new.groups.keys()
    assert sum(old.groups[name] != new.groups[name] for name in old.groups) == groups
    assert sum(old.groups[name] is not new.groups[name] for name in old.groups) == groups


def test_one_node_of_a_big_frame_rewrites_one_block() -> None:
    before = frame(nodes=[f"n{number:03}" for number in range(500)]).kernel_state
    after = before.model_copy(update={"node_status": before.node_status.set(("n499", NodeStatus.READY))})
    old, new = encode(before), encode(after)
    assert sum(old.groups[name] != new.groups[name] for name in old.groups) == 1


def damaged_in_one_byte(data: bytes) -> Iterator[bytes]:
    for place in {0, len(data) // 2, len(data) - 1}:
        yield data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize(
    "state",
    [flow_state(["a", "b", "c"]), frame(nodes=["a", "b", "c"]).kernel_state, loop().kernel_state],
    ids=lambda state: type(state).__name__,
)
def test_damage_is_found(state: State) -> None:
    snapshot = encode(rebuilt(state))
    model, groups, digest = type(state), stored(snapshot), snapshot.digest
    for name, data in groups.items():
        for damaged in damaged_in_one_byte(data):
            _assert_refused(model, {**groups, name: damaged}, digest)
        _assert_refused(model, {other: groups[other] for other in groups if other != name}, digest)
    for damaged in damaged_in_one_byte(digest):
        _assert_refused(model, groups, damaged)
    _assert_refused(model, {**groups, b"9": b"\xc0"}, digest)
    _assert_refused(model, {**groups, b"no block": b"\xc0"}, digest)
    _assert_refused(model, {**groups, b"plan": groups[b"scheduler"], b"scheduler": groups[b"plan"]}, digest)
    _assert_refused(model, {}, digest)


def _assert_refused(model: type[State], groups: Mapping[bytes, bytes], digest: bytes) -> None:
    with pytest.raises(SerializationError, match=model.__name__):
        decode(model, groups, digest)


def test_groups_that_match_their_digest_but_are_no_state_are_refused() -> None:
    """As another release might have written them."""
    snapshot = encode(frame().kernel_state)
    with pytest.raises(SerializationError, match="FlowRunState"):
        decode(FlowRunState, stored(snapshot), snapshot.digest)


def changed_blocks(before: FlowFrameState, after: FlowFrameState) -> set[bytes]:
    old, new = encode(before).groups, encode(after).groups
    return {name for name, group in new.items() if old.get(name) is not group}


@pytest.mark.usefixtures("block")
def test_a_map_that_was_changed_by_set_encodes_its_own_blocks_alone() -> None:
    before = frame(nodes=[f"n{number:03}" for number in range(200)]).kernel_state
    encode(before)
    running = before.node_status.set(("n150", NodeStatus.RUNNING)).set(("n151", NodeStatus.RUNNING))
    after = before.model_copy(update={"node_status": running})
    assert changed_blocks(before, after) == {b"%d" % (number // snapshots.BLOCK) for number in (150, 151)}
    assert stored(encode(after)) == stored(encode(rebuilt(after)))
    again = after.model_copy(update={"node_status": running.set(("n000", NodeStatus.FAILED))})
    assert changed_blocks(after, again) == {b"0"}
    assert stored(encode(again)) == stored(encode(rebuilt(again)))


@given(st.lists(st.tuples(st.integers(0, 199), st.sampled_from(NodeStatus), st.booleans()), max_size=150))
@settings(max_examples=examples(40), deadline=None)
def test_any_series_of_changes_is_encoded_as_its_outcome(changes: list[tuple[int, NodeStatus, bool]]) -> None:
    state = frame(nodes=[f"n{number:03}" for number in range(200)]).kernel_state
    for number, status, is_encoded in changes:
        state = state.model_copy(update={"node_status": state.node_status.set((f"n{number:03}", status))})
        if is_encoded:
            encode(state)
    fresh = rebuilt(state)
    assert (stored(encode(state)), encode(state).digest) == (stored(encode(fresh)), encode(fresh).digest)
