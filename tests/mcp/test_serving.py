"""Where HTTP is served, and which requests it takes there."""

from __future__ import annotations

import pytest

from redis_mob.mcp.serving import HttpPlace, OneToken

TOKEN = "a-token-of-the-test"  # noqa: S105 - of this test alone


LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]


@pytest.mark.parametrize(
    ("place", "names", "token", "hosts"),
    [
        ("127.0.0.1:80", [], None, LOOPBACK),
        ("127.0.0.9:80", [], None, ["127.0.0.9", *LOOPBACK]),
        ("[::1]:80", ["mcp.example"], None, ["mcp.example", "[::1]", "127.0.0.1", "localhost"]),
        ("0.0.0.0:80", ["mcp.example"], TOKEN, ["mcp.example"]),
        ("192.0.2.1:80", [], TOKEN, ["192.0.2.1"]),
        ("[2001:db8::1]:80", [], TOKEN, ["[2001:db8::1]"]),
    ],
)
def test_requests_have_to_name_the_host(place: str, names: list[str], token: str | None, hosts: list[str]) -> None:
    security = HttpPlace.of(place, names, token).security()
    assert security.enable_dns_rebinding_protection
    with_ports = [one for host in hosts for one in (host, f"{host}:*")]
    assert security.allowed_hosts == with_ports
    assert security.allowed_origins == [f"{scheme}://{one}" for scheme in ("http", "https") for one in with_ports]


async def test_one_token_is_taken() -> None:
    verifier = OneToken(TOKEN)
    assert (await verifier.verify_token(TOKEN)) is not None
    for other in ("", TOKEN[:-1], f"{TOKEN}x", "tökén"):
        assert await verifier.verify_token(other) is None
