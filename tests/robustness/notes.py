"""What the processes under load note of each call, one JSON array a line; times are those of `time.monotonic`.

That clock is one for all processes of a machine.
"""

from __future__ import annotations

import json
import time
from dataclasses import astuple, dataclass
from typing import TypeAlias

END = "end"
"""The writer of the last event and the last document of a namespace."""

KINDS = ("event", "run", "config")
"""What each writer writes to each namespace."""

NUMBERS = "numbers"
"""The config namespace that has a document for each number that a writer has written there."""


@dataclass(frozen=True, slots=True)
class Call:
    """One write, which no other call of any writer resembles: what it wrote is `number` of its writer and kind.

    `error` is the name of the exception that ended it, empty when it was acknowledged; `cursor` is that of an event.
    """

    namespace: str
    kind: str
    writer: str
    number: int
    began: float
    ended: float
    cursor: int = 0
    error: str = ""
    text: str = ""

    @property
    def is_acknowledged(self) -> bool:
        return not self.error


@dataclass(frozen=True, slots=True)
class Sighting:
    """A follower was told of what a call wrote; `cursor` is the place in its log."""

    namespace: str
    kind: str
    writer: str
    number: int
    cursor: int
    at: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """A follower was told of an error instead; if what it saw is gone, it goes on after the cursor `kept`."""

    namespace: str
    kind: str
    at: float
    error: str
    kept: int | None = None
    text: str = ""


Note: TypeAlias = Call | Sighting | Trouble

_NOTES = {kind.__name__: kind for kind in (Call, Sighting, Trouble)}


def say(note: Note) -> None:
    """Tell the process that has started this one."""
    print(json.dumps([type(note).__name__, *astuple(note)]), flush=True)


def parsed(line: bytes) -> Note:
    """The note of a line."""
    kind, *fields = json.loads(line)
    return _NOTES[kind](*fields)


def now() -> float:
    return time.monotonic()


def document_of(writer: str, number: int) -> str:
    """The id of the document that says that a writer has written a number."""
    return f"{writer}-{number:08}"


def number_in(document: str) -> tuple[str, int]:
    """(writer, number) of such an id."""
    writer, _, number = document.rpartition("-")
    return writer, int(number)
