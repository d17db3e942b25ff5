"""Tools of MCP servers for models: chosen by name, each call kept (contract: mcp-9)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT, CallToolResult, TextContent
from mcp.types import Tool as Offered

from redis_mob.codec.arguments import optional_instance, text, valid_text
from redis_mob.codec.urls import checked_url
from redis_mob.errors import ValidationError, nearest, shown
from redis_mob.fleet.outcome import parsed_json
from redis_mob.fleet.said import bounded, class_of, text_of
from redis_mob.fleet.step_context import StepContext, StepFailed
from redis_mob.handlers.secrets import checked_texts, without
from redis_mob.handlers.tls import client_tls
from redis_mob.handlers.tools import MOST_RESULT_BYTES, ModelTool, ToolSource
from redis_mob.models.base import json_text
from redis_mob.models.checkpoint import LONGEST_NAME as MOST_CHECKPOINT_NAME

CONNECT_SECONDS = 30.0
"""How long a connection and the list of the tools may take; the deadline of the step bounds the calls."""

EXCERPT_BYTES = 2 * 1024
"""How much of an error of a server a failure keeps."""

MOST_PAGES = 100
"""Pages of a list of tools that are read: one that never ends must not keep an attempt."""

LONGEST_NAME = 64
"""Characters of a tool's name that models take."""

LOST = (CONNECTION_CLOSED, REQUEST_TIMEOUT)
"""Errors that say that a call has no answer: all others are the answer."""

_UNUSUAL = re.compile(r"[^A-Za-z0-9_-]")


def mcp_tools(
    server: str | Sequence[str],
    *,
    allowed_tools: Sequence[str] | None = None,
    headers: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    prefix: str = "",
) -> McpTools:
    """The tools of an MCP server, for the `tools` of `handlers.chat` and `handlers.pydantic_ai`.

    `server` is the URL of one that speaks streamable HTTP, which is sent the `headers`, or a program with its
    arguments, which is started for each attempt with `env` and little else of the environment, and speaks over its
    standard input and output. A model is offered the `allowed_tools`, all of them unless that is given, and of these
    what its step allows: under their names, behind the `prefix`, with `_` for what models do not take in a name.

    Each call is kept: a later attempt that makes it again gets the result of the first one (contract: mcp-9). The
    model is told of a result that is an error. The values of `headers` and `env` stand in no message.

    A server that cannot be reached fails the attempt; one that does not offer an allowed tool fails it for good.
    Raises ValidationError for arguments that make no sense.
    """
    return McpTools(server, allowed_tools=allowed_tools, headers=headers, env=env, prefix=prefix)


class McpTools(ToolSource):
    """The tools of an MCP server; see `mcp_tools`, which makes it."""

    def __init__(
        self,
        server: str | Sequence[str],
        *,
        allowed_tools: Sequence[str] | None,
        headers: Mapping[str, str] | None,
        env: Mapping[str, str] | None,
        prefix: str,
    ) -> None:
        self._headers, self._env = checked_texts("headers", headers), checked_texts("env", env)
        self._prefix = text("prefix", prefix)
        if isinstance(allowed_tools, str):
            raise ValidationError(f"allowed_tools must be a list of names, not the text {shown(allowed_tools)}")
        optional_instance("allowed_tools", allowed_tools, Sequence)
        self._allowed = None if allowed_tools is None else [valid_text("allowed_tools", one) for one in allowed_tools]
        self._url: str | None = None
        self._program: list[str] = []
        if isinstance(server, str):
            self._url = checked_url("server", server)
            parts = urlsplit(server)
            self.name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
            secrets = [*self._headers.values(), parts.password or "", parts.query, server]
            if env is not None:
                raise ValidationError("env is for a program: a server with a URL is sent headers")
        else:
            self._program = [valid_text("server", one) for one in server]
            if not self._program:
                raise ValidationError("server must be a URL, or a program with its arguments")
            self.name, secrets = self._program[0], list(self._env.values())
            if headers is not None:
                raise ValidationError("headers are for a URL: a program is given env")
        self._secrets = [one for one in secrets if one]

    def __repr__(self) -> str:
        return f"mcp_tools({self.name!r}, allowed_tools={self._allowed!r})"

    @asynccontextmanager
    async def connected(self, ctx: StepContext, *, keeps: bool = True) -> AsyncGenerator[Sequence[ModelTool]]:
        """See `ToolSource`."""
        ready: asyncio.Future[tuple[Client, list[Offered]]] = asyncio.get_running_loop().create_future()
        leave = asyncio.Event()
        # in a task of its own: what the block raises would come out of the client's groups of tasks as a group
        holding = asyncio.create_task(self._hold(ready, leave))
        try:
            client, offered = await self._in_time(ready)
            once = ctx.once if keeps else _called
            yield [McpTool(self, client, once, self._shown_name(one), one) for one in self._chosen(offered)]
        finally:
            leave.set()
            if ready.cancelled():
                holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)

    async def _in_time(self, ready: asyncio.Future[tuple[Client, list[Offered]]]) -> tuple[Client, list[Offered]]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await ready
        except TimeoutError:
            raise StepFailed(f"MCP server {shown(self.name)} did not answer in {CONNECT_SECONDS:g} s") from None

    async def _hold(self, ready: asyncio.Future[tuple[Client, list[Offered]]], leave: asyncio.Event) -> None:
        """Keep the connection until it is time to leave."""
        try:
            async with AsyncExitStack() as stack:
                client = await stack.enter_async_context(await self._client(stack))
                offered = await _tools_of(client)
                if not ready.done():
                    ready.set_result((client, offered))
                await leave.wait()
        except Exception as error:  # noqa: BLE001 - transports raise what they like, in groups
            if not ready.done():
                ready.set_exception(self.failure("cannot be reached", error))

    async def _client(self, stack: AsyncExitStack) -> Client:
        if self._url is None:
            program, *args = self._program
            return Client(StdioServerParameters(command=program, args=args, env=self._env))
        timeout = httpx2.Timeout(None, connect=CONNECT_SECONDS)
        http = httpx2.AsyncClient(headers=self._headers, timeout=timeout, verify=client_tls())
        return Client(streamable_http_client(self._url, http_client=await stack.enter_async_context(http)))

    def _chosen(self, offered: Sequence[Offered]) -> list[Offered]:
        if self._allowed is None:
            return list(offered)
        by_name = {one.name: one for one in offered}
        for name in self._allowed:
            if name not in by_name:
                raise StepFailed(
                    f"MCP server {shown(self.name)} has no tool {shown(name)}, which allowed_tools names; "
                    f"{nearest(name, by_name, most=3)}",
                    retryable=False,
                )
        return [by_name[name] for name in dict.fromkeys(self._allowed)]

    def _shown_name(self, tool: Offered) -> str:
        return _UNUSUAL.sub("_", f"{self._prefix}{tool.name}")[:LONGEST_NAME]

    def hidden(self, said: str) -> str:
        """The beginning of a text, without what is secret."""
        return bounded(without(said, self._secrets), EXCERPT_BYTES)

    def failure(self, what: str, error: BaseException) -> StepFailed:
        """The failure that an error of the connection makes, without what is secret."""
        error = _first_of(error)
        said = self.hidden(text_of(error))
        is_missing = isinstance(error, FileNotFoundError | PermissionError)
        return StepFailed(f"MCP server {shown(self.name)} {what}: {class_of(error)}: {said}", retryable=not is_missing)


