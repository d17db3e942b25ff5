"""A stand-in for a model: a local server that speaks OpenAI's protocol, answers as a function says, and counts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

Message = dict[str, Any]
"""A message as the protocol has it: of an answer its content, or its calls of tools."""

TOKENS = {"prompt_tokens": 200, "completion_tokens": 100, "total_tokens": 300}
"""What each answer uses."""


@dataclass
class ModelServer:
    """The server while it runs."""

    answer: Callable[[list[Message]], Message]
    url: str = ""
    paid: list[str] = field(default_factory=list[str])
    """The last message of each request that was answered: what has to be paid for."""
    lock: Lock = field(default_factory=Lock)

    def handle(self, request: dict[str, Any]) -> Message:
        """The answer to a request."""
        answer = self.answer(request["messages"])
        with self.lock:
            self.paid.append(str(request["messages"][-1]["content"]))
        return answer


@contextmanager
def model_server(answer: Callable[[list[Message]], Message]) -> Generator[ModelServer]:
    """Serve a model until the block ends. A request of which `answer` raises is not answered, and not counted."""
    running = ModelServer(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                message = running.handle(request)
            except ConnectionError:
                return
            is_stream = request.get("stream", False)
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream" if is_stream else "application/json")
            self.end_headers()
            body = _streamed(message) if is_stream else json.dumps(_whole(message))
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Not a line for each request."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            running.url = f"http://127.0.0.1:{server.server_port}/v1"
            yield running
        finally:
            server.shutdown()
            thread.join()


def text(content: str) -> Message:
    """An answer that is a text."""
    return {"role": "assistant", "content": content}


def call(tool: str, **arguments: Any) -> Message:
    """An answer that calls a tool."""
    function = {"name": tool, "arguments": json.dumps(arguments)}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call-1", "type": "function", "function": function}],
    }


def _finish(message: Message) -> str:
    return "tool_calls" if message.get("tool_calls") else "stop"


def _whole(message: Message) -> dict[str, Any]:
    choice = {"index": 0, "message": message, "finish_reason": _finish(message)}
    head = {"id": "answer", "object": "chat.completion", "created": int(time.time()), "model": "scripted"}
    return {**head, "choices": [choice], "usage": TOKENS}


def _streamed(message: Message) -> str:
    head = {"id": "answer", "object": "chat.completion.chunk", "created": int(time.time()), "model": "scripted"}
    tools: list[dict[str, Any]] = message.get("tool_calls") or []
    calls = [{**one, "index": number} for number, one in enumerate(tools)]
    delta = {**message, "tool_calls": calls} if calls else message
    last: dict[str, Any] = {**head, "choices": [], "usage": TOKENS}
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": _finish(message)}]}, last]
    return "".join(f"data: {json.dumps(one)}\n\n" for one in chunks) + "data: [DONE]\n\n"
