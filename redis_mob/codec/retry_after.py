"""How long a service asks to be left alone: the header Retry-After, as RFC 9110 has it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from redis_mob.codec.arguments import LONGEST

_MOST_DIGITS = 10
"""Digits of the seconds of the longest pause."""


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """The pause that a response asks for, None if it asks for none that makes sense; the longest one if it is longer.

    `headers` are looked up without regard to case. A date is compared with that of the response, since clocks differ.
    """
    value = headers.get("Retry-After", "").strip()
    with suppress(TypeError, ValueError, OverflowError):
        if value.isdigit() and value.isascii():
            digits = value.lstrip("0") or "0"  # there may be more of them than Python reads
            return LONGEST if len(digits) > _MOST_DIGITS else min(timedelta(seconds=int(digits)), LONGEST)
        until = parsedate_to_datetime(value)
        return min(max(_aware(until) - _date_of(headers), timedelta()), LONGEST)
    return None


def _date_of(headers: Mapping[str, str]) -> datetime:
    with suppress(TypeError, ValueError, OverflowError):
        return _aware(parsedate_to_datetime(headers.get("Date", "")))
    return datetime.now(UTC)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)  # HTTP knows no other zone
