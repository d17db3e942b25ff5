"""Models of which the next is asked where one fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from redis_mob import StepContext, StepFailed, StepThrottled, ValidationError
from redis_mob.handlers import chat
from redis_mob.handlers.usage import ModelUsage
from tests.handlers.contexts import KeptTeller, context
from tests.handlers.fake_model import EVENTS, Turn, asked, called, model, said, used
from tests.handlers.fake_service import Response, Service

MODELS = ("large", "small")


async def never() -> AsyncIterator[bytes]:
    await asyncio.sleep(3600)
    yield b""


async def breaks_off() -> AsyncIterator[bytes]:
    yield f"data: {json.dumps(said('Hel')[0])}\n\n".encode()
    raise ConnectionResetError


OVERLOADED = Response(b"{}", "429 Too Many", {"Retry-After": "7"})
AT_FAULT = Response(b"{}", "503 Broken")


async def answers(running: Service, **options: Any) -> tuple[Any, list[ModelUsage], KeptTeller]:
    usages, teller = list[ModelUsage](), KeptTeller()

    def count(_ctx: StepContext, usage: ModelUsage) -> None:
        usages.append(usage)

    handler = chat(base_url=running.url, api_key="key", models=MODELS, on_usage=count, **options)
    return await handler(context(teller=teller)), usages, teller


@pytest.mark.parametrize(
    "turn",
    [
        pytest.param(OVERLOADED, id="overload"),
        pytest.param(AT_FAULT, id="fault"),
        pytest.param(Response(never(), headers=EVENTS), id="no answer in time"),
    ],
)
async def test_the_next_model_is_asked_the_same_where_one_fails(turn: Turn) -> None:
    async with model(turn, [*said("ok"), used(5, 2)]) as running:
        answer, usages, teller = await answers(running, answers_within=timedelta(milliseconds=500))
        first, second = asked(running, 0), asked(running, 1)
    assert answer == "ok"
    assert (first.pop("model"), second.pop("model")) == MODELS
    assert first == second
    assert [(one.model, one.requests, one.total_tokens) for one in usages] == [("large", 1, 0), ("small", 1, 7)]
    [report] = teller.reports
    assert report["message"].startswith("model 'small' is asked in the place of 'large': ")
    assert report["data"] == {"model": "small", "instead_of": "large"}


async def test_the_rest_of_an_attempt_is_with_the_model_that_has_answered() -> None:
    def add(a: int) -> int:
        """Add one."""
        return a + 1

    async with model(AT_FAULT, called("add", '{"a": 1}'), said("2")) as running:
        assert (await answers(running, tools=[add]))[0] == "2"
        requests = [asked(running, number) for number in range(3)]
    assert [one["model"] for one in requests] == ["large", "small", "small"]
    # what a provider may keep of a request stays: the next one begins with it, byte for byte
    before, after = requests[1], requests[2]
    assert json.dumps(after["tools"]) == json.dumps(before["tools"])
    assert json.dumps(after["messages"]).startswith(json.dumps(before["messages"])[:-1])


async def test_where_the_last_one_fails_the_attempt_fails_as_with_one() -> None:
    async with model(AT_FAULT, OVERLOADED) as running:
        with pytest.raises(StepThrottled) as caught:
            await answers(running)
    assert caught.value.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(
    "turn",
    [
        pytest.param(Response(b"{}", "400 Bad"), id="refused"),
        pytest.param(Response(breaks_off(), headers=EVENTS), id="begun"),
    ],
)
async def test_no_other_model_is_asked_what_it_would_refuse_or_what_one_has_begun_to_answer(turn: Turn) -> None:
    async with model(turn, said("ok")) as running:
        with pytest.raises(StepFailed):
            await answers(running)
        assert len(running.requests) == 1


def test_either_a_model_or_models_are_given() -> None:
    with pytest.raises(ValidationError, match="give either a model, or models"):
        chat("one", models=["two"])
    with pytest.raises(ValidationError, match=r"models\[1\] must be a text"):
        chat(models=["one", 2])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValidationError, match="models must be a list"):
        chat(models="one")
