"""JSON schemas of steps and parameters: read when a run starts, applied to its parameters, and to what its members
give (contract: engine-22, definition-18)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from redis_mob.errors import DefinitionError, ValidationError, shortened, shown
from redis_mob.kernel.diagnostics import Severity
from redis_mob.kernel.path_rules import validate_paths_with
from redis_mob.kernel.schema_paths import inline_schema, schema_of
from redis_mob.models.base import MAX_VALUE_DEPTH, check_json, check_value
from redis_mob.models.documents import TEXT_ENCODING
from redis_mob.models.flow_spec import FlowSpec

MOST_BYTES = 4 * 1024 * 1024
"""How large a file of a schema may be."""


def read_schemas(flow: FlowSpec) -> dict[str, Any]:
    """The schema of each step that names one: the JSON itself, or the file that holds it, as it is now.

    Raises DefinitionError naming the step, for what cannot be read or is no schema.
    """
    return {
        step_id: read_schema(f"step {shown(step_id)}: {step.schema_field}", step.schema_text)
        for step_id, step in flow.steps.items()
        if step.schema_text is not None
    }


def read_params_schema(flow_id: str, flow: FlowSpec) -> Any:
    """The schema of the parameters, true if there is none: the JSON itself, or the file that holds it, as it is now.

    Raises DefinitionError naming the flow, for what cannot be read or is no schema.
    """
    reference = flow.params_schema_ref
    return True if reference is None else read_schema(f"flow {shown(flow_id)}: params_schema_ref", reference)


def check_paths(flow_id: str, flow: FlowSpec, params: Any, outputs: Mapping[str, Any]) -> None:
    """Raises DefinitionError for messages and conditions that name what these schemas, which were read, do not have.

    What is written in the definition was looked at when that was validated; this is for schemas in files.
    """
    references = (flow.params_schema_ref, *(step.schema_text for step in flow.steps.values()))
    if all(reference is None or inline_schema(reference) is not None for reference in references):
        return
    of_steps = {step_id: schema_of(schema) for step_id, schema in outputs.items()}
    found = validate_paths_with(f"flows.{flow_id}", flow, schema_of(params), of_steps)
    if errors := [str(one) for one in found if one.severity is Severity.ERROR]:
        raise DefinitionError("\n".join(errors))


def check_schema(value: Any, schema: Any) -> None:
    """Raises ValueError if the value does not fit the schema, or the schema turns out to be of no use.

    A schema can refer to its own parts only; nothing is ever fetched.
    """
    if schema is True:
        return  # most flows have no schema, and their programs need not import what checks one
    from referencing.exceptions import Unresolvable

    from redis_mob.fleet.schema_steps import MOST_STEPS, PatternError, TooManyStepsError, first_problem

    try:
        problem = first_problem(_validator_class(schema), schema, value)
    except TooManyStepsError:
        raise ValueError(
            f"it takes more than {MOST_STEPS:,} steps to apply its schema to it: give less, or simplify references, "
            "combinations and patterns of the schema"
        ) from None
    except PatternError as error:
        raise ValueError(f"its schema cannot be applied to it: {shortened(error)}") from None
    except Unresolvable as error:
        raise ValueError(f"its schema refers to {shown(error.ref)}, which it does not contain") from error
    except RecursionError as error:
        raise ValueError("its schema refers to itself without end, or the value is nested too deeply for it") from error
    except (AttributeError, TypeError, ValueError) as error:
        # its own check takes schemas that refer to a part of them which is a number or a text
        raise ValueError(f"a part to which its schema refers is no schema: {_named(error)}") from error
    except Exception as error:
        raise ValueError(f"its schema cannot be applied to it: {_named(error)}") from error
    if problem is not None:
        # The library puts the whole value in front of what is wrong with it, and the value may be a megabyte.
        message = problem.message.replace(repr(problem.instance), shown(problem.instance), 1)
        raise ValueError(f"it does not fit its schema at {shortened(problem.json_path)}: {message}")


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {shortened(error)}"


def checked_schema(named: str, schema: Any) -> Any:
    """The same JSON schema as plain JSON. Raises ValidationError, which begins with what it is named, if it is none."""
    from jsonschema.exceptions import SchemaError

    from redis_mob.fleet.schema_steps import PatternError

    try:
        if not isinstance(schema, dict | bool):
            raise ValueError(f"an object or a boolean is needed, not {shown(schema)}")
        plain = check_json(schema, MAX_VALUE_DEPTH)
        _check(plain)
    except SchemaError as error:
        raise ValidationError(
            f"{named} is no valid JSON schema: {error.json_path}: {shortened(error.message)}"
        ) from None
    except PatternError as error:
        raise ValidationError(f"{named} is no valid JSON schema: {shortened(error)}") from None
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"{named} is no JSON schema: {shortened(error)}") from None
    return plain


def read_schema(named: str, reference: str) -> Any:
    """The schema that a text is, or that the file holds whose path it is.

    Raises DefinitionError, which begins with what it is named, for what cannot be read or is no schema.
    """
    from jsonschema.exceptions import SchemaError

    from redis_mob.fleet.schema_steps import PatternError

    try:
        schema = _json(reference)
        _check(schema)
    except PatternError as error:
        raise DefinitionError(f"{named} is no valid JSON schema: {error}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DefinitionError(f"{named} is neither a JSON schema nor a file that holds one: {error}") from error
    except SchemaError as error:
        raise DefinitionError(f"{named} is no valid JSON schema: {error.json_path}: {error.message}") from error
    return schema


def _json(reference: str) -> Any:
    try:
        schema = json.loads(reference)
    except ValueError as error:
        if reference.lstrip()[:1] in ("{", "["):  # no path of a file: it was meant as JSON
            raise
        try:
            schema = json.loads(_file(Path(reference)))
        except OSError as missing:
            raise ValueError(f"{shown(reference)}: {missing.strerror}") from error
    if not isinstance(schema, dict | bool):
        raise ValueError(f"a schema is an object or a boolean, not {reference[:80]!r}")
    return check_value(schema)


def _file(path: Path) -> str:
    """The text of a file: a definition may name a device that never ends, or a pipe to which no program writes."""
    size = path.stat().st_size
    if not path.is_file():
        raise ValueError(f"{shown(str(path))} is no regular file")
    if size > MOST_BYTES:
        raise ValueError(f"{shown(str(path))} has {size:,} bytes; a schema has at most {MOST_BYTES:,}")
    return path.read_text(encoding=TEXT_ENCODING)


def _check(schema: Any) -> None:
    from redis_mob.fleet.schema_steps import check

    check(_validator_class(schema), schema)


def _validator_class(schema: Any) -> Any:
    # imported late, here and above: the library takes longer to import than a fleet without schemas takes to start
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for

    if not isinstance(dialect := _dialect(schema), str):
        raise ValueError(f"its $schema must be a text, not {shown(dialect)}")
    return validator_for(schema, default=Draft202012Validator)


def _dialect(schema: Any) -> Any:
    return "" if isinstance(schema, bool) else schema.get("$schema", "")
