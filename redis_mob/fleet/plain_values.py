"""Copies what a handler returned as Python's own types, so that nothing of it runs code of the handler's later."""

from __future__ import annotations

from typing import Any, cast

_items = dict[Any, Any].items


def plain_copy(value: Any, depth: int) -> Any:
    """A copy of lists, tuples, dicts, texts and numbers that is made of Python's own types, down to this depth.

    No method that a subclass has overridden is called. What is no JSON stays as it is, and so does what lies deeper:
    whether that may be is for `check_json` to say. Asking an object for its class may raise anything.
    """
    if depth < 0 or value is None or value is True or value is False:
        return value
    if isinstance(value, list | tuple):
        kind: Any = list if isinstance(value, list) else tuple
        return [plain_copy(item, depth - 1) for item in kind.__iter__(value)]
    if isinstance(value, dict):
        items = _items(cast("dict[Any, Any]", value))
        return {plain_copy(key, 0): plain_copy(item, depth - 1) for key, item in items}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    return float.__float__(value) if isinstance(value, float) else value
