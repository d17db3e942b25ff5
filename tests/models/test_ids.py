"""Ids, operation names and error kinds."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from redis_mob import errors
from redis_mob.models import AgentRuntimeId, FlowCanceled, FrameAtomicOperation, StepCompleted
from redis_mob.models.base import canonical_run_id
from redis_mob.models.problems import problems
from tests.support.exact import exact, exact_text
from tests.support.golden import read_jsonl

RUN = "5b0f1c1e-7f1c-4b7e-9d3a-0a1b2c3d4e5f"
IDS = read_jsonl("wire/ids.jsonl")


def lines(kind: str) -> list[Any]:
    return [line for line in IDS if line["type"] == kind]


def test_all_lines_are_covered() -> None:
    covered = ("RunId", "StepId", "AgentRuntimeId", "FrameAtomicOperation", "MobStoreError")
    assert sum(len(lines(kind)) for kind in covered) == len(IDS)


@pytest.mark.parametrize("line", lines("RunId"), ids=lambda line: str(line["input"]))
def test_run_ids(line: dict[str, Any]) -> None:
    text = json.dumps({"run_id": line["input"], "flow_id": "f"})
    if "value" in line:
        assert FlowCanceled.model_validate_json(text).run_id == line["value"]
        return
    with pytest.raises(ValidationError) as refused:
        FlowCanceled.model_validate_json(text)
    assert problems(refused.value) == "run_id: a UUID is needed"


@pytest.mark.parametrize(
    "text",
    [
        f"{{{RUN}",
        f"{RUN}}}",
        f"{{urn:uuid:{RUN}}}",
        f"uuid:{RUN}",
        f"{RUN}\n",
        "5b0f1c1e-7f1c-4b7e-9d3a-0a1b2c3d4e_5f",
        "5b0f1c1e7f1c4b7e9d3a0a1b2c3d4e_f",
        "+b0f1c1e7f1c4b7e9d3a0a1b2c3d4e5f",
        "٥b0f1c1e7f1c4b7e9d3a0a1b2c3d4e5f",
    ],
)
def test_run_ids_that_only_python_would_take_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a UUID is needed"):
        canonical_run_id(text)


def test_a_uuid_object_is_a_run_id() -> None:
    assert canonical_run_id(UUID(RUN)) == RUN


@pytest.mark.parametrize("line", lines("StepId"), ids=lambda line: line["input"])
def test_text_ids_are_any_text(line: dict[str, Any]) -> None:
    text = f'{{"run_id":"{RUN}","step_id":{line["input"]}}}'
    if "value" in line:
        assert StepCompleted.model_validate_json(text).step_id == line["value"]
        return
    with pytest.raises(ValidationError):
        StepCompleted.model_validate_json(text)


@pytest.mark.parametrize("line", lines("AgentRuntimeId"), ids=lambda line: line["display"])
def test_runtime_ids(line: dict[str, Any]) -> None:
    made = AgentRuntimeId.model_validate_json(json.dumps(line["value"]))
    assert str(made) == line["display"]
    assert exact_text(made.model_dump_json()) == exact(line["value"])


def test_operation_names() -> None:
    assert [operation.value for operation in FrameAtomicOperation] == [
        line["value"] for line in lines("FrameAtomicOperation")
    ]


@pytest.mark.parametrize("line", lines("FrameAtomicOperation"), ids=lambda line: line["value"])
def test_operation_errors_name_the_operation(line: dict[str, Any]) -> None:
    operation = FrameAtomicOperation(line["value"])
    error = errors.FrameAtomicPersistenceUnavailableError(operation)
    assert str(operation) == line["display"]
    assert error.operation == operation
    assert line["value"] in str(error)


@pytest.mark.parametrize("line", lines("MobStoreError"), ids=lambda line: line["value"]["message"])
def test_error_kinds_have_a_class_each(line: dict[str, Any]) -> None:
    made = getattr(errors, line["value"]["error"] + "Error")
    assert issubclass(made, errors.MobStoreError)


@pytest.mark.parametrize(
    "value",
    [line["value"] for line in lines("MobStoreError") if "mob_id" in line["value"]],
    ids=lambda value: str(value["expected"]),
)
def test_spec_conflicts_carry_both_revisions(value: dict[str, Any]) -> None:
    error = errors.SpecRevisionConflictError(value["mob_id"], value["expected"], value["actual"])
    assert (error.mob_id, error.expected, error.actual) == (value["mob_id"], value["expected"], value["actual"])
    assert all(str(part) in str(error) for part in (value["mob_id"], value["expected"], value["actual"]))
