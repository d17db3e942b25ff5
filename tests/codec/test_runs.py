"""A whole run becomes the content of its keys, and comes back as it was; damage is named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from redis_mob.codec.changes import FLOW_DIGEST, Argument
from redis_mob.codec.ledgers import length_field, microseconds, step_row
from redis_mob.codec.packing import pack, unpack
from redis_mob.codec.run_heads import place_prefix, run_id_of_place
from redis_mob.codec.runs import CoreParts, RunParts, decode_core, decode_run, encode_run, run_parts
from redis_mob.errors import SerializationError
from redis_mob.models import MobRun, StepRunStatus
from redis_mob.models.authority import FLOW_AUTHORITY_INPUT
from redis_mob.testing.samples.states import (
    authority_input,
    failure_entry,
    frame,
    iteration_entry,
    loop,
    new_run,
    step_entry,
)
from tests.support.golden import read_jsonl

GOLDEN = [
    pytest.param(line.get("run") or line["canonical"], id=line["name"])
    for line in read_jsonl("wire/runs.jsonl")
    if "error" not in line
]


def stored(run: MobRun) -> RunParts:
    """The parts as the server returns them: everything is bytes."""
    *parts, index = encode_run(run)
    return run_parts([*(list(map(as_bytes, part)) for part in parts), [b"%d" % (len(index) // 2)]])


def content_of(parts: RunParts, part: str) -> Any:
    """What is in a part, in the core or beside it."""
    return getattr(parts.core if part in CoreParts._fields else parts, part)


def with_part(parts: RunParts, part: str, content: Any) -> RunParts:
    """The parts with another content of one."""
    if part in CoreParts._fields:
        return parts._replace(core=parts.core._replace(**{part: content}))
    return parts._replace(**{part: content})


def as_bytes(argument: Argument) -> bytes:
    return argument if isinstance(argument, bytes) else b"%d" % argument


@pytest.mark.parametrize("line", GOLDEN)
def test_golden_runs_round_trip(line: dict[str, Any]) -> None:
    run = MobRun.model_validate_json(json.dumps(line))
    back = decode_run(run.run_id, stored(run))
    assert back == run
    assert back.model_dump_json() == run.model_dump_json()
    assert MobRun.model_validate_json(back.model_dump_json()) == run


FULL = new_run(
    frames={"root": frame()},
    loops={"loop-1": loop()},
    step_ledger=[step_entry(), step_entry(status=StepRunStatus.COMPLETED, output={"b": 1, "a": [2**70, -0.0]})],
    failure_ledger=[failure_entry(), failure_entry()],
    loop_iteration_ledger=[iteration_entry()],
    root_step_outputs={"z": 1, "a": None},
    loop_iteration_outputs={"refine": ({}, {"y": 1, "b": 1.0}), "empty": ()},
    flow_authority_inputs=[authority_input()],
    activation_params={"path": "src"},
)

NO_BYTES_OF_OURS = b"\xc1"


def test_a_full_run_round_trips_with_the_order_of_its_outputs() -> None:
    back = decode_run(FULL.run_id, stored(FULL))
    assert back == FULL
    assert back.model_dump_json() == FULL.model_dump_json()
    assert list(back.root_step_outputs) == ["z", "a"]


def test_the_core_of_a_run_is_read_without_its_ledgers_and_inputs() -> None:
    core = decode_core(FULL.run_id, stored(FULL).core)
    assert core == FULL.core()
    assert (core.step_ledger, core.loop_iteration_ledger, core.flow_authority_inputs) == ((), (), ())
    kept = {"step_ledger": FULL.step_ledger, "loop_iteration_ledger": FULL.loop_iteration_ledger}
    assert core.model_copy(update={**kept, "flow_authority_inputs": FULL.flow_authority_inputs}) == FULL


def test_the_rows_and_inputs_of_an_older_release_are_read() -> None:
    """It wrote statuses as texts, and each input as JSON text (decision 0021)."""
    steps = [
        pack((entry.step_id, entry.agent_identity, str(entry.status), microseconds(entry.timestamp)))
        for entry in FULL.step_ledger
    ]
    inputs = [FLOW_AUTHORITY_INPUT.dump_json(told) for told in FULL.flow_authority_inputs]
    assert decode_run(FULL.run_id, stored(FULL)._replace(steps=steps, authority=inputs)) == FULL


@pytest.mark.parametrize("code", [5, 255])
def test_a_status_of_a_later_release_is_named(code: int) -> None:
    entry = FULL.step_ledger[0]
    row = pack((entry.step_id, entry.agent_identity, code, microseconds(entry.timestamp)))
    _assert_damage_is_named(stored(FULL)._replace(steps=[row, stored(FULL).steps[1]]), "step_ledger")


def test_the_codes_of_step_statuses_never_change() -> None:
    codes = {StepRunStatus.DISPATCHED: 0, StepRunStatus.COMPLETED: 1, StepRunStatus.FAILED: 2}
    codes |= {StepRunStatus.SKIPPED: 3, StepRunStatus.CANCELED: 4}
    assert {status: unpack(step_row(step_entry(status=status)))[2] for status in StepRunStatus} == codes


NEEDED = [
    ("head", b"head", "head"),
    ("head", b"status", "head"),
    ("head", b"params", "activation_params"),
    ("head", FLOW_DIGEST, "flow_state"),
    ("head", b"flow:plan", "flow_state"),
    ("head", b"flow:0", "flow_state"),
    ("head", b"flow:scheduler", "flow_state"),
    *[("frames", field, "frames") for field in stored(FULL).core.frames],
    *[("loops", field, "loops") for field in stored(FULL).core.loops],
    ("outputs", length_field("refine"), "outputs"),
]
"""Fields without which a run cannot be read, and the part that they belong to."""

OPTIONAL = [
    *[("outputs", field, "outputs") for field in stored(FULL).core.outputs],
    ("step_outputs", b"1", "step_ledger"),
    ("head", b"completed_at", "head"),
]
"""Fields that a run has or has not."""


@pytest.mark.parametrize(("part", "field", "named"), [*NEEDED, *OPTIONAL])
def test_a_damaged_field_is_named(part: str, field: bytes, named: str) -> None:
    parts = stored(FULL)
    content = {**content_of(parts, part), field: NO_BYTES_OF_OURS}
    _assert_damage_is_named(with_part(parts, part, content), named)


@pytest.mark.parametrize(("part", "field", "named"), NEEDED)
def test_a_missing_field_is_named(part: str, field: bytes, named: str) -> None:
    parts = stored(FULL)
    content = {name: value for name, value in content_of(parts, part).items() if name != field}
    _assert_damage_is_named(with_part(parts, part, content), named)


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ("steps", "step_ledger"),
        ("failures", "failure_ledger"),
        ("iterations", "loop_iteration_ledger"),
        ("authority", "flow_authority_inputs"),
    ],
)
def test_a_damaged_row_is_named(part: str, named: str) -> None:
    parts = stored(FULL)
    rows: Sequence[bytes] = content_of(parts, part)
    _assert_damage_is_named(with_part(parts, part, [NO_BYTES_OF_OURS, *rows[1:]]), named)
    _assert_damage_is_named(with_part(parts, part, [rows[0][:-1], *rows[1:]]), named)


def _assert_damage_is_named(parts: RunParts, named: str) -> None:
    with pytest.raises(SerializationError, match=rf"run {FULL.run_id}: {named} cannot be read"):
        decode_run(FULL.run_id, parts)


@pytest.mark.parametrize("field", stored(FULL).core.frames)
def test_every_flipped_bit_of_a_frame_is_found(field: bytes) -> None:
    parts = stored(FULL)
    data = parts.core.frames[field]
    for place in range(len(data)):
        flipped = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        _assert_damage_is_named(with_part(parts, "frames", {**parts.core.frames, field: flipped}), "frames")


def test_places_hold_the_run_id_and_tell_mobs_and_flows_apart() -> None:
    place = place_prefix("mob", "review") + b"%016d" % 7 + FULL.run_id.encode()
    assert run_id_of_place(place) == (7, FULL.run_id)
    assert place.startswith(place_prefix("mob"))
    for other in ("mo", "mobr", "", "m" * 40):
        assert not place.startswith(place_prefix(other))
    assert not place.startswith(place_prefix("mob", "revie"))
    assert place_prefix("a", "bc") != place_prefix("ab", "c")
