"""A receiver of webhooks: a real HTTP server in a thread, which answers as a test says and keeps what it was sent."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """A request."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def cursor(self) -> int:
        return self.event["cursor"]

    @property
    def run_id(self) -> str | None:
        return self.event["kind"].get("run_id")


@dataclass(frozen=True)
class Reply:
    """What the receiver answers: a status and headers, after so many seconds."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict[str, str])
    after: float = 0.0
    body: bytes = b""


Behaviour = Callable[[Received], Reply]


class Receiver:
    """What was received, in the order in which it came, and how it is answered."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = lambda _: Reply()
        self.received: list[Received] = []
        self.taken: list[Received] = []
        """Those that were answered with a status of success."""
        self.url = ""

    @property
    def first_of_each(self) -> list[Received]:
        """What a receiver keeps that drops repeats."""
        return list({one.headers["webhook-id"]: one for one in reversed(self.taken)}.values())[::-1]

    def cursors(self) -> list[int]:
        return [one.cursor for one in self.taken]


@contextmanager
def receiving(port: int = 0) -> Generator[Receiver]:
    """A receiver on this machine until the block ends."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Received(self.path, headers, body, time.time())
            receiver.received.append(request)
            reply = receiver.behaviour(request)
            time.sleep(reply.after)
            is_taken = 200 <= reply.status < 300
            if is_taken:
                receiver.taken.append(request)  # before the answer, after which the next request may come
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)
            except OSError:  # it waits no longer
                if is_taken:
                    receiver.taken.remove(request)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/events"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
