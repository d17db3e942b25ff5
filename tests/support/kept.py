"""What the crate drops of a document and we keep: the fields that it does not know."""

from __future__ import annotations

from typing import Any, cast


def kept(written: Any, given: Any) -> Any:
    """What the crate has written of a document, with all fields of the document that it has dropped."""
    if isinstance(written, dict) and isinstance(given, dict):
        left, right = cast("dict[str, Any]", written), cast("dict[str, Any]", given)
        both = {name: kept(value, right.get(name)) for name, value in left.items()}
        return {**both, **{name: value for name, value in right.items() if name not in left}}
    if isinstance(written, list) and isinstance(given, list):
        return [kept(*pair) for pair in zip(cast("list[Any]", written), cast("list[Any]", given), strict=True)]
    return cast("Any", written)
