"""Handlers for what most fleets call: programs, HTTP services, chat models, agents of pydantic-ai and of the OpenAI
Agents SDK.

| | calls | needs |
|---|---|---|
| `command` | a program on this host | nothing more |
| `http` | a service | `pip install 'redis-mob[http]'` |
| `chat` | a model behind an endpoint as OpenAI has it | `pip install 'redis-mob[chat]'` |
| `pydantic_ai` | an agent of pydantic-ai | `pip install 'redis-mob[pydantic-ai]'` |
| `openai_agents` | an agent of the OpenAI Agents SDK | `pip install 'redis-mob[openai-agents]'` |

Each makes a handler, for the mapping of handlers of a fleet. `mcp_tools` gives `chat` and `pydantic_ai` tools of an
MCP server, and needs `pip install 'redis-mob[mcp]'`; `openai_agent_tool` makes an agent of the SDK a tool of another
one. What an extra installs is imported when its name is first asked
for here; if it is missing, ModuleNotFoundError says how to install it. Decision 0067 says what is an extra.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis_mob.handlers.agent import pydantic_ai
    from redis_mob.handlers.agent_as_tool import openai_agent_tool
    from redis_mob.handlers.chat_model import chat
    from redis_mob.handlers.mcp_servers import mcp_tools
    from redis_mob.handlers.openai_agent import openai_agents
    from redis_mob.handlers.program import command
    from redis_mob.handlers.service import http

__all__ = ["chat", "command", "http", "mcp_tools", "openai_agent_tool", "openai_agents", "pydantic_ai"]

_HOMES = {
    "chat": ("chat_model", "chat"),
    "command": ("program", None),
    "http": ("service", "http"),
    "mcp_tools": ("mcp_servers", "mcp"),
    "openai_agent_tool": ("agent_as_tool", "openai-agents"),
    "openai_agents": ("openai_agent", "openai-agents"),
    "pydantic_ai": ("agent", "pydantic-ai"),
}
"""The module that holds a name, and the extra that it needs."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, extra = _HOMES[name]
    try:
        return getattr(import_module(f"{__name__}.{module}"), name)
    except ModuleNotFoundError as error:
        if extra is None or (error.name or "").startswith("redis_mob"):
            raise
        raise ModuleNotFoundError(
            f"redis_mob.handlers.{name} needs {error.name}, which is not installed: pip install 'redis-mob[{extra}]'",
            name=error.name,
        ) from None
