"""Handlers as a worker has them: with their signatures, which are looked at once, when the handlers are given."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from redis_mob.errors import HandlerError, shown
from redis_mob.fleet.step_context import CalledElsewhere, Handler
from redis_mob.fleet.typed.dependencies import DependencyGraph
from redis_mob.fleet.typed.signature import CONTEXT_ALONE, Signature, signature_of


@dataclass(frozen=True, slots=True, eq=False)
class BoundHandler:
    """A handler and how it is called."""

    function: Callable[..., Any]
    signature: Signature
    """How this worker calls it."""
    declared: Signature
    """What its annotations say: the same, but for a handler that is called in another process."""
    is_coroutine_function: bool
    """Whether calling it only gives a coroutine, and so does not block."""
    takes_context_alone: bool


def bound(handler: Handler, graph: DependencyGraph | None = None) -> BoundHandler:
    """The handler with its signature. Raises HandlerError naming its file and line for wrong annotations."""
    if isinstance(handler, CalledElsewhere):
        elsewhere: Any = handler
        return _with(elsewhere, CONTEXT_ALONE, signature_of(handler.handler, DependencyGraph()))
    signature = signature_of(handler, graph or DependencyGraph())
    return _with(handler, signature, signature)


def bound_to_context(handler: Handler) -> BoundHandler:
    """A handler that is called with the context alone, as an isolated one is: its process looks at its annotations."""
    return _with(handler, CONTEXT_ALONE, CONTEXT_ALONE)


def bound_handlers(handlers: Mapping[str, Handler | BoundHandler]) -> dict[str, BoundHandler]:
    """The handlers of each role with their signatures; dependencies are shared by all of them.

    Raises HandlerError naming the role, for what is no function, or has annotations that are wrong.
    """
    graph = DependencyGraph()
    by_role: dict[str, BoundHandler] = {}
    for role, handler in handlers.items():
        if isinstance(handler, BoundHandler):
            by_role[role] = handler
            continue
        if not callable(handler):
            raise HandlerError(f"role {shown(role)} has a {type(handler).__name__}, which is no function")
        try:
            by_role[role] = bound(handler, graph)
        except HandlerError as error:
            raise HandlerError(f"role {shown(role)}: {error}") from error.__cause__
    return by_role


def _with(handler: Handler, signature: Signature, declared: Signature) -> BoundHandler:
    call = getattr(handler, "__call__", None)  # noqa: B004
    is_coroutine_function = inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call)
    return BoundHandler(handler, signature, declared, is_coroutine_function, signature.takes_context_alone)
