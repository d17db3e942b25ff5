"""What providers and tools give that cannot be counted or kept: nothing is paid twice for it, and nothing is lost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from agents import Agent as OpenAiAgent
from pydantic_ai import Agent, RequestUsage
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from redis_mob import MobRunStatus, StepFailed, StepProfile
from redis_mob.fleet.once import Once
from redis_mob.fleet.spending import KeptSpending, Spending, Told
from redis_mob.handlers import chat, pydantic_ai
from redis_mob.handlers.usage import ModelUsage
from redis_mob.models.run import MobRun
from redis_mob.storage import MobStorage
from redis_mob.testing import KeptCheckpoints
from tests.fleet.flows import mob, step
from tests.fleet.working import run_flow
from tests.handlers.agents_of_openai import calls, handler, into, tool
from tests.handlers.contexts import context
from tests.handlers.fake_model import chunk, model, said

SMALL = StepProfile(model="small")


def unreported(usage: Any) -> list[dict[str, Any]]:
    """An answer whose last chunk says this of what it has used."""
    return [*said("ok"), {**chunk({}), "choices": [], "usage": usage}]


NO_REPORTS = [
    pytest.param({"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}, id="one half"),
    pytest.param({"prompt_tokens": -7, "completion_tokens": 2, "total_tokens": -5}, id="below zero"),
    pytest.param({"prompt_tokens": 10**18, "completion_tokens": 2, "total_tokens": 10**18}, id="too many"),
]


def estimated(told: Told) -> bool:
    """Whether what the call had put aside counts."""
    return told.use is None and told.wanted.tokens is not None and told.wanted.tokens > 0


@pytest.mark.parametrize(
    "usage",
    [
        *NO_REPORTS,
        pytest.param({"prompt_tokens": "7", "completion_tokens": 2}, id="text"),
        pytest.param("7", id="none"),
    ],
)
async def test_an_answer_of_chat_counts_as_estimated_where_its_usage_is_no_report(usage: Any) -> None:
    kept = KeptSpending()
    async with model(unreported(usage)) as running:
        handle = chat(base_url=running.url, api_key="key")
        assert await handle(context(profile=SMALL, spending=Spending(kept))) == "ok"
    assert list(map(estimated, kept.told)) == [True]


@pytest.mark.parametrize("usage", [*NO_REPORTS, pytest.param(None, id="none")])
async def test_an_answer_for_an_agent_of_openai_counts_as_estimated_where_its_usage_is_no_report(usage: Any) -> None:
    kept, told = KeptSpending(), list[ModelUsage]()
    async with model(said("ok") if usage is None else unreported(usage)) as server:
        assert await handler(server, on_usage=into(told))(context(spending=Spending(kept))) == "ok"
    assert list(map(estimated, kept.told)) == [True]
    assert told[0].prompt_tokens >= 0


@pytest.mark.parametrize(
    "usage",
    [RequestUsage(input_tokens=7), RequestUsage(input_tokens=-7, output_tokens=2), RequestUsage(details={"x": 1})],
    ids=["one half", "below zero", "others"],
)
async def test_an_answer_for_an_agent_of_pydantic_ai_counts_as_estimated_where_its_usage_is_no_report(
    usage: RequestUsage,
) -> None:
    kept = KeptSpending()

    def reply(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        return ModelResponse([TextPart("ok")], usage=usage)

    assert await pydantic_ai(Agent(FunctionModel(reply)))(context(spending=Spending(kept))) == "ok"
    assert list(map(estimated, kept.told)) == [True]


async def run_once(handle: Any, namespace: str) -> MobRun:
    """A run of one step, which might be tried three times."""
    definition = mob({"a": step(retry={"attempts": 3, "first": 0})}, limits={"max_output_bytes": 1_000})
    async with MobStorage.open("memory:", namespace=namespace) as storage:
        return await run_flow(storage, definition, handle)


LONG_TEXT = "x" * 2_000


async def test_a_result_of_a_tool_of_openai_that_is_too_long_fails_for_good(tmp_path: Path) -> None:
    called: list[int] = []

    def read(number: int) -> str:
        """Read."""
        called.append(number)
        return LONG_TEXT

    async with model(calls("read"), said("ok")) as server:
        run = await run_once(handler(server, OpenAiAgent("a", model="small", tools=[tool(read)])), str(tmp_path))
        assert len(server.requests) == 1
    assert (run.status, len(called)) == (MobRunStatus.FAILED, 1)
    assert "the result of the call 'tool read call-" in run.failure_ledger[0].reason


async def test_a_result_of_a_tool_of_pydantic_ai_that_is_too_long_fails_for_good(tmp_path: Path) -> None:
    called: list[str] = []

    def reply(messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        return ModelResponse([ToolCallPart("read", {}, "1") if len(messages) == 1 else TextPart("ok")])

    def read() -> str:
        called.append("read")
        return LONG_TEXT

    run = await run_once(pydantic_ai(Agent(FunctionModel(reply), tools=[read])), str(tmp_path))
    assert (run.status, called) == (MobRunStatus.FAILED, ["read"])
    assert "the result of the call 'tool read 1' is" in run.failure_ledger[0].reason


async def test_a_result_of_a_tool_of_pydantic_ai_that_is_no_json_fails_for_good() -> None:
    def reply(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        return ModelResponse([ToolCallPart("read", {}, "1")])

    def read() -> object:
        return object()

    with pytest.raises(StepFailed, match="the result of the call 'tool read 1' cannot be kept") as failed:
        await pydantic_ai(Agent(FunctionModel(reply), tools=[read]))(context())
    assert not failed.value.retryable


async def test_a_result_of_a_tool_of_openai_that_is_no_json_is_kept_as_the_model_is_told_it() -> None:
    kept = KeptCheckpoints()

    def read(number: int) -> object:
        """Read."""
        return Told

    async with model(calls("read"), said("ok")) as server:
        handle = handler(server, OpenAiAgent("a", model="small", tools=[tool(read)]))
        assert await handle(context(checkpoints=Once(kept))) == "ok"
    [result] = [one.value for (name, _), one in kept.kept.items() if name.startswith("tool ")]
    assert isinstance(result, Mapping)
    assert result["value"] == str(Told)
