"""The page's server for tests: called in memory, or served on a port of this machine, with a tab that listens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import uvicorn
from starlette.applications import Starlette

from redis_mob.http_serving import listening
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from redis_mob.ui.access.tokens import token_of
from redis_mob.ui.access.users import Role, User
from redis_mob.ui.app import ui_app
from redis_mob.ui.settings import UiSettings

READ_TOKEN, OPERATE_TOKEN = "token-of-rosa-who-reads", "token-of-olga-who-operates"
TOKENS = (
    token_of(User("rosa", Role.READ), READ_TOKEN, "test"),
    token_of(User("olga", Role.OPERATE), OPERATE_TOKEN, "test"),
)
WITH_TOKENS = UiSettings(tokens=TOKENS)
BASE = "http://127.0.0.1"


def client_of(app: Starlette, peer: str = "127.0.0.1", base: str = BASE) -> httpx.AsyncClient:
    """A client that calls the application in this process, as if it came from an address."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(peer, 4711)), base_url=base)


@asynccontextmanager
async def logged_in(app: Starlette, token: str) -> AsyncGenerator[httpx.AsyncClient]:
    """A client that has logged in, and sends the token of its session with each change."""
    async with client_of(app) as client:
        assert (await client.post("/login", json={"token": token})).status_code == 200
        await take_csrf(client)
        yield client


async def take_csrf(client: httpx.AsyncClient) -> None:
    """Let a client send the token of its session from now on."""
    client.headers["X-CSRF-Token"] = (await client.get("/api/session")).json()["csrf"]


@asynccontextmanager
async def page_of(storage: MobStorage, settings: UiSettings | None = None) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a page of this storage, whose readers stop in the end."""
    app = ui_app(storage, settings or UiSettings())
    async with client_of(app) as client:
        await take_csrf(client)
        yield client
    await app.state.hub.aclose()


@asynccontextmanager
async def served(app: Starlette) -> AsyncGenerator[str]:
    """The application on a port of this machine; its URL."""
    with listening("127.0.0.1", 0, "--port 0") as bound:
        config = uvicorn.Config(app, log_config=None, proxy_headers=False, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve([bound]))  # pyright: ignore[reportPrivateUsage] - takes no signals
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            app.state.hub.end_tabs()
            server.should_exit = True
            await serving


async def lines_of(answer: httpx.Response) -> AsyncIterator[str]:
    """The lines of a stream, as browsers part them: at line feeds, and at no other character."""
    rest = b""
    async for data in answer.aiter_bytes():
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line.decode()


class Told(NamedTuple):
    """A server-sent event."""

    name: str
    data: Any
    cursor: int | None


class Listening:
    """A tab: the events that the server sends, one after the other."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.seen: list[Told] = []

    async def next(self) -> Told:
        """The next event."""
        fields: dict[str, str] = {}
        async for line in self._lines:
            if not line and "event" in fields:
                cursor = fields.get("id")
                told = Told(fields["event"], json.loads(fields["data"]), None if cursor is None else int(cursor))
                self.seen.append(told)
                return told
            name, colon, value = line.partition(": ")
            if colon:
                fields[name] = value
        raise EOFError("the server has ended the stream")

    async def until(self, name: str, condition: Callable[[Any], object] = lambda _: True) -> Any:
        """The data of the next event of this name to which the condition applies."""
        async with asyncio.timeout(LONG):
            while True:
                told = await self.next()
                if told.name == name and condition(told.data):
                    return told.data

    async def ever(self, name: str, condition: Callable[[Any], object] = lambda _: True) -> Any:
        """The same, also of events that were seen before."""
        seen = [told.data for told in self.seen if told.name == name and condition(told.data)]
        return seen[0] if seen else await self.until(name, condition)


@asynccontextmanager
async def tab(url: str, query: str = "", last: int | None = None) -> AsyncGenerator[Listening]:
    """A tab that listens at a server."""
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    async with (
        httpx.AsyncClient(timeout=httpx.Timeout(LONG)) as client,
        client.stream("GET", f"{url}/api/live{query}", headers=headers) as answer,
    ):
        assert answer.status_code == 200
        yield Listening(lines_of(answer))
