"""Tools of MCP servers: a program of the test, and a service on this host, made with the official package."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from mcp.server import MCPServer
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from redis_mob import StepContext, StepFailed, StepProfile, ValidationError
from redis_mob.fleet.once import KeptCheckpoints, Once
from redis_mob.handlers import chat, mcp_servers, mcp_tools, pydantic_ai
from redis_mob.handlers.mcp_servers import McpTools
from tests.handlers.contexts import context
from tests.handlers.fake_model import Turn, asked, called, model, said

SHOP = """
import os
from pathlib import Path

from mcp import MCPError
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("shop")


@server.tool()
def price(item: str) -> str:
    "What an item costs."
    with Path("calls").open("a") as told:
        told.write(item + " ")
    return f"{item} costs 3"


@server.tool(name="drop.all")
def drop_all() -> str:
    "Drop everything."
    return "done"


@server.tool()
def broken() -> str:
    "Breaks."
    with Path("calls").open("a") as told:
        told.write("broken ")
    raise ToolError("no luck with " + os.environ["SHOP_KEY"])


@server.tool()
def refuse() -> str:
    "Refuses."
    raise MCPError(-32602, "no tea for " + os.environ["SHOP_KEY"])


@server.tool()
def leave() -> str:
    "Ends the program."
    os._exit(3)


server.run("stdio")
"""

KEY = "the-key-of-the-shop"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A program that is a server; it notes the calls of its tools."""
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    return [sys.executable, "shop.py"]


def made_of(shop: Sequence[str], **options: Any) -> McpTools:
    return mcp_tools(shop, env={"SHOP_KEY": KEY}, **options)


SMALL = StepProfile(model="small")


async def chatted(
    tools: Sequence[Any], *turns: Turn, ctx: StepContext | None = None
) -> tuple[Any, list[dict[str, Any]]]:
    """The answer of a model that is a script, and what it was asked."""
    async with model(*turns) as running:
        handler = chat(base_url=running.url, api_key="key", tools=tools)
        answer = await handler(ctx or context(profile=SMALL))
        return answer, [asked(running, number) for number in range(len(running.requests))]


def names(request: dict[str, Any]) -> list[str]:
    return [one["function"]["name"] for one in request.get("tools", [])]


async def test_a_chat_model_calls_the_tools_of_a_program(shop: list[str], tmp_path: Path) -> None:
    turns = (called("price", '{"item": "tea"}'), said("3, it is"))
    answer, [first, second] = await chatted([made_of(shop)], *turns)
    assert answer == "3, it is"
    assert names(first) == ["price", "drop_all", "broken", "refuse", "leave"]
    assert first["tools"][0]["function"]["description"] == "What an item costs."
    assert first["tools"][0]["function"]["parameters"]["required"] == ["item"]
    assert second["messages"][-1]["content"] == "tea costs 3"
    assert (tmp_path / "calls").read_text() == "tea "


@pytest.mark.parametrize(
    ("options", "profile", "offered"),
    [
        ({"allowed_tools": ["price"]}, SMALL, ["price"]),
        ({"allowed_tools": []}, SMALL, []),
        ({"allowed_tools": ["drop.all"], "prefix": "shop_"}, SMALL, ["shop_drop_all"]),
        ({}, StepProfile(model="small", allowed_tools=("price",)), ["price"]),
        ({"allowed_tools": ["price", "leave"]}, StepProfile(model="small", blocked_tools=("leave",)), ["price"]),
    ],
)
async def test_a_model_is_offered_what_is_allowed(
    shop: list[str], options: dict[str, Any], profile: StepProfile, offered: list[str]
) -> None:
    _, [request] = await chatted([made_of(shop, **options)], said("ok"), ctx=context(profile=profile))
    assert names(request) == offered


async def test_a_tool_that_is_not_allowed_is_not_called(shop: list[str], tmp_path: Path) -> None:
    turns = (called("price", '{"item": "tea"}'), said("ok"))
    _, [_, second] = await chatted([made_of(shop, allowed_tools=["drop.all"])], *turns)
    assert second["messages"][-1]["content"] == "There is no tool 'price'."
    assert not (tmp_path / "calls").exists()


