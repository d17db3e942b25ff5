"""Events in our own log, and in the rows of meerkat's stores."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_mob.codec.events import (
    EVENT_SCHEMA_VERSION,
    EncodedEvent,
    decode_event,
    decode_stored_event,
    encode_new_event,
    encode_stored_event,
)
from redis_mob.errors import InternalError, SerializationError
from redis_mob.models import (
    FlowCanceled,
    FlowCompleted,
    FlowFailed,
    FlowStarted,
    MemberSpawned,
    MobCreated,
    MobDefinition,
    MobEvent,
    MobReset,
    NewMobEvent,
    SessionMemberRef,
    StepFailed,
    StepTargetFailed,
)
from tests.support.exact import exact, exact_text
from tests.support.golden import named, read_jsonl

RUN = "5b0f1c1e-7f1c-4b7e-9d3a-0a1b2c3d4e5f"
SESSION = "0190a5c4-1111-7222-8333-444455556666"
_REF = "bridge_member_ref"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

TRUNCATED = {"timestamp.nanos": "2026-03-01T12:00:00.123456Z"}
"""Times with nine digits are read with six (contract: store-7)."""


def compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def logged(encoded: EncodedEvent) -> dict[bytes, bytes]:
    return {
        b"schema_version": EVENT_SCHEMA_VERSION,
        b"mob_id": encoded.mob_id,
        b"timestamp": encoded.timestamp,
        b"kind": encoded.kind,
    }


def there_and_back(event: MobEvent) -> MobEvent:
    new = NewMobEvent(mob_id=event.mob_id, timestamp=event.timestamp, kind=event.kind)
    return decode_event(event.cursor, logged(encode_new_event(new)))


@pytest.mark.parametrize("line", named("wire/events.jsonl"))
def test_stored_rows_roundtrip(line: dict[str, Any]) -> None:
    row = line["stored"]
    event = decode_stored_event(compact(row))
    row["event"]["timestamp"] = TRUNCATED.get(line["name"], row["event"]["timestamp"])
    assert exact_text(encode_stored_event(event)) == exact(row)
    assert decode_stored_event(encode_stored_event(event).encode()) == event


@pytest.mark.parametrize("line", named("wire/events.jsonl"))
def test_stored_rows_show_the_public_event(line: dict[str, Any]) -> None:
    event = decode_stored_event(compact(line["stored"]))
    expected = line["event"]
    expected["timestamp"] = TRUNCATED.get(line["name"], expected["timestamp"])
    # A row has sorted keys: steps and nodes of a definition have lost their order in it, so order is not compared.
    assert json.loads(event.model_dump_json()) == expected


@pytest.mark.parametrize("line", named("wire/events.jsonl"))
def test_our_log_keeps_events_as_they_were(line: dict[str, Any]) -> None:
    public = MobEvent.model_validate_json(json.dumps(line["event"]))
    assert there_and_back(public).model_dump_json() == public.model_dump_json()
    stored = decode_stored_event(compact(line["stored"]))
    assert there_and_back(stored) == stored


REFUSED = {
    "unversioned": "pre-0.6",
    "bare_event": "pre-0.6",
    "version_5": "schema_version 5 is not supported",
    "version_7": "schema_version 7 is not supported",
    "version_text": "schema_version must be an integer",
    "version_float": "schema_version must be an integer",
    "no_event": "event is missing",
    "not_object": "must be an object",
    "not_json": "no JSON",
    "missing_field": "kind.flow_failed.reason: Field required",
    "bad_run_id": "run_id: a UUID is needed",
    "ref_without_kind": "kind.bridge_member_ref",
    "ref_broken_on_other_kind": "kind.bridge_member_ref",
    "null_ref": "kind.bridge_member_ref",
}
"""What our error says, for each row that the crate refuses."""

UNKNOWN = {
    "unknown_kind": {"kind": {"type": "mob_exploded"}},
    "ref_on_other_kind_ignored": {"kind": {"type": "mob_reset", _REF: {"kind": "session", "session_id": SESSION}}},
    "extra_fields": {"more": 2, "envelope": {"schema_version": 6, "more": 1}},
}
"""What we keep of rows of which the crate drops something, or which it refuses (contract: json-1, json-11)."""


@pytest.mark.parametrize("line", named("wire/stored_event_errors.jsonl"))
def test_rows_are_read_as_the_crate_reads_them(line: dict[str, Any]) -> None:
    if (unknown := UNKNOWN.get(line["name"])) is not None:
        event = decode_stored_event(line["stored"])
        assert json.loads(event.model_dump_json()) == {**json.loads(line["stored"])["event"], **unknown}
        assert json.loads(encode_stored_event(event)) == json.loads(line["stored"])
        return
    if "error" not in line["result"]:
        assert exact_text(decode_stored_event(line["stored"]).model_dump_json()) == exact(line["result"])
        return
    with pytest.raises(SerializationError) as refused:
        decode_stored_event(line["stored"])
    assert REFUSED[line["name"]] in str(refused.value)


def test_every_refusal_is_in_the_golden_data() -> None:
    lines = read_jsonl("wire/stored_event_errors.jsonl")
    assert {line["name"] for line in lines if "error" in line["result"]} == {*REFUSED, "unknown_kind"}


@pytest.mark.parametrize("row", [b"\xff", "[" * 100_000, '{"schema_version":-6}', '{"schema_version":true}', "null"])
def test_other_rubbish_is_refused_as_well(row: str | bytes) -> None:
    with pytest.raises(SerializationError, match="stored event: "):
        decode_stored_event(row)


def good() -> dict[bytes, bytes]:
    return logged(encode_new_event(NewMobEvent(mob_id="m", timestamp=NOON, kind=MobReset())))


def test_case_036_unversioned_row_rejected() -> None:
    fields = good()
    del fields[b"schema_version"]
    with pytest.raises(SerializationError, match=r"event 17: .*pre-0\.6"):
        decode_event(17, fields)


@pytest.mark.parametrize("version", ["5", "7", "6.0", "", "06"])
def test_case_037_wrong_version_rejected(version: str) -> None:
    with pytest.raises(SerializationError, match=f"event 17: schema_version {version} is not supported"):
        decode_event(17, {**good(), b"schema_version": version.encode()})


@pytest.mark.parametrize("field", ["mob_id", "timestamp", "kind"])
def test_a_missing_field_is_named(field: str) -> None:
    fields = good()
    del fields[field.encode()]
    with pytest.raises(SerializationError, match=f"event 17: {field} is missing"):
        decode_event(17, fields)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("mob_id", b"\xff", "utf-8"),
        ("timestamp", b"", "int"),
        ("timestamp", b"noon", "noon"),
        ("timestamp", b"9" * 30, ""),
        ("timestamp", b"9" * 18, "out of range"),
        ("kind", b"", "Invalid JSON"),
        ("kind", b"{}", "type"),
        ("kind", b'{"type":"step_completed","step_id":"s"}', "step_completed.run_id: Field required"),
    ],
)
def test_a_damaged_field_is_named_with_the_cursor(field: str, value: bytes, reason: str) -> None:
    with pytest.raises(SerializationError, match=f"event 17: {field}: .*{reason}") as refused:
        decode_event(17, {**good(), field.encode(): value})
    assert refused.value.__cause__ is not None


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (None, b""),
        (datetime(1970, 1, 1, tzinfo=UTC), b"0"),
        (datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), b"-1"),
        (datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC), b"1772366400000001"),
        (datetime(1, 1, 1, tzinfo=UTC), b"-62135596800000000"),
        (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), b"253402300799999999"),
    ],
    ids=str,
)
def test_times_are_integer_microseconds(moment: datetime | None, text: bytes) -> None:
    encoded = encode_new_event(NewMobEvent(mob_id="m", timestamp=moment, kind=MobReset()))
    assert encoded.timestamp == text
    if moment is not None:
        assert decode_event(1, logged(encoded)).timestamp == moment


def test_case_038_member_spawned_ref_roundtrip() -> None:
    kind = MemberSpawned.model_validate(
        {
            "agent_identity": "a",
            "generation": 0,
            "fence_token": 1,
            "agent_runtime_id": {"identity": "a", "generation": 0},
            "role": "w",
            "bridge_member_ref": SessionMemberRef(session_id=RUN),
        }
    )
    encoded = encode_new_event(NewMobEvent(mob_id="m", timestamp=NOON, kind=kind))
    ref = {"kind": "session", "session_id": RUN, "bridge_session_id": RUN}
    assert list(json.loads(encoded.kind))[-1] == "bridge_member_ref"
    assert json.loads(encoded.kind)["bridge_member_ref"] == ref
    event = decode_event(3, logged(encoded))
    assert event == MobEvent(cursor=3, timestamp=NOON, mob_id="m", kind=kind)
    assert "bridge_member_ref" not in event.model_dump_json()
    row = encode_stored_event(event)
    assert json.loads(row)["event"]["kind"]["bridge_member_ref"] == ref
    assert decode_stored_event(row) == event


def test_the_order_of_steps_survives_our_log() -> None:
    step = {"role": "r", "message": "go"}
    definition = MobDefinition.model_validate_json(
        json.dumps({"id": "m", "flows": {"f": {"steps": {"z": step, "a": step, "m": step}}}})
    )
    event = there_and_back(MobEvent(cursor=1, timestamp=NOON, mob_id="m", kind=MobCreated(definition=definition)))
    assert isinstance(event.kind, MobCreated)
    assert list(event.kind.definition.flows["f"].steps) == ["z", "a", "m"]


TERMINAL: list[Callable[[str, str], Any]] = [
    lambda run, flow: FlowCompleted(run_id=run, flow_id=flow, structured_output={"a": 1}),
    lambda run, flow: FlowFailed(run_id=run, flow_id=flow, reason="r"),
    lambda run, flow: FlowCanceled(run_id=run, flow_id=flow),
]


@pytest.mark.parametrize("make", TERMINAL, ids=["completed", "failed", "canceled"])
def test_terminal_events_share_the_identity_of_their_run(make: Callable[[str, str], Any]) -> None:
    encoded = encode_new_event(NewMobEvent(mob_id="m", kind=make(RUN.upper(), "f")))
    [end] = encoded.identities
    assert end[:1] == b"t"
    assert msgpack.unpackb(end[1:]) == ["m", RUN, "f"]


def test_a_step_failure_is_identified_by_its_step() -> None:
    encoded = encode_new_event(NewMobEvent(mob_id="m", kind=StepFailed(run_id=RUN, step_id="s", reason="r")))
    once, told = encoded.identities
    assert once[:1] + told[:1] == b"fc"
    assert msgpack.unpackb(once[1:]) == ["m", RUN, "s"]
    assert told[1:].startswith(once[1:])


def test_other_events_have_no_identity() -> None:
    for line in read_jsonl("wire/events.jsonl"):
        event = MobEvent.model_validate_json(json.dumps(line["event"]))
        kinds = [one[:1] for one in encode_new_event(NewMobEvent(mob_id=event.mob_id, kind=event.kind)).identities]
        if event.kind.type in ("flow_completed", "flow_failed", "flow_canceled"):
            assert kinds == [b"t"]
        elif event.kind.type == "step_failed":
            assert kinds == [b"f", b"c"]
        else:
            assert kinds == ([b"r"] if event.kind.type == "mob_reset" else [])


@given(st.lists(st.tuples(st.text(), st.text()), min_size=2, max_size=2, unique=True))
@settings(deadline=None)
def test_different_ids_never_share_an_identity(pairs: list[tuple[str, str]]) -> None:
    kinds = [FlowCanceled(run_id=RUN, flow_id=flow) for _, flow in pairs]
    events = [NewMobEvent(mob_id=mob, kind=kind) for (mob, _), kind in zip(pairs, kinds, strict=True)]
    one, other = map(encode_new_event, events)
    assert one.identities != other.identities


@given(st.text(), st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=5))
@settings(deadline=None)
def test_any_text_and_value_comes_back(text: str, value: Any) -> None:
    kind = FlowStarted(run_id=RUN, flow_id=text, params=value)
    event = MobEvent(cursor=1, timestamp=NOON, mob_id=text, kind=kind)
    assert there_and_back(event) == event
    assert decode_stored_event(encode_stored_event(event)) == event


@pytest.mark.parametrize(
    "event",
    [
        NewMobEvent(mob_id="m\ud800", kind=MobReset()),
        NewMobEvent(mob_id="m", kind=StepFailed(run_id=RUN, step_id="s", reason="\ud800")),
        NewMobEvent(mob_id="m", kind=FlowFailed(run_id=RUN, flow_id="\udfff", reason="r")),
        NewMobEvent(mob_id="m", kind=FlowStarted.model_construct(run_id=RUN, flow_id="f", params=object())),
    ],
    ids=["mob_id", "reason", "flow_id", "params"],
)
def test_what_cannot_be_encoded_is_refused(event: NewMobEvent) -> None:
    with pytest.raises(InternalError, match=f"the {event.kind.type} event of mob .* cannot be stored"):
        encode_new_event(event)


def test_a_null_detail_is_kept_apart_from_a_null_report() -> None:
    kind = StepTargetFailed.model_validate_json(
        f'{{"type":"step_target_failed","run_id":"{RUN}","step_id":"s","target":{{"identity":"a","generation":0}},'
        '"reason":"r","error_report":null,"error":{"kind":"k","detail":null}}'
    )
    encoded = encode_new_event(NewMobEvent(mob_id="m", timestamp=NOON, kind=kind))
    assert "error_report" not in json.loads(encoded.kind)
    assert json.loads(encoded.kind)["error"] == {"kind": "k", "terminal": False}


EVENT = '{"cursor":1,"kind":{"type":"mob_completed"},"mob_id":"m","timestamp":"2026-01-01T00:00:00Z"}'
STARTED = f'"kind":{{"type":"flow_started","run_id":"{RUN}","flow_id":"a","params":null}}'


def stored_row(event: str, *, version: str = "6") -> str:
    return f'{{"event":{event},"schema_version":{version}}}'


@pytest.mark.parametrize(
    ("row", "twice"),
    [
        (stored_row(EVENT.replace('"cursor":1', '"cursor":2,"cursor":1')), "cursor"),
        (stored_row(EVENT.replace('"mob_id":"m"', '"mob_id":"m", "mob_id":"n"')), "mob_id"),
        (stored_row(EVENT.replace('"type":"mob_completed"', '"type":"mob_reset","type":"mob_completed"')), "kind.type"),
        (stored_row(EVENT.replace('"type":"mob_completed"', '"type":"new","type":"newer"')), "kind.type"),
        (
            stored_row(
                EVENT.replace('"kind":{"type":"mob_completed"}', STARTED.replace(":null", ':null,"flow_id":"b"'))
            ),
            "kind.flow_id",
        ),
        (stored_row(EVENT)[:-1] + f',"event":{EVENT}}}', "event"),
    ],
)
def test_a_field_that_a_stored_event_gives_twice_is_refused(row: str, twice: str) -> None:
    # contract: json-2
    with pytest.raises(SerializationError) as refused:
        decode_stored_event(row)
    assert str(refused.value) == f"stored event: {twice}: the field is given twice"


def test_free_maps_and_unknown_fields_of_a_stored_event_take_the_last_value() -> None:
    started = STARTED.replace("null", '{"a":1,"a":2},"later":{"b":1,"b":3}')
    event = decode_stored_event(stored_row(EVENT.replace('"kind":{"type":"mob_completed"}', started)))
    assert isinstance(event.kind, FlowStarted)
    assert (event.kind.params, event.kind.model_extra) == ({"a": 2}, {"later": {"b": 3}})


NEWER = EVENT.replace("mob_completed", "made_up_kind")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (stored_row(NEWER.replace('kind"}', 'kind","v":NaN}')), "no JSON: NaN is no JSON number"),
        (stored_row(NEWER.replace('kind"}', 'kind","v":-Infinity}')), "no JSON: -Infinity is no JSON number"),
        (stored_row(NEWER.replace('kind"}', 'kind","v":1e999}')), "kind.v: $: inf is no JSON number"),
        (stored_row(NEWER.replace('kind"}', 'kind","v":"\\ud800"}')), "a lone surrogate cannot be stored as UTF-8"),
        (stored_row(NEWER.replace('"made_up_kind"', "5")), "kind.type: Input should be a valid string"),
        (stored_row(NEWER.replace('"made_up_kind"', '{"secret":1}')), "kind.type: Input should be a valid string"),
        (
            stored_row(EVENT.replace('"cursor":1', '"cursor":' + "1" * 5000)),
            "no JSON: an integer has more than 4300 digits",
        ),
        (stored_row(EVENT, version="6.0"), "schema_version must be an integer"),
        (stored_row(EVENT, version="null"), "schema_version must be an integer"),
        (stored_row(EVENT, version="-1"), "schema_version -1 is not supported; this release reads 6, 8, 9"),
        (stored_row(EVENT, version="[" * 100_000), "no JSON: it is nested too deeply"),
    ],
)
def test_what_is_wrong_with_a_stored_event_is_told_in_a_few_words(row: str, says: str) -> None:
    with pytest.raises(SerializationError) as refused:
        decode_stored_event(row)
    assert str(refused.value) == f"stored event: {says}"
