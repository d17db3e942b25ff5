"""The messages of an agent of pydantic-ai as the GenAI conventions have them, for those who ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse

_ROLES = {"system-prompt": "system", "user-prompt": "user", "tool-return": "tool", "retry-prompt": "user"}


def agent_messages(messages: Sequence[ModelMessage]) -> list[dict[str, Any]]:
    """Each part of a request as a message of its own, a response as one. Of images only that they are there is told."""
    told: list[dict[str, Any]] = []
    for message, plain in zip(messages, ModelMessagesTypeAdapter.dump_python(list(messages), mode="json"), strict=True):
        parts = cast("list[dict[str, Any]]", plain.get("parts", []))
        if isinstance(message, ModelResponse):
            told.append({"role": "assistant", "parts": list(map(_part, parts))})
        else:
            told += ({"role": _ROLES.get(one["part_kind"], "user"), "parts": [_part(one)]} for one in parts)
    return told


def _part(part: dict[str, Any]) -> dict[str, Any]:
    match part["part_kind"]:
        case "tool-call":
            call = {"id": part["tool_call_id"], "name": part["tool_name"], "arguments": part["args"]}
            return {"type": "tool_call", **call}
        case "tool-return":
            return {"type": "tool_call_response", "id": part["tool_call_id"], "response": part["content"]}
        case kind:
            content = part.get("content")
            return {"type": "text", "content": content} if isinstance(content, str) else {"type": kind}
