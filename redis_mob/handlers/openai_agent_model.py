"""A model of the OpenAI Agents SDK whose responses are kept, so that a later attempt does not ask for them again."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from typing import Any, cast

from agents import (
    AgentOutputSchemaBase,
    Handoff,
    Model,
    ModelBehaviorError,
    ModelProvider,
    ModelResponse,
    ModelSettings,
    ModelTracing,
    Tool,
    TResponseInputItem,
    Usage,
)
from agents.items import TResponseOutputItem, TResponseStreamEvent
from agents.retry import ModelRetryAdvice, ModelRetryAdviceRequest
from openai import APIStatusError, OpenAIError
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseErrorEvent,
    ResponseFailedEvent,
    ResponseIncompleteEvent,
    ResponseOutputItemDoneEvent,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseTextDeltaEvent,
    ResponseUsage,
)
from openai.types.responses.response_prompt_param import ResponsePromptParam
from pydantic import ConfigDict, TypeAdapter
from pydantic_core import to_json, to_jsonable_python

from redis_mob.codec.checkpoints import digest_of
from redis_mob.fleet.said import class_of
from redis_mob.fleet.step_context import StepContext, StepFailed
from redis_mob.handlers.chat_failures import failure_of
from redis_mob.handlers.checkpoint_names import MODEL_REQUEST
from redis_mob.handlers.fallback import in_time, is_of_another_model, tell_fallback
from redis_mob.handlers.spending import count_of, estimated_tokens, tell_use
from redis_mob.handlers.text_stream import stream_text
from redis_mob.handlers.told_calls import model_call
from redis_mob.handlers.usage import ModelUsage
from redis_mob.telemetry import active
from redis_mob.telemetry import genai_names as names
from redis_mob.telemetry.genai_content import messages_of, text_message

_OUTPUT: TypeAdapter[list[TResponseOutputItem]] = TypeAdapter(
    list[TResponseOutputItem], config=ConfigDict(defer_build=True)
)
_USAGE: TypeAdapter[Usage] = TypeAdapter(Usage)


class ModelCalls:
    """The requests to models that one attempt makes. `paid` is what it has used of each model itself."""

    def __init__(
        self,
        ctx: StepContext,
        instructions: str,
        before: Callable[[], Awaitable[None]],
        answers_within: timedelta | None = None,
        *,
        tells_itself: bool = False,
    ) -> None:
        self.ctx = ctx
        self.tells_itself = tells_itself
        """Whether the SDK traces what the agents do, so that no spans of this library are wanted."""
        self.instructions = instructions
        """What each model is told beside the instructions of its agent."""
        self.before = before
        """Is called before each request."""
        self.answers_within = answers_within
        self.paid: dict[str, ModelUsage] = {}
        self._at: Counter[tuple[str, ...]] = Counter()
        """Which of several models is asked, that come in the place of each other."""

    async def made(
        self,
        models: tuple[str, ...],
        told_apart: dict[str, Any],
        ask: Callable[[int], Awaitable[ModelResponse]],
    ) -> ModelResponse:
        """The response to a request: what was kept of it, or what the first of the models says that can be reached.

        Requests are told apart by what they say, and not by their order: agents that are tools ask side by side.
        """
        is_asked = False
        await self.before()
        named = models[0] if len(models) == 1 else list(models)
        plain = to_jsonable_python({"model": named, **told_apart}, fallback=class_of)
        estimate = estimated_tokens(to_json(plain), told_apart["settings"])

        async def asked() -> dict[str, Any]:
            nonlocal is_asked
            is_asked = True
            while True:
                at = self._at[models]
                try:
                    answered = await self._paid(models[at], estimate, partial(ask, at), told_apart)
                    return {**_plain(answered), "model": models[at]}
                except (OpenAIError, StepFailed) as error:
                    failure = error if isinstance(error, StepFailed) else client_failure(error)
                    if at + 1 == len(models) or not is_of_another_model(failure):
                        raise
                if self._at[models] == at:  # else an agent beside this one has gone on meanwhile
                    self._at[models] += 1
                    await tell_fallback(self.ctx, models[at], models[at + 1], failure)

        kept = await self.ctx.once(f"{MODEL_REQUEST} {digest_of(plain)}", asked)
        response = _response(kept)
        if not is_asked:  # what the earlier attempt has streamed is void
            self._at[models] = max(self._at[models], models.index(kept.get("model", models[0])))
            await stream_text(self.ctx, _text(response))
        return response

    async def _paid(
        self, model: str, estimate: int, ask: Callable[[], Awaitable[ModelResponse]], asked: Mapping[str, Any]
    ) -> ModelResponse:
        paid = self.paid.setdefault(model, ModelUsage(model))
        async with self.ctx.spend(tokens=estimate, model=model) as call:
            try:
                response = await (ask() if self.tells_itself or active.spans is None else self._told(model, ask, asked))
            except APIStatusError:
                call.used()  # the provider has answered with an error, and the model with nothing
                raise
            used = response.usage
            tell_use(call, used.input_tokens, used.output_tokens, read=used.input_tokens_details.cached_tokens)
        paid.requests += 1
        paid.prompt_tokens += count_of(used.input_tokens)
        paid.completion_tokens += count_of(used.output_tokens)
        paid.cached_tokens += count_of(used.input_tokens_details.cached_tokens)
        return response

    async def _told(
        self, model: str, ask: Callable[[], Awaitable[ModelResponse]], asked: Mapping[str, Any]
    ) -> ModelResponse:
        with model_call(self.ctx, model) as block:
            given = asked["input"]
            if block.captures:
                block.said(
                    names.INPUT_MESSAGES, text_message("user", given) if isinstance(given, str) else messages_of(given)
                )
            response = await ask()
            used = response.usage
            block.used(used.input_tokens, used.output_tokens, used.input_tokens_details.cached_tokens)
            if block.captures:
                block.said(names.OUTPUT_MESSAGES, text_message("assistant", _text(response)))
        return response


def client_failure(error: OpenAIError) -> StepFailed:
    """The failure that an error of the client makes, without the key of the environment."""
    return failure_of(error, [key] if (key := os.environ.get("OPENAI_API_KEY")) else [])


class KeptModel(Model):
    """A model that is asked through the checkpoints of an attempt, or several, each in the place of the one before."""

    def __init__(self, models: Sequence[Model], calls: ModelCalls) -> None:
        self._models = models
        self._calls = calls

    async def close(self) -> None:
        """Close what the models hold."""
        for model in self._models:
            await model.close()

    def get_retry_advice(self, request: ModelRetryAdviceRequest) -> ModelRetryAdvice | None:
        """What the first model advises."""
        return self._models[0].get_retry_advice(request)

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None,
        conversation_id: str | None,
        prompt: ResponsePromptParam | None,
    ) -> ModelResponse:
        """The response of the model, or what was kept of it. Its text is streamed to those who watch the run."""
        instructions = "\n\n".join(filter(None, [system_instructions, self._calls.instructions])) or None
        told_apart = {
            "instructions": instructions,
            "input": input,
            "settings": model_settings.to_json_dict(),
            "tools": sorted(tool.name for tool in tools),
            "handoffs": sorted(handoff.tool_name for handoff in handoffs),
            "continues": [previous_response_id, conversation_id],
            "prompt": prompt,
        }

        def ask(at: int) -> Awaitable[ModelResponse]:
            return self._streamed(
                self._models[at].stream_response(
                    instructions,
                    input,
                    model_settings,
                    tools,
                    output_schema,
                    handoffs,
                    tracing,
                    previous_response_id=previous_response_id,
                    conversation_id=conversation_id,
                    prompt=prompt,
                )
            )

        names = tuple(str(getattr(model, "model", class_of(model))) for model in self._models)
        return await self._calls.made(names, told_apart, ask)

    async def stream_response(self, *args: Any, **named: Any) -> AsyncIterator[TResponseStreamEvent]:
        """The same response as its last event; the SDK asks so where an agent that is a tool has a listener."""
        response = await self.get_response(*args, **named)
        used = response.usage
        usage = ResponseUsage(
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            total_tokens=used.total_tokens,
            input_tokens_details=used.input_tokens_details,
            output_tokens_details=used.output_tokens_details,
        )
        whole = Response.model_construct(id=response.response_id, output=response.output, usage=usage)
        yield ResponseCompletedEvent.model_construct(type="response.completed", response=whole, sequence_number=0)

    async def _streamed(self, events: AsyncIterator[TResponseStreamEvent]) -> ModelResponse:
        done: list[TResponseOutputItem] = []
        coming = in_time(cast("AsyncGenerator[TResponseStreamEvent]", events), self._calls.answers_within)
        async with aclosing(coming):
            async for event in coming:
                match event:
                    case ResponseTextDeltaEvent():
                        await stream_text(self._calls.ctx, event.delta)
                    case ResponseOutputItemDoneEvent():
                        done.append(event.item)
                    case ResponseCompletedEvent():
                        return _completed(event.response, done)
                    case ResponseFailedEvent() | ResponseIncompleteEvent():
                        why = event.response.error or event.response.incomplete_details
                        raise ModelBehaviorError(f"the response is {event.response.status}: {why}")
                    case ResponseErrorEvent():
                        raise ModelBehaviorError(f"the response broke off: {event.message}")
                    case _:
                        pass
        raise ModelBehaviorError("the response broke off before its end")


class KeptProvider(ModelProvider):
    """A provider whose models are asked through the checkpoints of an attempt."""

    def __init__(self, provider: ModelProvider, calls: ModelCalls) -> None:
        self._provider = provider
        self._calls = calls

    def get_model(self, model_name: str | None) -> Model:
        """The model of this name."""
        return KeptModel([self._provider.get_model(model_name)], self._calls)


def _completed(response: Response, done: list[TResponseOutputItem]) -> ModelResponse:
    used = response.usage
    usage = Usage(requests=1)
    if used is not None:
        usage = Usage(
            requests=1,
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            total_tokens=used.total_tokens,
            input_tokens_details=used.input_tokens_details,
            output_tokens_details=used.output_tokens_details,
        )
    # some endpoints tell their items one by one, and none with the whole response
    return ModelResponse(output=response.output or done, usage=usage, response_id=response.id)


def _plain(response: ModelResponse) -> dict[str, Any]:
    """A response as JSON. What was not set stays so: an endpoint may refuse to be sent it back as null."""
    return {
        "output": _OUTPUT.dump_python(response.output, mode="json", exclude_unset=True),
        "usage": _USAGE.dump_python(response.usage, mode="json"),
        "response_id": response.response_id,
    }


def _response(kept: dict[str, Any]) -> ModelResponse:
    return ModelResponse(
        output=_OUTPUT.validate_python(kept["output"]),
        usage=_USAGE.validate_python(kept["usage"]),
        response_id=kept["response_id"],
    )


def _text(response: ModelResponse) -> str:
    messages = [item for item in response.output if isinstance(item, ResponseOutputMessage)]
    return "".join(part.text for one in messages for part in one.content if isinstance(part, ResponseOutputText))
