"""What a document says and no model knows comes back, wherever it stands (contract: json-1, json-11)."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from itertools import cycle
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from redis_mob.codec.events import decode_event, decode_stored_event, encode_new_event, encode_stored_event
from redis_mob.models import (
    ExternalBindingOverlayRecord,
    FlowCompleted,
    FlowFrameState,
    FlowRunState,
    LoopIterationState,
    MobDefinition,
    MobEvent,
    MobRun,
    NewMobEvent,
    Profile,
    StoredRealmProfile,
    SupervisorAuthorityRecord,
    SupervisorPendingRotationRecord,
    UnknownEvent,
)
from redis_mob.models.authority import FLOW_AUTHORITY_INPUT
from redis_mob.models.base import Model, json_equal
from redis_mob.models.conditions import ConditionExpr
from redis_mob.models.events import EVENT_KINDS
from redis_mob.models.problems import problems
from redis_mob.testing.samples.unknown_fields import sprinkled
from tests.support.golden import DATA, read_jsonl
from tests.support.unknown_fields import in_one_of_four, unknown_fields

CONDITION: TypeAdapter[ConditionExpr] = TypeAdapter(ConditionExpr)
STATES: dict[str, type[Model]] = {
    "flow_run": FlowRunState,
    "flow_frame": FlowFrameState,
    "loop_iteration": LoopIterationState,
}


class Golden(NamedTuple):
    """A golden document, and how it is read and written."""

    document: Any
    read: Callable[[str], Any]
    write: Callable[[Any], str]


def of(model: type[Model], document: Any) -> Golden:
    return Golden(document, model.model_validate_json, model.model_dump_json)


def of_union(kinds: TypeAdapter[Any], document: Any) -> Golden:
    def write(value: Any) -> str:
        return kinds.dump_json(value).decode()

    return Golden(document, kinds.validate_json, write)


def every_golden_document() -> list[Golden]:
    lines = {
        name: read_jsonl(f"wire/{name}.jsonl") for name in ("events", "runs", "overlays", "supervisor", "rotation")
    }
    states = read_jsonl("wire/kernel_states.jsonl")
    definitions = [json.loads(path.read_text("utf-8")) for path in sorted((DATA / "wire/definitions").glob("*.json"))]
    return [
        *[of(MobEvent, line["event"]) for line in lines["events"]],
        *[of(MobRun, line["run"]) for line in lines["runs"] if "run" in line],
        *[of(MobRun, line["canonical"]) for line in lines["runs"] if "canonical" in line],
        *[of(STATES[line["kind"]], line["state"]) for line in states if "state" in line],
        *[
            of_union(FLOW_AUTHORITY_INPUT, line["value"])
            for line in read_jsonl("wire/authority_inputs.jsonl")
            if line["storable"]
        ],
        *[of(ExternalBindingOverlayRecord, line["overlay"]) for line in lines["overlays"] if "overlay" in line],
        *[of(SupervisorAuthorityRecord, line["record"]) for line in lines["supervisor"] if "record" in line],
        *[of(SupervisorAuthorityRecord, line["after"]) for line in lines["rotation"]],
        *[of(SupervisorPendingRotationRecord, line["pending"]) for line in lines["rotation"]],
        *[of(Profile, line["profile"]) for line in read_jsonl("wire/profiles.jsonl") if "profile" in line],
        *[of(StoredRealmProfile, line["stored"]) for line in read_jsonl("wire/realm_profiles.jsonl")],
        *[of(MobDefinition, document) for document in definitions],
        *[
            of_union(CONDITION, line["expr"])
            for line in read_jsonl("wire/conditions.jsonl")
            if line["kind"] == "condition"
        ],
    ]


GOLDEN = every_golden_document()


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_golden_documents_keep_random_unknown_fields(data: st.DataObject) -> None:
    golden = data.draw(st.sampled_from(GOLDEN))
    read = golden.read(json.dumps(golden.document))
    written = json.loads(golden.write(read))
    given_more = sprinkled(read, written, in_one_of_four(data))
    again = golden.read(json.dumps(given_more))
    assert json_equal(json.loads(golden.write(again)), given_more)
    assert (again == read) is json_equal(given_more, written)
    assert again == golden.read(golden.write(again)) == copy.deepcopy(again) == pickle.loads(pickle.dumps(again))  # noqa: S301


@given(more=st.lists(unknown_fields, min_size=1, max_size=20))
@settings(max_examples=10, deadline=None)
def test_every_object_of_every_golden_document_keeps_unknown_fields(more: list[dict[str, Any]]) -> None:
    for golden in GOLDEN:
        in_turn = cycle(more)
        read = golden.read(json.dumps(golden.document))
        given_more = sprinkled(read, json.loads(golden.write(read)), in_turn.__next__)
        assert json_equal(json.loads(golden.write(golden.read(json.dumps(given_more)))), given_more)


STORED = [line["stored"] for line in read_jsonl("wire/events.jsonl")]
kinds = st.text().filter(lambda kind: kind not in EVENT_KINDS)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_golden_rows_keep_random_unknown_fields_and_kinds(data: st.DataObject) -> None:
    row = json.loads(encode_stored_event(decode_stored_event(json.dumps(data.draw(st.sampled_from(STORED))))))
    event = row["event"]
    kind = decode_stored_event(json.dumps(row)).kind
    event["kind"] = sprinkled(kind, event["kind"], in_one_of_four(data))
    if data.draw(st.booleans()):
        event["kind"] |= {"type": data.draw(kinds)}
    event |= {name: one for name, one in data.draw(unknown_fields).items() if name not in (*event, "envelope")}
    row |= {name: one for name, one in data.draw(unknown_fields).items() if name not in row}
    row["schema_version"] = data.draw(st.sampled_from([6, 8, 9]))
    read = decode_stored_event(json.dumps(row))
    assert json_equal(json.loads(encode_stored_event(read)), row)
    assert through_the_log(read) == read
    assert json_equal(json.loads(encode_stored_event(through_the_log(read))), row)


def through_the_log(event: MobEvent) -> MobEvent:
    new = NewMobEvent.model_validate({name: value for name, value in dict(event).items() if name != "cursor"})
    encoded = encode_new_event(new)
    fields = {
        b"schema_version": b"6",
        b"mob_id": encoded.mob_id,
        b"timestamp": encoded.timestamp,
        b"kind": encoded.kind,
    }
    return decode_event(event.cursor, fields)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("1e400", "is no JSON number"),
        ("[" * 130 + "]" * 130, "nested deeper than 128 levels"),
    ],
    ids=["too large", "too deep"],
)
def test_unknown_fields_are_json_values(value: str, problem: str) -> None:
    text = f'{{"run_id":"0191a6a0-0000-4000-8000-000000000001","flow_id":"f","later":{value}}}'
    with pytest.raises(ValidationError) as refused:
        FlowCompleted.model_validate_json(text)
    assert problems(refused.value).startswith("later: ")
    assert problem in problems(refused.value)


def test_a_constructor_refuses_a_name_that_no_field_has() -> None:
    misspelled: dict[str, Any] = {"structured_outptu": 1}
    with pytest.raises(ValidationError, match=r"structured_outptu\n  Extra inputs are not permitted"):
        FlowCompleted(run_id="0191a6a0-0000-4000-8000-000000000001", flow_id="f", **misspelled)


def test_a_secret_model_shows_no_unknown_field() -> None:
    record = SupervisorAuthorityRecord.model_validate(
        {"secret_key": [1] * 32, "public_peer_id": "p", "epoch": 1, "protocol_version": 7, "later_key": "s3cret"}
    )
    unknown = UnknownEvent(type="x", token="s3cret")  # noqa: S106
    event = NewMobEvent.model_validate({"mob_id": "m", "kind": unknown, "later": "s3cret"})
    for shown in (record, unknown, event):
        assert "s3cret" not in repr(shown) + str(shown)
        assert "s3cret" in shown.model_dump_json()
    misspelled: dict[str, Any] = {"kid": "s3cret"}
    with pytest.raises(ValidationError, match="kid") as refused:
        NewMobEvent(mob_id="m", kind=unknown, **misspelled)
    assert "s3cret" not in str(refused.value) + repr(refused.value.errors())


def test_a_copy_keeps_unknown_fields_and_may_change_them() -> None:
    profile = Profile.model_validate({"model": "a", "later": 1})
    changed = profile.model_copy(update={"model": "b"})
    assert (changed.model, changed.model_extra) == ("b", {"later": 1})
    assert profile.model_copy(update={"later": 2}).model_extra == {"later": 2}
    assert Profile(model="a").model_copy(update={"later": 1}) == profile != Profile(model="a")
    assert profile.model_copy(deep=True) == profile


def test_a_known_kind_is_no_unknown_event() -> None:
    with pytest.raises(ValidationError, match="events of the type flow_failed have a class of their own"):
        UnknownEvent(type="flow_failed")
