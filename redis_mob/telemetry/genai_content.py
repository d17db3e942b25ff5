"""Prompts and answers in the form that the GenAI conventions give them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast


def messages_of(messages: Iterable[Any]) -> list[dict[str, Any]]:
    """Messages as OpenAI's protocol has them. Of images and files only that they are there is told."""
    return [_message(cast("Mapping[str, Any]", one)) for one in messages if isinstance(one, Mapping)]


def text_message(role: str, text: str, finish_reason: str | None = None) -> list[dict[str, Any]]:
    """One message, which is a text."""
    message: dict[str, Any] = {"role": role, "parts": [{"type": "text", "content": text}]}
    return [message if finish_reason is None else {**message, "finish_reason": finish_reason}]


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    content: Any = message.get("content")
    given = cast("list[Any]", content) if isinstance(content, list) else [] if content is None else [content]
    parts = list(map(_part, given))
    calls: list[Any] = message.get("tool_calls") or []
    parts += [
        {
            "type": "tool_call",
            "id": call.get("id"),
            "name": call.get("function", {}).get("name"),
            "arguments": call.get("function", {}).get("arguments"),
        }
        for call in calls
    ]
    return {"role": str(message.get("role", message.get("type", "user"))), "parts": parts}


def _part(part: Any) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "content": part}
    if isinstance(part, Mapping):
        given = cast("Mapping[str, Any]", part)
        text = given.get("text")
        return {"type": "text", "content": text} if isinstance(text, str) else {"type": str(given.get("type"))}
    return {"type": type(part).__name__}
