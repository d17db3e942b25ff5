"""What models may hold that cannot be stored: texts that are no UTF-8, for which pydantic writes others in keys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from pydantic_core import from_json

from redis_mob.errors import shown
from redis_mob.models.base import Model
from redis_mob.models.unknown_keys import below

_TOO_DEEP = "it is nested too deeply to be stored: write a flatter one"


def not_storable(value: Model) -> str | None:
    """The path of the first text in a model that has a lone surrogate, and what to do; None if there is none.

    It also says if the model is nested too deeply to be written, or read back.
    """
    try:
        document = value.model_dump()
        text = json.dumps(document, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return _TOO_DEEP
    try:
        from_json(text.encode())
    except UnicodeEncodeError:
        return next(_found(document, ""))
    except ValueError:
        return _TOO_DEEP
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
