"""An agent of pydantic-ai as a handler."""

from __future__ import annotations

import base64
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from opentelemetry.trace import NoOpTracer  # pydantic-ai depends on it
from pydantic_ai import Agent, BinaryContent, ModelSettings, RunContext, UsageLimits, UserContent
from pydantic_ai.capabilities import (
    AbstractCapability,
    WrapModelRequestHandler,
    WrapRunHandler,
    WrapToolExecuteHandler,
)
from pydantic_ai.exceptions import (
    AgentRunError,
    ContentFilterError,
    ModelAPIError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelRequestRejectedError,
    UsageLimitExceeded,
    UserError,
)
from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.models import Model, ModelRequestContext
from pydantic_ai.run import AgentRunResult
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults, ToolDefinition
from pydantic_ai.tools import Tool as AgentTool
from pydantic_ai.toolsets import FunctionToolset
from pydantic_core import PydanticSerializationError, to_jsonable_python

from redis_mob.codec.arguments import instance, optional_instance
from redis_mob.errors import shown
from redis_mob.fleet.said import bounded, class_of, text_of
from redis_mob.fleet.step_context import StepContext, StepFailed, StepThrottled
from redis_mob.handlers.agent_approvals import answered
from redis_mob.handlers.agent_checkpoints import AgentCheckpoints
from redis_mob.handlers.agent_content import agent_messages
from redis_mob.handlers.agent_progress import AgentProgress, OnProgress, tell_progress
from redis_mob.handlers.instructions import instructions_of, told_failure
from redis_mob.handlers.told_calls import agent_run, model_call, tool_call
from redis_mob.handlers.tools import ModelTool, ToolSource, opened_tools
from redis_mob.handlers.usage import ModelUsage, OnUsage, record_usage
from redis_mob.models.base import json_text
from redis_mob.models.flow_spec import LONGEST_PAUSE_SECONDS
from redis_mob.models.message import BlobImageBlock, ContentBlock, Media, text_of_block
from redis_mob.telemetry import active
from redis_mob.telemetry import genai_names as names

TOO_MANY_REQUESTS = 429
"""The status by which a provider asks to be left alone for a while."""

EXCERPT_BYTES = 2 * 1024
"""How much of an error a failure keeps."""

FINAL = (UserError, UsageLimitExceeded, ContentFilterError, ModelQuotaExceededError, ModelRequestRejectedError)
"""Errors that another attempt would meet as well."""


def pydantic_ai(
    agent: Agent[Any, Any],
    *,
    deps: Callable[[StepContext], Any] | None = None,
    usage_limits: UsageLimits | None = None,
    on_progress: OnProgress | None = None,
    on_usage: OnUsage | None = None,
    tools: Sequence[ToolSource] = (),
) -> PydanticAi:
    """A handler that runs an agent on the message of the step, and returns its output as JSON.

    The agent is told the message with its images and videos, the skills of the profile beside its own instructions, and
    on a further attempt why the one before failed. One that was made without a model gets that of the profile, whose
    `provider_params` are model settings. `deps` makes the dependencies of a run from the context, and may be a
    coroutine function.

    Tools that the step does not allow, or blocks, the agent does not have: its own, those of its toolsets and
    capabilities, those that `tools` adds, as `handlers.mcp_tools` gives them, and those of the provider, by their id.
    `usage_limits` bound one attempt. Each request to the model and each call of a tool is reported to those who watch
    the run, or to `on_progress` if that is given; `on_usage` and the log are told what the attempt has used, also if it
    fails.

    What the model and the tools have given is kept (contract: checkpoint-8): a later attempt, as after the death of a
    worker, asks neither again, as long as it says the same to the model. Usage is what this attempt has asked for.

    A tool that requires approval asks people for it (contract: ask-9): the kind is its name, the payload its arguments.
    The attempt ends until they have answered, and goes on without paying anything again.

    Where the provider asks to be left alone (429), the execution waits so long, and no attempt is used up
    (contract: engine-94). What else a model or a connection does wrong fails the attempt; a limit that
    is reached, a request that is refused, a content filter, and a mistake in the agent fail it for good. What a tool
    raises fails the attempt.
    """
    return PydanticAi(
        agent, deps=deps, usage_limits=usage_limits, on_progress=on_progress, on_usage=on_usage, tools=tools
    )


