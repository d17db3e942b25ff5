"""An agent of the OpenAI Agents SDK as a tool of another one, so that what it does is kept call by call."""

from __future__ import annotations

from typing import Any

from agents import Agent, FunctionTool

from redis_mob.codec.arguments import instance


def openai_agent_tool(
    agent: Agent[Any], tool_name: str | None = None, tool_description: str | None = None, **options: Any
) -> FunctionTool:
    """The agent as a tool, as `agent.as_tool(tool_name, tool_description, **options)` makes it.

    In a step that `handlers.openai_agents` runs, each request of the agent to its model, and each call of its tools, is
    kept by itself (contract: checkpoint-8), as those of the agent that calls it are; of a tool that `as_tool` has made
    the SDK does not tell what is behind it. The agent has the tools that the step allows, and where a tool of it needs
    approval, people may change the arguments. A failure within fails the attempt, and the next one goes on there,
    unless `failure_error_function` makes it a result.

    Raises ValidationError for what is no agent, and what `as_tool` raises for options that it does not take.
    """
    given = {"failure_error_function": None, **options}
    return AgentTool(
        instance("agent", agent, Agent), {**given, "tool_name": tool_name, "tool_description": tool_description}
    )


class AgentTool(FunctionTool):
    """A tool that remembers of which agent it is made, and how; see `openai_agent_tool`, which makes it."""

    def __init__(self, agent: Agent[Any], options: dict[str, Any]) -> None:
        vars(self).update(vars(agent.as_tool(**options)))
        self.agent = agent
        self.options = options
