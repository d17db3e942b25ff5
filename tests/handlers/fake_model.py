"""A server of a test that speaks the protocol of chat models: each request is answered by the next turn of a script."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.handlers.fake_service import Request, Response, Service, service

EVENTS = {"Content-Type": "text/event-stream"}

Turn = Response | Sequence[Mapping[str, Any]]
"""A response, or the chunks of an answer."""


def said(*pieces: str, finish: str | None = "stop", **delta: Any) -> list[dict[str, Any]]:
    """The chunks of an answer with this text."""
    return [*(chunk({"content": piece}) for piece in pieces), chunk(delta, finish)]


def called(name: str, arguments: str, *, call_id: str = "call-1", index: int = 0) -> list[dict[str, Any]]:
    """The chunks of a call of a tool, whose arguments come in two pieces."""
    half = len(arguments) // 2
    first = {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments[:half]}}
    second = {"index": index, "function": {"arguments": arguments[half:]}}
    return [chunk({"tool_calls": [first]}), chunk({"tool_calls": [second]}), chunk({}, "tool_calls")]


def chunk(delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {
        "id": "answer",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "small",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def used(prompt: int, completion: int) -> dict[str, Any]:
    """The last chunk of an answer, which says what it has used."""
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {**chunk({}), "choices": [], "usage": usage}


async def events(chunks: Sequence[Mapping[str, Any]]) -> AsyncIterator[bytes]:
    """Chunks as server-sent events."""
    for one in chunks:
        yield f"data: {json.dumps(one)}\n\n".encode()
    yield b"data: [DONE]\n\n"


@asynccontextmanager
async def model(*turns: Turn) -> AsyncGenerator[Service]:
    """An endpoint that answers its requests in turn, the last of these answers again and again."""
    left = list(turns)

    async def answer(request: Request) -> Response:
        assert (request.method, request.path) == ("POST", "/chat/completions")
        turn = left.pop(0) if len(left) > 1 else left[0]
        return turn if isinstance(turn, Response) else Response(events(turn), headers=EVENTS)

    async with service(answer) as running:
        yield running


def asked(running: Service, number: int = 0) -> dict[str, Any]:
    """The body of a request that came."""
    body: dict[str, Any] = json.loads(running.requests[number].body)
    return body