class PydanticAi:
    """A handler that runs an agent; see `pydantic_ai`, which makes it."""

    def __init__(
        self,
        agent: Agent[Any, Any],
        *,
        deps: Callable[[StepContext], Any] | None,
        usage_limits: UsageLimits | None,
        on_progress: OnProgress | None,
        on_usage: OnUsage | None,
        tools: Sequence[ToolSource],
    ) -> None:
        self._agent = cast("Agent[Any, Any]", instance("agent", agent, Agent))
        self._deps = deps
        self._usage_limits = optional_instance("usage_limits", usage_limits, UsageLimits)
        self._on_progress = on_progress
        self._on_usage = on_usage
        self._tools = [instance("tools", one, ToolSource) for one in tools]

    def __repr__(self) -> str:
        return f"pydantic_ai({self._agent.name!r})"

    async def __call__(self, ctx: StepContext) -> Any:
        """The output of the agent. Raises StepFailed saying why there is none."""
        model, settings = self._model(ctx), ctx.profile.provider_params
        deps = None if self._deps is None else self._deps(ctx)
        checkpoints = AgentCheckpoints(ctx.once, ctx.spend)
        try:
            async with opened_tools({}, self._tools, ctx, keeps=False) as tools:
                result = await self._agent.run(
                    _prompt(ctx),
                    deps=await deps if inspect.isawaitable(deps) else deps,
                    model=model if self._agent.model is None else None,
                    model_settings=cast("ModelSettings", settings) if isinstance(settings, dict) else None,
                    instructions=await instructions_of(ctx, None) or None,
                    usage_limits=self._usage_limits,
                    capabilities=[_OfStep(ctx, self._on_progress, checkpoints, self._agent.name)],
                    toolsets=[FunctionToolset([_agent_tool(tool, ctx) for tool in tools.values()])] if tools else None,
                )
            return to_jsonable_python(result.output)
        except PydanticSerializationError as error:
            raise StepFailed(f"the output of the agent is no JSON: {text_of(error)}", retryable=False) from None
        except (AgentRunError, UserError) as error:
            raise _failure(error) from error
        finally:
            used = checkpoints.paid
            usage = ModelUsage(_name(self._agent.model or model), used.requests, used.input_tokens, used.output_tokens)
            await record_usage(ctx, usage, self._on_usage)

    def _model(self, ctx: StepContext) -> str | None:
        if self._agent.model is None and not ctx.profile.model:
            raise StepFailed(
                f"neither the agent nor the profile of role {shown(ctx.role)} has a model; give one with Agent(model)",
                retryable=False,
            )
        return ctx.profile.model or None


