"""Models of which the next is asked where one fails, by agents of the OpenAI Agents SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from agents import Agent

from redis_mob import StepFailed, StepThrottled, ValidationError
from redis_mob.fleet.once import Once
from redis_mob.fleet.spending import KeptSpending, Spending
from redis_mob.handlers import openai_agents
from redis_mob.handlers.usage import ModelUsage
from redis_mob.testing import KeptCheckpoints
from tests.handlers.agents_of_openai import Failing, calls, handler, into, tool
from tests.handlers.contexts import KeptTeller, context
from tests.handlers.fake_model import EVENTS, Turn, asked, model, said, used
from tests.handlers.fake_service import Response, Service

MODELS = ("large", "small")
AT_FAULT = Response(b"{}", "503 Broken")
OVERLOADED = Response(b"{}", "429 Too Many", {"Retry-After": "7"})


async def never() -> AsyncIterator[bytes]:
    await asyncio.sleep(3600)
    yield b""


def models_of(server: Service) -> list[str]:
    return [json.loads(one.body)["model"] for one in server.requests]


@pytest.mark.parametrize(
    "turn",
    [
        pytest.param(OVERLOADED, id="overload"),
        pytest.param(AT_FAULT, id="fault"),
        pytest.param(Response(never(), headers=EVENTS), id="no answer in time"),
    ],
)
async def test_the_next_model_is_asked_the_same_where_one_fails(turn: Turn) -> None:
    usages, teller, spent = list[ModelUsage](), KeptTeller(), KeptSpending()
    async with model(turn, [*said("ok"), used(5, 2)]) as server:
        within = timedelta(milliseconds=500)
        handle = handler(server, Agent("writer"), models=MODELS, answers_within=within, on_usage=into(usages))
        assert await handle(context(teller=teller, spending=Spending(spent))) == "ok"
        first, second = asked(server, 0), asked(server, 1)
    assert (first.pop("model"), second.pop("model")) == MODELS
    assert first == second
    assert usages == [ModelUsage("small", 1, 5, 2)]
    assert [one.wanted.model for one in spent.told] == list(MODELS)
    [fallback] = [one for one in teller.reports if "instead_of" in one["data"]]
    assert fallback["message"].startswith("model 'small' is asked in the place of 'large': ")
    assert fallback["data"] == {"model": "small", "instead_of": "large"}


async def test_the_rest_of_the_run_and_later_attempts_are_with_the_model_that_has_answered() -> None:
    tools, kept = Failing(), KeptCheckpoints()
    worker = Agent("worker", tools=[tool(tools.read), tool(tools.fail)])
    first = Agent[Any]("first", handoffs=[worker])
    turns = (AT_FAULT, calls("transfer_to_worker", arguments="{}"), calls("fail"), said("done"))
    async with model(*turns) as server:
        handle = handler(server, first, models=[*MODELS, "least"])
        with pytest.raises(RuntimeError, match="killed"):
            await handle(context(checkpoints=Once(kept)))
        teller = KeptTeller()
        assert await handle(context(checkpoints=Once(kept), attempt=2, teller=teller)) == "done"
        assert models_of(server) == ["large", "small", "small", "small"]
    assert not [one for one in teller.reports if "instead_of" in one["data"]]


async def test_where_the_last_one_fails_the_attempt_fails_as_with_one() -> None:
    async with model(AT_FAULT, OVERLOADED) as server:
        with pytest.raises(StepThrottled) as caught:
            await handler(server, Agent("writer"), models=MODELS)(context())
    assert caught.value.retry_after == timedelta(seconds=7)


async def test_no_other_model_is_asked_what_it_would_refuse() -> None:
    async with model(Response(b"{}", "400 Bad"), said("ok")) as server:
        with pytest.raises(StepFailed, match="status 400"):
            await handler(server, Agent("writer"), models=MODELS)(context())
        assert len(server.requests) == 1


async def test_an_agent_with_a_model_of_its_own_stays_with_it() -> None:
    worker = Agent[Any]("worker", model="own")
    async with model(calls("transfer_to_worker", arguments="{}"), AT_FAULT) as server:
        with pytest.raises(StepFailed, match="503"):
            await handler(server, Agent("first", handoffs=[worker]), models=MODELS)(context())
        assert models_of(server) == ["large", "own"]


def test_either_a_model_or_models_are_given() -> None:
    with pytest.raises(ValidationError, match="agent 'writer' has a model: give either that, or models"):
        openai_agents(Agent("writer", model="small"), models=MODELS)
    wrong: Any = ["one", 2]
    with pytest.raises(ValidationError, match=r"models\[1\] must be a text"):
        openai_agents(Agent("writer"), models=wrong)
    with pytest.raises(ValidationError, match="answers_within"):
        openai_agents(Agent("writer"), answers_within=timedelta(seconds=-1))
