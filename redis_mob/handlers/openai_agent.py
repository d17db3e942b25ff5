"""An agent of the OpenAI Agents SDK as a handler."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any, cast

import openai
from agents import (
    Agent,
    AgentsException,
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    Model,
    ModelRetrySettings,
    ModelSettings,
    RunConfig,
    RunContextWrapper,
    RunHooks,
    Runner,
    RunResult,
    TResponseInputItem,
    UserError,
)
from agents.run import DEFAULT_MAX_TURNS
from pydantic_core import PydanticSerializationError, to_jsonable_python

from redis_mob.codec.arguments import duration, instance, listed, optional_instance, valid_text
from redis_mob.errors import ValidationError, shortened, shown
from redis_mob.fleet.said import bounded, class_of, text_of
from redis_mob.fleet.step_context import StepContext, StepFailed
from redis_mob.handlers.agent_progress import AgentProgress, OnProgress, ProgressKind, tell_progress
from redis_mob.handlers.chat_failures import EXCERPT_BYTES
from redis_mob.handlers.instructions import instructions_of, told_failure
from redis_mob.handlers.openai_agent_model import KeptModel, KeptProvider, ModelCalls, client_failure
from redis_mob.handlers.openai_agent_tools import KeptAgents
from redis_mob.handlers.told_calls import agent_run
from redis_mob.handlers.usage import OnUsage, record_usage
from redis_mob.models.message import ContentBlock, InlineImageBlock, Media, text_of_block
from redis_mob.telemetry import active

FINAL = (UserError, MaxTurnsExceeded, InputGuardrailTripwireTriggered)
"""Errors that another attempt would meet as well."""

_SETTINGS = frozenset(field.name for field in fields(ModelSettings))


def openai_agents(
    agent: Agent[Any],
    *,
    models: Sequence[str] = (),
    answers_within: timedelta | None = None,
    context: Callable[[StepContext], Any] | None = None,
    max_turns: int | None = DEFAULT_MAX_TURNS,
    run_config: RunConfig | None = None,
    tracing: bool = False,
    on_progress: OnProgress | None = None,
    on_usage: OnUsage | None = None,
) -> OpenAiAgents:
    """A handler that runs an agent of the OpenAI Agents SDK on the message of the step, and returns its output as JSON.

    The agent is told the message with its images, the skills of the profile beside its own instructions, and on a
    further attempt why the one before failed. One that was made without a model gets that of the profile, whose
    `provider_params` are model settings. `context` makes the context of a run from that of the step, and may be a
    coroutine function. Tools that the step does not allow, or blocks, the agent does not have; the agents that it hands
    off to neither. `max_turns` bounds one attempt.

    `models` are asked by agents that were made without a model, in the place of that of the profile, in turn: where one
    is overloaded (429), its endpoint is at fault (5xx) or cannot be reached, or it does not begin to answer within
    `answers_within`, which counts for all models, the next one is asked the same, and is the model for the rest of the
    attempt. Those who watch the run are told; budgets and usage name the model that was asked.

    What the models and the tools have given is kept (contract: checkpoint-8): a later attempt, as after the death of a
    worker, asks neither again. Text is streamed to those who watch the run as it comes. A tool that needs approval asks
    people for it (contract: ask-9). An agent that is a tool of another one is given by `handlers.openai_agent_tool`:
    what it does is kept then, too. Each request, each call of a tool and each handoff is reported to those who watch
    the run, or to `on_progress` if that is given; `on_usage` and the log are told what the attempt has used of each
    model, also if it fails.

    The SDK uploads no traces unless `tracing` is true, and tries no request again: the step's `retry` does. What a
    model or a connection does wrong fails the attempt; a limit that is reached, a guardrail for the input, and a
    mistake in the agent fail it for good.
    Raises ValidationError for arguments that make no sense.
    """
    return OpenAiAgents(
        agent,
        models=models,
        answers_within=answers_within,
        context=context,
        max_turns=max_turns,
        run_config=run_config,
        tracing=tracing,
        on_progress=on_progress,
        on_usage=on_usage,
    )


class OpenAiAgents:
    """A handler that runs an agent; see `openai_agents`, which makes it."""

    def __init__(
        self,
        agent: Agent[Any],
        *,
        models: Sequence[str],
        answers_within: timedelta | None,
        context: Callable[[StepContext], Any] | None,
        max_turns: int | None,
        run_config: RunConfig | None,
        tracing: bool,
        on_progress: OnProgress | None,
        on_usage: OnUsage | None,
    ) -> None:
        self._agent = instance("agent", agent, Agent)
        self._models = [valid_text(f"models[{number}]", one) for number, one in enumerate(listed("models", models))]
        self._answers_within = None if answers_within is None else duration("answers_within", answers_within)
        self._context = context
        self._max_turns = max_turns
        config = optional_instance("run_config", run_config, RunConfig) or RunConfig()
        if self._models and (agent.model is not None or config.model is not None):
            raise ValidationError(
                f"agent {shown(agent.name)} has a model: give either that, or models of which the next is asked where "
                "one fails"
            )
        self._config = replace(config, tracing_disabled=not tracing)
        self._on_progress = on_progress
        self._on_usage = on_usage

    def __repr__(self) -> str:
        return f"openai_agents({self._agent.name!r})"

    async def __call__(self, ctx: StepContext) -> Any:
        """The output of the agent. Raises StepFailed saying why there is none."""
        agent, settings, given = self._with_model(ctx), _settings(ctx), _input(ctx)

        async def tell(kind: ProgressKind, tool: str | None = None, agent: str | None = None) -> None:
            nonlocal request
            request += kind == "model_request"
            await tell_progress(ctx, AgentProgress(kind, request, tool, agent), self._on_progress)

        request = 0
        instructions, tells_itself = await instructions_of(ctx, None), not self._config.tracing_disabled
        calls = ModelCalls(
            ctx, instructions, lambda: tell("model_request"), self._answers_within, tells_itself=tells_itself
        )
        provider = self._config.model_provider
        model = KeptModel([provider.get_model(one) for one in self._models], calls) if self._models else None
        agents = KeptAgents(ctx, calls, tell, model)
        handoffs = _Handoffs(lambda to: tell("handoff", agent=to))
        context = None if self._context is None else self._context(ctx)
        if inspect.isawaitable(context):
            context = await context
        try:
            config = self._run_config(settings, calls)
            running = self._run(agents, handoffs, agents.kept(agent), given, context, config)
            if tells_itself or active.spans is None:
                result = await running
            else:
                with agent_run(ctx, agent.name, None):
                    result = await running
            return to_jsonable_python(result.final_output)
        except PydanticSerializationError as error:
            raise StepFailed(f"the output of the agent is no JSON: {text_of(error)}", retryable=False) from None
        except (AgentsException, openai.OpenAIError) as error:
            raise _failure(error) from None
        finally:
            for usage in calls.paid.values():
                await record_usage(ctx, usage, self._on_usage)

    async def _run(
        self,
        agents: KeptAgents,
        hooks: RunHooks[Any],
        agent: Agent[Any],
        given: str | list[TResponseInputItem],
        context: Any,
        config: RunConfig,
    ) -> RunResult:
        """Run until there is an output. Calls that wait for an approval are asked for all together."""
        most = self._max_turns
        result = await Runner.run(agent, given, context=context, max_turns=most, run_config=config, hooks=hooks)
        while result.interruptions:
            state = result.to_state()
            answers = await asyncio.gather(*map(agents.ask, result.interruptions))
            for item, answer in zip(result.interruptions, answers, strict=True):
                if answer.approved:
                    state.approve(item)
                else:
                    state.reject(item, rejection_message=answer.message)
            result = await Runner.run(agent, state, max_turns=most, run_config=config, hooks=hooks)
        return result

    def _with_model(self, ctx: StepContext) -> Agent[Any]:
        if self._models or self._agent.model is not None or self._config.model is not None:
            return self._agent
        if not ctx.profile.model:
            raise StepFailed(
                f"neither the agent nor the profile of role {shown(ctx.role)} has a model; give one with "
                "Agent(model=...)",
                retryable=False,
            )
        return self._agent.clone(model=ctx.profile.model)

    def _run_config(self, settings: ModelSettings, calls: ModelCalls) -> RunConfig:
        model = self._config.model
        return replace(
            self._config,
            model=KeptModel([model], calls) if isinstance(model, Model) else model,
            model_provider=KeptProvider(self._config.model_provider, calls),
            model_settings=settings.resolve(self._config.model_settings),
        )


class _Handoffs(RunHooks[Any]):
    """Tells that one agent hands off to another."""

    def __init__(self, tell: Callable[[str], Awaitable[None]]) -> None:
        self._tell = tell

    async def on_handoff(self, context: RunContextWrapper[Any], from_agent: Any, to_agent: Any) -> None:
        """Tell the name of the agent that goes on."""
        await self._tell(to_agent.name)


def _settings(ctx: StepContext) -> ModelSettings:
    """The settings of all requests, from the profile. What the SDK has no name for is sent to the endpoint as it is."""
    params = ctx.profile.provider_params
    given = cast("dict[str, Any]", params) if isinstance(params, dict) else {}
    known = {name: value for name, value in given.items() if name in _SETTINGS}
    others = {name: value for name, value in given.items() if name not in _SETTINGS}
    try:
        settings = ModelSettings(**known)
    except (TypeError, ValueError) as error:
        raise StepFailed(
            f"provider_params of role {shown(ctx.role)} are no model settings: {shortened(error)}", retryable=False
        ) from None
    ours = ModelSettings(include_usage=True, retry=ModelRetrySettings(max_retries=0), extra_args=others or None)
    return ours.resolve(settings)


def _input(ctx: StepContext) -> str | list[TResponseInputItem]:
    failure = None if ctx.previous_failure is None else told_failure(ctx.previous_failure)
    if isinstance(ctx.message, str):
        return ctx.message if failure is None else f"{ctx.message}\n\n{failure}"
    parts = [*map(_part, ctx.message), *([] if failure is None else [{"type": "input_text", "text": failure}])]
    return [cast("TResponseInputItem", {"role": "user", "content": parts})]


def _part(block: ContentBlock) -> dict[str, Any]:
    if not isinstance(block, Media):
        return {"type": "input_text", "text": text_of_block(block)}
    if isinstance(block, InlineImageBlock):
        url = f"data:{block.media_type};base64,{block.data}"
        return {"type": "input_image", "detail": "auto", "image_url": url}
    raise StepFailed(
        f"an agent takes texts and inline images, no {block.type} whose source is {block.source}", retryable=False
    )


def _failure(error: AgentsException | openai.OpenAIError) -> Exception:
    """What an error of the SDK says of another attempt. What a tool has raised, which it wraps, counts as itself."""
    raised: Exception = error
    while isinstance(raised, UserError) and isinstance(raised.__cause__, Exception):
        raised = raised.__cause__  # an agent that is a tool wraps what its own tools raise
    if isinstance(raised, AgentsException) and isinstance(raised.__cause__, openai.OpenAIError):
        raised = raised.__cause__
    if isinstance(raised, openai.OpenAIError):
        return client_failure(raised)
    if not isinstance(raised, AgentsException):
        return raised
    return StepFailed(
        f"the agent failed: {class_of(raised)}: {bounded(text_of(raised), EXCERPT_BYTES)}",
        retryable=not isinstance(raised, FINAL),
    )
