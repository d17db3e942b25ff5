"""Synchronous twins of asynchronous methods, with the types and the docstrings of these."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

from redis_mob.sync.loop_thread import Held, LoopThread

S = TypeVar("S")
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_END: Any = object()


class Facade(Generic[S]):
    """What has twins of the methods of a target, which lives in a loop."""

    def __init__(self, loop: LoopThread[Any], target: S) -> None:
        self.loop = loop
        self.target = target

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.target!r})"


class Following(Iterator[T]):
    """A subscription as an iterator that waits; a context manager too, which closes it.

    It is open from when it was made. An error is raised once, and then it goes on. One that is left alone is closed
    with the last reference to it.
    """

    def __init__(self, loop: LoopThread[Any], opening: AbstractAsyncContextManager[AsyncIterator[T]]) -> None:
        self._loop = loop
        self._held = Held(loop, opening)

    def __next__(self) -> T:
        item = self._loop.run(_next_of(self._held.value))
        if item is _END:
            raise StopIteration
        return item

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        with suppress(AttributeError):  # it could not be opened
            self._held.release()

    def close(self) -> None:
        """End the subscription."""
        self._held.close()


class Twin(Generic[S, P, R]):
    """In the body of a facade: the method that does what a method of the target does."""

    def __init__(self, method: Callable[Concatenate[S, P], Any], act: Callable[[Facade[S], Any], R]) -> None:
        self.method = method
        self._act = act
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, facade: None, owner: type[Any]) -> Self: ...

    @overload
    def __get__(self, facade: Facade[S], owner: type[Any]) -> Callable[P, R]: ...

    def __get__(self, facade: Facade[S] | None, owner: type[Any]) -> Self | Callable[P, R]:
        if facade is None:
            return self
        name, act = self.method.__name__, self._act

        bound = getattr(facade.target, name)

        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return act(facade, bound(*args, **kwargs))

        functools.update_wrapper(call, self.method)
        cast("Any", call).__wrapped__ = bound  # whose signature has no self
        return call


def twin(method: Callable[Concatenate[S, P], Coroutine[Any, Any, R]]) -> Twin[S, P, R]:
    """The twin of a coroutine method: it waits for the result."""
    return Twin(method, lambda facade, work: facade.loop.run(work))


def followed(
    method: Callable[Concatenate[S, P], AbstractAsyncContextManager[AsyncIterator[T]]],
) -> Twin[S, P, Following[T]]:
    """The twin of a method that subscribes."""
    return Twin(method, lambda facade, opening: Following(facade.loop, opening))


def walked(method: Callable[Concatenate[S, P], AsyncIterator[T]]) -> Twin[S, P, Iterator[T]]:
    """The twin of an asynchronous generator."""
    return Twin(method, lambda facade, items: _each(facade.loop, items))


def _each(loop: LoopThread[Any], items: AsyncIterator[T]) -> Generator[T]:
    while (item := loop.run(_next_of(items))) is not _END:
        yield item


async def _next_of(items: AsyncIterator[T]) -> T:
    return await anext(items, _END)
