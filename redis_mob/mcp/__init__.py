"""Flows as tools of the Model Context Protocol: `mcp_server` makes a server of the official package.

It needs `pip install 'redis-mob[mcp]'`; without that ModuleNotFoundError says so when the name is asked for.
`redis-mob mcp` serves it over standard input and output, or HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis_mob.mcp.server import mcp_server

__all__ = ["mcp_server"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from redis_mob.mcp import server
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("redis_mob"):
            raise
        raise ModuleNotFoundError(
            f"redis_mob.mcp.{name} needs {error.name}, which is not installed: pip install 'redis-mob[mcp]'",
            name=error.name,
        ) from None
    return getattr(server, name)
