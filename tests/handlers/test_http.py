"""Services as handlers: a server of the test, on this host, that answers well, badly, slowly and without end."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from redis_mob import MobRunStatus, StepFailed, StepProfile, StepThrottled, ValidationError
from redis_mob.codec.retry_after import retry_after
from redis_mob.handlers import http
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import mob, step
from tests.fleet.working import run_flow
from tests.handlers.contexts import context
from tests.handlers.fake_service import Answer, Request, Response, service

JSON = {"Content-Type": "application/json"}


def always(response: Response) -> Answer:
    async def answer(_request: Request) -> Response:
        return response

    return answer


async def echo(request: Request) -> Response:
    return Response(
        json.dumps({"headers": dict(request.headers), "body": json.loads(request.body)}).encode(), headers=JSON
    )


async def failure(response: Response, **options: Any) -> StepFailed:
    async with service(always(response)) as running:
        with pytest.raises(StepFailed) as caught:
            await http(running.url, **options)(context())
        assert len(running.requests) == 1
        return caught.value


async def test_a_service_gets_the_step_as_the_json_body_of_a_post_under_its_idempotency_key() -> None:
    async with service(echo) as running:
        told = await http(f"{running.url}/do?it=1", headers={"X-Given": "yes"})(context(attempt=2))
        [request] = running.requests
    assert (request.method, request.path) == ("POST", "/do?it=1")
    assert told["headers"]["idempotency-key"] == "the-key"
    assert told["headers"]["content-type"] == "application/json"
    assert told["headers"]["x-given"] == "yes"
    assert (told["body"]["run_id"], told["body"]["attempt"]) == ("11111111-2222-3333-4444-555555555555", 2)
    assert told["body"]["params"] == {"name": "Ada"}


async def test_no_header_that_is_given_takes_the_place_of_the_idempotency_key() -> None:
    async with service(echo) as running:
        told = await http(running.url, headers={"Idempotency-Key": "fixed"})(context())
    assert told["headers"]["idempotency-key"] == "the-key"


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (Response(b'{"a": [1]}', headers=JSON), {"a": [1]}),
        (Response(b'"a"', headers={"content-type": "application/problem+json; charset=utf-8"}), "a"),
        (Response("ü".encode("latin-1"), headers={"content-type": "text/plain; charset=latin-1"}), "ü"),
        (Response(b"[1]"), "[1]"),
        (Response(b"", "204 No Content"), None),
        (Response(b"", headers=JSON), None),
    ],
)
async def test_a_response_is_json_if_its_type_says_so_and_else_a_text(response: Response, answer: Any) -> None:
    async with service(always(response)) as running:
        assert await http(running.url)(context()) == answer


@pytest.mark.parametrize(
    "response",
    [
        Response(b'{"a": ', headers=JSON),
        Response(b"[" * 100_000, headers=JSON),
        Response(b"\xff"),
        Response(b"a", headers={"content-type": "text/plain; charset=no-such"}),
    ],
)
async def test_a_response_that_cannot_be_read_fails_the_attempt(response: Response) -> None:
    failed = await failure(response)
    assert "answered with what is no " in failed.reason
    assert failed.retryable


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        *((status, False) for status in (300, 302, 400, 401, 403, 404, 410, 422)),
        *((status, True) for status in (408, 409, 425, 500, 502, 503, 504, 599)),
    ],
)
async def test_a_status_says_whether_another_attempt_makes_sense(status: int, retryable: bool) -> None:
    failed = await failure(Response(b"why", f"{status} Reason"))
    assert f"answered with status {status} Reason" in failed.reason
    assert failed.retryable is retryable
    assert failed.detail == {"status": status, "body": "why"}


async def test_a_service_that_asks_to_be_left_alone_fails_no_attempt() -> None:
    throttled = await failure(Response(status="429 Too Many", headers={"Retry-After": "7"}))
    assert isinstance(throttled, StepThrottled)
    assert throttled.reason.endswith("answered with status 429 Too Many")
    assert not isinstance(await failure(Response(status="429 Too Many"), retried={404}), StepThrottled)


async def test_which_statuses_are_tried_again_may_be_said() -> None:
    assert (await failure(Response(status="404 Not Found"), retried={404})).retryable
    assert not (await failure(Response(status="429 Too Many"), retried={404})).retryable


@pytest.mark.parametrize(
    ("value", "pause"),
    [
        ("7", timedelta(seconds=7)),
        ("0", timedelta()),
        ("Sun, 29 Nov 2026 10:00:30 GMT", timedelta(seconds=30)),
        ("Sun, 29 Nov 2026 09:00:00 GMT", timedelta()),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        ("9" * 30, timedelta(days=36_500)),
        ("9" * 5000, timedelta(days=36_500)),
        ("0" * 5000 + "7", timedelta(seconds=7)),
        ("Sun, 29 Nov 9999 10:00:30 GMT", timedelta(days=36_500)),
    ],
)
async def test_the_pause_that_a_service_asks_for_is_that_of_the_next_attempt(
    value: str, pause: timedelta | None
) -> None:
    headers = {"Retry-After": value, "Date": "Sun, 29 Nov 2026 10:00:00 GMT"}
    assert (await failure(Response(status="429 Too Many", headers=headers))).retry_after == pause


def test_a_date_counts_from_now_if_the_response_has_none() -> None:
    assert retry_after({"Retry-After": "Sun, 29 Nov 2020 10:00:30 GMT"}) == timedelta()


async def test_a_redirect_is_not_followed() -> None:
    async with service(always(Response(b"reached", headers=JSON))) as elsewhere:
        failed = await failure(Response(status="307 Temporary Redirect", headers={"Location": elsewhere.url}))
        assert elsewhere.requests == []
    assert "redirects are not followed" in failed.reason
    assert not failed.retryable


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 10_000


@pytest.mark.parametrize("status", ["200 OK", "500 Internal Server Error"])
async def test_of_an_endless_response_no_more_is_read_than_is_needed(status: str) -> None:
    async with service(always(Response(endless(), status))) as running:
        with pytest.raises(StepFailed) as caught:
            await http(running.url)(context(profile=StepProfile(max_output_bytes=50_000)))
        async with asyncio.timeout(LONG):
            await running.hung_up.wait()
        assert running.sent < 20_000_000  # what buffers of sockets hold is sent, too
    if status == "200 OK":
        assert "answered with more than 50,000 bytes" in caught.value.reason
        assert not caught.value.retryable
    else:
        assert len(caught.value.detail["body"]) == 2048


async def test_a_compressed_response_is_refused_since_its_length_cannot_be_bounded() -> None:
    failed = await failure(Response(b"x", headers={"Content-Encoding": "gzip"}))
    assert "content encoding 'gzip'" in failed.reason


async def cut_short() -> AsyncIterator[bytes]:
    yield b'{"a":'


async def test_a_connection_that_breaks_fails_the_attempt() -> None:
    failed = await failure(Response(cut_short(), headers={**JSON, "Content-Length": "100"}))
    assert "RemoteProtocolError" in failed.reason
    assert failed.retryable


async def test_a_service_that_is_away_fails_the_attempt() -> None:
    async with service(echo) as running:
        url = running.url
    with pytest.raises(StepFailed, match=f"^{url}: ConnectError: ") as caught:
        await http(url)(context())
    assert caught.value.retryable


async def silent(_request: Request) -> Response:
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_service_that_does_not_answer_in_time_fails_the_attempt() -> None:
    async with service(silent) as running:
        with pytest.raises(StepFailed, match=r"has not answered in 0.05 s$") as caught:
            await http(running.url, timeout=0.05)(context())
        assert caught.value.retryable
        async with asyncio.timeout(LONG):
            await running.hung_up.wait()


async def test_the_connection_is_closed_when_the_call_is_cancelled() -> None:
    async with service(silent) as running:
        calling = asyncio.ensure_future(http(running.url)(context()))
        async with asyncio.timeout(LONG):
            await running.came.wait()
            calling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await calling
            await running.hung_up.wait()


async def test_the_deadline_of_the_step_ends_the_call(tmp_path: Path) -> None:
    async with service(silent) as running, MobStorage.open("memory:", namespace=str(tmp_path)) as storage:
        run = await run_flow(storage, mob({"a": step(timeout_ms=300)}), http(running.url))
        async with asyncio.timeout(LONG):
            await running.hung_up.wait()
    assert [failed.reason for failed in run.failure_ledger] == ["timeout after 300ms"]


async def test_a_run_waits_as_long_as_the_service_asks_and_completes(tmp_path: Path) -> None:
    keys: list[str] = []

    async def answer(request: Request) -> Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) == 1:
            return Response(status="503 Busy", headers={"Retry-After": "0"})
        return Response(json.dumps(json.loads(request.body)["previous_failure"]).encode(), headers=JSON)

    definition = mob({"a": step(retry={"attempts": 2, "first": 0})})
    async with service(answer) as running, MobStorage.open("memory:", namespace=str(tmp_path)) as storage:
        run = await run_flow(storage, definition, http(running.url))
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    assert run.root_step_outputs["a"]["worker-1"]["detail"] == {"status": 503, "body": ""}
    assert keys[0] == keys[1]


async def test_a_client_that_is_given_is_used_and_stays_open() -> None:
    async with (
        service(echo) as running,
        httpx.AsyncClient(headers={"X-Client": "mine"}, follow_redirects=True) as client,
    ):
        told = await http(running.url, client=client)(context())
        assert told["headers"]["x-client"] == "mine"
        assert not client.is_closed


def repeats(request: Request) -> Awaitable[Response]:
    said = f"{request.headers['authorization']} {request.path}".encode()
    return always(Response(said, "400 Bad Request"))(request)


@pytest.mark.parametrize(("user", "sent"), [("", "Bearer se-cret"), ("user:pass-word@", "Basic dXNlcjpwYXNzLXdvcmQ=")])
async def test_what_is_secret_stands_in_no_failure_and_no_repr(tmp_path: Path, user: str, sent: str) -> None:
    async with service(repeats) as running:
        url = running.url.replace("//", f"//{user}") + "/p?token=to-ken"
        handler = http(url, headers={"Authorization": "Bearer se-cret"})
        async with MobStorage.open("memory:", namespace=str(tmp_path)) as storage:
            run = await run_flow(storage, mob({"a": step()}), handler)
            events = await storage.events.replay_all()
        [request] = running.requests
        assert request.headers["authorization"] == sent
    for said in (repr(handler), repr(run), repr(events)):
        assert all(secret not in said for secret in ("se-cret", "pass-word", "to-ken", sent))
    assert "status 400" in repr(run)


BAD: list[tuple[Any, dict[str, Any]]] = [
    ("ftp://host", {}),
    ("host/path", {}),
    ("http://", {}),
    (1, {}),
    ("http://\ud800", {}),
    *((f"http://me:se-cret@host{port}/", {}) for port in (":0", ":65536", ":99999", ":-1", ":x", ":" + "9" * 5000)),
    ("http://host", {"timeout": "5"}),
    ("http://host", {"timeout": True}),
    ("http://host", {"timeout": float("nan")}),
    ("http://host", {"retried": 5}),
    ("http://host", {"retried": ["a"]}),
    ("http://host", {"client": object()}),
    ("http://host", {"headers": 5}),
    ("http://host", {"headers": {"A": 1}}),
    ("http://host", {"headers": {"A": "se-cret\n"}}),
    ("http://host", {"headers": {"A": "se-cretü"}}),
    ("http://host", {"timeout": 0}),
    ("http://host", {"max_output_bytes": -1}),
]


@pytest.mark.parametrize(("url", "options"), BAD)
def test_arguments_that_make_no_sense_are_refused_without_secrets(url: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        http(url, **options)
    assert "se-cret" not in str(caught.value)


@pytest.mark.parametrize("port", ["", ":", ":1", ":65535"])
@pytest.mark.parametrize("host", ["host", "[::1]", "me:pass@host"])
def test_every_port_that_there_is_can_be_given(host: str, port: str) -> None:
    http(f"http://{host}{port}/path:0")


@pytest.mark.parametrize("before", range(2 * 1024 - 30, 2 * 1024 + 5, 3))
async def test_no_part_of_a_secret_is_left_where_a_body_is_cut_off(before: int) -> None:
    body = b" " * before + b"0123456789abcdefghijklmnopqrstuvwxyz" + b" " * 9_000
    failed = await failure(
        Response(body, status="400 Bad Request"), headers={"Key": "0123456789abcdefghijklmnopqrstuvwxyz"}
    )
    assert not set("0123456789abcdefghijklmnopqrstuvwxyz") & set(failed.detail["body"])


WITHOUT_EXTRAS = """
import sys
import redis_mob, redis_mob.handlers, redis_mob.fleet.fleet
assert not {"httpx", "httpx2", "openai", "pydantic_ai"} & set(sys.modules), "imported too early"
for package in ("httpx", "openai", "pydantic_ai"):
    sys.modules[package] = None
for name in sys.argv[1:]:
    try:
        getattr(redis_mob.handlers, name)
    except ModuleNotFoundError as error:
        print(error)
"""


def test_a_missing_extra_is_told_with_the_command_that_installs_it() -> None:
    """In a process of its own, where the packages are not there."""
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS, "command", "http", "chat", "pydantic_ai"], capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    missing = [("http", "httpx", "http"), ("chat", "openai", "chat"), ("pydantic_ai", "pydantic_ai", "pydantic-ai")]
    assert said.stdout.splitlines() == [
        f"redis_mob.handlers.{name} needs {package}, which is not installed: pip install 'redis-mob[{extra}]'"
        for name, package, extra in missing
    ]
