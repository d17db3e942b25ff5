"""A chat model as a handler, behind any endpoint that speaks OpenAI's protocol."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Literal, cast, get_args

import openai

from redis_mob.codec.arguments import duration, integer, listed, optional_instance, optional_valid_text, valid_text
from redis_mob.codec.urls import checked_url
from redis_mob.errors import ValidationError, shown
from redis_mob.fleet.outcome import parsed_json
from redis_mob.fleet.schemas import check_schema
from redis_mob.fleet.step_context import StepContext, StepFailed
from redis_mob.handlers.chat_answer import Answer, ToolCall
from redis_mob.handlers.chat_bounds import bound_response
from redis_mob.handlers.chat_messages import messages_of
from redis_mob.handlers.chat_requests import ChatRequests, OnDelta
from redis_mob.handlers.checkpoint_names import tool_call_name
from redis_mob.handlers.tls import client_tls
from redis_mob.handlers.told_calls import tool_call
from redis_mob.handlers.tools import ModelTool, ToolSource, opened_tools, tools_by_name
from redis_mob.handlers.usage import ModelUsage, OnUsage, record_usage
from redis_mob.models.base import json_text
from redis_mob.telemetry import genai_names

CONNECT_SECONDS = 10.0
"""How long a connection may take; the deadline of the step bounds all the rest."""

MAX_ROUNDS = 10
"""How often a model is asked in one attempt, unless it is said otherwise: each time but the last it calls tools."""

OURS = ("model", "messages", "stream", "stream_options", "tools", "tool_choice", "functions", "response_format", "n")
"""Fields of a request that a profile's `provider_params` may not set: among them are the tools that a step blocks."""

Structured = Literal["json_schema", "json_object", "prompt"]


def chat(
    model: str | None = None,
    *,
    models: Sequence[str] = (),
    answers_within: timedelta | None = None,
    client: openai.AsyncOpenAI | None = None,
    base_url: str | None = None,
    api_key: str | None = None,
    tools: Sequence[Callable[..., Any] | ToolSource] = (),
    system: str | None = None,
    structured: Structured = "json_schema",
    max_rounds: int = MAX_ROUNDS,
    on_delta: OnDelta | None = None,
    on_usage: OnUsage | None = None,
) -> Chat:
    """A handler that asks a chat model, and returns its answer: a text, or JSON if the step or profile has a schema.

    The model is `model`, or else that of the role's profile, whose `provider_params` are added to each request. It is
    told `system` and the skills of the profile, then the message of the step, with its images. The endpoint and its key
    are `base_url` and `api_key`, or else those of OPENAI_BASE_URL and OPENAI_API_KEY; or a `client` is given, which
    belongs to one event loop, and closing it is for its owner.

    `models` are asked in the place of `model`, in turn: where one is overloaded (429), its endpoint is at fault (5xx)
    or cannot be reached, or it does not begin to answer within `answers_within`, the next one is asked the same, and is
    the model for the rest of the attempt. Those who watch the run are told; usage names the model that was asked. What
    has begun to answer is not given up for another one.

    `tools` are Python functions that the model may call, up to `max_rounds` - 1 times in turn, or those of MCP servers;
    `handlers.tools.Tool` and `handlers.mcp_tools` say what they may be. What the step does not allow, or blocks, the
    model is not told of, and it is not called. What a function raises fails the attempt, and the next one calls it
    again.

    Each answer of a model that the step takes, or that calls tools, is kept, and each result of a tool
    (contract: checkpoint-8): a later attempt, after a failure or the death of a worker, gets them without asking, and
    streams them again. The model is told why the attempt before failed where the first new request is made.

    The schema is sent as a response format, as a `json_object` for endpoints that know no schemas, or in the `prompt`
    alone; the answer is checked either way. Each piece of text is streamed as it comes, to those who watch the run, or
    goes to `on_delta` if that is given; those of an attempt that fails later as well. `on_usage` gets the tokens that
    an attempt has used, also when it fails; the log has them, too.

    Where the endpoint asks to be left alone (429), the execution waits as long as Retry-After says, and no attempt is
    used up (contract: engine-94). Errors of the endpoint and broken connections fail the attempt, Retry-After says how
    long the next one waits at least. Other refusals of the request, of the model itself, and of a content filter fail
    it for good, as a quota does that is used up.
    The key stands in no message. Raises ValidationError or HandlerError for arguments that make no sense.
    """
    return Chat(
        model,
        models=models,
        answers_within=answers_within,
        client=client,
        base_url=base_url,
        api_key=api_key,
        tools=tools,
        system=system,
        structured=structured,
        max_rounds=max_rounds,
        on_delta=on_delta,
        on_usage=on_usage,
    )


