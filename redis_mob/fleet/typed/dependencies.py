"""What handlers need beside the values of a run, such as clients: made once per worker, closed when it leaves.

Each is entered and left in a task of its own (contract: engine-53).
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field
from typing import Annotated, Any, cast, get_args, get_origin

from redis_mob.errors import Portable, shortened
from redis_mob.fleet.typed.callables import EMPTY, STARS, Callee, callee
from redis_mob.models.typed_values import type_name

CLOSING_SECONDS = 10.0
"""How long a dependency has to close before it is cancelled."""

_LOCKS = (
    *(asyncio.Lock, asyncio.Semaphore, asyncio.Condition),
    *(type(threading.Lock()), type(threading.RLock()), threading.Semaphore, threading.Condition),
)
"""Context managers that handlers enter, for each use; entered for good they would be of no use to any."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Depends:
    """Marks a parameter of a handler that gets what `factory` makes: `client: Annotated[Client, Depends(make_client)]`.

    The factory is a function, a coroutine function, a generator or asynchronous generator that yields once, a class, or
    a function that gives a context manager. It is called in the event loop of the worker, when a handler first needs
    what it makes, once per worker; parameters of its own are dependencies too. A context manager is entered, unless it
    is a lock, and left when the worker leaves, the last one made first. What it raises fails the attempt,
    which is tried again.
    """

    factory: Callable[..., Any]

    def __post_init__(self) -> None:
        if not callable(self.factory):
            raise TypeError(f"Depends needs a function that makes the dependency, not a {type(self.factory).__name__}")


@dataclass(frozen=True, slots=True, eq=False)
class Dependency:
    """A dependency, and those that it needs, by the names of its factory's parameters."""

    factory: Callable[..., Any]
    name: str
    needs: Mapping[str, Dependency]


def depends_of(of: Callee, parameter: inspect.Parameter, annotation: Any) -> Depends | None:
    """The mark in the annotation of a parameter, if there is one. Raises HandlerError for one that is elsewhere."""
    name, default = parameter.name, parameter.default
    if isinstance(default, Depends):
        said = "..." if annotation is EMPTY else type_name(annotation)
        of.refuse(
            f"parameter {name!r} has Depends as its default; it belongs into the annotation: "
            f"{name}: Annotated[{said}, Depends({callee('dependency', default.factory).name})]"
        )
    marks = list(_marks(annotation))
    if Depends in marks:
        of.refuse(f"parameter {name!r}: Depends needs the function that makes the dependency, as in Depends(make_it)")
    if len(marks) > 1:
        of.refuse(f"parameter {name!r} has {len(marks)} marks Depends; one function makes what it gets")
    if marks and get_origin(annotation) is not Annotated:
        of.refuse(f"parameter {name!r}: Depends must be outermost, as in Annotated[Client | None, Depends(make_it)]")
    return marks[0] if marks else None


def _marks(annotation: Any) -> Iterator[Any]:
    """All marks in an annotation, at every depth."""
    if annotation is Depends or isinstance(annotation, Depends):
        yield annotation
    for part in get_args(annotation):
        yield from _marks(part)


class DependencyGraph:
    """The dependencies of all handlers of a worker: one for each factory."""

    def __init__(self) -> None:
        self._known: dict[Any, Dependency] = {}

    def dependency(self, factory: Callable[..., Any], path: tuple[Callable[..., Any], ...] = ()) -> Dependency:
        """The dependency that a factory makes. Raises HandlerError for one that needs itself, or what it cannot get."""
        made_by = callee("dependency", factory)
        key = _key(factory)
        if key in map(_key, path):
            names = [callee("dependency", one).name for one in (*path[[*map(_key, path)].index(key) :], factory)]
            made_by.refuse(f"it depends on itself: {' -> '.join(map(shortened, names))}")
        if (known := self._known.get(key)) is None:
            needs = self._needs(made_by, (*path, factory))
            known = self._known[key] = Dependency(_as_context_manager(factory), made_by.name, needs)
        return known

    def _needs(self, made_by: Callee, path: tuple[Callable[..., Any], ...]) -> dict[str, Dependency]:
        needs: dict[str, Dependency] = {}
        for parameter in () if made_by.signature is None else made_by.signature.parameters.values():
            name, annotation = parameter.name, parameter.annotation
            hint = annotation if annotation is EMPTY else made_by.resolved(annotation, f"parameter {name!r}")
            mark = depends_of(made_by, parameter, hint)
            if mark is not None:
                if parameter.kind is parameter.POSITIONAL_ONLY:
                    made_by.refuse(f"parameter {name!r} is given by its name and must not be positional only")
                needs[name] = self.dependency(mark.factory, path)
            elif parameter.default is EMPTY and parameter.kind not in STARS:
                made_by.refuse(f"parameter {name!r} is neither Annotated[..., Depends(...)] nor optional")
        return needs


