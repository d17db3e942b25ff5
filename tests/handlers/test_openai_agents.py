"""Agents of the OpenAI Agents SDK as handlers, on a server that speaks the protocol of chat models."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, Model, RunConfig, RunContextWrapper, function_tool
from agents.mcp import MCPServerStdio
from openai.types.responses import Response as Broken
from openai.types.responses import ResponseErrorEvent, ResponseFailedEvent, ResponseIncompleteEvent
from pydantic import BaseModel

from redis_mob import Answer, PreviousFailure, StepContext, StepFailed, StepProfile, ValidationError
from redis_mob.fleet.lease import LeaseLostError
from redis_mob.fleet.once import Once
from redis_mob.handlers import openai_agents
from redis_mob.handlers.agent_progress import AgentProgress
from redis_mob.handlers.usage import ModelUsage
from redis_mob.models.definition import InlineSkill
from redis_mob.models.message import BlobImageBlock, InlineImageBlock, TextBlock
from redis_mob.testing import KeptCheckpoints
from tests.handlers.agents_of_openai import Dying, Failing, Mails, calls, handler, into, messages, suspended, tool
from tests.handlers.contexts import KeptTeller, context
from tests.handlers.fake_model import asked, model, said, used
from tests.handlers.fake_service import Response


class Verdict(BaseModel):
    """A typed output."""

    good: bool


async def itself(ctx: StepContext) -> StepContext:
    """The context of the step as that of the agent."""
    return ctx


async def test_the_output_is_what_the_model_says_and_its_pieces_are_streamed() -> None:
    teller, usage = KeptTeller(), list[ModelUsage]()
    async with model([*said("Hel", "lo"), used(7, 2)]) as server:
        handle = handler(server, on_usage=into(usage))
        assert await handle(context(teller=teller)) == "Hello"
    assert teller.chunks == [("output", "Hel"), ("output", "lo")]
    assert usage == [ModelUsage("small", 1, 7, 2)]
    assert [message["content"] for message in messages(server)] == ["do it"]


async def test_what_the_definition_says_reaches_the_model() -> None:
    profile = StepProfile(
        model="large",
        skills={"style": InlineSkill(source="inline", content="Be brief.")},
        provider_params={"temperature": 0.5, "max_completion_tokens": 9},
    )
    async with model(said("ok")) as server:
        agent = Agent("writer", instructions="You write.")
        given = context(profile=profile, previous_failure=PreviousFailure("too long"), attempt=2)
        await handler(server, agent)(given)
        body = asked(server)
    assert (body["model"], body["temperature"], body["max_completion_tokens"]) == ("large", 0.5, 9)
    [system, user] = body["messages"]
    assert system["content"] == "You write.\n\n# Skill: style\n\nBe brief."
    assert "too long" in user["content"]


async def test_a_typed_output_is_json() -> None:
    async with model(said('{"good": true}')) as server:
        agent = Agent("judge", model="small", output_type=Verdict)
        assert await handler(server, agent)(context()) == {"good": True}


async def test_images_are_told() -> None:
    image = InlineImageBlock(media_type="image/png", source="inline", data="aGk=")
    async with model(said("ok")) as server:
        await handler(server)(context(message=[TextBlock(text="look"), image]))
        [text, picture] = messages(server)[0]["content"]
        assert (text["text"], picture["image_url"]["url"]) == ("look", "data:image/png;base64,aGk=")
        with pytest.raises(StepFailed, match="whose source is blob"):
            blob = BlobImageBlock(media_type="image/png", source="blob", blob_id="1")
            await handler(server)(context(message=[blob]))


async def test_a_later_attempt_asks_neither_model_nor_tools_again() -> None:
    tools, kept, usage, teller = Failing(), KeptCheckpoints(), list[ModelUsage](), KeptTeller()
    turns = [[*said("let me see", finish=None), *calls("read")], calls("read", "fail"), [*said("done"), used(5, 1)]]
    async with model(*turns) as server:
        handle = handler(server, tools.agent(), on_usage=into(usage))
        with pytest.raises(RuntimeError, match="killed"):
            await handle(context(checkpoints=Once(kept)))
        assert await handle(context(checkpoints=Once(kept), attempt=2, teller=teller)) == "done"
        assert len(server.requests) == 3
    assert tools.called == {"read": 2, "fail": 2}
    assert usage == [ModelUsage("small", 2, 20, 2), ModelUsage("small", 1, 5, 1)]
    assert teller.chunks == [("output", "let me see"), ("output", "done")]


@pytest.mark.parametrize("kept_calls", range(6))
async def test_a_death_after_any_call_repeats_that_call_alone(kept_calls: int) -> None:
    tools, kept = Failing(times=0), Dying()
    # as most tools are: what they raise the model is told, and what the storage raises it must not be told
    agent = Agent("worker", model="small", tools=[function_tool(tools.read), function_tool(tools.fail)])
    turns = [calls("read"), calls("fail"), calls("read"), said("done")]
    made = [turns[0], turns[1], turns[2], turns[3]]
    if kept_calls % 2 == 0:  # a response of the model is what gets lost
        made.insert(kept_calls // 2, turns[kept_calls // 2])
    async with model(*made) as server:
        kept.left = kept_calls
        handle = handler(server, agent)
        with pytest.raises(LeaseLostError):
            await handle(context(checkpoints=Once(kept)))
        kept.left = 10
        assert await handle(context(checkpoints=Once(kept), attempt=2)) == "done"
        assert len(server.requests) + tools.called.total() == 7 + 1


async def test_a_tool_of_an_mcp_server_is_not_called_again(tmp_path: Path) -> None:
    notes, kept, tools = tmp_path / "notes", KeptCheckpoints(), Failing()
    script = str(Path(__file__).with_name("mcp_server.py"))
    turns = [calls("note", arguments='{"text": "milk"}'), calls("fail"), said("done")]
    async with (
        MCPServerStdio({"command": sys.executable, "args": [script, str(notes)]}) as mcp,
        model(*turns) as server,
    ):
        handle = handler(server, tools.agent(mcp_servers=[mcp]))
        with pytest.raises(RuntimeError, match="killed"):
            await handle(context(checkpoints=Once(kept)))
        assert await handle(context(checkpoints=Once(kept), attempt=2)) == "done"
    assert notes.read_text() == "milk\n"


async def test_the_client_does_not_try_again_and_says_when_to() -> None:
    async with model(Response(b"{}", status="503 Service Unavailable", headers={"Retry-After": "7"})) as server:
        with pytest.raises(StepFailed, match="status 503") as failed:
            await handler(server)(context())
        assert len(server.requests) == 1
    assert failed.value.retryable
    assert failed.value.retry_after is not None
    assert failed.value.retry_after.total_seconds() == 7


async def test_a_refused_request_and_too_many_turns_are_final() -> None:
    async with model(Response(b'{"error": {"message": "no such model"}}', status="400 Bad Request")) as server:
        with pytest.raises(StepFailed, match="no such model") as failed:
            await handler(server)(context())
    assert not failed.value.retryable
    async with model(calls("read")) as server:
        with pytest.raises(StepFailed, match="MaxTurnsExceeded") as failed:
            await handler(server, Failing().agent(), max_turns=2)(context())
    assert not failed.value.retryable


async def test_tools_that_the_step_does_not_allow_are_not_offered() -> None:
    async with model(said("ok")) as server:
        allowed = replace(context().profile, allowed_tools=("read",))
        await handler(server, Failing().agent())(context(profile=allowed))
        assert [one["function"]["name"] for one in asked(server)["tools"]] == ["read"]


async def test_an_agent_that_is_handed_off_to_is_called_once_too() -> None:
    tools, kept = Failing(), KeptCheckpoints()
    first = Agent("first", model="small", handoffs=[tools.agent()])
    async with model(calls("transfer_to_worker", arguments="{}"), calls("fail"), said("done")) as server:
        handle = handler(server, first)
        with pytest.raises(RuntimeError, match="killed"):
            await handle(context(checkpoints=Once(kept)))
        assert await handle(context(checkpoints=Once(kept), attempt=2)) == "done"
        assert len(server.requests) == 3


async def test_an_agent_that_is_handed_off_to_asks_people() -> None:
    mails, kept = Mails(), KeptCheckpoints()
    first = Agent("first", model="small", handoffs=[mails.agent()])
    async with model(calls("transfer_to_mailer", arguments="{}"), calls("send"), said("done")) as server:
        handle = handler(server, first)
        [ask] = await suspended(handle, kept)
        assert ask.value_schema["properties"].keys() == {"number"}
        kept.answer("send", Answer(approved=True, value={"number": 3}, edited=True))
        assert await handle(context(checkpoints=Once(kept))) == "done"
        assert len(server.requests) == 3
    assert mails.done == ["send 3"]


async def test_what_a_tool_raises_the_model_is_told_where_the_tool_says_so() -> None:
    tools, kept = Failing(times=9), KeptCheckpoints()
    agent = Agent("worker", model="small", tools=[function_tool(tools.fail)])
    async with model(calls("fail"), said("sorry")) as server:
        for _ in range(2):
            assert await handler(server, agent)(context(checkpoints=Once(kept))) == "sorry"
        [told] = [message["content"] for message in messages(server) if message["role"] == "tool"]
        assert told.startswith("An error occurred")
    assert tools.called == {"fail": 1}


async def test_what_an_agent_does_is_told() -> None:
    told: list[AgentProgress] = []
    async with model(calls("read"), said("ok")) as server:
        handle = handler(server, Failing().agent(), on_progress=into(told))
        await handle(context())
    assert told == [
        AgentProgress("model_request", 1),
        AgentProgress("tool_call", 1, "read"),
        AgentProgress("tool_result", 1, "read"),
        AgentProgress("model_request", 2),
    ]


async def test_tools_get_the_context_that_is_made_of_the_step() -> None:
    seen: list[str] = []

    def look(context: RunContextWrapper[StepContext], number: int) -> str:
        """Look."""
        seen.append(f"{context.context.run_id} {number}")
        return "seen"

    async with model(calls("look"), said("ok")) as server:
        agent = Agent("looker", model="small", tools=[tool(look)])
        await handler(server, agent, context=itself)(context(run_id="r1"))
    assert seen == ["r1 1"]


async def test_a_tool_that_needs_approval_asks_people() -> None:
    mails, kept = Mails(), KeptCheckpoints()
    async with model(calls("send", "read", "send"), said("done")) as server:
        handle = handler(server, mails.agent())
        [first, second] = await suspended(handle, kept)
        assert (first.kind, first.ordinal, first.payload) == ("send", 0, {"number": 1})
        assert (second.kind, second.ordinal) == ("send", 1)
        assert first.value_schema["properties"].keys() == {"number"}
        assert mails.done == ["read"]

        kept.answer("send", Answer(approved=True, value={"number": 5}, edited=True))
        kept.answer("send", Answer(approved=False, message="not to bob"), ordinal=1)
        assert await handle(context(checkpoints=Once(kept))) == "done"
        assert len(server.requests) == 2
    assert mails.done == ["read", "send 5"]
    told = [message["content"] for message in messages(server) if message["role"] == "tool"]
    assert sorted(told) == ["line 1", "not to bob", "sent 5"]


async def test_a_tool_that_asks_by_itself_ends_the_handler_too() -> None:
    kept, sent = KeptCheckpoints(), list[int]()

    async def send(context: RunContextWrapper[StepContext], number: int) -> str:
        """Send."""
        answer = await context.context.ask("send it", number)
        sent.append(answer.value)
        return "sent"

    async with model(calls("send"), said("done")) as server:
        handle = handler(server, Agent("sender", model="small", tools=[function_tool(send)]), context=itself)
        assert [ask.kind for ask in await suspended(handle, kept)] == ["send it"]
        kept.answer("send it", Answer(approved=True))
        assert await handle(context(checkpoints=Once(kept))) == "done"
        assert len(server.requests) == 2
    assert sent == [1]


@pytest.mark.parametrize(
    ("arguments", "asks"), [('{"number": 1}', False), ('{"number": 100}', True), ('{"number": "1"}', True)]
)
async def test_a_policy_decides_on_what_the_tool_will_get(arguments: str, asks: bool) -> None:
    mails, kept = Mails(), KeptCheckpoints()

    async def many(_ctx: Any, given: dict[str, Any], _call: str) -> bool:
        return given["number"] > 10

    async with model(calls("send", arguments=arguments), said("done")) as server:
        handle = handler(server, mails.agent(many))
        if asks:
            assert len(await suspended(handle, kept)) == 1
        else:
            assert await handle(context(checkpoints=Once(kept))) == "done"
    assert mails.done == ([] if asks else ["send 1"])


async def test_an_agent_that_is_a_tool_asks_too_and_its_call_is_kept_once_it_is_over() -> None:
    mails, tools, kept = Mails(), Failing(), KeptCheckpoints()
    inner = mails.agent().as_tool("mail", "Sends mails")
    outer = Agent("outer", model="small", tools=[inner, tool(tools.fail)])
    turns = [
        calls("mail", arguments='{"input": "send it"}'),
        calls("send"),
        said("mailed"),
        calls("fail"),
        said("done"),
    ]
    async with model(*turns) as server:
        handle = handler(server, outer)
        [ask] = await suspended(handle, kept)
        assert (ask.kind, ask.value_schema) == ("send", {"const": {"number": 1}})
        kept.answer("send", Answer(approved=True))
        with pytest.raises(RuntimeError, match="killed"):
            await handle(context(checkpoints=Once(kept)))
        assert await handle(context(checkpoints=Once(kept), attempt=2)) == "done"
        assert len(server.requests) == 5
    assert mails.done == ["send 1"]


async def test_an_agent_that_is_a_tool_with_a_listener_gets_its_responses_too() -> None:
    kinds: list[str] = []
    usage = list[ModelUsage]()
    inner = Agent("inner", model="small").as_tool(
        "ask", "Asks", on_stream=lambda told: kinds.append(told["event"].type)
    )
    outer = Agent("outer", model="small", tools=[inner])
    async with model(
        calls("ask", arguments='{"input": "x"}'), [*said("inner says"), used(3, 1)], said("done")
    ) as server:
        assert await handler(server, outer, on_usage=into(usage))(context()) == "done"
        assert "inner says" in str(messages(server))
    assert "raw_response_event" in kinds
    assert (usage[0].requests, usage[0].prompt_tokens) == (3, 13)


@pytest.mark.parametrize("kind", ["response.failed", "response.incomplete", "error", "nothing"])
async def test_a_response_that_breaks_off_fails_the_attempt(kind: str) -> None:
    whole: dict[str, Any] = {"status": kind, "error": None, "incomplete_details": {"reason": "max_output_tokens"}}
    found = {
        "response.failed": ResponseFailedEvent.model_construct(response=Broken.model_construct(**whole)),
        "response.incomplete": ResponseIncompleteEvent.model_construct(response=Broken.model_construct(**whole)),
        "error": ResponseErrorEvent.model_construct(message="overloaded"),
    }.get(kind)

    class Endpoint(Model):
        async def get_response(self, *_args: Any, **_named: Any) -> Any:
            raise AssertionError("responses are read as a stream")

        async def stream_response(self, *_args: Any, **_named: Any) -> AsyncIterator[Any]:
            if found is not None:
                yield found

    with pytest.raises(StepFailed, match="ModelBehaviorError: the response") as failed:
        await openai_agents(Agent("writer", model=Endpoint()))(context())
    assert failed.value.retryable


def test_what_is_no_agent_is_refused() -> None:
    wrong: Any = "agent"
    with pytest.raises(ValidationError, match="agent"):
        openai_agents(wrong)
    assert repr(openai_agents(Agent("writer"))) == "openai_agents('writer')"


@pytest.mark.parametrize("tracing", [False, True])
def test_traces_are_uploaded_only_where_that_is_asked_for(tracing: bool) -> None:
    handle = openai_agents(Agent("writer"), run_config=RunConfig(), tracing=tracing)
    assert handle._config.tracing_disabled is not tracing  # pyright: ignore[reportPrivateUsage]


async def test_an_agent_without_a_model_and_bad_settings_fail_for_good() -> None:
    async with model(said("ok")) as server:
        with pytest.raises(StepFailed, match="has a model") as failed:
            await handler(server, Agent("writer"))(context())
        assert not failed.value.retryable
        bad = replace(context().profile, provider_params={"temperature": "hot", "reasoning": 7})
        with pytest.raises(StepFailed, match="no model settings") as failed:
            await handler(server)(context(profile=bad))
        assert not failed.value.retryable
        assert not server.requests
