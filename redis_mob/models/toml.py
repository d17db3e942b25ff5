"""Writes a definition as TOML."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import tomli_w

from redis_mob.models.documents import MOB_FIELDS

_ABSENT = object()


_TAGS = ("type", "kind", "op", "source", "mode")
"""Fields that say which model of several an object is: they are written although they have their defaults."""


def brief(whole: Any, changed: Any) -> Any:
    """Of a document what differs from the defaults, as `changed` has it, and the tags."""
    if isinstance(whole, dict) and isinstance(changed, dict):
        parts, kept = cast("dict[str, Any]", whole), cast("dict[str, Any]", changed)
        return {
            key: brief(part, kept[key]) if key in kept else part
            for key, part in parts.items()
            if key in kept or (key in _TAGS and isinstance(part, str))
        }
    if isinstance(whole, list) and isinstance(changed, list):
        return list(map(brief, cast("list[Any]", whole), cast("list[Any]", changed)))
    return cast("Any", whole)


def to_tables(document: dict[str, Any]) -> dict[str, Any]:
    """The tables of a definition's TOML, from its JSON; what is null is left out, as TOML has none."""
    mob = {name: document[name] for name in MOB_FIELDS if document.get(name) is not None}
    others = {name: value for name, value in document.items() if name not in MOB_FIELDS}
    return cast("dict[str, Any]", _without_nulls({"mob": mob, **others}))


def write_toml(tables: dict[str, Any]) -> str:
    """The TOML of these tables."""
    return tomli_w.dumps(tables)


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """The paths at which two JSON documents differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        left, right = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
        for key in dict.fromkeys((*left, *right)):
            yield from differences(left.get(key, _ABSENT), right.get(key, _ABSENT), f"{path}.{key}".removeprefix("."))
    elif isinstance(one, list) and isinstance(other, list):
        first, second = cast("list[Any]", one), cast("list[Any]", other)
        if len(first) != len(second):
            yield path
        for number, (a, b) in enumerate(zip(first, second, strict=False)):
            yield from differences(a, b, f"{path}[{number}]")
    elif cast("Any", one) != other or _kind(cast("Any", one)) != _kind(other):
        yield path


def _kind(value: object) -> type:
    """What tells 1, 1.0 and true apart, which are equal in Python."""
    return type(value)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {key: _without_nulls(item) for key, item in items if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in cast("list[Any]", value) if item is not None]
    return value
