"""Agents of the OpenAI Agents SDK whose models and tools are called through the checkpoints of an attempt."""

from __future__ import annotations

import copy
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from agents import Agent, FunctionTool, Handoff, Model, RunContextWrapper, Tool
from agents.agent_tool_state import get_agent_tool_state_scope, peek_agent_tool_run_result
from agents.items import ToolApprovalItem
from agents.tool_context import ToolContext
from pydantic_core import PydanticSerializationError, to_jsonable_python

from redis_mob.fleet.schemas import check_schema
from redis_mob.fleet.step_context import StepContext
from redis_mob.handlers.agent_as_tool import AgentTool
from redis_mob.handlers.agent_progress import ProgressKind
from redis_mob.handlers.checkpoint_names import tool_call_name
from redis_mob.handlers.openai_agent_model import KeptModel, ModelCalls
from redis_mob.handlers.told_calls import tool_call
from redis_mob.models.ask import Answer
from redis_mob.telemetry import active, genai_names

Tell = Callable[[ProgressKind, str], Awaitable[None]]
"""Tells that a tool is called, or has a result."""


_WAITS = "waits"
"""What is kept of a call of an agent that is a tool, if it ends since that waits for an approval."""


class KeptAgents:
    """The agents that one attempt may come to, as copies of what was given: that is shared by all attempts."""

    def __init__(self, ctx: StepContext, calls: ModelCalls, tell: Tell, model: Model | None) -> None:
        self._ctx = ctx
        self._model = model
        """That of agents which name none, if there is one for these."""
        self._calls = calls
        self._tell = tell
        self._copies: dict[int, Agent[Any]] = {}
        self._given: list[Agent[Any]] = []
        """Keeps alive what the ids are of."""
        self._schemas: dict[tuple[int, str], Any] = {}
        """The parameters of each tool that runs through the checkpoints, by agent."""
        self._agent_tools: dict[int, tuple[FunctionTool, FunctionTool]] = {}
        """The tools that are agents, as they were given and as they are called once, by their options."""
        self._edited: dict[str, str] = {}
        """Arguments that people gave in the place of those of the model, by the id of the call."""

    def kept(self, agent: Agent[Any]) -> Agent[Any]:
        """The agent whose models and tools, and those of the agents that it hands off to, are called once."""
        if (known := self._copies.get(id(agent))) is not None:
            return known
        is_without = agent.model is None and self._model is not None
        made = self._copies[id(agent)] = agent.clone(model=self._model) if is_without else copy.copy(agent)
        self._given.append(agent)
        self._copies[id(made)] = made
        if isinstance(agent.model, Model):
            made.model = KeptModel([agent.model], self._calls)
        made.handoffs = [self.kept(one) if isinstance(one, Agent) else self._handoff(one) for one in agent.handoffs]
        all_tools = made.get_all_tools

        async def allowed_tools(run_context: RunContextWrapper[Any]) -> list[Tool]:
            tools = [tool for tool in await all_tools(run_context) if self._ctx.profile.allows(tool.name)]
            return [self._tool(made, self._of_kept(tool)) if isinstance(tool, FunctionTool) else tool for tool in tools]

        made.get_all_tools = allowed_tools
        return made

    async def ask(self, item: ToolApprovalItem) -> Answer:
        """Ask people whether a tool may be called as the model wants it. What they change the call is made with."""
        raw = item.raw_item
        call = raw if isinstance(raw, dict) else raw.model_dump(mode="json")
        arguments = call.get("arguments")
        payload = _parsed(arguments) if isinstance(arguments, str) else call
        name = item.tool_name or str(call.get("type"))
        # what does not run through the checkpoints runs as the model has it
        schema = self._schemas.get((id(item.agent), name), {"const": payload})
        answer = await self._ctx.ask(name, payload, schema=schema)
        if answer.approved and answer.edited and item.call_id is not None:
            self._edited[item.call_id] = json.dumps(answer.value)
        return answer

    def _of_kept(self, tool: FunctionTool) -> FunctionTool:
        """The tool; one that is an agent is made anew, of the agent that is called once."""
        if not isinstance(tool, AgentTool):
            return tool
        known = self._agent_tools.get(id(tool.options))
        if known is None:
            made = self.kept(tool.agent).as_tool(**tool.options)
            known = self._agent_tools[id(tool.options)] = tool, made
        return known[1]

    def _handoff(self, handoff: Handoff[Any, Any]) -> Handoff[Any, Any]:
        made = copy.copy(handoff)

        async def invoke(context: RunContextWrapper[Any], arguments: str) -> Agent[Any]:
            return self.kept(await handoff.on_invoke_handoff(context, arguments))

        made.on_invoke_handoff = invoke
        return made

    def _tool(self, agent: Agent[Any], tool: FunctionTool) -> FunctionTool:
        made = copy.copy(tool)
        call = made.on_invoke_tool
        self._schemas[id(agent), tool.name] = tool.params_json_schema

        async def invoke(context: ToolContext[Any], arguments: str) -> Any:
            arguments = self._edited.get(context.tool_call_id, arguments)
            await self._tell("tool_call", tool.name)
            result = await self._called_once(call, tool.name, context, arguments)
            await self._tell("tool_result", tool.name)
            return result

        made.on_invoke_tool = invoke
        if callable(tool.needs_approval):
            made.needs_approval = _on_whole_arguments(tool, tool.needs_approval)
        return made

    async def _called_once(
        self,
        call: Callable[[ToolContext[Any], str], Awaitable[Any]],
        name: str,
        context: ToolContext[Any],
        arguments: str,
    ) -> Any:
        before, is_called = _suspended_in(context), False

        async def called(arguments: str) -> dict[str, Any]:
            nonlocal is_called
            is_called = True
            async with self._ctx.spend(tool_calls=1):
                if self._calls.tells_itself or active.spans is None:
                    value = _plain(await call(context, arguments))
                else:
                    with tool_call(name, context.tool_call_id, arguments) as block:
                        value = _plain(await call(context, arguments))
                        block.said(genai_names.TOOL_CALL_RESULT, value)
            waits = (suspended := _suspended_in(context)) is not None and suspended is not before
            return {"value": value, _WAITS: waits}

        while True:
            kept = await self._ctx.once(tool_call_name(name, context.tool_call_id), called, arguments)
            if is_called or not kept[_WAITS]:
                return kept["value"]
            # that one has ended to ask people: what it gave in the end is the next call of this name


