"""JSON schemas of steps: read when a run starts, applied to what its members give (contract: engine-22)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema.validators import validator_for
from referencing.exceptions import Unresolvable
from referencing.jsonschema import EMPTY_REGISTRY

from redis_mob.errors import DefinitionError, shortened, shown
from redis_mob.models.base import check_value
from redis_mob.models.flow_spec import FlowSpec


def read_schemas(flow: FlowSpec) -> dict[str, Any]:
    """The schema of each step that names one: the JSON itself, or the file that holds it, as it is now.

    Raises DefinitionError naming the step, for what cannot be read or is no schema.
    """
    return {
        step_id: _read(step_id, step.schema_text, "expected_schema_ref" if step.wait_for is None else "wait_for.schema")
        for step_id, step in flow.steps.items()
        if step.schema_text is not None
    }


def check_schema(value: Any, schema: Any) -> None:
    """Raises ValueError if the value does not fit the schema, or the schema turns out to be of no use.

    A schema can refer to its own parts only; nothing is ever fetched.
    """
    # Without this registry the library would fetch remote references, that is, let a definition open connections from a
    # worker while it settles a result.
    validator = _validator_class(schema)(schema, registry=EMPTY_REGISTRY)
    try:
        problem = min(validator.iter_errors(value), key=lambda error: error.json_path, default=None)
    except Unresolvable as error:
        raise ValueError(f"its schema refers to {shown(error.ref)}, which it does not contain") from error
    except RecursionError as error:
        raise ValueError("its schema refers to itself without end, or the value is nested too deeply for it") from error
    if problem is not None:
        # The library puts the whole value in front of what is wrong with it, and the value may be a megabyte.
        message = problem.message.replace(repr(problem.instance), shown(problem.instance), 1)
        raise ValueError(f"it does not fit its schema at {shortened(problem.json_path)}: {message}")


def _read(step_id: str, reference: str, field: str) -> Any:
    try:
        schema = _json(reference)
        _validator_class(schema).check_schema(schema)
    except (OSError, ValueError, RecursionError) as error:
        raise DefinitionError(
            f"step {shown(step_id)}: {field} is neither a JSON schema nor a file that holds one: {error}"
        ) from error
    except SchemaError as error:
        raise DefinitionError(
            f"step {shown(step_id)}: {field} is no valid JSON schema: {error.json_path}: {error.message}"
        ) from error
    return schema


def _json(reference: str) -> Any:
    try:
        schema = json.loads(reference)
    except ValueError:
        schema = json.loads(Path(reference).read_text(encoding="utf-8"))
    if not isinstance(schema, dict | bool):
        raise ValueError(f"a schema is an object or a boolean, not {reference[:80]!r}")
    return check_value(schema)


def _validator_class(schema: Any) -> Any:
    return validator_for(schema, default=Draft202012Validator)
