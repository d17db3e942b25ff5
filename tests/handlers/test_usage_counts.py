"""What handlers that ask models tell budgets of each request, also of caches (contract: budget-8)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from redis_mob.fleet.fleet import Fleet
from redis_mob.handlers import chat, pydantic_ai
from redis_mob.models.budget import Account, BudgetScope
from redis_mob.models.definition import MobDefinition
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW
from tests.handlers.fake_model import chunk, model, said, used

MOB = """
[mob]
id = "mob"
[profiles.worker]
model = "small"
[flows.flow.steps.a]
role = "worker"
message = "do it"
[prices]
currency = "USD"
[prices.models.small]
input = 10
output = 100
cache_read = 1
cache_write = 20
"""
REPORTED = RequestUsage(input_tokens=100, output_tokens=7, cache_read_tokens=60, cache_write_tokens=30)
"""10 tokens of input cost 100 millionths, 7 of output 700, 60 that were read 60, and 30 that were written 600."""


@pytest.fixture
async def storage() -> AsyncIterator[MobStorage]:
    async with MobStorage.open("memory:", namespace=uuid4().hex) as opened:
        yield opened


async def account_of(storage: MobStorage, handler: Any) -> Account:
    """What a run has used whose one step has this handler."""
    fleet = Fleet(storage, MobDefinition.from_toml(MOB, strict=True), {"worker": handler})
    async with fleet.working(), asyncio.timeout(LONG):
        run_id = await fleet.start(FLOW)
        assert (await fleet.wait(run_id)).status == "completed"
    scope = BudgetScope.of_run(run_id)
    return (await storage.budgets.accounts([scope]))[scope]


def _ok(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
    return ModelResponse([TextPart("ok")])


class Reporting(FunctionModel):
    """A model of a test that reports this usage, or none."""

    def __init__(self, usage: RequestUsage | None) -> None:
        super().__init__(_ok, model_name="small")
        self._usage = usage or RequestUsage()

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        response = await super().request(messages, model_settings, model_request_parameters)
        return replace(response, usage=self._usage)


async def test_an_agent_tells_all_kinds_of_tokens(storage: MobStorage) -> None:
    account = await account_of(storage, pydantic_ai(Agent(Reporting(REPORTED))))
    assert (account.used.tokens, account.estimated.tokens) == (107, 0)
    assert account.used.cost == 100 + 700 + 60 + 600


async def test_an_agent_whose_provider_reports_nothing_is_estimated_and_marked(storage: MobStorage) -> None:
    account = await account_of(storage, pydantic_ai(Agent(Reporting(None))))
    assert account.used.tokens == account.estimated.tokens > 0
    # as if all of its tokens were of the dearest sort
    assert account.used.cost == account.estimated.cost == 100 * account.used.tokens


def used_with_cache(prompt: int, completion: int, cached: int) -> dict[str, Any]:
    """As `used`, of an endpoint that says which tokens it had kept; the protocol says nothing of those it keeps now."""
    last = used(prompt, completion)
    return {**last, "usage": {**last["usage"], "prompt_tokens_details": {"cached_tokens": cached}}}


async def test_a_chat_tells_input_output_and_what_was_read_from_a_cache(storage: MobStorage) -> None:
    async with model([*said("ok"), used_with_cache(100, 7, 60)]) as running:
        account = await account_of(storage, chat(base_url=running.url, api_key="k"))
    assert (account.used.tokens, account.estimated.tokens) == (107, 0)
    assert account.used.cost == 400 + 700 + 60


@pytest.mark.parametrize("last", [[], [{**chunk({}), "choices": [], "usage": None}]], ids=["no chunk", "null"])
async def test_a_chat_whose_endpoint_reports_nothing_is_estimated_and_marked(
    storage: MobStorage, last: list[dict[str, Any]]
) -> None:
    async with model([*said("ok"), *last]) as running:
        account = await account_of(storage, chat(base_url=running.url, api_key="k"))
    assert account.used.tokens == account.estimated.tokens > 0
    assert account.used.cost == account.estimated.cost == 100 * account.used.tokens
