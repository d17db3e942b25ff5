"""The signature of a handler: what its parameters get and what it returns, found out once (contract: engine-50)."""

from __future__ import annotations

import inspect
import types
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Never, NoReturn, TypeVar, Union, get_args, get_origin

from pydantic import TypeAdapter

from redis_mob.errors import shortened
from redis_mob.fleet.step_context import StepContext
from redis_mob.fleet.typed.callables import EMPTY, STARS, Callee, callee
from redis_mob.fleet.typed.dependencies import Dependency, DependencyGraph, Depends, depends_of
from redis_mob.fleet.typed.outputs import DeclaredOutput
from redis_mob.models.typed_values import adapter_of, type_name

_NOTHING_SAID = (Any, object, Never, NoReturn)
"""Return annotations, and types of parameters, that say nothing of a value."""

_STREAMS = (Generator, Iterator, AsyncGenerator, AsyncIterator)
"""What a generator returns, which is refused when it is called: it may be endless, and is no value."""

_CONTEXT_NAMES = ("ctx", "context", "")
"""How the parameter for the context is named, underscores aside, where it is annotated as anything: `_` is one, too."""


_UNREADABLE = object()


@dataclass(frozen=True, slots=True)
class Input:
    """A parameter that gets a value of the run by its name."""

    name: str
    kind: Any
    adapter: TypeAdapter[Any] | None
    """What reads it; None for one that takes any JSON value."""
    default: Any
    """`EMPTY` if there is none."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a handler is called with, and what it returns."""

    name: str
    context: str | None
    """The parameter that gets the context, if any does; it is given by position if `positional` has it."""
    positional: tuple[str, ...]
    """Parameters that cannot be given by their names, in their order."""
    inputs: tuple[Input, ...]
    dependencies: Mapping[str, Dependency]
    output: DeclaredOutput | None

    @property
    def takes_context_alone(self) -> bool:
        """Whether the handler is called as `handler(ctx)`."""
        return not self.inputs and not self.dependencies and self.context in self.positional


CONTEXT_ALONE = Signature("", "ctx", ("ctx",), (), {}, None)
"""That of a handler without annotations, or one that does not tell."""


def signature_of(handler: Callable[..., Any], graph: DependencyGraph) -> Signature:
    """The signature of a handler. Raises HandlerError naming it, its file and line, for one that makes no sense."""
    called = callee("handler", handler)
    if _is_generator_function(handler) or _is_generator_function(getattr(handler, "__call__", None)):  # noqa: B004
        called.refuse("a generator gives its values one by one: return a list, or tell each with ctx.stream")
    if called.signature is None:
        return CONTEXT_ALONE
    parameters = called.signature.parameters.values()
    hints = {one.name: _hint(called, one) for one in parameters}
    context = _context(called, hints)
    inputs: list[Input] = []
    dependencies: dict[str, Dependency] = {}
    for one in parameters:
        hint = hints[one.name]
        if one.kind in STARS:
            called.refuse(f"it takes {one}: a handler names each value that it wants, as in (ctx, source)")
        mark = depends_of(called, one, hint)
        if one.name == context or (hint is EMPTY and one.default is not EMPTY):
            continue
        if mark is not None:
            dependencies[one.name] = graph.dependency(mark.factory)
        else:
            reader = _reader(called, one, hint)
            if reader is not _UNREADABLE:
                inputs.append(Input(one.name, hint, reader, one.default))
    given = {context, *dependencies, *(one.name for one in inputs)}
    named_kinds = [one for one in parameters if one.name in given]
    positional = [one.name for one in named_kinds if one.kind is one.POSITIONAL_ONLY]
    if context is not None and not positional and called.signature.parameters[context] is named_kinds[0]:
        positional = [] if named_kinds[0].kind is inspect.Parameter.KEYWORD_ONLY else [context]
    return Signature(
        called.name, context, tuple(positional), tuple(inputs), dependencies, _output(called, called.signature)
    )


def _is_generator_function(function: Any) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def _hint(called: Callee, parameter: inspect.Parameter) -> Any:
    annotation = parameter.annotation
    if annotation is EMPTY or parameter.kind in STARS:
        return EMPTY
    if isinstance(annotation, Depends):
        return annotation  # refused with its right form
    if isinstance(annotation, str) and annotation.rpartition(".")[2].strip("'\" ") == StepContext.__name__:
        return StepContext  # often imported under TYPE_CHECKING only
    return called.resolved(annotation, f"parameter {parameter.name!r}")


def _context(called: Callee, hints: Mapping[str, Any]) -> str | None:
    """The parameter for the context: the one annotated so, else the first without an annotation."""
    assert called.signature is not None  # noqa: S101
    annotated = [name for name, hint in hints.items() if _is_context(hint)]
    if len(annotated) > 1:
        called.refuse(f"the parameters {' and '.join(map(repr, annotated))} are both a StepContext; one is enough")
    if annotated:
        return annotated[0]
    parameters = called.signature.parameters
    for name, hint in hints.items():
        is_bare = hint is EMPTY and parameters[name].kind not in STARS
        if is_bare or (hint in (Any, object) and name.strip("_") in _CONTEXT_NAMES):
            return name
    return None


def _is_context(hint: Any) -> bool:
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, types.UnionType):
        return any(map(_is_context, get_args(hint)))
    return hint is StepContext


def _reader(called: Callee, parameter: inspect.Parameter, hint: Any) -> Any:
    """What reads the values of a parameter; None if any value will do, `_UNREADABLE` if it is to keep its default."""
    if _says_nothing(hint):
        return None
    try:
        adapter = adapter_of(hint)
        adapter.json_schema(mode="validation")
    except Exception as error:  # noqa: BLE001 - pydantic raises several, and so do the hooks of classes
        if parameter.default is not EMPTY:
            return _UNREADABLE
        called.refuse(
            f"parameter {parameter.name!r}: {type_name(hint)} cannot be read from JSON: {_first_line(error)}; values "
            "of a run are JSON: for anything else, such as a client, write Annotated[..., Depends(make_it)]"
        )
    return adapter


def _output(called: Callee, signature: inspect.Signature) -> DeclaredOutput | None:
    if signature.return_annotation is EMPTY:
        return None
    hint = called.resolved(signature.return_annotation, "its return value")
    origin = get_origin(hint)
    if origin in (Awaitable, Coroutine):  # a plain function that gives a coroutine
        hint = get_args(hint)[-1]
    if _says_nothing(hint) or origin in _STREAMS or hint in _STREAMS:
        return None
    try:
        adapter = adapter_of(hint)
        adapter.json_schema(mode="serialization", by_alias=False)
    except Exception as error:  # noqa: BLE001 - pydantic raises several, and so do the hooks of classes
        called.refuse(f"it returns {type_name(hint)}, which cannot be dumped as JSON: {_first_line(error)}")
    return DeclaredOutput(hint, adapter)


def _says_nothing(hint: Any) -> bool:
    return hint is EMPTY or isinstance(hint, TypeVar) or hint in _NOTHING_SAID


def _first_line(error: Exception) -> str:
    return shortened(str(error).partition("\n")[0])
