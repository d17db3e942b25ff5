"""Cursors over all namespaces: the place in each of them, in the order of their numbers, as one text. Pure."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import TypeVar

from pydantic import TypeAdapter
from pydantic import ValidationError as WrongForm
from pydantic_core import to_json

from redis_mob.codec.arguments import text
from redis_mob.errors import ValidationError, shown

RunPlaces = list[str | None]
"""Of each namespace the `next` of its last page; an empty text before the first, and None behind the last."""

LogPlaces = list[int | None]
"""Of each namespace the cursor of the last event that was handed over; None if it was not reached so far."""

T = TypeVar("T")

_RUNS, _LOG = TypeAdapter(RunPlaces), TypeAdapter(LogPlaces)


def run_cursor(places: RunPlaces) -> str:
    """Places in lists of runs as one text."""
    return _encoded("r1.", places)


def places_of_runs(after: str) -> RunPlaces:
    """The places in lists that a text says. Raises ValidationError for what is no such cursor."""
    return _decoded("r1.", _RUNS, after, "the `next` of a page of runs over several namespaces")


def log_cursor(places: LogPlaces) -> str:
    """Places in event logs as one text."""
    return _encoded("e1.", places)


def places_of_log(after: str) -> LogPlaces:
    """The places in logs that a text says. Raises ValidationError for what is no such cursor."""
    return _decoded("e1.", _LOG, after, "the `cursor` of a log over several namespaces")


def _encoded(form: str, places: Sequence[object]) -> str:
    return form + urlsafe_b64encode(to_json(places)).decode().rstrip("=")


def _decoded(form: str, kind: TypeAdapter[T], after: object, what: str) -> T:
    given = text("after", after)
    body = given.removeprefix(form)
    try:
        if body != given:
            return kind.validate_json(urlsafe_b64decode(body + "=" * (-len(body) % 4)), strict=True)
    except (ValueError, WrongForm):
        pass
    raise ValidationError(f"after must be {what}, not {shown(given)}")
