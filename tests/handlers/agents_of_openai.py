"""Agents of the OpenAI Agents SDK on a server of a test, their tools, and what is kept of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, TypeVar

import pytest
from agents import Agent, FunctionTool, OpenAIProvider, RunConfig, function_tool
from openai import AsyncOpenAI

from redis_mob import StepContext
from redis_mob.fleet.asking import HandlerSuspended
from redis_mob.fleet.lease import LeaseLostError
from redis_mob.fleet.once import Once
from redis_mob.fleet.outcome import NewAsk
from redis_mob.handlers import openai_agents
from redis_mob.handlers.openai_agent import OpenAiAgents
from redis_mob.models.checkpoint import Checkpoint
from redis_mob.testing import KeptCheckpoints
from tests.handlers.contexts import context
from tests.handlers.fake_model import chunk, used
from tests.handlers.fake_service import Service

T = TypeVar("T")


def config(server: Service) -> RunConfig:
    """Asks the server of the test, with a client that tries again unless the handler keeps it from that."""
    client = AsyncOpenAI(base_url=server.url, api_key="key-of-the-test", max_retries=2)
    return RunConfig(model_provider=OpenAIProvider(openai_client=client, use_responses=False))


def into(told: list[T]) -> Callable[[StepContext, T], None]:
    """Keeps what it is told in a list."""
    return lambda _ctx, one: told.append(one)


def handler(server: Service, agent: Agent[Any] | None = None, **given: Any) -> OpenAiAgents:
    return openai_agents(agent or Agent("writer", model="small"), run_config=config(server), **given)


def messages(server: Service, number: int = -1) -> list[dict[str, Any]]:
    """What the model was told."""
    found: list[dict[str, Any]] = json.loads(server.requests[number].body)["messages"]
    return found


def tool(function: Callable[..., Any], needs_approval: Any = False) -> FunctionTool:
    """A tool whose failures end the run."""
    return function_tool(failure_error_function=None, needs_approval=needs_approval)(function)


IDS = (f"call-{number}" for number in count())


def calls(*names: str, arguments: str = '{"number": 1}') -> list[dict[str, Any]]:
    """One response with calls of several tools."""
    parts = [
        chunk({"tool_calls": [{"index": i, "id": next(IDS), "function": {"name": name, "arguments": arguments}}]})
        for i, name in enumerate(names)
    ]
    return [*parts, chunk({}, "tool_calls"), used(10, 1)]


class Failing:
    """Tools of an agent, one of which ends the first attempts."""

    def __init__(self, times: int = 1) -> None:
        self.called = Counter[str]()
        self.times = times

    def read(self, number: int) -> dict[str, int]:
        """Read a line."""
        self.called["read"] += 1
        return {"line": number}

    def fail(self, number: int) -> int:
        """Fail at first."""
        self.called["fail"] += 1
        if self.called["fail"] <= self.times:
            raise RuntimeError("killed")
        return number

    def agent(self, **given: Any) -> Agent[Any]:
        return Agent("worker", model="small", tools=[tool(self.read), tool(self.fail)], **given)


class Dying(KeptCheckpoints):
    """Keeps a number of results, and loses the execution before the next one."""

    left = 0

    async def keep(self, checkpoint: Checkpoint, /) -> None:
        if self.left == 0:
            raise LeaseLostError("killed")
        self.left -= 1
        await super().keep(checkpoint)


class Mails:
    """Tools of an agent that sends mails, once it may."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def read(self, number: int) -> str:
        """Read."""
        self.done.append("read")
        return f"line {number}"

    def send(self, number: int) -> str:
        """Send a mail."""
        self.done.append(f"send {number}")
        return f"sent {number}"

    def agent(self, needs_approval: Any = True) -> Agent[Any]:
        return Agent("mailer", model="small", tools=[tool(self.read), tool(self.send, needs_approval=needs_approval)])


async def suspended(handle: OpenAiAgents, kept: KeptCheckpoints) -> Sequence[NewAsk]:
    with pytest.raises(HandlerSuspended) as ended:
        await handle(context(checkpoints=Once(kept)))
    return ended.value.asks
