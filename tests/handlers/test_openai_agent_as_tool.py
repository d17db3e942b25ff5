"""Agents of the OpenAI Agents SDK that are tools of others: what they do is kept call by call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from agents import Agent, AgentToolStreamEvent, RunContextWrapper, Runner

from redis_mob import Answer, StepFailed, StepProfile, ValidationError
from redis_mob.fleet.lease import LeaseLostError
from redis_mob.fleet.once import Once
from redis_mob.handlers import openai_agent_tool
from redis_mob.handlers.agent_progress import AgentProgress
from redis_mob.testing import KeptCheckpoints
from tests.handlers.agents_of_openai import Dying, Failing, Mails, calls, config, handler, into, suspended, tool
from tests.handlers.contexts import KeptTeller, context
from tests.handlers.fake_model import asked, model, said
from tests.handlers.fake_service import Response

ASKED = '{"input": "look"}'


@pytest.mark.parametrize("kept_calls", range(7))
async def test_a_death_within_repeats_one_call_alone(kept_calls: int) -> None:
    tools, kept = Failing(times=0), Dying()
    inner = Agent("inner", model="small", tools=[tool(tools.read), tool(tools.fail)])
    outer = Agent[Any]("outer", model="small", tools=[openai_agent_tool(inner, "look", "Looks")])
    turns = [calls("look", arguments=ASKED), calls("read"), calls("fail"), said("seen"), said("done")]
    # in the order in which they are kept: outer's first, inner's, its tool, inner's, its tool, inner's, the whole tool
    if (lost := {0: 0, 1: 1, 3: 2, 5: 3}.get(kept_calls)) is not None:
        turns.insert(lost, turns[lost])
    async with model(*turns) as server:
        kept.left = kept_calls
        handle = handler(server, outer)
        with pytest.raises(LeaseLostError):
            await handle(context(checkpoints=Once(kept)))
        kept.left = 10
        assert await handle(context(checkpoints=Once(kept), attempt=2)) == "done"
        again = 0 if kept_calls == 6 else 1  # of the whole tool nothing is left to be called
        assert len(server.requests) + tools.called.total() == 7 + again


async def test_what_a_tool_within_raises_fails_the_attempt_and_the_next_one_goes_on_there() -> None:
    tools, kept = Failing(), KeptCheckpoints()
    inner = Agent("inner", model="small", tools=[tool(tools.read), tool(tools.fail)])
    outer = Agent[Any]("outer", model="small", tools=[openai_agent_tool(inner, "look", "Looks")])
    turns = [calls("look", arguments=ASKED), calls("read", "fail"), said("seen"), said("done")]
    async with model(*turns) as server:
        handle = handler(server, outer)
        with pytest.raises(RuntimeError, match="killed"):
            await handle(context(checkpoints=Once(kept)))
        assert await handle(context(checkpoints=Once(kept), attempt=2)) == "done"
        assert len(server.requests) == 4
    assert tools.called == {"read": 1, "fail": 2}


async def test_an_endpoint_that_fails_within_says_when_to_try_again() -> None:
    inner = Agent("inner", model="small")
    outer = Agent[Any]("outer", model="small", tools=[openai_agent_tool(inner, "look", "Looks")])
    at_fault = Response(b"{}", "503 Broken", {"Retry-After": "7"})
    async with model(calls("look", arguments=ASKED), at_fault) as server:
        with pytest.raises(StepFailed, match="status 503") as failed:
            await handler(server, outer)(context())
    assert failed.value.retry_after is not None


async def test_people_may_change_the_arguments_of_a_tool_within() -> None:
    mails, kept = Mails(), KeptCheckpoints()
    outer = Agent[Any]("outer", model="small", tools=[openai_agent_tool(mails.agent(), "mail", "Mails")])
    async with model(calls("mail", arguments=ASKED), calls("send"), said("mailed"), said("done")) as server:
        handle = handler(server, outer)
        [ask] = await suspended(handle, kept)
        assert (ask.kind, [*ask.value_schema["properties"]]) == ("send", ["number"])
        kept.answer("send", Answer(approved=True, value={"number": 9}, edited=True))
        assert await handle(context(checkpoints=Once(kept))) == "done"
        assert len(server.requests) == 4
    assert mails.done == ["send 9"]


async def test_an_agent_within_has_the_tools_that_the_step_allows_and_the_models_of_the_handler() -> None:
    tools = Failing()
    inner = Agent("inner", tools=[tool(tools.read), tool(tools.fail)])
    outer = Agent[Any]("outer", tools=[openai_agent_tool(inner, "look", "Looks")])
    turns = (calls("look", arguments=ASKED), Response(b"{}", "503 Broken"), said("seen"), said("done"))
    async with model(*turns) as server:
        profile = StepProfile(blocked_tools=("fail",))
        assert await handler(server, outer, models=["large", "small"])(context(profile=profile)) == "done"
        requests = [asked(server, number) for number in range(4)]
    assert [one["model"] for one in requests] == ["large", "large", "small", "small"]
    assert [one["function"]["name"] for one in requests[2]["tools"]] == ["read"]


async def test_two_tools_of_one_agent_stay_apart_and_a_failure_may_be_a_result() -> None:
    def failed(_context: RunContextWrapper[Any], error: Exception) -> str:
        return f"no luck: {type(error).__name__}"

    inner = Agent("inner", model="small")
    one = openai_agent_tool(inner, "one", "One", failure_error_function=failed)
    two = openai_agent_tool(inner, "two", "Two")
    outer = Agent[Any]("outer", model="small", tools=[one, two])
    turns = (calls("one", arguments=ASKED), Response(b"{}", "503 Broken"), said("done"))
    async with model(*turns) as server:
        assert await handler(server, outer)(context()) == "done"
        assert [one["function"]["name"] for one in asked(server, 2)["tools"]] == ["one", "two"]
        assert asked(server, 2)["messages"][-1]["content"].startswith("no luck: ")


async def test_outside_of_a_step_it_is_the_tool_of_the_sdk() -> None:
    heard: list[str] = []
    inner = Agent("inner", model="small")

    def hear(told: AgentToolStreamEvent) -> None:
        heard.append(told["agent"].name)

    asks = openai_agent_tool(inner, on_stream=hear)
    outer = Agent[Any]("outer", model="small", tools=[asks])
    async with model(calls("inner", arguments=ASKED), said("seen"), said("done")) as server:
        run = Runner.run_streamed(outer, "do it", run_config=replace(config(server), tracing_disabled=True))
        async for _event in run.stream_events():
            pass
    assert (run.final_output, set(heard)) == ("done", {"inner"})


def test_what_is_no_agent_is_refused() -> None:
    wrong: Any = "agent"
    with pytest.raises(ValidationError, match="agent"):
        openai_agent_tool(wrong)


async def test_a_handoff_is_told() -> None:
    told: list[AgentProgress] = []
    first = Agent[Any]("first", model="small", handoffs=[Agent("second", model="small")])
    async with model(calls("transfer_to_second", arguments="{}"), said("done")) as server:
        await handler(server, first, on_progress=into(told))(context())
    assert told == [
        AgentProgress("model_request", 1),
        AgentProgress("handoff", 1, agent="second"),
        AgentProgress("model_request", 2),
    ]


async def test_a_handoff_is_reported_to_those_who_watch_the_run() -> None:
    teller = KeptTeller()
    first = Agent[Any]("first", model="small", handoffs=[Agent("second", model="small")])
    async with model(calls("transfer_to_second", arguments="{}"), said("done")) as server:
        await handler(server, first)(context(teller=teller))
    assert teller.reports[1] == {
        "message": "handoff: second",
        "data": {"kind": "handoff", "request": 1, "agent": "second"},
    }
