"""Every exception of the library survives pickle and copy, and so crosses a process pool."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from multiprocessing import get_context
from typing import Any

import pytest

import redis_mob
from redis_mob import FlowSpec, MobRun
from redis_mob.connection.failures import CallError, NotSentError
from redis_mob.errors import WriteFailedError
from redis_mob.fleet.outcome import Failed, NewAsk
from redis_mob.models.execution import ExecutionKey
from redis_mob.testing.history import Misfit, RecordedCall


def exceptions() -> list[type[BaseException]]:
    """All exception classes that any module of the library defines."""
    found: dict[type[BaseException], None] = {}
    for module in pkgutil.walk_packages(redis_mob.__path__, "redis_mob."):
        if module.name != "redis_mob.__main__":
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, type) and issubclass(value, BaseException) and value.__module__ == module.name:
                    found[value] = None
    return list(found)


CALL = RecordedCall("client", "call", 1, 2, "answer")

SAMPLES: dict[str, Any] = {
    "str": "a 'text' of é",
    "str | None": "x",
    "int": 7,
    "int | None": 7,
    "bool": True,
    "float | timedelta | None": 2.5,
    "timedelta": timedelta(seconds=2),
    "Any": {"kept": [1, "a"]},
    "dict[str, str] | None": {"Retry-After": "3"},
    "CallError": CallError("why"),
    "EndedRun": MobRun.pending("mob", "flow", FlowSpec(), {}, run_id="0191a6a0-0000-4000-8000-000000000001"),
    "BaseException": ValueError("why"),
    "Failed": Failed("why"),
    "tuple[NewAsk, ...]": (NewAsk("kind", 0, "digest", {"kept": [1]}),),
    "TransportError": NotSentError("why"),
    "NodeKey": ("frame", "node"),
    "Sequence[ExecutionKey]": [ExecutionKey("frame", "node", "member#1")],
    "Requestable | None": None,
    "Sequence[RecordedCall[C]]": [CALL],
    "Sequence[Misfit[C]]": [Misfit(CALL, "another answer")],
    "Hashable": "a key",
    "Mapping[str, RedisMobError]": {"namespace": WriteFailedError("why")},
}
"""A value for each type that a constructor takes; a new type needs one here."""


def made(kind: type[BaseException]) -> BaseException:
    """An exception of this class, with every argument that its constructor takes."""
    if kind.__init__ in (
        Exception.__init__,
        BaseException.__init__,
        ValueError.__init__,
        AssertionError.__init__,
        UserWarning.__init__,
        TimeoutError.__init__,
    ):
        return kind("a message")
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for name, parameter in list(inspect.signature(kind.__init__).parameters.items())[1:]:
        value = SAMPLES[str(parameter.annotation)]
        if parameter.kind is parameter.KEYWORD_ONLY:
            named[name] = value
        elif parameter.kind is parameter.VAR_POSITIONAL:
            positional += [value, value]
        else:
            positional.append(value)
    return kind(*positional, **named)


def through_pickle(error: BaseException) -> BaseException:
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - it is our own


WAYS: list[Callable[[BaseException], BaseException]] = [through_pickle, copy.copy, copy.deepcopy]


def told(error: BaseException) -> list[Any]:
    """All that an exception tells: values without equality by their repr."""
    attributes = {name: repr(value) for name, value in vars(error).items()}
    return [type(error), str(error), repr(error), list(map(repr, error.args)), attributes]


@pytest.mark.parametrize("kind", exceptions(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("way", WAYS, ids=["pickle", "copy", "deepcopy"])
def test_an_exception_survives(way: Callable[[BaseException], BaseException], kind: type[BaseException]) -> None:
    error = made(kind)
    error.add_note("a note")
    error.add_note("another one")
    again = way(error)
    assert told(again) == told(error)
    assert again.__notes__ == ["a note", "another one"]
    assert told(way(again)) == told(error)


def test_the_walk_finds_the_exceptions_of_all_rooms() -> None:
    names = {kind.__name__ for kind in exceptions()}
    assert {"RedisMobError", "AlreadyExistsError", "StepFailed", "NoSerialOrderError", "CallError"} <= names
    assert len(names) > 40


def raising(kind: type[BaseException]) -> None:
    error = made(kind)
    error.add_note("a note")
    raise error


def public() -> Iterator[type[BaseException]]:
    for kind in exceptions():
        if issubclass(kind, Exception) and not issubclass(kind, Warning):
            yield kind


def test_an_exception_crosses_a_process_pool() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for kind in public():
            with pytest.raises(kind) as raised:
                pool.submit(raising, kind).result()
            assert str(raised.value) == str(made(kind))
            assert raised.value.__notes__ == ["a note"]
