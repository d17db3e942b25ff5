"""What a callable takes: its own parameters, with their annotations resolved, and where its code is."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn, cast, get_type_hints

from redis_mob.errors import HandlerError, shortened, shown

if sys.version_info >= (3, 14):
    import annotationlib

EMPTY = inspect.Parameter.empty
"""What a parameter has for an annotation, or a default, that it does not have."""

STARS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
"""The kinds of `*args` and `**kwargs`."""


@dataclass(frozen=True, slots=True)
class Callee:
    """A callable as it is called: `what` it is, in messages, its name, and its signature without what a partial gave.

    `signature` is None if it cannot be told, or says no more than that the callable takes anything.
    """

    what: str
    name: str
    signature: inspect.Signature | None
    function: Any
    """The function whose code is called in the end, in whose module annotations are looked up."""

    def refuse(self, problem: str) -> NoReturn:
        """Raise HandlerError naming the callable, its file and its line."""
        raise HandlerError(f"{self}: {problem}")

    def __str__(self) -> str:
        code = getattr(self.function, "__code__", None)
        where = "" if code is None else f" ({code.co_filename}:{code.co_firstlineno})"
        return f"{self.what} {shortened(self.name)}{where}"

    def resolved(self, annotation: Any, of: str) -> Any:
        """An annotation with the names in it looked up, those of the function around a local one included.

        Raises HandlerError for what cannot be resolved.
        """

        def holder() -> None: ...

        holder.__annotations__ = {"it": annotation}
        function = self.function
        try:
            return get_type_hints(holder, getattr(function, "__globals__", {}), _locals(function), include_extras=True)[
                "it"
            ]
        except Exception as error:  # noqa: BLE001 - an annotation is code of the user's, and may raise anything
            self.refuse(
                f"{of}: the annotation {shown(annotation)} cannot be resolved: {shortened(error)}; import what it "
                "names at the top of the module, and not under TYPE_CHECKING"
            )


def callee(what: str, function: Callable[..., Any]) -> Callee:
    """The callable that is called if this one is."""
    name = getattr(function, "__qualname__", None) or _name_within(function)
    signature, innermost = _signature(function)
    return Callee(what, name, signature, innermost)


def _name_within(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__qualname__", None) or type(function).__qualname__


def _signature(function: Any) -> tuple[inspect.Signature | None, Any]:
    bound_by_keyword: set[str] = set()
    given = function
    while isinstance(given, functools.partial):
        bound_by_keyword |= given.keywords.keys()
        given = given.func
    try:
        found = _own(function)
        wrapped: Any = getattr(given, "__wrapped__", None)
        if _takes_anything(found) and wrapped is not None:  # a decorator hands on what it is given
            return _signature(wrapped)
    except (TypeError, ValueError):  # of builtins that do not tell
        return None, _innermost(given)
    if inspect.isbuiltin(given) or (_takes_anything(found) and not inspect.isroutine(given)):
        return None, _innermost(given)  # `print`, or a mock
    kept = [one for one in found.parameters.values() if one.name not in bound_by_keyword]
    return found.replace(parameters=kept), _innermost(given)


def _own(function: Any) -> inspect.Signature:
    # What a decorator with a signature of its own wraps is not what is called.
    if sys.version_info >= (3, 14):
        return inspect.signature(function, follow_wrapped=False, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(function, follow_wrapped=False)


def _takes_anything(signature: inspect.Signature) -> bool:
    parameters = signature.parameters.values()
    return tuple(one.kind for one in parameters) == STARS and all(one.annotation is EMPTY for one in parameters)


def _innermost(function: Any) -> Any:
    """The function in whose module the annotations were written: `functools.wraps` copies them to what wraps it."""
    if isinstance(function, type):
        function = cast("Any", function).__init__
    elif not inspect.isroutine(function):
        function = getattr(cast("Any", type(function)), "__call__", function)  # noqa: B004
    function = getattr(function, "__func__", function)
    return inspect.unwrap(function)


def _locals(function: Any) -> Mapping[str, Any]:
    """The names of the function around a local function, as far as that is under way further up the stack."""
    around, inside, _ = getattr(function, "__qualname__", "").rpartition(".<locals>.")
    if not inside:
        return {}
    frame: FrameType | None = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_qualname == around and frame.f_globals is getattr(function, "__globals__", None):
            return frame.f_locals
        frame = frame.f_back
    return {}
