"""Replies that cannot be read are told as such, in one place for all stores.

A store takes a reply apart as its script spells it. What makes no sense there is damage that the script did not look
at, or comes of a server or a proxy that is none; it must not leave the library as an error of Python.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar

from redis_mob.errors import RedisMobError, SerializationError, shortened

UNREADABLE = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError)
"""How taking a reply apart ends that has another form. Arguments of callers are checked before, by errors of ours."""

S = TypeVar("S")


def readable(store: type[S]) -> type[S]:
    """A class of stores whose public methods raise SerializationError for a reply that cannot be read."""
    for name in dir(store):
        method = inspect.getattr_static(store, name)
        if name.startswith("_"):
            continue
        if inspect.iscoroutinefunction(method):
            setattr(store, name, _called(store, method))
        elif inspect.isasyncgenfunction(method):
            setattr(store, name, _iterated(store, method))
    return store


def _called(store: type, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(method)
    async def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return await method(*args, **kwargs)
        except RedisMobError:
            raise  # some are errors of Python, too
        except UNREADABLE as error:
            raise _told(store, method, error) from error

    return call


def _iterated(store: type, method: Callable[..., AsyncGenerator[Any]]) -> Callable[..., AsyncGenerator[Any]]:
    @wraps(method)
    async def iterate(*args: Any, **kwargs: Any) -> AsyncGenerator[Any]:
        found = method(*args, **kwargs)
        try:
            async for one in found:
                yield one
        except RedisMobError:
            raise
        except UNREADABLE as error:
            raise _told(store, method, error) from error
        finally:
            await found.aclose()

    return iterate


def _told(store: type, method: Callable[..., Any], error: Exception) -> SerializationError:
    return SerializationError(
        f"{store.__name__}.{method.__name__}: the server's reply cannot be read ({type(error).__name__}: "
        f"{shortened(error)}): records are damaged, or what answers is not the server"
    )
