"""What the model and the tools of an agent have given is not asked for again by a later attempt."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent, BinaryContent, ModelRetry, ToolReturn
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage

from redis_mob import PreviousFailure, StepFailed
from redis_mob.fleet.once import Once
from redis_mob.fleet.spending import KeptSpending, Spending
from redis_mob.handlers import pydantic_ai
from redis_mob.handlers.usage import ModelUsage
from redis_mob.testing import KeptCheckpoints
from tests.handlers.contexts import context

SERVER = Path(__file__).with_name("mcp_server.py")

PICTURE = BinaryContent(b"\x89PNG", media_type="image/png")


class Model:
    """A model that calls each of some tools once, in one turn or one after the other, and then says what they gave."""

    def __init__(self, *turns: tuple[str, ...]) -> None:
        self.turns = turns
        self.requests = 0
        self.seen: list[list[ModelMessage]] = []

    def reply(self, messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        self.requests += 1
        self.seen.append(messages)
        turn = sum(isinstance(one, ModelResponse) for one in messages)
        usage = RequestUsage(input_tokens=10, output_tokens=1)
        if turn < len(self.turns):
            return ModelResponse([ToolCallPart(name, {"number": turn}) for name in self.turns[turn]], usage=usage)
        parts = [part for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
        return ModelResponse([TextPart(" ".join(part.model_response_str() for part in parts))], usage=usage)

    def agent(self) -> Agent[None, str]:
        return Agent(FunctionModel(self.reply, model_name="scripted"))


def killed_at_first(agent: Agent[None, str], called: Counter[str]) -> None:
    """Give the agent a tool `fail`, whose first call ends the attempt."""

    @agent.tool_plain
    def fail(number: int) -> int:
        called["fail"] += 1
        if called["fail"] == 1:
            raise RuntimeError("killed")
        return number


async def killed_then_whole(agent: Agent[Any, Any], kept: KeptCheckpoints, **fields: Any) -> Any:
    """The output of a further attempt, after one that a tool has ended."""
    handler = pydantic_ai(agent)
    with pytest.raises((StepFailed, RuntimeError)):
        await handler(context(checkpoints=Once(kept)))
    return await handler(context(checkpoints=Once(kept), attempt=2, **fields))


async def test_a_later_attempt_asks_neither_model_nor_tools_again() -> None:
    model, called, kept = Model(("read",), ("read",), ("fail",)), Counter[str](), KeptCheckpoints()
    agent = model.agent()

    @agent.tool_plain
    def read(number: int) -> dict[str, int]:
        called["read"] += 1
        return {"line": number}

    killed_at_first(agent, called)

    assert await killed_then_whole(agent, kept) == '{"line":0} {"line":1} 2'
    assert called == {"read": 2, "fail": 2}
    assert model.requests == 4


async def test_calls_of_one_turn_are_kept_by_their_ids() -> None:
    model, called, kept = Model(("one", "two", "one"), ("fail",)), Counter[str](), KeptCheckpoints()
    agent = model.agent()

    @agent.tool_plain
    async def one(number: int) -> str:
        called["one"] += 1
        return f"one {number}"

    @agent.tool_plain
    async def two(number: int) -> str:
        called["two"] += 1
        return f"two {number}"

    killed_at_first(agent, called)

    assert await killed_then_whole(agent, kept) == "one 0 two 0 one 0 1"
    assert called == {"one": 2, "two": 1, "fail": 2}


async def test_what_tools_return_comes_back_as_it_was() -> None:
    model, called, kept = Model(("whole",), ("picture",), ("fail",)), Counter[str](), KeptCheckpoints()
    agent = model.agent()

    @agent.tool_plain
    def whole(number: int) -> ToolReturn[str]:
        called["whole"] += 1
        return ToolReturn(f"part {number}", content=["look:", PICTURE], metadata={"page": 3})

    @agent.tool_plain
    def picture(number: int) -> BinaryContent:
        called["picture"] += number
        return PICTURE

    killed_at_first(agent, called)

    await killed_then_whole(agent, kept)
    assert called == {"whole": 1, "picture": 1, "fail": 2}
    parts = [part for message in model.seen[-1] for part in message.parts]
    [told, shown, _] = [part for part in parts if isinstance(part, ToolReturnPart)]
    assert (told.content, told.metadata) == ("part 0", {"page": 3})
    [said, beside] = [part.content for part in parts if isinstance(part, UserPromptPart)][-1]
    assert said == "look:"
    for picture_told in (shown.content, beside):
        assert isinstance(picture_told, BinaryContent)
        assert (picture_told.data, picture_told.media_type) == (PICTURE.data, PICTURE.media_type)


async def test_a_tool_that_asks_for_another_try_is_not_called_again() -> None:
    model, called, kept = Model(("picky",), ("picky",), ("fail",)), Counter[str](), KeptCheckpoints()
    agent = model.agent()

    @agent.tool_plain(retries=3)
    def picky(number: int) -> str:
        called["picky"] += 1
        if number == 0:
            raise ModelRetry("a greater one, please")
        return "fine"

    killed_at_first(agent, called)

    assert (await killed_then_whole(agent, kept)).endswith(" fine 2")
    assert called == {"picky": 2, "fail": 2}


async def test_a_tool_of_an_mcp_server_is_not_called_again(tmp_path: Path) -> None:
    notes, kept, called = tmp_path / "notes", KeptCheckpoints(), Counter[str]()
    server = StdioTransport(sys.executable, [str(SERVER), str(notes)])

    def reply(messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        if len(messages) == 1:
            return ModelResponse([ToolCallPart("note", {"text": "milk"})])
        if len(messages) == 3:
            return ModelResponse([ToolCallPart("fail", {"number": 1})])
        parts = [part for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
        return ModelResponse([TextPart(" ".join(part.model_response_str() for part in parts))])

    agent = Agent(FunctionModel(reply), toolsets=[MCPToolset(server)])
    killed_at_first(agent, called)

    assert await killed_then_whole(agent, kept) == "noted milk 1"
    assert notes.read_text() == "milk\n"
    assert called == {"fail": 2}


async def test_an_attempt_that_says_something_else_asks_anew() -> None:
    model, kept = Model(("fail",)), KeptCheckpoints()
    agent = model.agent()

    @agent.tool_plain
    def fail(number: int) -> int:
        if model.requests == 1:
            raise RuntimeError("killed")
        return number

    await killed_then_whole(agent, kept, previous_failure=PreviousFailure("too short"))
    assert model.requests == 3


async def test_usage_is_what_the_attempt_has_asked_for() -> None:
    model, kept, used = Model(("fail",)), KeptCheckpoints(), list[ModelUsage]()
    agent = model.agent()

    @agent.tool_plain
    def fail(number: int) -> int:
        if model.requests == 1 and len(used) == 0:
            raise RuntimeError("killed")
        return number

    handler = pydantic_ai(agent, on_usage=lambda _ctx, usage: used.append(usage))
    for attempt in (1, 2):
        try:
            await handler(context(checkpoints=Once(kept), attempt=attempt))
        except RuntimeError:
            assert attempt == 1
    assert used == [ModelUsage("scripted", 1, 10, 1), ModelUsage("scripted", 1, 10, 1)]
    assert model.requests == 2


async def test_the_model_that_has_answered_is_the_one_that_is_counted() -> None:
    def at_fault(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        raise ModelHTTPError(503, "large")

    def reply(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        return ModelResponse([TextPart("ok")], usage=RequestUsage(input_tokens=10, output_tokens=1))

    kept = KeptSpending()
    models = FunctionModel(at_fault, model_name="large"), FunctionModel(reply, model_name="small")
    await pydantic_ai(Agent(FallbackModel(*models)))(context(spending=Spending(kept)))
    assert [one.model for one in kept.wanted] == ["large"]
    assert [(one.priced_model, one.use and one.use.input_tokens) for one in kept.told] == [("small", 10)]