async def test_a_later_attempt_of_a_handler_finds_the_results_of_calls(shop: list[str], tmp_path: Path) -> None:
    kept = KeptCheckpoints()
    for attempt in (1, 2):
        ctx = context(attempt=attempt, checkpoints=Once(kept))
        async with made_of(shop).connected(ctx) as tools:
            by_name = {tool.name: tool for tool in tools}
            assert await by_name["price"].call(ctx, '{"item": "tea"}') == "tea costs 3"
            assert (await by_name["broken"].call(ctx, "{}")).startswith("The tool failed: ")
    assert (tmp_path / "calls").read_text() == "tea broken broken ", "an error is not kept"


async def test_a_later_attempt_of_a_chat_model_calls_nothing_again(shop: list[str], tmp_path: Path) -> None:
    kept = KeptCheckpoints()
    turns = (called("price", '{"item": "tea"}'), called("broken", "{}"), said("ok"))
    answer, requests = await chatted([made_of(shop)], *turns, ctx=context(profile=SMALL, checkpoints=Once(kept)))
    assert requests[1]["messages"][-1]["content"] == "tea costs 3"
    again = await chatted([made_of(shop)], *turns, ctx=context(profile=SMALL, checkpoints=Once(kept), attempt=2))
    assert again == (answer, [])
    assert (tmp_path / "calls").read_text() == "tea broken ", "what the model was told is kept, an error too"


async def test_an_error_of_a_tool_is_told_to_the_model_without_what_is_secret(shop: list[str]) -> None:
    turns = (called("broken", "{}"), called("refuse", "{}"), said("ok"))
    _, [_, second, third] = await chatted([made_of(shop)], *turns)
    told = second["messages"][-1]["content"]
    assert told.startswith("The tool failed: ")
    assert "no luck with …" in told
    assert KEY not in told
    assert third["messages"][-1]["content"] == "The tool failed: no tea for …"


@pytest.mark.parametrize("arguments", ["[1]", "{"])
async def test_arguments_that_are_no_object_are_told_to_the_model(shop: list[str], arguments: str) -> None:
    _, [_, second] = await chatted([made_of(shop)], called("price", arguments), said("ok"))
    assert second["messages"][-1]["content"].startswith("The arguments are wrong: ")


async def failure_of(*tools: Any, turns: Sequence[Turn] = (said("ok"),)) -> StepFailed:
    with pytest.raises(StepFailed) as caught:
        await chatted(tools, *turns)
    assert KEY not in caught.value.reason
    return caught.value


async def test_an_allowed_tool_that_is_not_offered_fails_for_good(shop: list[str]) -> None:
    failed = await failure_of(made_of(shop, allowed_tools=["prize"]))
    assert failed.reason.startswith(
        f"MCP server {sys.executable!r} has no tool 'prize', which allowed_tools names; near"
    )
    assert "'price'" in failed.reason
    assert not failed.retryable


async def test_two_tools_of_one_name_fail_for_good(shop: list[str]) -> None:
    failed = await failure_of(made_of(shop, allowed_tools=["price"]), made_of(shop, allowed_tools=["price"]))
    assert failed.reason.startswith("two tools have the name 'price': give mcp_tools(")
    assert not failed.retryable


async def test_a_program_that_is_not_there_fails_for_good(tmp_path: Path) -> None:
    failed = await failure_of(mcp_tools([str(tmp_path / "gone")], env={"SHOP_KEY": KEY}))
    assert f"MCP server {str(tmp_path / 'gone')!r} cannot be reached: FileNotFoundError" in failed.reason
    assert not failed.retryable


async def test_a_program_that_ends_in_a_call_fails_the_attempt(shop: list[str]) -> None:
    failed = await failure_of(made_of(shop), turns=(called("leave", "{}"), said("ok")))
    assert failed.reason.startswith(f"MCP server {sys.executable!r} failed at tool 'leave': ")
    assert failed.retryable


