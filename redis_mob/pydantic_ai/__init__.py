"""Agents of pydantic-ai that go on after a crash outside of the steps of a fleet; in one, `handlers.pydantic_ai` does.

| | gives an agent | needs |
|---|---|---|
| `Durable` | what its model and tools have given before | `pip install 'redis-mob[pydantic-ai]'` |
| `RedisMobStepStore` | step events, tool effects, snapshots | `pip install 'redis-mob[pydantic-ai-harness]'` |

The second is a store for `StepPersistence` of pydantic-ai-harness. Each is imported when it is first asked for here; if
what it needs is missing, ModuleNotFoundError says how to install it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis_mob.pydantic_ai.durable import Durable
    from redis_mob.pydantic_ai.step_store import RedisMobStepStore

__all__ = ["Durable", "RedisMobStepStore"]

_HOMES = {
    "Durable": ("durable", "'redis-mob[pydantic-ai]'"),
    "RedisMobStepStore": ("step_store", "'redis-mob[pydantic-ai-harness]'"),
}
"""The module that holds a name, and what installs what it needs."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, needed = _HOMES[name]
    try:
        return getattr(import_module(f"{__name__}.{module}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("redis_mob"):
            raise
        raise ModuleNotFoundError(
            f"{__name__}.{name} needs {error.name}, which is not installed: pip install {needed}", name=error.name
        ) from None
