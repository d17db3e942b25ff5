"""A stand-in for a chat model: a local server that speaks OpenAI's protocol, and answers by rules, word by word."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

PAUSE = 0.03
"""Seconds between two words: about as fast as a model."""

ASPECTS = ("How is", "Which failure ends", "How many seconds is")


@contextmanager
def fake_model(pause: float = PAUSE) -> Generator[str]:
    """Serve the model until the block ends; gives its base URL. The same request always has the same answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for delta in deltas(request):
                self.wfile.write(f"data: {json.dumps(chunk(request['model'], delta))}\n\n".encode())
                time.sleep(pause)
            self.wfile.write(b"data: [DONE]\n\n")

        def log_message(self, format: str, *args: Any) -> None:
            """Not a line for each request."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


def chunk(model: str, delta: dict[str, Any]) -> dict[str, Any]:
    """A piece of an answer as the protocol has it; one that calls a tool, or is empty, is the last."""
    finish = "tool_calls" if "tool_calls" in delta else None if delta else "stop"
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "fake", "object": "chat.completion.chunk", "created": 0, "model": model, "choices": [choice]}


def deltas(request: dict[str, Any]) -> Generator[dict[str, Any]]:
    """The pieces of the answer: a call of the search tool as long as nothing was found, and a text otherwise."""
    messages: list[dict[str, Any]] = request["messages"]
    asked = next(str(message["content"]) for message in messages if message["role"] == "user")
    if request.get("tools") and messages[-1]["role"] != "tool":
        arguments = json.dumps({"words": longest_words(asked)})
        yield {"tool_calls": [{"index": 0, "id": "call-1", "function": {"name": "search", "arguments": arguments}}]}
        return
    for word in re.findall(r"\s*\S+", answer(asked, str(messages[-1]["content"]))):
        yield {"content": word}
    yield {}


def answer(asked: str, found: str) -> str:
    """A plan for a topic, a note on what was found, or a draft of the notes."""
    task, _, about = asked.partition(": ")
    if task.startswith("Plan"):
        return json.dumps({"questions": [f"{aspect} {about.rstrip('.?!')}?" for aspect in ASPECTS]})
    if task.startswith("Answer"):
        file, _, paragraph = found.partition("\n")[0].partition(": ")
        return f"{about} {paragraph.partition('. ')[0]}. ({file})" if found else f"{about} The sources say nothing."
    topic, _, notes = about.partition("\n")
    return "\n\n".join([f"# {topic.capitalize()}", *json.loads(notes), "That is what the sources say."])


def longest_words(asked: str) -> list[str]:
    """What to look for: the longest words of the question, which say most."""
    words = re.findall(r"\w+", asked.partition(": ")[2].lower())
    return sorted(set(words), key=lambda word: (-len(word), word))[:4]
