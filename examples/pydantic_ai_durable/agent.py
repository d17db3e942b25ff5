"""An agent that looks three things up and sums them up; a script plays its model."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pydantic_ai import Agent, RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

QUESTIONS = ("price", "weight", "colour")


@dataclass
class Lookups:
    """What the tool does in this process: the question at which it dies, for a look at what comes then."""

    dies_at: str | None


def reply(messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
    """What the model says: one question after the other, then the sum of the answers."""
    turn = sum(isinstance(one, ModelResponse) for one in messages)
    print(f"the model is asked, turn {turn + 1}", flush=True)
    if turn < len(QUESTIONS):
        return ModelResponse([ToolCallPart("look_up", {"question": QUESTIONS[turn]}, f"call-{turn + 1}")])
    parts = [part for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
    return ModelResponse([TextPart(", ".join(part.model_response_str() for part in parts))])


agent = Agent(FunctionModel(reply, model_name="scripted"), deps_type=Lookups, name="buyer")


@agent.tool
def look_up(ctx: RunContext[Lookups], question: str) -> str:
    """Look one thing up, which costs."""
    if question == ctx.deps.dies_at:
        print(f"look up {question}: the process dies", flush=True)
        os._exit(1)  # as if it were killed: nothing is handed back, and nothing is cleaned up
    print(f"look up {question}", flush=True)
    return f"{question} known"
