"""The revision that a config document carries."""

from __future__ import annotations

from typing import Any, cast

from redis_mob.models.base import U64_MAX


def extract_meta_revision(value: Any) -> int | None:
    """The integer at `meta.revision` of a document, or None if there is none from 0 to 2^64-1.

    A float is no integer even if it is whole, nor is a bool or a text. The document needs no `spec`. Conditional writes
    treat None as 0 (contract: config-7).
    """
    meta = _member(value, "meta")
    revision = _member(meta, "revision")
    if isinstance(revision, int) and not isinstance(revision, bool) and 0 <= revision <= U64_MAX:
        return int(revision)
    return None


def _member(value: Any, key: str) -> Any:
    return cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None
