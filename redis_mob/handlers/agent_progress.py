"""What those who watch a run are told of an agent at work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from redis_mob.errors import shortened
from redis_mob.fleet.step_context import StepContext
from redis_mob.handlers.usage import told

ProgressKind = Literal["model_request", "tool_call", "tool_result", "handoff"]


@dataclass(frozen=True, slots=True)
class AgentProgress:
    """What an agent does next: its so-manieth request to its model, a call of a tool, that it has a result, or that it
    hands off to another agent."""

    kind: ProgressKind
    request: int
    tool: str | None = None
    agent: str | None = None
    """The one that goes on, of a handoff."""


OnProgress = Callable[[StepContext, AgentProgress], Awaitable[None] | None]


async def tell_progress(ctx: StepContext, progress: AgentProgress, on_progress: OnProgress | None) -> None:
    """Tell the callback, or report it to those who watch the run where there is none."""
    if on_progress is not None:
        await told(on_progress(ctx, progress))
        return
    what = progress.kind.replace("_", " ")
    name = progress.tool or progress.agent
    named = what if name is None else f"{what}: {name}"
    data = {"kind": progress.kind, "request": progress.request}
    if progress.agent is not None:
        data["agent"] = shortened(progress.agent)
    await ctx.report(message=shortened(named), data=data)
