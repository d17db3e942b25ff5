"""The routes of docs/frontends.md tell a run to both front ends, and take the answers of their users."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from redis_mob import Mob, MobStorage, StepContext, step
from tests.docs.pages import ROOT, write_files
from tests.frontends.test_adapters import check

AGENT, CHAT = "/agent", "/chat"


@pytest.fixture
def page(tmp_path: Path) -> ModuleType:
    """The module of the page."""
    write_files(ROOT / "docs" / "frontends.md", tmp_path)
    spec = importlib.util.spec_from_file_location("front_ends", tmp_path / "front_ends.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
async def browser(page: ModuleType, namespace: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, whose fleet is at work."""
    mails = Mob("mails")

    @mails.handler
    async def write(ctx: StepContext, wish: str) -> str:
        await ctx.stream(f"Dear Ann: {wish}")
        answer = await ctx.ask("send", wish)
        return f"{answer.by}: {answer.approved}"

    mails.flow("mail", [step("write")])
    app = Starlette(routes=[Route(AGENT, page.agent, methods=["POST"]), Route(CHAT, page.chat, methods=["POST"])])
    async with MobStorage.open("memory:", namespace=namespace) as storage:
        app.state.storage, app.state.fleet = storage, mails.fleet(storage)
        async with (
            app.state.fleet.working(),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
        ):
            yield client


async def events(browser: httpx.AsyncClient, path: str, body: dict[str, Any]) -> list[Any]:
    response = await browser.post(path, json=body, headers={"X-User": "carol"})
    assert response.headers["content-type"].startswith("text/event-stream")
    if path == CHAT:
        assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
    frames = [one.removeprefix("data: ") for one in response.text.split("\n\n") if one]
    found = [json.loads(frame) for frame in frames if frame != "[DONE]"]
    for event in found:
        check("ag_ui" if path == AGENT else "ai_sdk", event)
    return found


async def test_ag_ui_is_told_of_an_ask_and_goes_on_with_the_answer(browser: httpx.AsyncClient) -> None:
    body: dict[str, Any] = {"threadId": "t", "runId": "r1", "messages": [{"role": "user", "content": "come"}]}
    first = await events(browser, AGENT, body)
    assert (first[0]["threadId"], first[0]["runId"]) == ("t", "r1")
    [interrupt] = first[-1]["outcome"]["interrupts"]
    answer = {"interruptId": interrupt["id"], "status": "resolved", "payload": {"approved": True}}
    rest = await events(browser, AGENT, body | {"runId": "r2", "state": first[-2]["snapshot"], "resume": [answer]})
    assert (rest[0]["runId"], rest[-1]["outcome"]) == ("r2", {"type": "success"})


async def test_the_ai_sdk_is_told_of_an_ask_and_goes_on_with_the_answer(browser: httpx.AsyncClient) -> None:
    said = {"role": "user", "parts": [{"type": "text", "text": "come"}]}
    first = await events(browser, CHAT, {"id": "c", "messages": [said]})
    [request] = [one for one in first if one["type"] == "tool-approval-request"]
    part = {"type": "dynamic-tool", "state": "approval-responded"}
    part |= {"approval": {"id": request["approvalId"], "approved": False, "reason": "no"}}
    reply = {"role": "assistant", "metadata": first[-1]["messageMetadata"], "parts": [part]}
    rest = await events(browser, CHAT, {"id": "c", "messages": [said, reply]})
    assert rest[-1]["finishReason"] == "stop"
    assert rest[-1]["messageMetadata"]["after"] > first[-1]["messageMetadata"]["after"]
