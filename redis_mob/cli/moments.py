"""Times as people write them: a moment, or how long ago it was."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from redis_mob.errors import ValidationError, shown
from redis_mob.models.base import U64_MAX

_AGO = re.compile(r"([0-9]{1,6})([smhdw])")
_LONGEST_CURSOR = len(str(U64_MAX))
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_moment(option: str, text: str | None, now: datetime) -> datetime | None:
    """The moment that a text names: ISO 8601, in local time if it has no zone, or as 2h or 7d before now.

    Raises ValidationError naming the option.
    """
    return None if text is None else moment_of(option, text, now)


def moment_of(option: str, text: str, now: datetime) -> datetime:
    """The moment that a text names, as `parse_moment` reads and refuses it."""
    try:
        if (ago := _AGO.fullmatch(text)) is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValidationError(
            f"{option} is no time: {shown(text)}; write it like 2026-11-29T08:00, or how long ago it was, like 2h or 7d"
        ) from None


def place_of(option: str, text: str, now: datetime) -> int | datetime:
    """The cursor, or the time, that a text names. Raises ValidationError naming the option."""
    if len(text) <= _LONGEST_CURSOR and text.isascii() and text.isdecimal():
        return int(text)
    return moment_of(f"{option} is no cursor, and", text, now)


def parse_coming(option: str, text: str | None) -> datetime | None:
    """The moment to come that a text names: ISO 8601, in local time if it has no zone, or as 30m or 2h from now.

    Raises ValidationError naming the option.
    """
    now = datetime.now(UTC)
    if text is None:
        return None
    try:
        if (later := _AGO.fullmatch(text)) is not None:
            return now + timedelta(**{_UNITS[later[2]]: int(later[1])})
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValidationError(
            f"{option} is no time: {shown(text)}; write it like 2026-11-29T08:00, or how long from now, like 30m or 2h"
        ) from None
