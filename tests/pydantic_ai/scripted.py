"""An agent whose model calls tools as a script says, and counts what it is asked."""

from __future__ import annotations

from typing import Any

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel


class Scripted:
    """A model that calls each of some tools, one turn after the other, and then says what they gave."""

    def __init__(self, *tools: str) -> None:
        self.tools = tools
        self.requests = 0
        self.agent: Agent[None, str] = Agent(FunctionModel(self.reply, model_name="scripted"), name="scripted")

    def reply(self, messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        """The next response to these messages."""
        self.requests += 1
        turn = sum(isinstance(one, ModelResponse) for one in messages)
        if turn < len(self.tools):
            return ModelResponse([ToolCallPart(self.tools[turn], {"number": turn}, f"call-{turn}")])
        parts: list[Any] = [part for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
        said = " ".join(part.model_response_str() for part in parts)
        return ModelResponse([TextPart(said or "nothing")])
