"""JSON values at the edge of what a model may hold, and values beyond it."""

from __future__ import annotations

import math
from typing import Any

from redis_mob.models.base import MAX_VALUE_DEPTH

ANY_JSON: dict[str, Any] = {
    "text": 'é\U0001f680\0\u2028\r\n\t"\\',
    "": None,
    "\0": {"": {}},
    "numbers": [1, 1.0, True, 0, 0.0, False, 2**53 + 1, 2**70 + 1, 1 - 2**63, 1e300, 5e-324, 0.1],
    "nothing": [None, [], {}, "", [[]]],
}
"""A value with much that is easily confused or lost."""


def nested(depth: int) -> Any:
    """A number that many levels deep, in objects and lists by turns."""
    value: Any = 1
    for level in range(depth):
        value = {"in": value} if level % 2 else [value]
    return value


DEEPEST = nested(MAX_VALUE_DEPTH)
"""As deep as a value may be."""

NO_JSON: dict[str, Any] = {
    "nan": math.nan,
    "infinity": math.inf,
    "surrogate": ["\ud800"],
    "surrogate_key": {"\udfff": 1},
    "number_as_key": {1: 1},
    "set": {"a": {1, 2}},
    "bytes": b"bytes",
    "object": {"a": object()},
    "too_deep": nested(MAX_VALUE_DEPTH + 1),
}
"""What is no such value, by what is wrong with it."""
