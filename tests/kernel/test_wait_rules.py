"""What is found about steps that wait for a signal, and how they are read and written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from redis_mob.kernel.validation import validate
from redis_mob.models.base import SortedDict
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_spec import FlowStepSpec, OnTimeout
from tests.fleet.flows import FLOW, mob, step, wait


def found(**steps: FlowStepSpec) -> list[str]:
    return [f"{one.location}: {one.message}" for one in validate(mob({"w": step(), **steps}))]


def test_a_step_that_waits_needs_no_role() -> None:
    assert found(a=wait(timeout_ms=1, schema_ref="{}"), b=wait(schema_ref="{}")) == []


def test_a_mob_whose_steps_all_wait_needs_no_profile() -> None:
    without = mob({"w": wait()}).model_copy(update={"profiles": SortedDict(), "orchestrator": None})
    assert not validate(without)
    asks = mob({"w": wait(), "a": step()}).model_copy(update={"profiles": SortedDict(), "orchestrator": None})
    assert "empty_profiles" in [one.code for one in validate(asks)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"role": "worker"}, ".a.role: the step waits for a signal, so that no member of 'worker' is asked"),
        (
            {"timeout_ms": 1, "expected_schema_ref": "{}"},
            "has no members: timeout_ms, expected_schema_ref would mean nothing",
        ),
    ],
)
def test_what_is_said_of_members_is_refused(changes: dict[str, Any], message: str) -> None:
    [one] = found(a=wait().model_copy(update=changes))
    assert message in one


@pytest.mark.parametrize("name", ["", "é" * 129])
def test_a_name_that_is_too_short_or_too_long(name: str) -> None:
    [one] = found(a=wait(signal=name))
    assert "a signal needs a name of 1 to 256 bytes" in one


def test_a_time_of_nothing_and_two_schemas_of_one_name() -> None:
    [one] = found(a=wait(timeout_ms=0))
    assert "waits for 0 ms" in one
    [two] = found(a=wait(schema_ref="{}"), b=wait())
    assert "the steps 'a' and 'b' wait for signal 'go' with different schemas" in two


def test_toml_and_json_say_the_same() -> None:
    definition = MobDefinition.from_toml(
        '[mob]\nid = "m"\n[profiles.r]\nmodel = "m"\n[flows.flow.steps.a.wait_for]\n'
        'signal = "go"\ntimeout_ms = 5\non_timeout = "fail"\nschema = "{}"\n'
    )
    spec = definition.flows[FLOW].steps["a"]
    assert (spec.role, spec.message) == ("", "")
    assert spec.wait_for is not None
    assert (spec.wait_for.on_timeout, spec.wait_for.schema_ref) == (OnTimeout.FAIL, "{}")
    text = definition.model_dump_json()
    assert MobDefinition.model_validate_json(text) == definition
    written = json.loads(text)["flows"][FLOW]["steps"]["a"]["wait_for"]
    assert written == {"signal": "go", "timeout_ms": 5, "on_timeout": "fail", "schema": "{}"}


def test_absent_stays_absent_and_a_step_without_a_role_is_refused() -> None:
    assert "wait_for" not in step().model_dump_json()
    assert wait().model_dump(mode="json")["wait_for"] == {"signal": "go"}
    for given in ({}, {"wait_for": None}):
        with pytest.raises(ValueError, match=r"role\n  Field required"):
            FlowStepSpec.model_validate(given)
