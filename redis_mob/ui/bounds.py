"""Bounds what a page is sent of one thing: models and handlers may say things of any length (contract: ui-20). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic_core import to_json

MOST_BYTES = 256 * 1024
"""Bytes of one text that is shown; all of it can be downloaded."""

MOST_IN_PASSING = 4 * 1024
"""Characters of a text that stands among many others."""


def bounded(text: str, most: int = MOST_BYTES) -> dict[str, Any]:
    """A text as it is shown; `truncated` is how many bytes of it are left out."""
    data = text.encode("utf-8", "replace")
    shown = data[:most].decode("utf-8", "ignore")
    return {"text": shown, "bytes": len(data), "truncated": len(data) - len(shown.encode())}


def json_text(value: Any) -> str:
    """A value as people read it: a text as it is, else its JSON, in which no number is rounded."""
    return value if isinstance(value, str) else to_json(value, indent=2).decode()


def clipped(value: Any, most: int = MOST_IN_PASSING) -> Any:
    """JSON whose long texts are cut, and say so."""
    if isinstance(value, str):
        return value if len(value) <= most else f"{value[:most]}… ({len(value)} characters)"
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {key: clipped(one, most) for key, one in items}
    if isinstance(value, Sequence):
        return [clipped(one, most) for one in cast("Sequence[Any]", value)]
    return value
