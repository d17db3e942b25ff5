"""The small server of commands: what it answers to requests of any kind."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from http import HTTPStatus

import pytest

from redis_mob.cli import http_port
from redis_mob.cli.http_port import Answer, Place, Request
from redis_mob.errors import ValidationError
from redis_mob.testing.waiting import LONG

LOCAL = Place("127.0.0.1", 0)


async def answer(request: Request) -> Answer:
    return Answer(f"{request.path} {request.headers.get('x-asked', '')}".encode(), HTTPStatus.ACCEPTED)


async def asked(place: Place, request: bytes) -> bytes:
    """All that is answered to a request, until the connection is closed."""
    reader, writer = await asyncio.open_connection(*place)
    writer.write(request)
    answered = await reader.read()
    writer.close()
    return answered


@pytest.mark.parametrize(
    ("request_", "status", "body"),
    [
        (b"GET /a?b=1 HTTP/1.1\r\nX-Asked: yes\r\n\r\n", b"202 Accepted", b"/a yes"),
        (b"HEAD /a HTTP/1.1\r\n\r\n", b"202 Accepted", b""),
        (b"POST / HTTP/1.1\r\n\r\n", b"405 Method Not Allowed", b""),
        (b"nonsense\r\n\r\n", b"400 Bad Request", b""),
        (b"\xff\xfe / HTTP/1.1\r\n\r\n", b"400 Bad Request", b""),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 200 + b"\r\n", b"400 Bad Request", b""),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 10_000 + b"\r\n\r\n", b"400 Bad Request", b""),
    ],
    ids=["a query and a header", "HEAD", "POST", "no request", "no text", "many headers", "long"],
)
async def test_a_request_is_answered_and_the_connection_closed(request_: bytes, status: bytes, body: bytes) -> None:
    async with http_port.http_port(LOCAL, "--port", answer) as place:
        head, _, text = (await asked(place, request_)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert b"Connection: close" in head
    assert text == body


async def test_a_client_that_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_port, "REQUEST_SECONDS", 0.01)
    async with http_port.http_port(LOCAL, "--port", answer) as place:
        assert b"400 Bad Request" in await asked(place, b"GET / HT")


async def test_a_client_that_does_not_read_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_port, "ANSWER_SECONDS", 0.01)
    monkeypatch.setattr(http_port, "MOST_CLIENTS", 1)

    async def long_answer(_request: Request) -> Answer:
        return Answer(b"x" * 50_000_000)

    async with http_port.http_port(LOCAL, "--port", long_answer) as place:
        with socket.create_connection(place) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            answered = b""
            async with asyncio.timeout(LONG):
                while not answered:  # its place is taken until then
                    with contextlib.suppress(ConnectionError):
                        answered = await asked(place, b"HEAD / HTTP/1.1\r\n\r\n")


async def test_clients_beyond_a_bound_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_port, "MOST_CLIENTS", 1)
    async with http_port.http_port(LOCAL, "--port", answer) as place:
        _, waiting = await asyncio.open_connection(*place)
        waiting.write(b"GET / HT")
        assert await asked(place, b"") == b""
        waiting.close()


@pytest.mark.parametrize("host", ["no.such.host.invalid", "x" * 100, "192.0.2.1"])
async def test_a_place_that_cannot_be_used_is_named(host: str) -> None:
    with pytest.raises(ValidationError, match=f"--port 0: cannot listen on {host}: "):
        async with http_port.http_port(Place(host, 0), "--port", answer):
            pass


async def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(ValidationError, match=f"--health-port {port}: cannot listen on 127.0.0.1: "):
            async with http_port.http_port(Place("127.0.0.1", port), "--health-port", answer):
                pass


def test_an_address_with_colons_is_in_brackets() -> None:
    assert (Place("::1", 80).url, LOCAL.url) == ("http://[::1]:80", "http://127.0.0.1:0")
