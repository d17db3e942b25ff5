"""Runs, kernel states and inputs come back from their stored bytes with the fields that no class of ours has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_mob.codec.changes import change_of_frame, change_of_run
from redis_mob.codec.inputs import decode_inputs, encode_inputs
from redis_mob.codec.ledgers import decode_iteration_rows, decode_step_rows, iteration_field, iteration_row, step_row
from redis_mob.codec.packing import pack, unpack
from redis_mob.codec.runs import decode_core, decode_run, encode_run
from redis_mob.codec.snapshot_reading import decode, whole
from redis_mob.codec.snapshots import encode
from redis_mob.errors import InternalError, SerializationError
from redis_mob.models import FlowFrameState, FlowRunState, LoopIterationState, MobRun
from redis_mob.models.authority import FLOW_AUTHORITY_INPUT, FlowAuthorityInput
from redis_mob.models.base import Model, json_equal
from redis_mob.testing.samples.full_run import full_run
from redis_mob.testing.samples.states import flow_state, frame, iteration_entry, new_run, step_entry
from redis_mob.testing.samples.unknown_fields import sprinkled, with_unknown
from tests.codec.test_runs import stored
from tests.support.examples import examples
from tests.support.golden import read_jsonl
from tests.support.unknown_fields import in_one_of_four

RUNS = [line.get("run") or line["canonical"] for line in read_jsonl("wire/runs.jsonl") if "error" not in line]
STATES: Mapping[str, Any] = {
    "flow_run": FlowRunState,
    "flow_frame": FlowFrameState,
    "loop_iteration": LoopIterationState,
}
KERNEL_STATES = [(STATES[line["kind"]], line["state"]) for line in read_jsonl("wire/kernel_states.jsonl")]
INPUTS = [line["value"] for line in read_jsonl("wire/authority_inputs.jsonl") if line["storable"]]


def written(value: Model) -> Any:
    return json.loads(value.model_dump_json())


@settings(max_examples=examples(200), deadline=None)
@given(data=st.data())
def test_runs_30_a_golden_run_keeps_any_unknown_fields(data: st.DataObject) -> None:
    plain = MobRun.model_validate_json(json.dumps(data.draw(st.sampled_from(RUNS))))
    document = sprinkled(plain, written(plain), in_one_of_four(data))
    run = MobRun.model_validate_json(json.dumps(document))
    assert json_equal(written(run), document)
    back = decode_run(run.run_id, stored(run))
    assert back == run
    assert json_equal(written(back), document)
    assert json_equal(written(decode_core(run.run_id, stored(run).core)), written(run.core()))


@settings(max_examples=examples(200), deadline=None)
@given(data=st.data())
def test_runs_30_a_golden_kernel_state_keeps_any_unknown_fields(data: st.DataObject) -> None:
    model, plain = data.draw(st.sampled_from(KERNEL_STATES))
    document = sprinkled(model.model_validate_json(json.dumps(plain)), plain, in_one_of_four(data))
    state = model.model_validate_json(json.dumps(document))
    snapshot = encode(state)
    back = decode(model, {name: group.data for name, group in snapshot.groups.items()}, snapshot.digest)
    assert json_equal(written(back), document)
    assert encode(back).digest == snapshot.digest
    shuffled = model.model_validate_json(json.dumps(dict(reversed(document.items()))))
    assert encode(shuffled).digest == snapshot.digest


@settings(max_examples=examples(200), deadline=None)
@given(data=st.data())
def test_runs_30_golden_inputs_keep_any_unknown_fields(data: st.DataObject) -> None:
    plain = data.draw(st.lists(st.sampled_from(INPUTS), min_size=1, max_size=6))
    more = in_one_of_four(data)
    documents = [sprinkled(FLOW_AUTHORITY_INPUT.validate_json(json.dumps(one)), one, more) for one in plain]
    told: list[FlowAuthorityInput] = [FLOW_AUTHORITY_INPUT.validate_json(json.dumps(one)) for one in documents]
    run_id = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
    back = decode_inputs(run_id, encode_inputs(run_id, told))
    assert json_equal([*map(written, back)], documents)


def test_runs_30_a_run_without_unknown_fields_is_stored_without_a_trace_of_them() -> None:
    head, frames, *_ = encode_run(full_run())
    names = head[::2]
    assert b"further" not in names
    assert not [name for name in names if isinstance(name, bytes) and b"unknown" in name]
    assert not [name for name in frames[::2] if {b"unknown", b"beside"} & {*unpack(cast("bytes", name))}]
    entry = step_entry()
    assert len(unpack(step_row(entry))) == 4
    assert iteration_row(iteration_entry()) == iteration_field(iteration_entry())[1:]


def test_runs_31_a_changed_state_takes_its_unknown_fields_along() -> None:
    state = with_unknown(flow_state([f"s{number}" for number in range(70)]))
    encode(state)
    following = state.model_copy(
        update={"failure_count": 1, "output_recorded": state.output_recorded.set(("s3", True))}
    )
    assert following.model_extra == state.model_extra
    change = change_of_run(state, following)
    assert change[3] == 4, "two groups"
    anew = FlowRunState.model_validate_json(following.model_dump_json())
    assert encode(anew).digest == encode(following).digest != encode(state).digest


def test_runs_31_what_lies_in_an_unknown_field_may_be_changed() -> None:
    """It is no value of ours, and need not be frozen."""
    state = with_unknown(flow_state())
    before = encode(state).digest
    assert state.model_extra is not None
    state.model_extra["later_field"]["b"].append(1)
    assert encode(state).digest != before


@pytest.mark.parametrize("other", [{"later": 1.0}, {"later": True}, {"later": "1"}, {"later": 1, "more": None}, {}])
def test_runs_31_states_differ_by_their_unknown_fields(other: dict[str, Any]) -> None:
    states = [with_unknown(flow_state(), fields) for fields in ({"later": 1}, other)]
    assert len({encode(state).digest for state in states}) == 2
    frames = [frame().model_copy(update=fields) for fields in ({"later": 1}, other)]
    first, second = (change_of_frame("root", None, one)[2] for one in frames)
    assert first != second


def test_runs_30_unknown_fields_are_no_part_of_the_identity_of_a_row() -> None:
    plain, more = iteration_entry(), with_unknown(iteration_entry())
    assert iteration_field(plain) == iteration_field(more)
    assert decode_iteration_rows([iteration_row(plain), iteration_row(more)]) == (plain, more)


@pytest.mark.parametrize("behind", [b"[]", b"{", b"1", b"\x01x"])
def test_runs_30_damage_behind_a_row_is_refused(behind: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_step_rows([step_row(step_entry()) + behind], {})


def test_runs_31_damage_of_unknown_fields_is_refused() -> None:
    snapshot = encode(with_unknown(flow_state()))
    groups = {name: group.data for name, group in snapshot.groups.items()}
    for damaged in (b"{}", b"{", b"[]", b'"', pack(1), groups[b"unknown"].replace(b"false", b"true")):
        with pytest.raises(SerializationError):
            whole(FlowRunState, {**groups, b"unknown": damaged}, snapshot.digest)
    del groups[b"unknown"]
    with pytest.raises(SerializationError):
        whole(FlowRunState, groups, snapshot.digest)


@pytest.mark.parametrize("value", [float("nan"), "\ud800", {1: 1}, object(), {1}])
def test_runs_30_an_unknown_field_that_is_no_json_cannot_be_stored(value: Any) -> None:
    run = new_run(frames={"root": frame()}, step_ledger=[step_entry()])
    more = {"later": value}
    for wrong in (
        run.model_copy(update=more),
        run.model_copy(update={"flow_state": run.flow_state.model_copy(update=more)}),
        run.model_copy(update={"frames": run.frames.set(("root", frame().model_copy(update=more)))}),
        run.model_copy(update={"step_ledger": (step_entry().model_copy(update=more),)}),
    ):
        with pytest.raises(InternalError, match="later"):
            encode_run(wrong)


@pytest.mark.parametrize(
    "damaged", [b"{", b"[]", b"1", b'{"flow_definition_digest":1}', b'{"role_targets":{}}', b'{"x":NaN}', b"\x01x"]
)
def test_runs_30_damage_of_what_belongs_to_the_run_itself_is_refused(damaged: bytes) -> None:
    run = with_unknown(new_run())
    parts = stored(run)
    head = {**parts.core.head, b"further": damaged}
    assert head.keys() == parts.core.head.keys()
    with pytest.raises(SerializationError, match=f"run {run.run_id}: head"):
        decode_run(run.run_id, parts._replace(core=parts.core._replace(head=head)))


@pytest.mark.parametrize("wrong", [{"flow_definition_digest": 1}, {"role_targets": {"a": ["m", "m"]}}])
def test_runs_32_what_the_run_itself_says_is_checked_before_it_is_stored(wrong: dict[str, Any]) -> None:
    [name] = wrong
    with pytest.raises(InternalError, match=name):
        encode_run(new_run().model_copy(update=wrong))


@pytest.mark.parametrize("targets", [{}, {"a": []}, {"a": ["m", "m"]}, {"a": "m"}, [], {"a": [1]}])
def test_runs_32_role_targets_that_bind_nothing_are_refused(targets: Any) -> None:
    document = written(new_run())
    with pytest.raises(ValueError, match="role_targets"):
        MobRun.model_validate_json(json.dumps({**document, "role_targets": targets}))