def _key(factory: Callable[..., Any]) -> object:
    """What tells factories apart: a bound method is another object each time, and equal."""
    try:
        hash(factory)
    except TypeError:
        return id(factory)
    return factory


def _as_context_manager(factory: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(factory):
        return asynccontextmanager(cast("Callable[..., AsyncGenerator[Any]]", factory))
    if inspect.isgeneratorfunction(factory):
        return contextmanager(cast("Callable[..., Generator[Any]]", factory))
    return factory


class DependencyError(Portable, Exception):
    """A dependency cannot be made; what its factory raised is the cause."""

    def __init__(self, name: str, cause: BaseException) -> None:
        super().__init__(name)
        self.name = name
        self.__cause__ = cause


@dataclass(slots=True, eq=False)
class _Made:
    """A dependency of this worker: in a task of its own, so that it is entered and left in the same one.

    Cancel scopes, as those of anyio, want that.
    """

    dependency: Dependency
    value: asyncio.Future[Any]
    close: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] = field(init=False)


class Dependencies:
    """What was made for the handlers of a worker."""

    def __init__(self) -> None:
        self._begun: dict[Dependency, _Made] = {}
        self._open: list[_Made] = []

    async def values(self, needed: Mapping[str, Dependency]) -> dict[str, Any]:
        """The dependencies by the names of the parameters that get them; what does not exist yet is made.

        Raises DependencyError for what cannot be made.
        """
        return {name: await self._value(dependency) for name, dependency in needed.items()}

    async def close(self) -> None:
        """Close what was made, the last one first; what fails or hangs at that is told in the log."""
        unfinished = [made for made in self._begun.values() if not made.value.done()]
        for made in unfinished:
            made.task.cancel()
        for made in (*unfinished, *reversed(self._open)):
            made.close.set()
            await _ended(made)
        self._begun.clear()
        self._open.clear()

    async def _value(self, dependency: Dependency) -> Any:
        made = self._begun.get(dependency)
        if made is None:
            made = self._begun[dependency] = _Made(dependency, asyncio.get_running_loop().create_future())
            made.task = asyncio.create_task(self._live(made))
        # Shielded: others may wait for it too, and the next attempt will need it.
        return await asyncio.shield(made.value)

    async def _live(self, made: _Made) -> None:
        """Make a dependency and keep it until it is to be closed. Raises nothing: SystemExit would end the loop."""
        name = made.dependency.name
        try:
            async with AsyncExitStack() as stack:
                made.value.set_result(await self._entered(made.dependency, stack))
                self._open.append(made)
                await made.close.wait()
        except BaseException as error:  # noqa: BLE001 - it is code of the user's
            if made.value.done():
                _log.warning("dependency %s was not closed as it should be", name, exc_info=error)
            else:
                self._begun.pop(made.dependency, None)  # the next attempt makes it anew
                made.value.set_exception(error if isinstance(error, DependencyError) else DependencyError(name, error))
                made.value.exception()  # taken, also if the attempts that waited for it were cancelled

    async def _entered(self, dependency: Dependency, stack: AsyncExitStack) -> Any:
        made = dependency.factory(**await self.values(dependency.needs))
        if inspect.isawaitable(made):
            made = await made
        if isinstance(made, AbstractAsyncContextManager) and not isinstance(made, _LOCKS):
            return await stack.enter_async_context(cast("AbstractAsyncContextManager[Any]", made))
        if isinstance(made, AbstractContextManager) and not isinstance(made, _LOCKS):
            return stack.enter_context(cast("AbstractContextManager[Any]", made))
        return made


async def _ended(made: _Made) -> None:
    for _ in range(2):
        done, _ = await asyncio.wait({made.task}, timeout=CLOSING_SECONDS)
        if done:
            return
        _log.warning("dependency %s has not closed within %g seconds", made.dependency.name, CLOSING_SECONDS)
        made.task.cancel()
