"""What the crate drops of a document and we keep: the fields that it does not know."""

from __future__ import annotations

from typing import Any


def kept(written: Any, given: Any) -> Any:
    """What the crate has written of a document, with all fields of the document that it has dropped."""
    match written, given:
        case dict(), dict():
            both: dict[str, Any] = {
                name: kept(value, given[name]) if name in given else value for name, value in written.items()
            }
            return {**both, **{name: value for name, value in given.items() if name not in written}}
        case list(), list():
            return [kept(*pair) for pair in zip(written, given, strict=True)]
        case _:
            return written
