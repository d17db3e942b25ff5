"""What handlers say of their failures, made storable and bounded: texts, details, tracebacks (contract: engine-23).

A database error repeats its query, a provider answers with a page of HTML: without a bound such a text would be written
several times with every attempt. Nothing here raises, although it calls code of the handler's, such as `__str__`.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from redis_mob.models.base import check_json, json_text

MOST_SAID = 16 * 1024
"""Bytes, as UTF-8, of one message, detail or traceback; what says how much was cut is among them."""

MOST_REPEATED = 1024
"""Bytes of what stands in full beside it, as a message that a traceback ends with."""

LAST_FRAMES = 10
"""Frames of each traceback that are kept, the innermost ones."""

_NOTICE = re.compile(r"… \(([0-9][0-9,]{0,20}) characters, ([0-9][0-9,]{0,20}) kept\)\Z")
_NOTICE_BYTES = 64
_LEAST_SHARE = 256


def bounded(text: str, most: int = MOST_SAID) -> str:
    """The beginning of a text, in at most so many bytes of UTF-8, and how long the text was if something was cut.

    Lone surrogates, as names of files may have, become escapes. A text that was cut before tells its first length.
    """
    data = text.encode(errors="backslashreplace")
    if len(data) <= most:
        return data.decode()
    kept = data[: most - _NOTICE_BYTES].decode(errors="ignore")
    return f"{kept}… ({_first_length(text):,} characters, {len(kept):,} kept)"


def _first_length(text: str) -> int:
    notice = _NOTICE.search(text, max(len(text) - _NOTICE_BYTES, 0))
    if notice is None:
        return len(text)
    whole, kept = (int(number.replace(",", "")) for number in notice.groups())
    return max(notice.start() - kept + whole, len(text))


def joined(texts: Sequence[str], most: int = MOST_SAID) -> str:
    """All texts in one line, in at most so many bytes: each has its share, and what has no room is counted."""
    line = "; ".join(texts)
    if len(line.encode(errors="backslashreplace")) <= most:
        return bounded(line, most)
    room = most - _NOTICE_BYTES
    share = max(room // len(texts), _LEAST_SHARE)
    told = [bounded(text, share - len("; ")) for text in texts[: room // share]]
    return "; ".join([*told, *([f"and {len(texts) - len(told)} more"] if len(told) < len(texts) else [])])


def text_of(value: object) -> str:
    """The text of a value from a handler, bounded."""
    try:
        return bounded(str(value))
    except BaseException:  # noqa: BLE001 - `__str__` is the handler's own code, and may raise anything
        return f"<a {class_of(value)} that cannot be shown>"


def class_of(value: object) -> str:
    """The name of a value's class, bounded."""
    return bounded(type.__dict__["__name__"].__get__(type(value)), MOST_REPEATED)  # a metaclass may hide the name


def json_of(value: object, deepest: int) -> Any:
    """A value as it is if it is JSON of at most so many levels, and short; else its text, bounded."""
    try:
        text = json_text(check_json(value, deepest))
        return value if len(text.encode()) <= MOST_SAID else bounded(text)
    except BaseException:  # noqa: BLE001 - a subclass of dict or list is the handler's own code
        return text_of(value)


def traceback_of(error: BaseException, frames: TracebackType | None) -> str | None:
    """The traceback of an exception from these frames on: the last ones, causes, notes, inner exceptions of groups.

    Of a text that is too long the end is kept, which says most. None if the exception does not let itself be shown.
    """
    try:
        shown = traceback.TracebackException(type(error), error, frames, limit=-LAST_FRAMES, compact=True)
        # Each line is bounded as well: a huge message must not push the frames out.
        return _end_of("\n".join(bounded(line.rstrip("\n"), MOST_REPEATED) for line in shown.format()))
    except BaseException:  # noqa: BLE001 - attributes and methods of the exception are the handler's own code
        return None


def _end_of(text: str) -> str:
    data = text.encode()
    if len(data) <= MOST_SAID:
        return text
    kept = data[_NOTICE_BYTES - MOST_SAID :].decode(errors="ignore")
    return f"({len(text):,} characters, the last {len(kept):,} kept) …{kept}"
