"""What handlers tell of the models, agents and tools that they call: spans within that of the attempt."""

from __future__ import annotations

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


def tool_call(name: str, call_id: str | None, arguments: Any) -> genai.GenAiBlock:
    """A call of a tool with these arguments; its block is told the result."""
    block = genai.execute_tool(name, call_id)
    block.said(names.TOOL_CALL_ARGUMENTS, arguments)
    return block


def _conversation(ctx: StepContext) -> str | None:
    return None if ctx.talk is None else ctx.talk.id
