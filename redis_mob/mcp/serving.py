"""Serves the tools over standard input and output, or over HTTP, until the process is told to end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import uvicorn
from mcp.server import Server
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend
from mcp.server.auth.provider import AccessToken
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.middleware.authentication import AuthenticationMiddleware

from redis_mob.errors import ValidationError, shown
from redis_mob.http_serving import ended_by_signals, listening, url_of
from redis_mob.security.bearer_tokens import ALL_ADDRESSES, checked_token, is_loopback, is_the_token

END_SECONDS = 2
"""How long calls under way may go on when the process is told to end; their runs go on without it."""


_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class HttpPlace(NamedTuple):
    """Where HTTP is served, under which names clients may reach it, and the token that they have to give."""

    host: str
    port: int
    names: tuple[str, ...] = ()
    token: str | None = None

    @classmethod
    def of(cls, place: str, names: Sequence[str], token: str | None) -> HttpPlace:
        """The place that HOST:PORT names. Raises ValidationError for one that would be open to others (mcp-8)."""
        host, colon, port = place.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not (colon and host and port.isdecimal() and int(port) < 2**16):
            raise ValidationError(f"--http {shown(place)}: write HOST:PORT, as in 127.0.0.1:8765")
        if token is not None:
            checked_token(token, "--token-file")
        elif not is_loopback(host):
            raise ValidationError(
                f"--http {shown(place)}: others reach this address, and could start flows: give --token-file, or serve "
                "127.0.0.1"
            )
        if host in ALL_ADDRESSES and not names:
            raise ValidationError(
                f"--http {shown(place)}: name the host as clients do, with --allowed-host, or serve one address of it"
            )
        return cls(host, int(port), tuple(names), token)

    def security(self) -> TransportSecuritySettings:
        """Which Host and Origin a request may have: the address, the names, and on loopback what all call that."""
        own = () if self.host in ALL_ADDRESSES else (f"[{self.host}]" if ":" in self.host else self.host,)
        hosts = dict.fromkeys((*self.names, *own, *(_LOOPBACK if is_loopback(self.host) else ())))
        with_ports = [one for host in hosts for one in (host, f"{host}:*")]
        origins = [f"{scheme}://{host}" for scheme in ("http", "https") for host in with_ports]
        return TransportSecuritySettings(allowed_hosts=with_ports, allowed_origins=origins)


async def serve_stdio(server: Server[Any], ending: asyncio.Event) -> None:
    """Serve one client over standard input and output, until it leaves or `ending` is set.

    What handlers or modules print goes to standard error meanwhile. If it was ended, the process has to leave by
    `os._exit`: a thread still reads standard input.
    """

    async def serve() -> None:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    serving, ended = asyncio.create_task(serve()), asyncio.create_task(ending.wait())
    await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    if serving.done():
        await serving


async def serve_http(server: Server[Any], place: HttpPlace, tell: Callable[[str], None]) -> None:
    """Serve over HTTP until SIGTERM or SIGINT. `tell` gets the URL once connections are taken.

    Raises ValidationError for an address that cannot be used.
    """
    app = server.streamable_http_app(
        host=place.host,
        transport_security=place.security(),
        token_verifier=None if place.token is None else OneToken(place.token),
    )
    if place.token is not None:
        app.add_middleware(AuthContextMiddleware)
        app.add_middleware(AuthenticationMiddleware, backend=BearerAuthBackend(OneToken(place.token)))
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=END_SECONDS)
    serving = uvicorn.Server(config)
    with listening(place.host, place.port, f"--http {place.host}:{place.port}") as bound, ended_by_signals(serving):
        tell(f"{url_of(bound)}/mcp")
        await serving.serve(sockets=[bound])


class OneToken:
    """Takes one token for good."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def verify_token(self, token: str) -> AccessToken | None:
        """The token, if it is the one."""
        if not is_the_token(token, self._token):
            return None
        return AccessToken(token=token, client_id="redis-mob", scopes=[])
