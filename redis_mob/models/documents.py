"""Definitions as people write them: TOML in, and complaints that name the field, the value and the rule."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from redis_mob.errors import DefinitionError, did_you_mean, nearest, shown
from redis_mob.models.unknown_keys import below, unknown_key

MOB_FIELDS = ("id", "orchestrator")
"""The fields of a definition that stand in the table [mob]; the others are tables of their own in TOML."""

_TABLES = (
    "profiles",
    "wiring",
    "skills",
    "backend",
    "flows",
    "topology",
    "supervisor",
    "limits",
    "spawn_policy",
    "event_router",
    "budgets",
    "prices",
)

_OF_RUNNING_MOB = ("session_cleanup_policy", "is_implicit")
"""Fields of a definition that no file sets."""

_BESIDE = ("retention",)
"""Tables of a file that are no part of the definition; see models/mob_retention."""

TEXT_ENCODING = "utf-8-sig"
"""How files that people write are read: some editors begin them with a mark, which is no part of the text."""

BYTE_ORDER_MARK = "\ufeff"
"""What some editors put at the beginning of a UTF-8 text; it belongs to no format that is read here."""

_LONGEST_VALUE = 60

_PLAIN_WORDS = {
    "missing": "is missing",
    "dict_type": "must be a table (an object in JSON)",
    "model_type": "must be a table (an object in JSON)",
    "model_attributes_type": "must be a table (an object in JSON)",
    "tuple_type": "must be a list",
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "int_type": "must be an integer",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "recursion_loop": "is nested too deeply",
}


def read_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML document, in the order in which they were written.

    Raises DefinitionError with line and column, or for an argument that is no text.
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DefinitionError(f"text must be the TOML as a str, not a value of type {type(text).__name__}")
    import tomllib  # a definition that is stored is no TOML

    try:
        return tomllib.loads(text.removeprefix(BYTE_ORDER_MARK))
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError(f"no valid TOML: {error}") from error
    except RecursionError as error:
        raise DefinitionError("no valid TOML: nested too deeply") from error


def from_tables(tables: dict[str, Any]) -> dict[str, Any]:
    """The fields of a definition, taken from the tables of its TOML; an orchestrator may be the name of its profile.

    Tables that no definition has are kept, as in JSON, but nothing else that stands in [mob].

    Raises DefinitionError when there is no table [mob].
    """
    mob = tables.get("mob")
    if not isinstance(mob, dict):
        raise DefinitionError('the table [mob] is missing; it names the mob: id = "..."')
    fields: dict[str, Any] = {name: value for name, value in cast("dict[str, Any]", mob).items() if name in MOB_FIELDS}
    if isinstance(fields.get("orchestrator"), str):
        fields["orchestrator"] = {"profile": fields["orchestrator"]}
    no_tables = ("mob", *MOB_FIELDS, *_OF_RUNNING_MOB, *_BESIDE)
    return fields | {name: table for name, table in tables.items() if name not in no_tables}


def unknown_in_tables(tables: dict[str, Any]) -> Iterator[str]:
    """A sentence for each table of a TOML document, and each key of its table [mob], that no definition has."""
    for name in tables:
        if name in MOB_FIELDS:
            yield unknown_key(below("", name), "write it in [mob]")
        elif name not in ("mob", *_TABLES, *_BESIDE):
            yield unknown_key(below("", name), nearest(name, ("mob", *_TABLES, *_BESIDE)))
    for name in tables["mob"]:
        if name in (*_TABLES, *_BESIDE):
            yield unknown_key(f"mob.{name}", f"write it as a table of its own, [{name}]")
        elif name not in MOB_FIELDS:
            yield unknown_key(below("mob", name), nearest(name, MOB_FIELDS))


def complaints(error: ValidationError, document: object, *, inside_mob: Collection[str] = ()) -> str:
    """One line for each thing wrong with `document`: the path of the field, what is wrong, and the value it has.

    Fields in `inside_mob` are shown as `mob.<field>`, where a reader of the TOML looks for them.
    """
    details = error.errors(include_url=False)
    return "\n".join(dict.fromkeys(_complaint(detail, document, inside_mob) for detail in details))


def _complaint(detail: ErrorDetails, document: object, inside_mob: Collection[str]) -> str:
    kind, value = detail["type"], detail["input"]
    text = (
        _PLAIN_WORDS.get(kind) or _about_tag(detail) or detail["msg"].removeprefix("Value error, ").removeprefix("$: ")
    )
    if kind not in ("missing", "value_error") and isinstance(value, str | int | float):
        given = repr(value) if isinstance(value, str) else shown(value)  # an integer may have too many digits for repr
        text += f", not {given if len(given) <= _LONGEST_VALUE else given[:_LONGEST_VALUE] + '…'}"
    path = _path_in(detail["loc"], document, missing=kind == "missing")
    if path and path[0] in inside_mob:
        path.insert(0, "mob")
    spelled = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return f"{spelled.removeprefix('.')}: {text}" if path else text


def _about_tag(detail: ErrorDetails) -> str | None:
    """What is wrong with the key that says which of several models an object is, if that is what is wrong."""
    about = detail.get("ctx", {})
    key = str(about.get("discriminator", "")).strip("'")
    if detail["type"] == "union_tag_not_found":
        others = [one for one in cast("dict[object, object]", detail["input"]) if isinstance(one, str)]
        near = next((one for one in others if did_you_mean(one, [key])), None)
        hint = "" if near is None else f"; there is no such key as {shown(near)} (nearest: {shown(key)})"
        return f"the key {shown(key)} is missing, which says what it is{hint}"
    if detail["type"] == "union_tag_invalid":
        tag, known = str(about["tag"]), str(about["expected_tags"])
        hint = did_you_mean(tag, [one.strip("' ") for one in known.split(",")])
        return f"{key} must be one of {known}, not {shown(tag)}{hint}"
    return None


def _path_in(loc: tuple[int | str, ...], document: object, *, missing: bool) -> list[int | str]:
    """The parts of an error's location that exist in the document: the names of union members do not."""
    path: list[int | str] = []
    here = document
    for index, part in enumerate(loc):
        if isinstance(here, dict) and part in here:
            here = cast("dict[Any, object]", here)[part]
        elif isinstance(here, list) and isinstance(part, int) and part < len(cast("list[object]", here)):
            here = cast("list[object]", here)[part]
        elif not (missing and index == len(loc) - 1):
            continue
        path.append(part)
    return path
