"""A conversation as the session of an agent of the OpenAI Agents library, with models that tests script."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from agents import Agent, ModelResponse, ModelSettings, RunConfig, Runner, Session, SessionSettings, Usage
from agents.models.interface import Model
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from redis_mob.errors import ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext, StepFailed
from redis_mob.handlers.openai_session import ConversationSession
from redis_mob.models.conversation import Conversation
from redis_mob.operations.conversations import handoff_in
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing import step_context
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step
from tests.support.storages import pytest_generate_tests as pytest_generate_tests
from tests.support.storages import storage as storage
from tests.support.storages import url as url

ONE = mob({"a": step(retry={"backoff_ms": 0})}, limits={"max_step_retries": 3})
QUIET = RunConfig(tracing_disabled=True)


def message(text: str) -> ResponseOutputMessage:
    content = ResponseOutputText(text=text, type="output_text", annotations=[])
    return ResponseOutputMessage(id="m", content=[content], role="assistant", status="completed", type="message")


class Scripted(Model):
    """Gives these outputs, one for each request, and remembers what it was asked."""

    def __init__(self, *outputs: Any) -> None:
        self.outputs = list(outputs)
        self.asked: list[Any] = []

    async def get_response(self, *args: Any, **named: Any) -> ModelResponse:
        self.asked.append(args[1] if len(args) > 1 else named["input"])
        return ModelResponse(output=[self.outputs.pop(0)], usage=Usage(), response_id=None)

    def stream_response(self, *_args: Any, **_named: Any) -> AsyncIterator[Any]:
        raise NotImplementedError


def agent(model: Model, name: str = "helper", **more: Any) -> Agent[Any]:
    return Agent(name=name, model=model, model_settings=ModelSettings(), **more)


def texts(items: list[Any]) -> list[Any]:
    """What was said, in order."""
    return [one["content"] if isinstance(one["content"], str) else one["content"][0]["text"] for one in items]


async def test_it_is_a_session(storage: MobStorage) -> None:
    session = ConversationSession(storage, Conversation("c", max_items=3))
    assert isinstance(session, Session)
    assert session.session_id == "c"
    await session.add_items([])
    await session.add_items([{"role": "user", "content": str(number)} for number in range(4)])
    assert texts(await session.get_items()) == ["1", "2", "3"]
    assert texts(await session.get_items(2)) == ["2", "3"]
    assert await session.get_items(0) == []
    session.session_settings = SessionSettings(limit=1)
    assert texts(await session.get_items()) == ["3"]
    assert texts([await session.pop_item()]) == ["3"]
    await session.clear_session()
    assert await session.pop_item() is None
    with pytest.raises(ValidationError, match="conversation must be"):
        ConversationSession(storage)
    with pytest.raises(ValidationError, match="of must be a MobStorage"):
        ConversationSession("c")  # pyright: ignore[reportArgumentType] # what a caller may get wrong


async def test_an_agent_finds_what_was_said_in_earlier_runs(storage: MobStorage) -> None:
    model = Scripted(*(message(f"answer {number}") for number in range(2)))

    async def turn(ctx: StepContext) -> Any:
        result = await Runner.run(agent(model), ctx.params, session=ConversationSession(ctx), run_config=QUIET)
        return result.final_output

    fleet = Fleet(storage, ONE, {"*": turn})
    runs = [await fleet.start(FLOW, f"question {number}", conversation="c") for number in range(2)]
    async with fleet.working():
        outputs = [(await fleet.wait(run, LONG)).root_step_outputs["a"] for run in runs]
    assert outputs == [{"worker-1": "answer 0"}, {"worker-1": "answer 1"}]
    assert texts(model.asked[1]) == ["question 0", "answer 0", "question 1"]
    outside = ConversationSession(storage, "c")
    assert texts(await outside.get_items()) == ["question 0", "answer 0", "question 1", "answer 1"]


async def test_a_retry_says_nothing_twice(storage: MobStorage) -> None:
    model = Scripted(*(message(text) for text in ("answer", "answer", "last")))

    async def turn(ctx: StepContext) -> Any:
        result = await Runner.run(agent(model), ctx.params, session=ConversationSession(ctx), run_config=QUIET)
        if ctx.attempt == 1:
            raise StepFailed("no")
        return result.final_output

    fleet = Fleet(storage, ONE, {"*": turn})
    run = await fleet.start(FLOW, "question", conversation="c")
    async with fleet.working():
        await fleet.wait(run, LONG)
    assert texts(model.asked[1]) == ["question"], "it sees what it saw in the first attempt"
    assert texts(await ConversationSession(storage, "c").get_items()) == ["question", "answer"]


async def test_handoffs_are_known(storage: MobStorage) -> None:
    billing = agent(Scripted(message("paid")), "billing")
    call = ResponseFunctionToolCall(
        id="f", call_id="f", name="transfer_to_billing", arguments="{}", type="function_call", status="completed"
    )
    first = agent(Scripted(call), "first", handoffs=[billing])
    session = ConversationSession(storage, "c")
    result = await Runner.run(first, "pay", session=session, run_config=QUIET)
    assert result.final_output == "paid"
    items = await FleetAdmin(storage).conversation_history("c")
    assert [handoff_in(one.value) for one in items if handoff_in(one.value)] == ["billing"]


@pytest.mark.parametrize(
    "item",
    [
        None,
        "text",
        {"type": "function_call_output"},
        {"type": "function_call_output", "output": "no json"},
        {"type": "function_call_output", "output": '{"assistant": 5}'},
        {"type": "function_call_output", "output": '{"assistant": "a", "more": 1}'},
        {"type": "message", "output": '{"assistant": "a"}'},
    ],
)
def test_other_items_are_no_handoffs(item: Any) -> None:
    assert handoff_in(item) is None


async def test_a_context_needs_a_conversation() -> None:
    with pytest.raises(ValidationError, match="has no conversation"):
        ConversationSession(step_context())
    assert ConversationSession(step_context(conversation="c")).session_id == "c"