def _on_whole_arguments(
    tool: FunctionTool, policy: Callable[[RunContextWrapper[Any], dict[str, Any], str], Awaitable[bool]]
) -> Callable[[RunContextWrapper[Any], dict[str, Any], str], Awaitable[bool]]:
    """A policy that sees only arguments as the tool will get them: others, people have to approve.

    The SDK has such a rule for the functions that it calls itself: a default, or a number in a text, is not what the
    policy would see.
    """

    async def needs_approval(context: RunContextWrapper[Any], arguments: dict[str, Any], call_id: str) -> bool:
        parameters: Mapping[str, Any] = tool.params_json_schema.get("properties", {})
        try:
            check_schema(arguments, tool.params_json_schema)
        except ValueError:
            return True
        return not parameters.keys() <= arguments.keys() or await policy(context, arguments, call_id)

    return needs_approval


def _suspended_in(context: ToolContext[Any]) -> Any:
    """The run of an agent that is a tool, if it waits for an approval within this call."""
    if context.tool_call is None:
        return None
    run = peek_agent_tool_run_result(context.tool_call, scope_id=get_agent_tool_state_scope(context))
    return run if getattr(run, "interruptions", None) else None


def _plain(value: Any) -> Any:
    """What a tool has returned as JSON, or as the text that the model would be told."""
    try:
        return to_jsonable_python(value)
    except PydanticSerializationError:
        return str(value)


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments
