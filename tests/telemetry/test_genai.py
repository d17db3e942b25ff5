"""Spans of models, agents and tools, by the GenAI conventions (contract: telemetry-7)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agents import Agent as OpenAiAgent
from opentelemetry.sdk.trace import ReadableSpan
from pydantic_ai import Agent, InstrumentationSettings
from pydantic_ai.models.test import TestModel

from redis_mob import StepFailed, StepProfile
from redis_mob.handlers import chat, openai_agents, pydantic_ai
from redis_mob.models.message import InlineImageBlock, TextBlock
from redis_mob.telemetry.genai import MOST_CONTENT
from redis_mob.telemetry.genai_names import CAPTURE_CONTENT
from tests.handlers.agents_of_openai import calls, config, tool
from tests.handlers.contexts import context
from tests.handlers.fake_model import called, model, said, used
from tests.handlers.fake_service import Response
from tests.telemetry.conftest import Told, id_of, parent_of

KEY = "sk-se-cret"
SMALL = StepProfile(model="small")
CONTENT = ("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result")


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def asked(told: Told, *turns: Any) -> None:
    async with model(*turns) as running:
        handler = chat(base_url=running.url, api_key=KEY, tools=[add])
        with told.tracers.get_tracer("attempt").start_as_current_span("attempt"):
            await handler(context(profile=SMALL, message=(TextBlock(text="2 + 1?"), IMAGE)))


IMAGE = InlineImageBlock(media_type="image/png", source="inline", data="AAAA" * 1000)
TURNS = ([*called("add", '{"a": 2}'), used(7, 3)], [*said("3"), used(11, 1)])


async def test_a_chat_tells_each_request_and_each_call_of_a_tool(told: Told) -> None:
    await asked(told, *TURNS)
    first, second = told.spans("chat")
    assert (first.name, second.name, first.kind.name) == ("chat small", "chat small", "CLIENT")
    assert attributes(first) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "small",
        "gen_ai.request.stream": True,
        "gen_ai.response.finish_reasons": ("tool_calls",),
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "server.address": "127.0.0.1",
    }
    assert attributes(second)["gen_ai.usage.input_tokens"] == 11
    called_tool = told.span("execute_tool add")
    assert attributes(called_tool) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "add",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "call-1",
    }
    attempt = id_of(told.span("attempt"))
    assert {parent_of(one) for one in (first, second, called_tool)} == {attempt}


async def test_what_is_said_is_told_only_if_that_is_asked_for(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CAPTURE_CONTENT, "true")
    await asked(told, *TURNS)
    first, second = map(attributes, told.spans("chat"))
    [message] = json.loads(first["gen_ai.input.messages"])
    assert message == {"role": "user", "parts": [{"type": "text", "content": "2 + 1?"}, {"type": "image_url"}]}
    [answer] = json.loads(first["gen_ai.output.messages"])
    assert answer["parts"] == [{"type": "tool_call", "id": "call-1", "name": "add", "arguments": '{"a": 2}'}]
    assert json.loads(second["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": "3"}]
    called_tool = attributes(told.span("execute_tool add"))
    assert (called_tool["gen_ai.tool.call.arguments"], called_tool["gen_ai.tool.call.result"]) == ('{"a": 2}', "3")
    assert KEY not in repr([attributes(one) for one in told.spans()])


async def test_what_is_said_is_bounded(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CAPTURE_CONTENT, "SPAN_ONLY")
    await asked(told, said("x" * 2 * MOST_CONTENT))
    assert len(attributes(told.span("chat small"))["gen_ai.output.messages"]) == MOST_CONTENT


async def test_a_request_that_fails_says_by_which_error_and_not_what_it_said(told: Told) -> None:
    with pytest.raises(StepFailed):
        await asked(told, Response(json.dumps({"error": {"message": "secret words"}}).encode(), status="500 Broken"))
    span = told.span("chat small")
    assert attributes(span)["error.type"] == "RefusedByEndpoint"
    assert "secret" not in repr(attributes(span)) + str(span.status.description)


async def test_an_agent_of_pydantic_ai_is_told_with_its_requests_and_tools(told: Told) -> None:
    agent = Agent(TestModel(), name="adder", tools=[add])
    await pydantic_ai(agent)(context())
    run = told.span("invoke_agent adder")
    assert attributes(run)["gen_ai.operation.name"] == "invoke_agent"
    assert attributes(run)["gen_ai.agent.name"] == "adder"
    assert attributes(run)["gen_ai.provider.name"] == "test"
    inner = [*told.spans("chat test"), *told.spans("execute_tool add")]
    assert len(inner) == 3
    assert {parent_of(one) for one in inner} == {id_of(run)}
    assert all(attributes(one)["gen_ai.usage.input_tokens"] > 0 for one in told.spans("chat test"))
    assert not [name for one in told.spans() for name in attributes(one) if name in CONTENT]


async def test_an_agent_that_pydantic_ai_tells_of_itself_is_told_once(told: Told) -> None:
    agent = Agent(TestModel(), name="adder", tools=[add])
    agent.instrument = InstrumentationSettings(tracer_provider=told.tracers)
    await pydantic_ai(agent)(context())
    spans = told.spans()
    assert len([one for one in spans if "invoke_agent" in one.name or "agent run" in one.name]) == 1
    assert len([one for one in spans if one.name.startswith("chat")]) == 2
    assert not [one for one in spans if (one.instrumentation_scope and one.instrumentation_scope.name) == "redis_mob"]


@pytest.mark.parametrize("tracing", [False, True])
async def test_an_agent_of_openai_is_told_unless_its_own_tracing_is_on(told: Told, tracing: bool) -> None:
    async with model(calls("read"), [*said("done"), used(9, 2)]) as server:

        def read(number: int) -> str:
            return f"line {number}"

        agent = OpenAiAgent("reader", model="small", tools=[tool(read)])
        await openai_agents(agent, run_config=config(server), tracing=tracing)(context())
    names = [one.name for one in told.spans()]
    if tracing:
        assert names == []
        return
    assert sorted(names) == ["chat small", "chat small", "execute_tool read", "invoke_agent reader"]
    run = told.span("invoke_agent reader")
    assert {parent_of(one) for one in told.spans("chat")} == {id_of(run)}
    assert [attributes(one)["gen_ai.usage.input_tokens"] for one in told.spans("chat")] == [10, 9]
