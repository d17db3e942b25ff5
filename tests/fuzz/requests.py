"""Requests to the page, as programs on the network may send them: no mistake of the server, and no stranger let in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from starlette.types import Message

from redis_mob.storage import MobStorage
from redis_mob.ui.app import ui_app
from redis_mob.ui.settings import UiSettings
from tests.fuzz.choices import Choices
from tests.fuzz.mutations import TEXTS, mutated
from tests.fuzz.running import Run
from tests.ui.served import OPERATE_TOKEN, WITH_TOKENS
from tests.ui.test_access import changes, path_of, routes_of

HEADERS = (
    *(b"host", b"origin", b"sec-fetch-site", b"cookie", b"authorization", b"content-type", b"content-length", b"range"),
    *(b"x-csrf-token", b"idempotency-key", b"if-none-match", b"accept-encoding", b"last-event-id", b"x-forwarded-for"),
    *(b"upgrade", b"transfer-encoding", b"accept", b"x-http-method-override", b"\xff\xfe"),
)
VALUES = (
    *(
        b"127.0.0.1",
        b"evil.example",
        b"http://evil.example",
        b"null",
        b"cross-site",
        b"gzip",
        b"application/json",
        b"0",
        b"-1",
    ),
    *(
        b"99999999999999999999",
        b"Bearer " + OPERATE_TOKEN.encode(),
        b"Bearer x",
        b"\xff\xfe",
        b"",
        b"bytes=0-",
        b"session=x",
    ),
)
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "\x00", "GETX")
BODIES = (
    *(b"{}", b"[]", b"null", b'{"token":"x"}', b"[" * 2000, b'{"a":' * 2000, b"\xff\xfe", b'{"n":1e999}', b'{"n":NaN}'),
    *(b"9" * 5000, b'"\\ud800"', b'{"a":1,"a":2}', b'{"reason":"\\u001b[31m"}'),
)


@contextmanager
def requests() -> Generator[Run]:
    """The page on a namespace in memory: any method, path, header and body gets an answer below 500."""
    with without_log(), asyncio.Runner() as runner:
        storage = runner.run(_opened())
        app, of_machine = ui_app(storage, WITH_TOKENS), ui_app(storage, UiSettings())
        paths = sorted({path_of(route) for route in routes_of(app)} - STREAMS)
        may_change = {*changes(app)}

        async def run(data: bytes) -> str:
            choices = Choices(data)
            with_tokens = choices.number(4) == 0
            scope, body = _request(choices, paths)
            answer = await asyncio.wait_for(answer_of(app if with_tokens else of_machine, scope, body), 30)
            status = answer["status"]
            assert status < 500 or status == 503, f"{scope['method']} {scope['path']!r}: {status}"
            has_token = (b"authorization", b"Bearer " + OPERATE_TOKEN.encode()) in scope["headers"]
            if with_tokens and not has_token and (scope["method"], scope["path"]) in may_change:
                assert status >= 400, f"{scope['method']} {scope['path']}: {status} without a token"
            return str(status)

        try:
            yield lambda data: runner.run(run(data))
        finally:
            for one in (app, of_machine):
                runner.run(one.state.hub.aclose())
            runner.run(storage.aclose())


@contextmanager
def without_log() -> Generator[None]:
    """Log nothing of what is refused, until the block ends."""
    log = logging.getLogger("redis_mob")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


STREAMS = frozenset(("/api/live", "/api/news", "/api/stream"))
"""What is answered as long as the tab is open."""


async def _opened() -> MobStorage:
    return await MobStorage.open("memory:", namespace="fuzz")


def _request(choices: Choices, paths: list[str]) -> tuple[dict[str, Any], bytes]:
    path = choices.one_of(paths)
    if choices.number(3) == 0:
        path = mutated(path.encode(), choices).decode("utf-8", "replace")  # as the server decodes it
    if choices.number(4) == 0:
        path = path.replace(
            "x", choices.one_of(("..%2f..%2fetc/passwd", "../../etc/passwd", "%00", "a" * 5000, "é")), 1
        )
    headers = [(b"host", b"127.0.0.1")] if choices.number(8) else []
    headers += [(choices.one_of(HEADERS), choices.one_of(VALUES)) for _ in range(choices.number(5))]
    query = b"&".join(choices.one_of(QUERIES) + b"=" + _quoted(choices) for _ in range(choices.number(4)))
    body = mutated(choices.one_of(BODIES), choices) if choices.number(2) else choices.one_of(BODIES)
    client = choices.one_of(("127.0.0.1", "10.0.0.1", "::1", ""))
    return scope_of(choices.one_of(METHODS), path, query, headers, client), body


def scope_of(method: str, path: str, query: bytes, headers: list[tuple[bytes, bytes]], client: str) -> dict[str, Any]:
    """A request as the server hands it to the application."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogateescape"),
        "query_string": query,
        "headers": headers,
        "client": (client, 4711),
        "server": ("127.0.0.1", 80),
        "root_path": "",
    }


QUERIES = (
    b"limit",
    b"before",
    b"after",
    b"status",
    b"mob",
    b"flow",
    b"q",
    b"cursor",
    b"at",
    b"from",
    b"to",
    b"step",
    b"x",
)


def _quoted(choices: Choices) -> bytes:
    return choices.one_of(TEXTS).encode("utf-8", "surrogatepass").replace(b"&", b"%26")[:300]


async def answer_of(app: Any, scope: dict[str, Any], body: bytes) -> Message:
    """The beginning of the answer to a request."""
    begun: list[Message] = []
    gone = asyncio.Event()
    given = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        for message in given:
            return message
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            begun.append(message)
            kind = dict(message["headers"]).get(b"content-type", b"")
            if kind.startswith((b"text/event-stream", b"application/x-ndjson")):
                gone.set()  # it is answered as long as it is listened to

    await app(scope, receive, send)
    return begun[0]
