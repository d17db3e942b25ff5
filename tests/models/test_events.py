"""Events and their kinds read and write the crate's public JSON."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from redis_mob.models import (
    FlowCanceled,
    FlowCompleted,
    FlowFailed,
    MemberSpawned,
    MobEvent,
    MobEventKind,
    MobReset,
    NewMobEvent,
    SessionMemberRef,
    SupervisorEscalationFailed,
    UnknownEvent,
    later_events,
    terminal_identity,
)
from redis_mob.models.base import Model
from redis_mob.models.events import EVENT_KINDS
from redis_mob.models.problems import problems
from tests.support.exact import exact, exact_text
from tests.support.golden import named, read_jsonl

RUN = "5b0f1c1e-7f1c-4b7e-9d3a-0a1b2c3d4e5f"

TRUNCATED = {"timestamp.nanos": "2026-03-01T12:00:00.123456Z"}
"""Times with nine digits are read with six (contract: store-7)."""

LATER: list[type[Model]] = [
    SupervisorEscalationFailed,
    *[one for one in vars(later_events).values() if getattr(one, "__module__", None) == later_events.__name__],
]
"""The kinds with a class of which meerkat 0.6.34 writes no event."""


def read_kind(text: str) -> MobEventKind:
    return NewMobEvent.model_validate_json(f'{{"mob_id":"m","kind":{text}}}').kind


@pytest.mark.parametrize(
    "line", [pytest.param(line, id=f"case_125-{line['name']}") for line in read_jsonl("wire/events.jsonl")]
)
def test_event_kinds_roundtrip(line: dict[str, Any]) -> None:
    expected = line["event"]
    event = MobEvent.model_validate_json(json.dumps(expected))
    if line["name"] in TRUNCATED:
        expected["timestamp"] = TRUNCATED[line["name"]]
    assert exact_text(event.model_dump_json()) == exact(expected)
    assert MobEvent.model_validate_json(event.model_dump_json()) == event


def test_case_125_all_kinds_are_covered() -> None:
    union = get_args(get_args(MobEventKind)[0])
    assert union[-1] is UnknownEvent
    assert len(EVENT_KINDS) == len(union) - 1 == 41
    golden = {line["event"]["kind"]["type"] for line in read_jsonl("wire/events.jsonl")}
    assert len(golden) == 27
    assert golden | {kind.model_fields["type"].default for kind in LATER} == set(EVENT_KINDS)


@pytest.mark.parametrize("line", [line for line in named("wire/events.jsonl") if "timestamp_input" in line.values[0]])
def test_timestamps_are_read_in_any_offset(line: dict[str, Any]) -> None:
    given = {**line["event"], "timestamp": line["timestamp_input"]}
    event = MobEvent.model_validate_json(json.dumps(given))
    written = json.loads(event.model_dump_json())["timestamp"]
    assert written == TRUNCATED.get(line["name"], line["event"]["timestamp"])


REFUSED = {
    "no_type": "type",
    "null": "kind",
    "type_not_text": "type",
    "missing_reason": "reason",
    "negative_generation": "generation",
    "generation_float": "generation",
    "generation_too_big": "generation",
    "pubkey_short": "pubkey: a key has 32 bytes, not 3",
    "peer_id_not_uuid": "peer_id: a UUID is needed",
    "kickoff_unknown_phase": "phase",
    "labels_null": "labels",
    "continuity_unknown": "continuity_intent",
    "duplicate_key": "flow_id: The field is given twice",
}
"""What our error names, for each input that the crate refuses."""

NOT_READ = {"array_as_struct"}
"""The crate also reads structs from positional arrays; no release writes them, so they are refused here."""


@pytest.mark.parametrize("line", named("wire/event_kind_reads.jsonl"))
def test_kinds_are_read_as_the_crate_reads_them(line: dict[str, Any]) -> None:
    name = line["name"]
    if name == "unknown_type":  # which the crate refuses (contract: json-11)
        assert exact_text(read_kind(line["input"]).model_dump_json()) == exact_text(line["input"])
        return
    if "ok" in line["result"] and name not in NOT_READ:
        assert exact_text(read_kind(line["input"]).model_dump_json()) == exact(line["result"]["ok"])
        return
    with pytest.raises(ValidationError) as refused:
        read_kind(line["input"])
    complaint = problems(refused.value)
    assert complaint.startswith("kind")
    assert REFUSED.get(name, "an object") in complaint


def test_every_refusal_is_in_the_golden_data() -> None:
    refused = {line["name"] for line in read_jsonl("wire/event_kind_reads.jsonl") if "error" in line["result"]}
    assert refused == {*REFUSED, "unknown_type"}


@pytest.mark.parametrize("line", named("wire/json_values.jsonl"))
def test_json_values_come_back_as_from_storage(line: dict[str, Any]) -> None:
    # The crate's stores differ in one line: a present null output is absent when it comes back from SQLite, as here.
    event = MobEvent.model_validate_json(json.dumps(line["append_memory"]))
    assert exact_text(event.model_dump_json()) == exact(line["replay_sqlite"])


def spawned(**fields: Any) -> MemberSpawned:
    runtime_id = {"identity": "a", "generation": 0}
    basics = {"agent_identity": "a", "generation": 0, "fence_token": 1, "agent_runtime_id": runtime_id, "role": "w"}
    return MemberSpawned.model_validate({**basics, **fields})


def test_case_038_member_spawned_shows_no_reference_in_public() -> None:
    session = SessionMemberRef(session_id=RUN)
    public = json.loads(spawned(bridge_member_ref=session).model_dump_json())
    assert "bridge_member_ref" not in public
    assert spawned(bridge_member_ref=session) != spawned()


def test_case_039_runtime_mode_default() -> None:
    kind = read_kind(
        '{"type":"member_spawned","agent_identity":"a","generation":0,"fence_token":1,'
        '"agent_runtime_id":{"identity":"a","generation":0},"role":"w"}'
    )
    assert isinstance(kind, MemberSpawned)
    assert kind.runtime_mode == "autonomous_host"
    assert json.loads(kind.model_dump_json())["runtime_mode"] == "autonomous_host"


def test_a_new_event_needs_no_timestamp() -> None:
    event = NewMobEvent(mob_id="m", kind=MobReset())
    assert event.timestamp is None
    assert NewMobEvent.model_validate_json(event.model_dump_json()) == event


@pytest.mark.parametrize(
    "kind",
    [
        FlowCompleted(run_id=RUN, flow_id="f", structured_output=1),
        FlowFailed(run_id=RUN.upper(), flow_id="f", reason="r"),
        FlowCanceled(run_id=RUN, flow_id="f"),
    ],
    ids=lambda kind: kind.type,
)
def test_terminal_kinds_name_their_run_and_flow(kind: MobEventKind) -> None:
    assert terminal_identity(kind) == (RUN, "f")


def test_no_other_kind_is_terminal() -> None:
    events = [MobEvent.model_validate_json(json.dumps(line["event"])) for line in read_jsonl("wire/events.jsonl")]
    ending = {event.kind.type for event in events if terminal_identity(event.kind)}
    assert ending == {"flow_completed", "flow_failed", "flow_canceled"}
