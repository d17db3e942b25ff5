"""Calls of an agent's tools that wait for people, as asks of the step (contract: ask-9)."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic_ai import DeferredToolRequests, DeferredToolResults, RunContext, ToolApproved, ToolDenied
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.messages import ToolCallPart

from redis_mob.fleet.step_context import StepContext
from redis_mob.models.ask import Answer

NO_ANSWER = "The call was not answered."
"""What the model is told of a call that was to be answered by a person, who declined without a message."""


async def answered(ctx: StepContext, run: RunContext[Any], requests: DeferredToolRequests) -> DeferredToolResults:
    """What people say to the calls of one response of the model: they are asked for all of them together."""
    waiting = [*requests.approvals, *requests.calls]
    answers = await asyncio.gather(
        *(_ask(ctx, call, _parameters(run, call)) for call in requests.approvals),
        *(_ask(ctx, call, None) for call in requests.calls),
    )
    by_call = dict(zip((call.tool_call_id for call in waiting), answers, strict=True))
    return DeferredToolResults(
        approvals={call.tool_call_id: _decision(by_call[call.tool_call_id]) for call in requests.approvals},
        calls={call.tool_call_id: _result(by_call[call.tool_call_id]) for call in requests.calls},
    )


def _ask(ctx: StepContext, call: ToolCallPart, schema: Any) -> Any:
    return ctx.ask(call.tool_name, call.args_as_dict(), schema=schema)


def _parameters(run: RunContext[Any], call: ToolCallPart) -> Any:
    """The schema of the tool's parameters, which other arguments have to fit."""
    tool = None if run.tool_manager is None else run.tool_manager.get_tool_def(call.tool_name)
    return None if tool is None else tool.parameters_json_schema


def _decision(answer: Answer) -> ToolApproved | ToolDenied:
    if answer.approved:
        return ToolApproved(override_args=answer.value if answer.edited else None)
    return ToolDenied() if answer.message is None else ToolDenied(answer.message)


def _result(answer: Answer) -> Any:
    """What the model gets as the result of a call that no program makes: the value that was answered."""
    if not answer.approved:
        return ToolFailed(answer.message or NO_ANSWER)
    return answer.value if answer.edited else None