@dataclass
class _OfStep(AbstractCapability[Any]):
    """What a step adds to its agent: the tools that it may not use, and a look at what it does."""

    ctx: StepContext
    on_progress: OnProgress | None
    checkpoints: AgentCheckpoints
    name: str | None

    async def wrap_run(self, ctx: RunContext[Any], *, handler: WrapRunHandler) -> AgentRunResult[Any]:
        """The result of the run, told as a span unless the agent tells its own."""
        if not _is_told(ctx):
            return await handler()
        model = ctx.model
        with agent_run(self.ctx, self.name, model.model_name, provider=model.system):
            return await handler()

    async def wrap_model_request(
        self,
        ctx: RunContext[Any],
        *,
        request_context: ModelRequestContext,
        handler: WrapModelRequestHandler,
    ) -> ModelResponse:
        """The response of the model, or what an earlier attempt has kept of it."""
        if not _is_told(ctx):
            return await self.checkpoints.response(request_context, handler)

        async def told(request: ModelRequestContext) -> ModelResponse:
            model = request.model
            with model_call(self.ctx, model.model_name, provider=model.system) as block:
                if block.captures:
                    block.said(names.INPUT_MESSAGES, agent_messages(request.messages))
                response = await handler(request)
                used = response.usage
                block.used(used.input_tokens, used.output_tokens, used.cache_read_tokens)
                block.finished(response.finish_reason)
                if block.captures:
                    block.said(names.OUTPUT_MESSAGES, agent_messages([response]))
            return response

        return await self.checkpoints.response(request_context, told)

    async def wrap_tool_execute(
        self,
        ctx: RunContext[Any],
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,
        args: dict[str, Any],
        handler: WrapToolExecuteHandler,
    ) -> Any:
        """The result of the tool, or what an earlier attempt has kept of it."""
        if not _is_told(ctx):
            return await self.checkpoints.result(call, args, handler)

        async def told(args: dict[str, Any]) -> Any:
            with tool_call(call.tool_name, call.tool_call_id, args) as block:
                result = await handler(args)
                block.said(names.TOOL_CALL_RESULT, result)
            return result

        return await self.checkpoints.result(call, args, told)

    async def prepare_tools(self, ctx: RunContext[Any], tool_defs: list[ToolDefinition]) -> list[ToolDefinition]:
        """The tools that the step allows; the agent can call no others."""
        return [tool for tool in tool_defs if self.ctx.profile.allows(tool.name)]

    async def before_model_request(
        self, ctx: RunContext[Any], request_context: ModelRequestContext
    ) -> ModelRequestContext:
        """The request without the tools of the provider that the step does not allow."""
        await self._tell(AgentProgress("model_request", ctx.run_step))
        parameters = request_context.model_request_parameters
        allowed = [tool for tool in parameters.native_tools if self.ctx.profile.allows(tool.unique_id)]
        return replace(request_context, model_request_parameters=replace(parameters, native_tools=allowed))

    async def before_tool_execute(
        self, ctx: RunContext[Any], *, call: ToolCallPart, tool_def: ToolDefinition, args: dict[str, Any]
    ) -> dict[str, Any]:
        """The same arguments."""
        await self._tell(AgentProgress("tool_call", ctx.run_step, call.tool_name))
        return args

    async def after_tool_execute(
        self, ctx: RunContext[Any], *, call: ToolCallPart, tool_def: ToolDefinition, args: dict[str, Any], result: Any
    ) -> Any:
        """The same result."""
        await self._tell(AgentProgress("tool_result", ctx.run_step, call.tool_name))
        return result

    async def handle_deferred_tool_calls(
        self, ctx: RunContext[Any], *, requests: DeferredToolRequests
    ) -> DeferredToolResults:
        """What people say to calls that need their approval, or their answer."""
        return await answered(self.ctx, ctx, requests)

    async def _tell(self, progress: AgentProgress) -> None:
        await tell_progress(self.ctx, progress, self.on_progress)


def _is_told(ctx: RunContext[Any]) -> bool:
    """Whether spans are told of this run, and pydantic-ai tells none itself, as `Agent.instrument_all` lets it."""
    return active.spans is not None and isinstance(ctx.tracer, NoOpTracer)


def _agent_tool(tool: ModelTool, ctx: StepContext) -> AgentTool[Any]:
    async def call(**arguments: Any) -> str:
        return await tool.call(ctx, json_text(arguments))

    return AgentTool.from_schema(call, tool.name, tool.description, tool.parameters)


def _prompt(ctx: StepContext) -> str | Sequence[UserContent]:
    failure = None if ctx.previous_failure is None else told_failure(ctx.previous_failure)
    if isinstance(ctx.message, str):
        return ctx.message if failure is None else f"{ctx.message}\n\n{failure}"
    return [*map(_content, ctx.message), *([] if failure is None else [failure])]


def _content(block: ContentBlock) -> UserContent:
    if not isinstance(block, Media):
        return text_of_block(block)
    if isinstance(block, BlobImageBlock):
        raise StepFailed("an agent takes inline images, no image whose source is blob", retryable=False)
    try:
        return BinaryContent(base64.b64decode(block.data, validate=True), media_type=block.media_type)
    except ValueError:
        raise StepFailed(f"a block of type {block.type} holds no base64", retryable=False) from None


def _failure(error: AgentRunError | UserError) -> StepFailed:
    reason = f"the agent failed: {class_of(error)}: {bounded(text_of(error), EXCERPT_BYTES)}"
    pause = _pause(error.retry_after) if isinstance(error, ModelAPIError) else None
    is_final = isinstance(error, FINAL)
    if isinstance(error, ModelHTTPError) and error.status_code == TOO_MANY_REQUESTS and not is_final:
        return StepThrottled(reason, pause)
    return StepFailed(reason, retryable=not is_final, retry_after=pause)


def _pause(seconds: float | None) -> float | None:
    return seconds if seconds is not None and 0 <= seconds <= LONGEST_PAUSE_SECONDS else None


def _name(model: Model | str | None) -> str:
    return model.model_name if isinstance(model, Model) else str(model)
