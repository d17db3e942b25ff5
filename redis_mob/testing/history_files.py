"""Histories as files, which other checkers than `redis_mob.testing.history` can read, such as Porcupine.

The first line is `{"format": "redis-mob-history", "version": 1}`; each further one is a call, in any order:

    {"client": 3, "model": "document", "key": "ns-0/doc-1", "name": "get", "arguments": [], "started": 12, "ended": 15,
     "result": [2, 700041]}

docs/testing.md says what the fields mean.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from redis_mob.errors import SerializationError, ValidationError
from redis_mob.testing.history import History, RecordedCall

FORMAT = "redis-mob-history"
VERSION = 1

_FIELDS = ("client", "model", "key", "name", "arguments", "started", "ended", "result")


class Operation(NamedTuple):
    """A call that can be written to a file: of which model, on which object, what it does, with which JSON values.

    Calls of one model and key are about one object, and calls of others are about others.
    """

    model: str
    key: str
    name: str
    arguments: tuple[Any, ...] = ()

    @property
    def part(self) -> tuple[str, str]:
        """The object that the call is about."""
        return self.model, self.key


def frozen(value: Any) -> Any:
    """A JSON value with tuples in the place of lists, as calls and results are compared."""
    if isinstance(value, list | tuple):
        return tuple(frozen(item) for item in cast("Sequence[Any]", value))
    return value


def write_history(path: Path, history: History[Operation]) -> None:
    """Write a history to a file, which is overwritten. Clients, arguments and results have to be JSON."""
    with path.open("w", encoding="utf-8") as file:
        print(json.dumps({"format": FORMAT, "version": VERSION}), file=file)
        for recorded in history.calls:
            model, key, name, arguments = recorded.call
            values = (recorded.client, model, key, name, arguments, recorded.started, recorded.ended, recorded.result)
            print(json.dumps(dict(zip(_FIELDS, values, strict=True))), file=file)


def read_history(path: Path) -> History[Operation]:
    """The history of a file; its lists are tuples.

    Raises SerializationError, which names the line, for a file that is none or is damaged, and ValidationError for one
    of another version.
    """
    history = History[Operation]()
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                fields = json.loads(line)
                if number == 1:
                    _check_header(path, fields)
                    continue
                client, model, key, name, arguments, started, ended, result = (fields[field] for field in _FIELDS)
            except (ValueError, TypeError, KeyError) as error:
                raise SerializationError(f"{path}: line {number} is no call of a history: {error!r}") from error
            call = Operation(model, key, name, frozen(arguments))
            history.calls.append(RecordedCall(client, call, started, ended, frozen(result)))
    return history


def _check_header(path: Path, header: Any) -> None:
    if header["format"] != FORMAT:
        raise KeyError(header["format"])
    if header["version"] != VERSION:
        raise ValidationError(f"{path}: version {header['version']!r} of the format, and {VERSION} is known")
