"""What `ctx.report` and `ctx.stream` take, and what they return: the part that is the same wherever a handler runs."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import Any, Protocol

from redis_mob.codec.arguments import valid_text
from redis_mob.errors import ValidationError, shortened, shown
from redis_mob.fleet.typed.outputs import output_json
from redis_mob.models.base import MAX_VALUE_DEPTH, json_text
from redis_mob.models.progress import MOST_BYTES, REPORT

LONGEST_TOPIC = 128
"""Characters of the name of a topic."""


class Teller(Protocol):
    """Takes what the handler of one execution tells; from any thread. The awaitable waits while too much is unsent."""

    def report(self, value: dict[str, Any], /) -> Awaitable[None]:
        """Take a report, which replaces an earlier one that was not sent."""
        ...

    def stream(self, topic: str, value: Any, /) -> Awaitable[None]:
        """Take a chunk."""
        ...


class Ready:
    """Awaiting it waits for nothing. It need not be awaited, as a coroutine would have to be."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


class Silent:
    """Takes all, and tells it no further: for a handler that is called without a fleet."""

    def report(self, value: dict[str, Any], /) -> Awaitable[None]:
        del value
        return Ready()

    def stream(self, topic: str, value: Any, /) -> Awaitable[None]:
        del topic, value
        return Ready()


def report_of(fraction: object, message: object, data: Any) -> dict[str, Any]:
    """The value of a report. Raises ValidationError for what is none, or is too long."""
    if fraction is not None and (isinstance(fraction, bool) or not isinstance(fraction, int | float)):
        raise ValidationError(f"fraction must be a number from 0 to 1, not {shown(fraction)}")
    if fraction is not None and not 0 <= fraction <= 1:
        raise ValidationError(f"fraction must be from 0 to 1, not {shown(fraction)}")
    said = None if message is None else valid_text("message", message)
    value = {"fraction": fraction, "message": said, "data": data}
    return _checked("report", {name: part for name, part in value.items() if part is not None})


def chunk_of(value: Any) -> Any:
    """A chunk. Raises ValidationError for what is no JSON, or is too long."""
    return _checked("chunk", value)


def topic_of(topic: object) -> str:
    """The name of a topic. Raises ValidationError for none, one that is too long, and the one of reports."""
    name = valid_text("topic", topic)
    if not name or len(name) > LONGEST_TOPIC or name == REPORT:
        raise ValidationError(
            f"topic must be a text of 1 to {LONGEST_TOPIC} characters other than {REPORT!r}, not {shown(topic)}"
        )
    return name


def _checked(what: str, value: Any) -> Any:
    try:
        plain = output_json(value, MAX_VALUE_DEPTH)
        length = len(json_text(plain).encode())
    except ValueError as error:
        raise ValidationError(f"the {what} is no JSON: {shortened(error)}") from None
    if length > MOST_BYTES:
        raise ValidationError(
            f"the {what} is {length:,} bytes of JSON, more than {MOST_BYTES:,}: tell less at a time, or where it is"
        )
    return plain
