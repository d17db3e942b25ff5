"""Runs, kernel states and authority inputs read and write the crate's JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from redis_mob.models import FlowFrameState, FlowRunState, LoopIterationState, MobRun
from redis_mob.models.authority import FLOW_AUTHORITY_INPUT, STORABLE_INPUTS
from redis_mob.models.base import Model
from redis_mob.models.problems import problems
from tests.support.exact import exact, exact_text
from tests.support.golden import named, read_jsonl
from tests.support.kept import kept

RUNS = named("wire/runs.jsonl")

STATES: dict[str, type[Model]] = {
    "flow_run": FlowRunState,
    "flow_frame": FlowFrameState,
    "loop_iteration": LoopIterationState,
}

REFUSED = {
    "missing_status": "status",
    "missing_step_ledger": "step_ledger",
    "missing_flow_state": "flow_state",
    "created_at_naive": "created_at",
    "status_pascal_case": "status",
    "phase_snake_case": "flow_state.phase",
    "flow_state_field_missing": "flow_state.last_granted_loop",
    "ledger_status_pascal": "step_ledger.0.status",
    "frames_null": "frames",
    "authority_unknown_variant": "input must be one of 'RunFlow'",
}
"""What our error names, for each run that the crate refuses; those of a field u32 name it, whichever it is."""

UNKNOWN_FIELDS = {"unknown_fields_ignored", "authority_unknown_field"}
"""Runs with fields that the crate drops, and that are kept here (contract: json-1)."""


@pytest.mark.parametrize("line", [line for line in RUNS if "run" in line.values[0]])
def test_runs_roundtrip(line: dict[str, Any]) -> None:
    run = MobRun.model_validate_json(json.dumps(line["run"]))
    assert exact_text(run.model_dump_json()) == exact(line["run"])


@pytest.mark.parametrize("line", [line for line in RUNS if "canonical" in line.values[0]])
def test_old_and_sloppy_runs_are_read_as_the_crate_reads_them(line: dict[str, Any]) -> None:
    run = MobRun.model_validate_json(json.dumps(line["input"]))
    expected = kept(line["canonical"], line["input"]) if line["name"] in UNKNOWN_FIELDS else line["canonical"]
    assert exact_text(run.model_dump_json()) == exact(expected)


@pytest.mark.parametrize("line", [line for line in RUNS if "error" in line.values[0]])
def test_broken_runs_are_refused_by_field(line: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        MobRun.model_validate_json(json.dumps(line["input"]))
    assert REFUSED.get(line["name"], "flow_state.") in problems(refused.value)


def test_every_refusal_is_in_the_golden_data() -> None:
    refused = {line["name"] for line in read_jsonl("wire/runs.jsonl") if "error" in line}
    assert refused == REFUSED.keys() | {"u32_overflow", "u32_negative", "u32_float"}


@pytest.mark.parametrize("line", named("wire/kernel_states.jsonl"))
def test_kernel_states_roundtrip(line: dict[str, Any]) -> None:
    state = STATES[line["kind"]].model_validate_json(json.dumps(line["state"]))
    assert exact_text(state.model_dump_json()) == exact(line["state"])


@pytest.mark.parametrize("line", [line for line in named("wire/authority_inputs.jsonl") if line.values[0]["storable"]])
def test_storable_inputs_roundtrip(line: dict[str, Any]) -> None:
    made = FLOW_AUTHORITY_INPUT.validate_json(json.dumps(line["value"]))
    assert isinstance(made, STORABLE_INPUTS)
    assert exact_text(made.model_dump_json()) == exact(line["value"])


@pytest.mark.parametrize(
    "line", [line for line in named("wire/authority_inputs.jsonl") if not line.values[0]["storable"]]
)
def test_other_inputs_are_refused_with_those_that_are_known(line: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        FLOW_AUTHORITY_INPUT.validate_json(json.dumps(line["value"]))
    assert problems(refused.value).startswith("input must be one of 'RunFlow', 'CreateRunSeed', ")


def fresh() -> dict[str, Any]:
    return next(line["run"] for line in read_jsonl("wire/runs.jsonl") if line["name"] == "twelve_steps_all_ledgers")


def test_case_122_two_spellings_of_a_step_status() -> None:
    run = fresh()
    ledger = {entry["status"] for entry in run["step_ledger"]}
    states = {status for status in run["flow_state"]["step_status"].values() if status}
    assert ledger
    assert states
    assert all(status.islower() for status in ledger)
    assert not any(status.islower() for status in states)
    for status in sorted(ledger):
        swapped = {**run, "step_ledger": [{**run["step_ledger"][0], "status": status.capitalize()}]}
        with pytest.raises(ValidationError, match="step_ledger"):
            MobRun.model_validate_json(json.dumps(swapped))
    for step, status in run["flow_state"]["step_status"].items():
        if status:
            lower = {**run["flow_state"], "step_status": {step: status.lower()}}
            with pytest.raises(ValidationError, match="step_status"):
                MobRun.model_validate_json(json.dumps({**run, "flow_state": lower}))


NEWER: dict[str, Any] = {
    "frames": {},
    "loops": {},
    "loop_iteration_ledger": [],
    "schema_version": 0,
    "root_step_outputs": {},
    "loop_iteration_outputs": {},
    "flow_authority_inputs": [],
}


def test_case_123_run_defaults() -> None:
    old = {field: value for field, value in fresh().items() if field not in NEWER}
    written = json.loads(MobRun.model_validate_json(json.dumps(old)).model_dump_json())
    assert exact({field: written[field] for field in NEWER}) == exact(NEWER)
    assert exact({field: written[field] for field in old}) == exact(old)
