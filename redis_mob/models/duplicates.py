"""JSON that gives a field twice is refused; free maps take the last value (contract: json-2)."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, TypeAlias, cast

from pydantic import BaseModel
from pydantic_core import from_json, to_json

Path: TypeAlias = tuple[str | int, ...]


class Repeating(dict[str, Any]):
    """A JSON object that holds some of its keys more than once; each has its last value."""

    __slots__ = ("repeated",)

    repeated: set[str]


def repeated_field(text: str | bytes | bytearray, value: object) -> Path | None:
    """Where `text`, from which `value` was read, gives a known field of a model twice; None if it nowhere does."""
    if is_as_written(text.encode() if isinstance(text, str) else text):
        return None
    return repeated_in(json.loads(text, object_pairs_hook=object_of), value)


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The JSON object of these pairs, as a hook of `json.loads`: one that repeats a key is a `Repeating`."""
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    repeating = Repeating(plain)
    counts = Counter(key for key, _ in pairs)
    repeating.repeated = {key for key, count in counts.items() if count > 1}
    return repeating


def is_as_written(text: bytes | bytearray) -> bool:
    """Whether a text is what is written of what is read of it: then it gives nothing twice.

    That of our own models is, and it is found out in a fifth of the time that looking at each key takes.
    """
    try:
        return to_json(from_json(text)) == text
    except ValueError:
        return False


def repeated_in(raw: Any, value: object, path: Path = ()) -> Path | None:
    """As `repeated_field`, for JSON whose objects `object_of` has made, and which stands at this path."""
    children: list[tuple[str | int, Any, object]] = []
    if isinstance(raw, dict):
        obj = cast("dict[str, Any]", raw)
        if isinstance(value, BaseModel):
            known = {field.alias or name: name for name, field in type(value).model_fields.items()}
            if isinstance(obj, Repeating) and (both := obj.repeated & known.keys()):
                return (*path, min(both))
            children = [(key, obj[key], getattr(value, name)) for key, name in known.items() if key in obj]
        elif isinstance(value, dict):
            items = cast("dict[str, object]", value)
            children = [(key, obj[key], item) for key, item in items.items() if key in obj]
    elif isinstance(raw, list) and isinstance(value, tuple):
        items = zip(cast("list[Any]", raw), cast("tuple[object, ...]", value), strict=False)
        children = [(index, item, read) for index, (item, read) in enumerate(items)]
    return next((hit for key, inner, read in children if (hit := repeated_in(inner, read, (*path, key)))), None)
