"""What a JSON schema makes of values: where it cannot be applied to one, an error of this library says why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from redis_mob import Fleet
from redis_mob.errors import DefinitionError, ValidationError
from redis_mob.fleet.schemas import check_schema, checked_schema, read_schema
from redis_mob.storage import MobStorage
from tests.fleet.flows import FLOW
from tests.fleet.test_params import flow_with

NO_SCHEMA_WITHIN = [
    ({"$ref": "#/a", "a": 5}, "a part to which its schema refers is no schema"),
    ({"$ref": "#/a", "a": "text"}, "a part to which its schema refers is no schema"),
    ({"$ref": "#/a/x", "a": [1]}, "a part to which its schema refers is no schema"),
]
"""Schemas that the library's own check takes, and that lead to what is none."""


@pytest.mark.parametrize(("schema", "problem"), NO_SCHEMA_WITHIN)
def test_a_schema_that_leads_to_no_schema_is_refused_when_it_is_applied(schema: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        check_schema(1, checked_schema("the schema", schema))
    assert "Error: " in str(caught.value), "it names what the library said"


def test_a_number_that_the_schema_cannot_divide_is_refused() -> None:
    with pytest.raises(ValueError, match=r"its schema cannot be applied to it: OverflowError: int too large"):
        check_schema(10**400, {"multipleOf": 0.5})


@pytest.mark.parametrize("dialect", [5, [], {}, None, True])
def test_a_dialect_that_is_no_text_is_refused(dialect: Any) -> None:
    schema = {"$schema": dialect}
    with pytest.raises(ValidationError, match=r"the schema of x is no JSON schema: its \$schema must be a text, not "):
        checked_schema("the schema of x", schema)
    with pytest.raises(DefinitionError, match=r"its \$schema must be a text, not "):
        read_schema("step 'a'", json.dumps(schema))


@pytest.mark.parametrize(
    ("schema", "params"),
    [pytest.param({"multipleOf": 0.5}, 10**400, id="large"), *((one, 1) for one, _ in NO_SCHEMA_WITHIN)],
)
async def test_a_start_raises_no_error_of_the_schema_library(storage: MobStorage, schema: Any, params: Any) -> None:
    with pytest.raises(ValidationError, match="params: "):
        await Fleet(storage, flow_with(json.dumps(schema), "do it")).start(FLOW, params)
