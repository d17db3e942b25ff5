"""JSON values as tests handle them: any text, number, list or object, told apart at run time."""

from __future__ import annotations

from typing import Any, TypeAlias, TypeGuard

Json: TypeAlias = Any
"""A value that `json.loads` gives."""

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object."""


def is_object(value: Json) -> TypeGuard[JsonObject]:
    """Whether a value is a JSON object."""
    return isinstance(value, dict)


def is_array(value: Json) -> TypeGuard[list[Json]]:
    """Whether a value is a JSON array."""
    return isinstance(value, list)
