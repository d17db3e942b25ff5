"""Agents of pydantic-ai as handlers, on models of theirs that are functions of the test."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, RunContext, UsageLimits, WebSearchTool
from pydantic_ai.capabilities import NativeTool
from pydantic_ai.exceptions import ContentFilterError, ModelHTTPError, UnexpectedModelBehavior
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.toolsets import FunctionToolset

from redis_mob import (
    MobRunStatus,
    PreviousFailure,
    StepContext,
    StepFailed,
    StepProfile,
    StepThrottled,
    ValidationError,
)
from redis_mob.fleet.spending import KeptSpending, Spending
from redis_mob.handlers import pydantic_ai
from redis_mob.handlers.agent_progress import AgentProgress
from redis_mob.handlers.usage import ModelUsage
from redis_mob.models.definition import InlineSkill
from redis_mob.models.message import BlobImageBlock, InlineImageBlock, TextBlock
from redis_mob.storage import MobStorage
from tests.fleet.flows import mob, step
from tests.fleet.working import run_flow
from tests.handlers.contexts import KeptTeller, context


class Verdict(BaseModel):
    """A typed output."""

    good: bool
    on: date


Reply = Callable[[list[ModelMessage], AgentInfo], ModelResponse]


def scripted(
    *replies: ModelResponse | Reply | Exception,
) -> tuple[FunctionModel, list[tuple[list[ModelMessage], AgentInfo]]]:
    """A model that replies in turn, the last again and again, and what it was asked."""
    asked: list[tuple[list[ModelMessage], AgentInfo]] = []
    left = list(replies)

    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        asked.append((list(messages), info))
        turn = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(turn, Exception):
            raise turn
        return turn if isinstance(turn, ModelResponse) else turn(messages, info)

    return FunctionModel(reply, model_name="scripted"), asked


def text(said: str) -> ModelResponse:
    return ModelResponse([TextPart(said)])


def call(name: str, **arguments: Any) -> ModelResponse:
    return ModelResponse([ToolCallPart(name, arguments)])


async def test_the_message_is_the_prompt_and_the_typed_output_is_json() -> None:
    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return call(info.output_tools[0].name, good=True, on="2026-11-29")

    model, asked = scripted(answer)
    agent = Agent(model, output_type=Verdict, instructions="Be fair.")
    profile = StepProfile(skills={"judge": InlineSkill(content="Look twice.")})
    assert await pydantic_ai(agent)(context(profile=profile)) == {"good": True, "on": "2026-11-29"}
    [request] = asked[0][0]
    assert isinstance(request, ModelRequest)
    assert [part.content for part in request.parts if isinstance(part, UserPromptPart)] == ["do it"]
    assert request.instructions == "Be fair.\n\n# Skill: judge\n\nLook twice."


async def test_a_further_attempt_is_told_why_the_one_before_failed() -> None:
    model, asked = scripted(text("ok"))
    image = InlineImageBlock(media_type="image/png", source="inline", data="AAAA")
    ctx = context(message=(TextBlock(text="look"), image), previous_failure=PreviousFailure("too long"))
    assert await pydantic_ai(Agent(model))(ctx) == "ok"
    [part] = asked[0][0][0].parts
    assert isinstance(part, UserPromptPart)
    assert part.content == [
        "look",
        BinaryContent(b"\0\0\0", media_type="image/png"),
        "An earlier attempt at this task failed: too long\nAvoid that this time.",
    ]


@pytest.mark.parametrize(
    "block",
    [
        BlobImageBlock(media_type="image/png", source="blob", blob_id="b"),
        InlineImageBlock(media_type="image/png", source="inline", data="?"),
    ],
)
async def test_a_block_that_cannot_be_sent_fails_for_good(block: Any) -> None:
    with pytest.raises(StepFailed) as caught:
        await pydantic_ai(Agent(TestModel()))(context(message=(block,)))
    assert not caught.value.retryable


@pytest.mark.parametrize("is_coroutine", [False, True])
async def test_dependencies_are_made_from_the_context(is_coroutine: bool) -> None:
    def made(ctx: StepContext) -> str:
        return ctx.idempotency_key

    async def awaited(ctx: StepContext) -> str:
        return ctx.idempotency_key

    agent: Any = Agent(TestModel())

    @agent.tool
    def whoami(ctx: RunContext[str]) -> str:
        return ctx.deps

    assert await pydantic_ai(agent, deps=awaited if is_coroutine else made)(context()) == '{"whoami":"the-key"}'


def with_tools(model: Any, calls: list[str]) -> Agent[object, str]:
    """An agent with a tool of its own, and one of a toolset."""
    toolset: FunctionToolset[object] = FunctionToolset()
    agent: Agent[object, str] = Agent(model, toolsets=[toolset])

    @agent.tool_plain
    def add(a: int = 1) -> int:
        calls.append("add")
        return a

    @toolset.tool_plain
    def look() -> str:
        calls.append("look")
        return "seen"

    assert add
    assert look
    return agent


@pytest.mark.parametrize(
    ("profile", "offered"),
    [
        (StepProfile(), ["add", "look"]),
        (StepProfile(blocked_tools=("add",)), ["look"]),
        (StepProfile(allowed_tools=("add",)), ["add"]),
        (StepProfile(allowed_tools=("add", "look"), blocked_tools=("look", "add")), []),
    ],
)
async def test_a_tool_that_the_step_does_not_allow_is_neither_offered_nor_called(
    profile: StepProfile, offered: list[str]
) -> None:
    calls: list[str] = []
    model, asked = scripted(ModelResponse([ToolCallPart("add", {}), ToolCallPart("look", {})]), text("done"))
    assert await pydantic_ai(with_tools(model, calls))(context(profile=profile)) == "done"
    assert [tool.name for tool in asked[0][1].function_tools] == offered
    assert sorted(calls) == offered


@pytest.mark.parametrize("blocked", [(), ("web_search",)])
async def test_a_tool_of_the_provider_that_the_step_blocks_is_not_offered(blocked: tuple[str, ...]) -> None:
    model, asked = scripted(text("done"))
    agent = Agent(model, capabilities=[NativeTool(WebSearchTool())])
    await pydantic_ai(agent)(context(profile=StepProfile(blocked_tools=blocked)))
    native = asked[0][1].model_request_parameters.native_tools
    assert [tool.unique_id for tool in native] == ([] if blocked else ["web_search"])


async def test_requests_and_tools_are_told_as_they_come() -> None:
    told: list[AgentProgress] = []

    async def on_progress(_ctx: StepContext, progress: AgentProgress) -> None:
        told.append(progress)

    model, _ = scripted(call("add", a=2), text("done"))
    await pydantic_ai(with_tools(model, []), on_progress=on_progress)(context())
    assert told == [
        AgentProgress("model_request", 1),
        AgentProgress("tool_call", 1, "add"),
        AgentProgress("tool_result", 1, "add"),
        AgentProgress("model_request", 2),
    ]


async def test_requests_and_tools_are_reported_to_those_who_watch() -> None:
    teller = KeptTeller()
    model, _ = scripted(call("add", a=2), text("done"))
    await pydantic_ai(with_tools(model, []))(context(teller=teller))
    assert [report["message"] for report in teller.reports] == [
        "model request",
        "tool call: add",
        "tool result: add",
        "model request",
    ]
    assert teller.reports[3]["data"] == {"kind": "model_request", "request": 2}


async def test_what_an_attempt_has_used_is_told_also_if_it_fails() -> None:
    told: list[ModelUsage] = []

    def on_usage(_ctx: StepContext, usage: ModelUsage) -> None:
        told.append(usage)

    model, _ = scripted(call("add", a=2))
    handler = pydantic_ai(with_tools(model, []), usage_limits=UsageLimits(request_limit=2), on_usage=on_usage)
    with pytest.raises(StepFailed, match=r"^the agent failed: UsageLimitExceeded: ") as caught:
        await handler(context())
    assert not caught.value.retryable
    [usage] = told
    assert (usage.model, usage.requests) == ("scripted", 2)
    assert usage.prompt_tokens > 0 < usage.completion_tokens


@pytest.mark.parametrize(
    ("error", "retryable", "pause"),
    [
        (ModelHTTPError(500, "m", headers={"retry-after": "7"}), True, timedelta(seconds=7)),
        (UnexpectedModelBehavior("odd"), True, None),
        (ContentFilterError("no"), False, None),
    ],
)
async def test_an_error_of_the_model_says_whether_another_attempt_makes_sense(
    error: Exception, retryable: bool, pause: timedelta | None
) -> None:
    model, _ = scripted(error)
    with pytest.raises(StepFailed, match=f"^the agent failed: {type(error).__name__}: ") as caught:
        await pydantic_ai(Agent(model))(context())
    assert (caught.value.retryable, caught.value.retry_after) == (retryable, pause)


async def test_a_provider_that_asks_to_be_left_alone_fails_no_attempt() -> None:
    """What was used before counts."""
    kept = KeptSpending()
    model, _ = scripted(call("add", a=2), ModelHTTPError(429, "m", headers={"retry-after": "7"}))
    with pytest.raises(StepThrottled, match=r"^the agent failed: ModelHTTPError: ") as caught:
        await pydantic_ai(with_tools(model, []))(context(spending=Spending(kept)))
    assert caught.value.retry_after == timedelta(seconds=7)
    first, second = (one.use for one in kept.told if one.wanted.tokens is not None)
    assert first is not None
    assert second is not None
    assert (first.tokens > 0, second.tokens) == (True, 0)


async def test_what_a_tool_raises_fails_the_attempt() -> None:
    model, _ = scripted(call("broken"))
    agent = Agent(model)

    @agent.tool_plain
    def broken() -> None:
        raise LookupError("no such table")

    assert broken
    with pytest.raises(LookupError, match="no such table"):
        await pydantic_ai(agent)(context())


async def test_a_role_without_a_model_fails_for_good() -> None:
    with pytest.raises(StepFailed, match="neither the agent nor the profile of role 'role' has a model") as caught:
        await pydantic_ai(Agent())(context())
    assert not caught.value.retryable


async def test_an_agent_without_a_model_gets_that_of_the_profile() -> None:
    assert await pydantic_ai(Agent())(context(profile=StepProfile(model="test"))) == "success (no tool calls)"


async def test_an_output_that_is_no_json_fails_for_good() -> None:
    def secret() -> object:
        return object()

    with pytest.raises(StepFailed, match="the output of the agent is no JSON") as caught:
        await pydantic_ai(Agent(TestModel(), output_type=secret))(context())
    assert not caught.value.retryable


async def test_a_run_takes_the_better_answer_of_the_second_attempt(tmp_path: Path) -> None:
    model, asked = scripted(ModelHTTPError(503, "scripted"), text("better"))
    definition = mob({"a": step(retry={"attempts": 2, "first": 0})})
    async with MobStorage.open("memory:", namespace=str(tmp_path)) as storage:
        run = await run_flow(storage, definition, pydantic_ai(Agent(model)))
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    assert run.root_step_outputs["a"] == {"worker-1": "better"}
    assert "failed: the agent failed: " in str(asked[1][0][0].parts)


def test_what_is_no_agent_is_refused() -> None:
    no_agent: Any = "agent"
    with pytest.raises(ValidationError, match="agent must be a Agent"):
        pydantic_ai(no_agent)
