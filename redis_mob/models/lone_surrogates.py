"""Texts that cannot be stored as UTF-8: pydantic takes them, and writes others in their place where they are keys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from redis_mob.errors import shown
from redis_mob.models.base import Model
from redis_mob.models.unknown_keys import below


def lone_surrogate(value: Model) -> str | None:
    """The path of the first text in a model that has a lone surrogate, and what to do; None if there is none."""
    document = value.model_dump()
    try:
        json.dumps(document, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return next(_found(document, ""))
    return None


def _found(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            yield f"{path}: {shown(value)} has a lone surrogate, which cannot be stored: give it without"
    elif isinstance(value, Mapping):
        for key, item in cast("Mapping[Any, Any]", value).items():
            yield from _found(key, path)
            yield from _found(item, below(path, str(key)))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(cast("Sequence[Any]", value)):
            yield from _found(item, f"{path}[{number}]")
