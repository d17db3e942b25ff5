"""What the objects of recorded histories do, call by call: models for `redis_mob.testing.history`.

Each is about one object, which is named by the `key` of its calls. Results are JSON, with tuples in the place of lists.
The same models are there in Go, for Porcupine (tests/robustness/porcupine), and docs/testing.md lists their calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis_mob.testing.history import PlainModel
from redis_mob.testing.history_files import Operation

_OVER = frozenset(("completed", "failed", "canceled"))
"""The statuses of a run that no compare-and-swap changes."""


class Register:
    """A value, at first None, to be read, written, and swapped where it is the expected one."""

    def start(self) -> Any:
        return None

    def apply(self, state: Any, call: Operation) -> tuple[Any, Any]:
        match call.name, call.arguments:
            case "read", ():
                return state, state
            case "write", (value,):
                return None, value
            case "swap", (expected, value):
                return (True, value) if state == expected else (False, state)
            case _:
                raise unknown(call)


class Document:
    """A config document: None, or (revision, number). A call that is refused tells the revision: ("is", revision)."""

    def start(self) -> tuple[int, int] | None:
        return None

    def apply(self, state: tuple[int, int] | None, call: Operation) -> tuple[Any, tuple[int, int] | None]:
        revision = 0 if state is None else state[0]
        match call.name, call.arguments:
            case "get", ():
                return state, state
            case "put_if_revision", (expected, number):
                return (True, (expected + 1, number)) if revision == expected else (("is", revision), state)
            case "put_if_absent", (number,):
                return (True, (1, number)) if state is None else (False, state)
            case "delete_if_revision", (expected,):
                return (True, None) if revision == expected else (("is", revision), state)
            case _:
                raise unknown(call)


class Record:
    """A record: None, or its value."""

    def start(self) -> Any:
        return None

    def apply(self, state: Any, call: Operation) -> tuple[Any, Any]:
        match call.name, call.arguments:
            case "get", ():
                return state, state
            case "insert", (value,):
                return ("stored", value) if state is None else ("equal" if state == value else "conflict", state)
            case "compare_and_put", (expected, value):
                return (True, value) if state == expected else (False, state)
            case "compare_and_delete", (expected,):
                return (True, None) if state == expected else (False, state)
            case _:
                raise unknown(call)


class Run:
    """The status of a run, None before it is created. One that is over stays as it is."""

    def start(self) -> str | None:
        return None

    def apply(self, state: str | None, call: Operation) -> tuple[Any, str | None]:
        match call.name, call.arguments:
            case "get", ():
                return state, state
            case "create", ():
                return (True, "pending") if state is None else (False, state)
            case "swap", (expected, status):
                return (True, status) if state == expected and state not in _OVER else (False, state)
            case _:
                raise unknown(call)


class Entry:
    """The last entry of a log, with those before it; the same object for the same entries."""

    __slots__ = ("before", "cursor", "followers", "number")

    def __init__(self, before: Entry | None, number: int) -> None:
        self.before = before
        self.number = number
        self.cursor = 0 if before is None else before.cursor + 1
        self.followers: dict[int, Entry] = {}

    def followed_by(self, number: int) -> Entry:
        """The log with one more entry."""
        if number not in self.followers:
            self.followers[number] = Entry(self, number)
        return self.followers[number]


class Log:
    """A log of numbers, whose cursors are 1, 2, 3 and so on. A number is appended by one call only."""

    def __init__(self) -> None:
        self._empty = Entry(None, 0)

    def start(self) -> Entry:
        return self._empty

    def apply(self, state: Entry, call: Operation) -> tuple[Any, Entry]:
        match call.name, call.arguments:
            case "append", numbers:
                longer = state
                for number in numbers:
                    longer = longer.followed_by(number)
                return tuple(range(state.cursor + 1, longer.cursor + 1)), longer
            case "poll", (after, limit):
                found: list[tuple[int, int]] = []
                entry = state
                while entry.before is not None and entry.cursor > after:
                    found.append((entry.cursor, entry.number))
                    entry = entry.before
                return tuple(found[: -limit - 1 : -1]), state
            case "latest", ():
                return state.cursor, state
            case _:
                raise unknown(call)


def unknown(call: Operation) -> ValueError:
    """The error for a call that a model does not have."""
    return ValueError(f"model {call.model!r} has no call {call.name!r} with {len(call.arguments)} arguments")


MODELS: Mapping[str, type[PlainModel[Operation, Any]]] = {
    "register": Register,
    "document": Document,
    "record": Record,
    "run": Run,
    "log": Log,
}
"""The models by their names, as they stand in files."""


def model_of(part: tuple[str, str]) -> PlainModel[Operation, Any]:
    """The model of an object, as `check_parts` asks for it."""
    return MODELS[part[0]]()
