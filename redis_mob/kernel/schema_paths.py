"""What a JSON schema says about a path into its values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

Schema: TypeAlias = Mapping[str, Any]

_INDEX = "0123456789"

_COMBINED = ("anyOf", "oneOf", "allOf")

_MOST_LOOKED_AT = 1000
"""Subschemas that one path is looked for in; a schema that refers to itself has no end."""


class Leads(NamedTuple):
    """What is known of a path.

    `is_known` says that the schema names all of it. `unknown` is the number of its first key that no value has that
    fits the schema, None if there is none; `known` are the keys that there are in its place.
    """

    is_known: bool
    unknown: int | None = None
    known: tuple[str, ...] = ()


def inline_schema(reference: str | None) -> Schema | None:
    """The schema that is written where it is named; None for the name of a file, or what is no schema."""
    try:
        schema = json.loads(reference or "")
    except (ValueError, RecursionError):
        return None
    return schema_of(schema)


def schema_of(value: Any) -> Schema | None:
    """A schema that was read; None for one that is a boolean, which says nothing of keys."""
    return cast("Schema", value) if isinstance(value, dict) else None


def leads(schema: Schema | None, keys: Sequence[str]) -> Leads:
    """Where these keys lead in the values that fit a schema.

    A schema that names properties, and says nothing of others, is taken to name all there are: its author has written
    down what there is to be read. `additionalProperties` that is true, or a schema, says that there are others.
    """
    if schema is None:
        return Leads(is_known=False)
    here: list[Schema] = [schema]
    for number, key in enumerate(keys):
        found: list[Schema] = []
        names: list[str] = []
        for one in _plain(here, schema):
            below = _below(one, key)
            if below is None:
                return Leads(is_known=False)
            found += below
            names += _table(one.get("properties"))
        if not found:
            return Leads(is_known=False, unknown=number, known=tuple(dict.fromkeys(names)))
        here = found
    return Leads(is_known=True)


def _plain(schemas: Sequence[Schema], root: Schema) -> Iterator[Schema]:
    """The schemas that these stand for: references and combinations are followed, null has no keys and is left out."""
    waiting = [*schemas]
    for _ in range(_MOST_LOOKED_AT):
        if not waiting:
            return
        one = waiting.pop()
        combined = [part for name in _COMBINED for part in _list(one.get(name))]
        referred = [_referred(one["$ref"], root)] if isinstance(one.get("$ref"), str) else []
        parts = [_table(part) for part in (*combined, *referred)]
        waiting += parts
        # What stands beside a combination says something of its own only if it names keys.
        says_nothing = not (one.keys() & {"properties", "items", "prefixItems", "additionalProperties", "type"})
        if one.get("type") != "null" and not (parts and says_nothing):
            yield one
    yield {}  # there is more than can be looked at: anything may be there


def _referred(reference: str, root: Schema) -> Any:
    """The part of the schema that a local reference names; a schema that says nothing for any other reference."""
    if not reference.startswith("#"):
        return {}
    here: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(here, dict) or name not in here:
            return {}
        here = cast("Schema", here)[name]
    return here


def _below(schema: Schema, key: str) -> list[Schema] | None:
    """The schemas of the value at a key: none if there is no such value, None if that cannot be known."""
    found: list[Schema] = []
    kinds = schema.get("type")
    may_be = (kinds,) if isinstance(kinds, str) else tuple(_list(kinds)) or ("object", "array")
    if "object" in may_be:
        properties, others = _table(schema.get("properties")), schema.get("additionalProperties")
        if key in properties:
            found.append(_table(properties[key]))
        elif not properties or "patternProperties" in schema or not (others is None or others is False):
            return None
    if key and not key.strip(_INDEX) and "array" in may_be:
        if "items" not in schema or "prefixItems" in schema:
            return None
        found.append(_table(schema["items"]))
    return found


def _table(value: Any) -> Schema:
    """An object of a schema; an empty one, which says nothing, in the place of all that is none."""
    return cast("Schema", value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
