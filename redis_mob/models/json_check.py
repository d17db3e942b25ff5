"""What a JSON value may be made of: each place that is refused, is named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

from redis_mob.errors import MOST_OF_PATH, shortened, shown

MAX_DIGITS = 4300
"""JSON integers have at most this many digits: what readers accept, Python's own among them."""

_TOO_LONG = 10**MAX_DIGITS


def refuse_what_is_no_json(value: Any, path: str, depth: int, deepest: int) -> None:
    """Raises ValueError naming the offending path, which begins with `path`, that of `value`, `depth` levels down."""
    if depth > deepest:
        raise _refusal(path, f"nested deeper than {deepest} levels")
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, int):
        if not -_TOO_LONG < value < _TOO_LONG:
            raise _refusal(path, f"an integer of more than {MAX_DIGITS} digits could not be read back")
        return
    if isinstance(value, str):
        try:
            str.encode(value)
        except UnicodeEncodeError:
            raise _refusal(path, "a lone surrogate cannot be stored as UTF-8") from None
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _refusal(path, f"{value} is no JSON number")
        return
    if isinstance(value, list | tuple):
        for index, item in enumerate(cast("Sequence[Any]", value)):
            refuse_what_is_no_json(item, f"{path}[{index}]", depth + 1, deepest)
        return
    if isinstance(value, dict):
        for key, item in cast("dict[Any, Any]", value).items():
            if not isinstance(key, str):
                raise _refusal(path, f"the key {shown(key)} is no text")
            refuse_what_is_no_json(key, f"{path}.{shown(key)}", depth, deepest)
            refuse_what_is_no_json(item, f"{path}.{key}", depth + 1, deepest)
        return
    raise _refusal(path, f"a value of type {type(value).__name__} is no JSON")


def _refusal(path: str, problem: str) -> ValueError:
    return ValueError(f"{shortened(path, MOST_OF_PATH)}: {problem}")
