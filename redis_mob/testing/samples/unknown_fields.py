"""Models with fields that no class of ours has, at every place where a document may have one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from redis_mob.models.base import Model

M = TypeVar("M", bound=Model)

LATER: dict[str, Any] = {"later_field": {"b": [1, 1.0, 2**70, None], "a": {"é": ""}}, "later_flag": False}
"""What a later release might say."""


def with_unknown(model: M, fields: Mapping[str, Any] = LATER) -> M:
    """The same value, and these fields in it and in each model that it holds, as if it was read of a document."""
    document = json.loads(model.model_dump_json())
    _sprinkle(model, document, fields)
    return type(model).model_validate_json(json.dumps(document))


def _sprinkle(value: object, document: Any, fields: Mapping[str, Any]) -> None:
    if isinstance(value, Model):
        document.update(fields)
        for name, field in type(value).model_fields.items():
            written = field.alias or name
            if written in document:
                _sprinkle(getattr(value, name), document[written], fields)
    elif isinstance(value, dict):
        for name, item in cast("dict[str, object]", value).items():
            _sprinkle(item, document[name], fields)
    elif isinstance(value, tuple):
        for item, written in zip(cast("tuple[object, ...]", value), document, strict=True):
            _sprinkle(item, written, fields)