class Chat:
    """A handler that asks a chat model; see `chat`, which makes it."""

    def __init__(
        self,
        model: str | None,
        *,
        models: Sequence[str],
        answers_within: timedelta | None,
        client: openai.AsyncOpenAI | None,
        base_url: str | None,
        api_key: str | None,
        tools: Sequence[Callable[..., Any] | ToolSource],
        system: str | None,
        structured: Structured,
        max_rounds: int,
        on_delta: OnDelta | None,
        on_usage: OnUsage | None,
    ) -> None:
        named = [valid_text(f"models[{number}]", one) for number, one in enumerate(listed("models", models))]
        if model is not None and named:
            raise ValidationError("give either a model, or models of which the next is asked where one fails")
        self._models = named if model is None else [valid_text("model", model)]
        self._answers_within = None if answers_within is None else duration("answers_within", answers_within)
        self._client = optional_instance("client", client, openai.AsyncOpenAI)
        if client is not None and (base_url is not None or api_key is not None):
            raise ValidationError("client has a base_url and an api_key: give either it or these")
        self._base_url = None if base_url is None else checked_url("base_url", base_url)
        self._api_key = optional_instance("api_key", api_key, str)
        self._sources = [one for one in tools if isinstance(one, ToolSource)]
        self._tools = tools_by_name(one for one in tools if not isinstance(one, ToolSource))
        self._system = optional_valid_text("system", system)
        if structured not in get_args(Structured):
            raise ValidationError(f"structured must be one of {get_args(Structured)}, not {shown(structured)}")
        self._structured = structured
        self._max_rounds = integer("max_rounds", max_rounds, least=1)
        self._on_delta = on_delta
        self._on_usage = on_usage

    def __repr__(self) -> str:
        return f"chat({', '.join(map(repr, self._models))}, tools={[*self._tools, *self._sources]!r})"

    async def __call__(self, ctx: StepContext) -> Any:
        """The answer of the model. Raises StepFailed saying why there is none."""
        usages = [ModelUsage(model) for model in self._models_for(ctx)]
        try:
            async with (
                self._connected() as connected,
                opened_tools(self._tools, self._sources, ctx, keeps=False) as tools,
            ):
                requests = ChatRequests(ctx, connected, usages, self._answers_within, self._on_delta)
                return self._result(ctx, await self._answer(ctx, requests, tools))
        finally:
            for usage in usages:
                await record_usage(ctx, usage, self._on_usage)

    async def _answer(self, ctx: StepContext, requests: ChatRequests, offered: Mapping[str, ModelTool]) -> str:
        """The text in which the model answers, once it calls no more tools."""
        schema = ctx.profile.output_schema
        system = self._system
        if schema is not None and self._structured != "json_schema":
            asked = f"Answer with JSON alone, which fits this JSON schema:\n{json_text(schema)}"
            system = f"{system}\n\n{asked}" if system else asked
        messages = await messages_of(ctx, system)
        request = {**self._provider_params(ctx), **self._format(ctx), **_offers(offered)}

        def check(answer: Answer) -> None:
            if not answer.calls:
                self._result(ctx, answer.text)

        for _ in range(self._max_rounds):
            answer = await requests.answer(messages, request, check)
            if not answer.calls:
                return answer.text
            messages.append(answer.as_message())
            for call in answer.calls.values():
                said = await _told_by_tool(ctx, offered.get(call.name), call)
                messages.append({"role": "tool", "tool_call_id": call.id, "content": said})
        raise StepFailed(
            f"the model called tools {self._max_rounds} times in turn and gave no answer; allow more with max_rounds",
            retryable=False,  # the answers are kept: another attempt would find the same
        )

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[openai.AsyncOpenAI]:
        """A client that leaves further attempts to the engine, which knows the deadline and tells what it does."""
        if self._client is not None:
            yield self._client.with_options(max_retries=0)
            return
        timeout = openai.Timeout(None, connect=CONNECT_SECONDS)
        try:
            made = openai.AsyncOpenAI(
                base_url=self._base_url,
                api_key=self._api_key,
                max_retries=0,
                timeout=timeout,
                http_client=openai.DefaultAsyncHttpxClient(
                    verify=client_tls(), timeout=timeout, event_hooks={"response": [bound_response]}
                ),
            )
        except openai.OpenAIError:
            raise StepFailed(
                "there is no key for the endpoint: give chat(api_key=...), or set OPENAI_API_KEY for the worker",
                retryable=False,
            ) from None
        async with made:
            yield made

    def _models_for(self, ctx: StepContext) -> Sequence[str]:
        if self._models:
            return self._models
        if model := ctx.profile.model:
            return [model]
        where = (
            f"its profile {shown(ctx.profile.realm_profile)} is kept in the realm" if ctx.profile.realm_profile else ""
        )
        raise StepFailed(
            f"role {shown(ctx.role)} has no model{': ' if where else ''}{where}; give one with chat(model=...)",
            retryable=False,
        )

    def _provider_params(self, ctx: StepContext) -> Mapping[str, Any]:
        params = ctx.profile.provider_params
        if params is None:
            return {}
        if not isinstance(params, dict):
            raise StepFailed(f"provider_params of role {shown(ctx.role)} must be an object", retryable=False)
        given = cast("dict[str, Any]", params)
        if taken := [name for name in given if name in OURS]:
            raise StepFailed(
                f"provider_params of role {shown(ctx.role)} may not set {', '.join(taken)}: the handler sets them",
                retryable=False,
            )
        return given

    def _format(self, ctx: StepContext) -> Mapping[str, Any]:
        schema = ctx.profile.output_schema
        if not isinstance(schema, dict) or self._structured == "prompt":
            return {}
        if self._structured == "json_object":
            return {"response_format": {"type": "json_object"}}
        name = re.sub(r"[^A-Za-z0-9_-]", "_", ctx.step_id)[:64] or "answer"
        return {"response_format": {"type": "json_schema", "json_schema": {"name": name, "schema": schema}}}

    def _result(self, ctx: StepContext, text: str) -> Any:
        schema = ctx.profile.output_schema
        if schema is None:
            return text
        try:
            value = parsed_json(text)
            check_schema(value, schema)
        except ValueError as error:
            raise StepFailed(f"the answer of the model is refused: {error}") from None
        return value


async def _told_by_tool(ctx: StepContext, tool: ModelTool | None, call: ToolCall) -> str:
    """What the model is told of a call: what an earlier attempt was told, or what the tool says."""
    if tool is None:
        return f"There is no tool {call.name!r}."

    async def called(arguments: str) -> str:
        async with ctx.spend(tool_calls=1):
            block = tool_call(call.name, call.id, arguments)
            try:
                result = await tool.call(ctx, arguments)
                block.said(genai_names.TOOL_CALL_RESULT, result)
            except BaseException as error:
                block.failed(error)
                raise
            finally:
                block.end()
            return result

    return await ctx.once(tool_call_name(call.name, call.id), called, call.arguments)


def _offers(tools: Mapping[str, ModelTool]) -> Mapping[str, Any]:
    if not tools:
        return {}  # an empty list is refused by some endpoints
    return {
        "tools": [
            {
                "type": "function",
                "function": {"name": name, "description": tool.description, "parameters": tool.parameters},
            }
            for name, tool in tools.items()
        ]
    }
