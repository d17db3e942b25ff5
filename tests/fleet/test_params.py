"""A flow that has a schema for its parameters is started with no others (contract: definition-18)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from redis_mob import Fleet, MobDefinition
from redis_mob.errors import DefinitionError, ValidationError
from redis_mob.storage import MobStorage
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import run_flow

SCHEMA = {"type": "object", "properties": {"topic": {"type": "string"}}, "required": ["topic"]}


def flow_with(schema: str, message: str = "{{ params.topic }}", **first: Any) -> MobDefinition:
    definition = mob({"first": step(**first), "second": step("first", message=message)})
    flow = definition.flows[FLOW].model_copy(update={"params_schema_ref": schema})
    return definition.model_copy(update={"flows": definition.flows.set((FLOW, flow))})


async def test_parameters_that_break_their_schema_are_refused_with_the_path(storage: MobStorage) -> None:
    fleet = Fleet(storage, flow_with(json.dumps(SCHEMA)))
    with pytest.raises(ValidationError, match=r"params: it does not fit its schema at \$\.topic: 5 is not of type"):
        await fleet.start(FLOW, {"topic": 5})
    with pytest.raises(
        ValidationError, match=r"params: it does not fit its schema at .*: 'topic' is a required property"
    ):
        await fleet.start(FLOW, {}, "key")
    assert await storage.runs.list_runs("mob") == []


async def test_parameters_that_fit_are_taken(storage: MobStorage) -> None:
    run = await run_flow(storage, flow_with(json.dumps(SCHEMA)), lambda ctx: ctx.message, params={"topic": "x"})
    assert run.root_step_outputs["second"] == {"worker-1": "x"}


@pytest.mark.parametrize("text", ["{", '{"type": 5}', "nowhere.json"])
async def test_what_is_no_schema_is_refused_by_the_flow(storage: MobStorage, text: str) -> None:
    with pytest.raises(DefinitionError, match="flow 'flow': params_schema_ref is n"):
        await Fleet(storage, flow_with(text)).start(FLOW)


async def test_schemas_in_files_are_read_when_a_run_starts(storage: MobStorage, tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_bytes(json.dumps(SCHEMA).encode("utf-8-sig"))
    assert await Fleet(storage, flow_with(str(file))).start(FLOW, {"topic": "x"})
    of_params = Fleet(storage, flow_with(str(file), "{{ params.topci }}"))
    with pytest.raises(DefinitionError) as caught:
        await of_params.start(FLOW, {"topic": "x"})
    assert str(caught.value) == (
        "error[path_unknown] flows.flow.steps.second.message: line 1, column 1 (byte 0): {{ params.topci }}: "
        "by its params_schema_ref, params has no 'topci' (nearest: 'topic')"
    )
    message = "{{ steps.first.worker-1.topci }}"
    of_step = Fleet(storage, flow_with("true", message, expected_schema_ref=str(file)))
    with pytest.raises(DefinitionError, match=r"by its expected_schema_ref, steps\.first\.worker-1 has no 'topci'"):
        await of_step.start(FLOW)


def test_what_is_not_given_is_not_written() -> None:
    written = json.loads(mob({"a": step()}).model_dump_json())["flows"][FLOW]
    assert list(written) == ["description", "steps", "root"]
    assert "strict" not in written["steps"]["a"]


def test_what_is_given_is_read_back() -> None:
    given = flow_with("true", strict=True)
    assert MobDefinition.model_validate_json(given.model_dump_json()) == given
