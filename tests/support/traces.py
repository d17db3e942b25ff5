"""Replays calls that were recorded from the crate's stores on a store of ours, and compares every result exactly.

Arguments and results are read and written as the types that the contract's method names, so one replay serves every
store that has a Protocol in `redis_mob.contracts`.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, get_type_hints

import pydantic

from redis_mob import models
from redis_mob.errors import (
    CasConflictError,
    InternalError,
    MobStoreError,
    NotFoundError,
    RedisMobError,
    SpecRevisionConflictError,
)
from tests.support.exact import exact
from tests.support.golden import read_jsonl
from tests.support.json_values import is_array, is_object

SERVER_TIME = "<server-time>"
"""Stands for a time that the store took from its clock."""

ERRORS: Mapping[str, type[MobStoreError]] = {
    "NotFound": NotFoundError,
    "Internal": InternalError,
    "CasConflict": CasConflictError,
    "SpecRevisionConflict": SpecRevisionConflictError,
}

DETAILS = ("mob_id", "expected", "actual")
"""What a recorded error tells beside its kind and its words."""


@dataclass
class Tally:
    """How many calls of a trace were compared, were refused as they must be, and depart on purpose."""

    compared: int = 0
    refused: int = 0
    departing: int = 0

    @property
    def calls(self) -> int:
        return self.compared + self.refused + self.departing


@dataclass(frozen=True)
class Method:
    """A method of a contract, called with JSON and answering in JSON."""

    parameters: Mapping[str, inspect.Parameter]
    readers: Mapping[str, pydantic.TypeAdapter[Any]]
    writer: pydantic.TypeAdapter[Any]

    @classmethod
    @cache
    def of(cls, contract: type, name: str) -> Method:
        function = getattr(contract, name)
        # contracts import their models for type checkers alone
        known = {name: getattr(models, name) for name in models.__all__}
        hints = get_type_hints(function, localns=known, include_extras=True)
        parameters = {key: value for key, value in inspect.signature(function).parameters.items() if key != "self"}
        readers = {key: pydantic.TypeAdapter[Any](hints[key]) for key in parameters}
        return cls(parameters, readers, pydantic.TypeAdapter[Any](hints["return"]))

    def arguments(self, recorded: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Positional and keyword arguments; raises pydantic's ValidationError for what no model can hold."""
        values = {key: self.readers[key].validate_json(json.dumps(value)) for key, value in recorded.items()}
        positional = [
            values.pop(key)
            for key, parameter in self.parameters.items()
            if key in values and parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        ]
        return positional, values

    def answer(self, value: Any) -> Any:
        return json.loads(self.writer.dump_json(value))


async def replay(name: str, store: object, contract: type) -> Tally:
    """Replay `tests/data/traces/<name>.jsonl` on an empty store of this contract; fails at the first other result."""
    header, *lines = read_jsonl(f"traces/{name}.jsonl")
    assert {"kind", "seed"} <= header.keys()
    tally = Tally()
    for number, line in enumerate(lines, 2):
        where = f"{name}, line {number}: {line['op']} ({_notes(line)})"
        method = Method.of(contract, line["op"])
        try:
            positional, keywords = method.arguments(line["args"])
        except pydantic.ValidationError:
            assert line.get("invalid_authority"), f"{where}: no model can hold the arguments"
            tally.refused += 1
            continue
        if line["op"] == "prune":
            keywords["structural"] = True  # as the Rust stores prune, which keep no structural events
        outcome = await _outcome(method, getattr(store, line["op"]), positional, keywords)
        if "departs" in line:
            tally.departing += 1
        else:
            tally.compared += 1
            assert any(_same(expected, outcome) for expected in _expected(line)), (
                f"{where}\n expected: {_expected(line)!r}\n got: {outcome!r}"
            )
    assert tally.calls == len(lines)
    return tally


async def _outcome(method: Method, function: Callable[..., Any], positional: list[Any], keywords: Any) -> Any:
    """The result as JSON, or the error that was raised on purpose."""
    try:
        return method.answer(await function(*positional, **keywords))
    except RedisMobError as error:
        return error


def _expected(line: Mapping[str, Any]) -> list[Any]:
    match line.get("prefer"):
        case None:
            return [line["result"]]
        case "either":
            return [line["result_memory"], line["result_sqlite"]]
        case store:
            return [line[f"result_{store}"]]


def _same(expected: Any, outcome: Any) -> bool:
    is_error = is_object(expected) and "error" in expected
    if is_error or isinstance(outcome, RedisMobError):
        return (
            is_error
            and isinstance(outcome, ERRORS[expected["error"]])
            and all(getattr(outcome, key) == expected[key] for key in DETAILS if key in expected)
        )
    return exact(expected) == exact(_masked(expected, outcome))


def _masked(expected: Any, actual: Any) -> Any:
    """`actual` with the times of the server's clock masked where the recording has them masked."""
    if is_object(expected) and is_object(actual):
        return {key: _masked(expected.get(key), value) for key, value in actual.items()}
    if is_array(expected) and is_array(actual) and len(expected) == len(actual):
        return list(map(_masked, expected, actual))
    if expected == SERVER_TIME and isinstance(actual, str):
        datetime.fromisoformat(actual)
        return SERVER_TIME
    return actual


def _notes(line: Mapping[str, Any]) -> str:
    known = ("op", "args", "result", "result_memory", "result_sqlite")
    return ", ".join(f"{key}={value}" for key, value in line.items() if key not in known)
