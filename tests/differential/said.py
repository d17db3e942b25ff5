"""What a store says to a call, as one text that shows every difference but that of the clocks."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from redis_mob.errors import OutcomeUnknownError, RedisMobError
from redis_mob.models.base import Model, format_timestamp

_START = datetime.now(UTC)
_LONG = timedelta(days=1)

CLOCK = "<clock>"
"""Stands for a time that a storage took from its clock."""


async def outcome(answer: Awaitable[Any]) -> Any:
    """The result of a call, or the error that it was refused with. An unknown outcome is no answer: it is raised."""
    try:
        return await answer
    except OutcomeUnknownError:
        raise
    except RedisMobError as error:
        return error


def said(answer: Any) -> str:
    """The text of a result or an error: 1 is not 1.0, the order of keys counts, and nothing is left out."""
    return json.dumps(answer, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    match value:
        case RedisMobError():
            return {type(value).__name__: str(value)}
        case datetime():
            return CLOCK if abs(value - _START) < _LONG else format_timestamp(value)
        case bytes():
            return value.hex()
        case frozenset():
            return sorted(said(item) for item in cast("frozenset[Any]", value))
        case Model():
            return {type(value).__name__: dict(value)}
        case _:
            return {
                type(value).__name__: {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            }