async def test_a_program_that_says_nothing_fails_the_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_servers, "CONNECT_SECONDS", 0.1)
    failed = await failure_of(mcp_tools([sys.executable, "-c", "import time; time.sleep(3600)"]))
    assert failed.reason == f"MCP server {sys.executable!r} did not answer in 0.1 s"
    assert failed.retryable


async def test_what_the_block_raises_comes_out_of_it_as_it_is(shop: list[str]) -> None:
    with pytest.raises(TimeoutError, match="of the block"):
        async with made_of(shop).connected(context()):
            raise TimeoutError("of the block")


async def test_an_agent_calls_the_tools_of_a_program(shop: list[str], tmp_path: Path) -> None:
    offered: list[str] = []

    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        offered[:] = [tool.name for tool in info.function_tools]
        if len(messages) == 1:
            return ModelResponse([ToolCallPart("price", {"item": "tea"})])
        [part] = messages[-1].parts
        return ModelResponse([TextPart(str(getattr(part, "content", "")))])

    kept = KeptCheckpoints()
    for _attempt in range(2):
        handler = pydantic_ai(Agent(FunctionModel(reply)), tools=[made_of(shop, allowed_tools=["price", "leave"])])
        profile = StepProfile(blocked_tools=("leave",))
        assert await handler(context(profile=profile, checkpoints=Once(kept))) == "tea costs 3"
    assert offered == ["price"]
    assert not [name for name, _ in kept.kept if name.startswith("mcp:")], "the agent's own checkpoint has its result"
    assert (tmp_path / "calls").read_text() == "tea "


@asynccontextmanager
async def serving(server: MCPServer[Any]) -> AsyncGenerator[str]:
    """The URL of a server over HTTP, that wants a header."""
    app = server.streamable_http_app()

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and (b"x-key", KEY.encode()) not in scope["headers"]:
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b"no: " + dict(scope["headers"]).get(b"x-key", b"")})
            return
        await app(scope, receive, send)

    running = uvicorn.Server(uvicorn.Config(guarded, log_config=None, timeout_graceful_shutdown=1))
    with socket.create_server(("127.0.0.1", 0)) as listening:  # who connects before it serves waits
        task = asyncio.create_task(running.serve([listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        running.should_exit = True
        await task


async def test_a_chat_model_calls_the_tools_of_a_service() -> None:
    server = MCPServer("shop")

    @server.tool()
    def price(item: str) -> str:  # pyright: ignore[reportUnusedFunction]
        return f"{item} costs 3"

    async with serving(server) as url:
        tools = mcp_tools(url, headers={"X-Key": KEY})
        _, [_, second] = await chatted([tools], called("price", '{"item": "tea"}'), said("ok"))
        failed = await failure_of(mcp_tools(f"{url}?token={KEY}", headers={"X-Key": f"{KEY}x"}))
    assert second["messages"][-1]["content"] == "tea costs 3"
    assert failed.reason.startswith(f"MCP server '{url}' cannot be reached: ")
    assert failed.retryable
    assert KEY not in repr(tools)


@pytest.mark.parametrize(
    ("server", "options", "why"),
    [
        ("shop.example", {}, "server must be one of http:// or https:// with a host"),
        ([], {}, "server must be a URL, or a program with its arguments"),
        ("http://host/mcp", {"env": {"A": KEY}}, "env is for a program: a server with a URL is sent headers"),
        (["shop"], {"headers": {"A": KEY}}, "headers are for a URL: a program is given env"),
        ("http://host/mcp", {"headers": {"A": 1}}, "headers: the value of 'A' must be a text, not a int"),
        (["shop"], {"allowed_tools": "price"}, "allowed_tools must be a list of names, not the text 'price'"),
        (["shop"], {"allowed_tools": [1]}, "allowed_tools must be a text, not 1"),
        ([1], {}, "server must be a text, not 1"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(server: Any, options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError) as caught:
        mcp_tools(server, **options)
    assert why in str(caught.value)
