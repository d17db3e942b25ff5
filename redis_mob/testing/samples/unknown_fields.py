"""Models with fields that no class of ours has, at every place where a document may have one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from redis_mob.models.base import Model

M = TypeVar("M", bound=Model)

LATER: dict[str, Any] = {"later_field": {"b": [1, 1.0, 2**70, None], "a": {"é": ""}}, "later_flag": False}
"""What a later release might say."""


def with_unknown(model: M, fields: Mapping[str, Any] = LATER) -> M:
    """The same value, and these fields in it and in each model that it holds, as if it was read of a document."""
    document = sprinkled(model, json.loads(model.model_dump_json()), lambda: fields)
    return type(model).model_validate_json(json.dumps(document))


def sprinkled(value: object, document: Any, more: Callable[[], Mapping[str, Any]]) -> Any:
    """What is written of a value, with more fields in the objects that are models: those that these do not know."""
    match value, document:
        case Model(), dict():
            table = {**cast("dict[str, Any]", document)}
            fields = {one.alias or name: name for name, one in type(value).model_fields.items()}
            for spelled, name in fields.items():
                if spelled in table:
                    table[spelled] = sprinkled(getattr(value, name), table[spelled], more)
            if type(value).model_config.get("extra") == "allow":
                known = {*fields, *fields.values()}
                table |= {name: one for name, one in more().items() if name not in known}
            return table
        case dict(), dict():
            items = cast("dict[str, Any]", document)
            held = cast("dict[str, object]", value)
            return {key: sprinkled(held[key], item, more) if key in held else item for key, item in items.items()}
        case tuple(), list():
            pairs = zip(cast("tuple[object, ...]", value), cast("list[Any]", document), strict=False)
            return [sprinkled(one, item, more) for one, item in pairs]
        case _:
            return document
