"""LangGraph on plain Redis or Valkey: `RedisMobSaver` keeps the checkpoints of graphs, `RedisMobStore` is their store.

They need `pip install 'redis-mob[langgraph]'`, and are imported when they are first asked for here; without it
ModuleNotFoundError says so.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis_mob.langgraph.saver import RedisMobSaver
    from redis_mob.langgraph.store import RedisMobStore

__all__ = ["RedisMobSaver", "RedisMobStore"]

_HOMES = {"RedisMobSaver": "saver", "RedisMobStore": "store"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("redis_mob"):
            raise
        raise ModuleNotFoundError(
            f"{__name__}.{name} needs {error.name}, which is not installed: pip install 'redis-mob[langgraph]'",
            name=error.name,
        ) from None