class McpTool(ModelTool):
    """A tool of a server that is connected, for one attempt."""

    def __init__(self, source: McpTools, client: Client, once: Callable[..., Any], name: str, offered: Offered) -> None:
        self.name = name
        self.description = offered.description or ""
        self.parameters = dict(offered.input_schema)
        self._source, self._client, self._once = source, client, once
        self._remote_name = offered.name

    async def call(self, ctx: StepContext, arguments: str) -> str:
        """What the model is told of a call, whose arguments it gave as JSON. Raises StepFailed as `once`."""
        try:
            given = parsed_json(arguments or "{}")
        except ValueError as error:
            return f"The arguments are wrong: {error}. Call the tool again."
        if not isinstance(given, dict):
            return "The arguments are wrong: they must be a JSON object. Call the tool again."
        return await self.result(cast("dict[str, Any]", given))

    async def result(self, arguments: Mapping[str, Any]) -> str:
        """The result of a call, or of an earlier attempt that made it; the text of an error if it is one."""

        async def called(_server: str, arguments: Mapping[str, Any]) -> str:
            try:
                result = await self._client.call_tool(self._remote_name, dict(arguments))
            except Exception as error:  # noqa: BLE001 - transports raise what they like, in groups
                if isinstance(error, MCPError) and error.code not in LOST:
                    raise _RefusedError(self._source.hidden(error.message)) from None
                raise self._source.failure(f"failed at tool {shown(self._remote_name)}", error) from None
            if result.is_error:
                raise _RefusedError(self._source.hidden(_text(result)))
            return bounded(_text(result), MOST_RESULT_BYTES)

        name = f"mcp:{self._remote_name}".encode()[:MOST_CHECKPOINT_NAME].decode(errors="ignore")
        try:
            return await self._once(name, called, self._source.name, arguments)
        except _RefusedError as error:
            return f"The tool failed: {error}"


async def _called(_name: str, function: Callable[..., Awaitable[str]], *args: Any) -> str:
    """What `once` gives, of a call that is kept by its caller."""
    return await function(*args)


class _RefusedError(Exception):
    """The server answered a call, with an error: it is for the model, and not kept."""


def _first_of(error: BaseException) -> BaseException:
    """What a group of errors is about: clients run their parts in groups of tasks."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


async def _tools_of(client: Client) -> list[Offered]:
    """All tools that the server lists."""
    found: list[Offered] = []
    cursor = None
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        found += page.tools
        if (cursor := page.next_cursor) is None:
            break
    return found


def _text(result: CallToolResult) -> str:
    """What a result says, as text; of pictures and the like, that they are there."""
    parts = [one.text if isinstance(one, TextContent) else f"[{one.type}, not shown]" for one in result.content]
    if not parts and result.structured_content is not None:
        return json_text(result.structured_content)
    return "\n".join(parts)
