"""What handlers tell of the models, agents and tools that they call: spans within that of the attempt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from redis_mob.fleet.step_context import StepContext
from redis_mob.telemetry import genai
from redis_mob.telemetry import genai_names as names


def model_call(
    ctx: StepContext, model: str, *, provider: str = names.OPENAI, server: str | None = None
) -> genai.GenAiBlock:
    """A request to a model."""
    return genai.chat(model, provider=provider, conversation=_conversation(ctx), server=server)


def agent_run(
    ctx: StepContext, agent: str | None, model: str | None, *, provider: str = names.OPENAI
) -> genai.GenAiBlock:
    """A run of an agent."""
    return genai.invoke_agent(agent, model=model, provider=provider, conversation=_conversation(ctx))


async def tool_call(name: str, call_id: str | None, arguments: Any, call: Callable[[], Awaitable[Any]]) -> Any:
    """What a call of a tool returns or raises."""
    with genai.execute_tool(name, call_id) as block:
        block.said(names.TOOL_CALL_ARGUMENTS, lambda: arguments)
        result = await call()
        block.said(names.TOOL_CALL_RESULT, lambda: result)
    return result


def _conversation(ctx: StepContext) -> str | None:
    return None if ctx.talk is None else ctx.talk.id
