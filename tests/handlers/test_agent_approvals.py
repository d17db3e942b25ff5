"""Tools that wait for people ask them, and go on with what they say."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from pydantic_ai import Agent, ApprovalRequired, CallDeferred, RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from redis_mob import Answer, Fleet, FleetAdmin, MobStorage, StepContext, ValidationError
from redis_mob.fleet.asking import HandlerSuspended
from redis_mob.fleet.once import Once
from redis_mob.fleet.outcome import NewAsk
from redis_mob.handlers import pydantic_ai
from redis_mob.testing import KeptCheckpoints
from tests.fleet.flows import FLOW, mob, step
from tests.handlers.contexts import context


class Mails:
    """An agent that reads once, sends two mails with one response, and says what became of them."""

    def __init__(self) -> None:
        self.requests = 0
        self.done = Counter[str]()
        self.agent = Agent(FunctionModel(self.reply, model_name="scripted"))
        self.agent.tool_plain(self.read)
        self.agent.tool_plain(requires_approval=True)(self.send)

    def reply(self, messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        self.requests += 1
        turn = sum(isinstance(one, ModelResponse) for one in messages)
        if turn == 0:
            return ModelResponse([ToolCallPart("read", {})])
        if turn == 1:
            return ModelResponse([ToolCallPart("send", {"to": to, "text": "Hello"}) for to in ("ann", "bob")])
        parts = [part for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
        return ModelResponse([TextPart(" / ".join(part.model_response_str() for part in parts))])

    def read(self) -> str:
        self.done["read"] += 1
        return "nothing new"

    def send(self, to: str, text: str) -> str:
        self.done[f"{to}: {text}"] += 1
        return f"sent {to} {text}"


async def asked(agent: Agent[Any, Any], kept: KeptCheckpoints) -> tuple[NewAsk, ...]:
    """What the handler asks when it runs."""
    with pytest.raises(HandlerSuspended) as suspended:
        await pydantic_ai(agent)(context(checkpoints=Once(kept)))
    return suspended.value.asks


async def output(agent: Agent[Any, Any], kept: KeptCheckpoints) -> Any:
    return await pydantic_ai(agent)(context(checkpoints=Once(kept)))


async def test_all_approvals_of_a_response_are_asked_together() -> None:
    mails, kept = Mails(), KeptCheckpoints()
    [first, second] = await asked(mails.agent, kept)
    assert (first.kind, first.ordinal, first.payload) == ("send", 0, {"to": "ann", "text": "Hello"})
    assert (second.kind, second.ordinal, second.payload) == ("send", 1, {"to": "bob", "text": "Hello"})
    assert first.value_schema["properties"].keys() == {"to", "text"}
    assert mails.done == {"read": 1}


async def test_what_was_answered_is_done_and_nothing_is_paid_twice() -> None:
    mails, kept = Mails(), KeptCheckpoints()
    await asked(mails.agent, kept)
    kept.answer("send", Answer(approved=True))
    assert [ask.ordinal for ask in await asked(mails.agent, kept)] == [1]
    kept.answer("send", Answer(approved=False, message="bob is away"), ordinal=1)

    assert await output(mails.agent, kept) == "sent ann Hello / bob is away"
    assert mails.done == {"read": 1, "ann: Hello": 1}
    assert mails.requests == 3


async def test_other_arguments_are_those_the_tool_runs_with() -> None:
    mails, kept = Mails(), KeptCheckpoints()
    kept.answer("send", Answer(approved=True, value={"to": "ann", "text": "Dear Ann"}, edited=True))
    kept.answer("send", Answer(approved=False), ordinal=1)
    assert await output(mails.agent, kept) == "sent ann Dear Ann / The tool call was denied."
    assert mails.done == {"read": 1, "ann: Dear Ann": 1}


def calls_once(tool: str, *, then_says: str = "done") -> FunctionModel:
    """A model that calls a tool once, and then says what that gave."""

    def reply(messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        if len(messages) == 1:
            return ModelResponse([ToolCallPart(tool, {"amount": 7})])
        [part] = [part for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
        return ModelResponse([TextPart(f"{then_says}: {part.model_response_str()}")])

    return FunctionModel(reply)


async def test_a_tool_that_finds_out_within_its_call_asks_too() -> None:
    agent, kept = Agent(calls_once("pay")), KeptCheckpoints()

    @agent.tool
    def pay(ctx: RunContext[object], amount: int) -> str:
        if amount > 5 and not ctx.tool_call_approved:
            raise ApprovalRequired
        return f"paid {amount}"

    assert [ask.kind for ask in await asked(agent, kept)] == ["pay"]
    kept.answer("pay", Answer(approved=True))
    assert await output(agent, kept) == "done: paid 7"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(approved=True, value="blue", edited=True), "done: blue"),
        (Answer(approved=False, message="ask later"), "ask later"),
    ],
)
async def test_a_call_that_a_person_answers_gets_the_value_as_its_result(answer: Answer, told: str) -> None:
    agent, kept = Agent(calls_once("question")), KeptCheckpoints()

    @agent.tool_plain
    def question(amount: int) -> str:
        raise CallDeferred

    assert [ask.payload for ask in await asked(agent, kept)] == [{"amount": 7}]
    kept.answer("question", answer)
    assert told in await output(agent, kept)


async def test_a_tool_that_asks_by_itself_ends_the_handler_too() -> None:
    agent, kept = Agent(calls_once("pay"), deps_type=StepContext), KeptCheckpoints()

    @agent.tool
    async def pay(ctx: RunContext[StepContext], amount: int) -> str:
        answer = await ctx.deps.ask("pay it", amount)
        return f"paid {answer.value}"

    handler = pydantic_ai(agent, deps=lambda ctx: ctx)
    with pytest.raises(HandlerSuspended):
        await handler(context(checkpoints=Once(kept)))
    kept.answer("pay it", Answer(approved=True, value=5, edited=True))
    assert await handler(context(checkpoints=Once(kept))) == "done: paid 5"


async def test_a_tool_that_the_step_does_not_allow_asks_no_one() -> None:
    mails = Mails()
    blocked = replace(context().profile, blocked_tools=("send",))
    given = await pydantic_ai(mails.agent)(context(checkpoints=Once(KeptCheckpoints()), profile=blocked))
    assert "send" in given
    assert mails.done == {"read": 1}


async def test_people_answer_the_calls_of_an_agent_at_work(server_url: str, namespace: str) -> None:
    mails = Mails()
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        fleet, admin = Fleet(storage, mob({"a": step()}), {"*": pydantic_ai(mails.agent)}), FleetAdmin(storage)
        run_id = await fleet.start(FLOW)
        await fleet.work(until_idle=True)
        first, second = sorted(await admin.inbox(), key=lambda one: one.ask.ordinal)
        with pytest.raises(ValidationError, match="refused"):
            await admin.answer(first.ask.id, value={"to": 7})
        await admin.answer(first.ask.id, value={"to": "ann", "text": "Dear Ann"})
        await admin.answer(second.ask.id, approved=False, message="not bob")
        await fleet.work(until_idle=True)
        run = await fleet.wait(run_id)
    assert run.root_step_outputs["a"] == {"worker-1": "sent ann Dear Ann / not bob"}
    assert mails.done == {"read": 1, "ann: Dear Ann": 1}
    assert mails.requests == 3
