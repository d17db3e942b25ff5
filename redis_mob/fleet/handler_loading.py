"""Finds handlers by name: `module:function`, `module:dict` from role to function, or `module:mob`."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from redis_mob.errors import HandlerError, shown
from redis_mob.fleet.step_context import Handler, handler_for
from redis_mob.models.definition import MobDefinition
from redis_mob.models.mob_retention import MobRetention

IMPORTED_LATE = ("redis_mob.fleet.schema_steps", "redis_mob.memory.storage", "redis_mob.stores.storage")
"""What a worker imports when it needs it: before modules of the working directory come first, which could hide it."""


def load_handlers(name: str) -> dict[str, Handler]:
    """The handlers of each role that `module:attribute` names; a function serves all roles, as `*`.

    Modules of the working directory can be imported, and come first. Raises HandlerError naming module and attribute:
    the module does not exist or cannot be imported (with the exception and where it was raised), or it has no such
    handler.
    """
    found = _named(name)
    if isinstance(found, WrittenMob):
        found = found.handlers
    if isinstance(found, Mapping):
        return _by_role(name, cast("Mapping[object, object]", found))
    if not callable(found):
        raise HandlerError(
            f"handler {shown(name)}: it is a {type(found).__name__}, neither a function nor a dict of them"
        )
    return {"*": cast("Handler", found)}


@runtime_checkable
class WrittenMob(Protocol):
    """A mob that is written in Python, with its handlers, such as `redis_mob.Mob`."""

    @property
    def handlers(self) -> Mapping[str, Any]: ...

    @property
    def members(self) -> Mapping[str, int]: ...

    @property
    def retention(self) -> MobRetention: ...

    def definition(self) -> MobDefinition: ...


def load_mob(name: str) -> WrittenMob | None:
    """The mob that `module:attribute` names; None for a text that is no such name, as the path of a file is none.

    Raises HandlerError as `load_handlers` does, and for an attribute that is no mob.
    """
    module_name, colon, attribute = name.partition(":")
    if not (colon and attribute.isidentifier() and all(part.isidentifier() for part in module_name.split("."))):
        return None
    found = _named(name)
    if not isinstance(found, WrittenMob):
        raise HandlerError(f"{shown(name)} is a {type(found).__name__}, and no Mob")
    return found


def _named(name: str) -> Any:
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise HandlerError(f"handler {shown(name)}: write module:function or module:dict, as in handlers:greet")
    module = _imported(name, module_name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise HandlerError(
            f"handler {shown(name)}: module {shown(module_name)} ({_place(module)}) has no {shown(attribute)}"
        ) from None


def require_handlers(handlers: Mapping[str, Handler], flow_id: str, definition: MobDefinition) -> None:
    """Raises HandlerError naming every role of the flow that no handler serves, and the roles that are served.

    The supervisor's role is among them, if it is told of steps that fail.
    """
    if missing := [repr(role) for role in definition.roles_of(flow_id) if handler_for(handlers, role) is None]:
        served = ", ".join(map(repr, handlers))
        raise HandlerError(
            f"flow {shown(flow_id)}: no handler for role {', '.join(missing)}; there are handlers for {served}: "
            "add one, or one for '*', which serves all other roles"
        )


def _imported(name: str, module_name: str) -> Any:
    for late in IMPORTED_LATE:
        importlib.import_module(late)
    # The command is an installed script, and its own folder is on the path, not the one it is called in.
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # A missing module may also be one that the handlers' module imports. Only the first case is a wrong name.
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            raise HandlerError(
                f"handler {shown(name)}: there is no module {shown(error.name)}, neither in "
                f"{here} nor among the installed ones"
            ) from None
        raise _broken(name, module_name, error) from error
    except (Exception, SystemExit) as error:  # importing a module runs code that may raise anything
        raise _broken(name, module_name, error) from error


def _broken(name: str, module_name: str, error: BaseException) -> HandlerError:
    said = traceback.format_exception_only(error)[-1].strip()
    return HandlerError(f"handler {shown(name)}: module {shown(module_name)} cannot be imported: {said}{_where(error)}")


def _where(error: BaseException) -> str:
    """Where the exception came from, and through which line of the outermost module, as far as this is known."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}:{error.lineno})"
    frames = [
        f"{frame.filename}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<") and frame.filename not in (__file__, importlib.__file__)
    ]
    if not frames:
        return ""
    return f" ({frames[-1]})" if len(frames) == 1 else f" ({frames[-1]}, by way of {frames[0]})"


def _by_role(name: str, found: Mapping[object, object]) -> dict[str, Handler]:
    if not found:
        raise HandlerError(f"handler {shown(name)}: the dict is empty; it maps roles to functions")
    handlers: dict[str, Handler] = {}
    for role, handler in found.items():
        if not isinstance(role, str):
            raise HandlerError(f"handler {shown(name)}: the key {shown(role)} is no role; keys are texts")
        if not callable(handler):
            raise HandlerError(
                f"handler {shown(name)}: role {shown(role)} has a {type(handler).__name__}, which is no function"
            )
        handlers[role] = cast("Callable[..., Any]", handler)
    return handlers


def _place(module: Any) -> str:
    return getattr(module, "__file__", None) or "without a file"
