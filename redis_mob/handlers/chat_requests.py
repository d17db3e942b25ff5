"""The requests that one attempt makes to chat models: each answer is kept, so that no later attempt pays for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from redis_mob.fleet.step_context import StepContext, StepFailed, StepThrottled
from redis_mob.handlers.chat_answer import Answer, ToolCall
from redis_mob.handlers.chat_failures import RefusedByEndpoint, failure_of
from redis_mob.handlers.checkpoint_names import MODEL_REQUEST
from redis_mob.handlers.fallback import in_time, is_of_another_model, tell_fallback
from redis_mob.handlers.instructions import told_failure
from redis_mob.handlers.spending import estimated_tokens, tell_use
from redis_mob.handlers.text_stream import stream_text
from redis_mob.handlers.told_calls import model_call
from redis_mob.handlers.usage import ModelUsage, told
from redis_mob.models.base import json_text
from redis_mob.telemetry import genai_names
from redis_mob.telemetry.genai_content import messages_of

if TYPE_CHECKING:
    import openai
    from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

OnDelta = Callable[[StepContext, str], Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What is kept of an answer: by which model it is, and what that was told of an earlier attempt, if anything."""

    model: str
    text: str
    calls: list[ToolCall]
    failure: str | None


class ChatRequests:
    """The requests of one attempt to models of which the next is asked where one fails (contract: checkpoint-8)."""

    def __init__(
        self,
        ctx: StepContext,
        connected: openai.AsyncOpenAI,
        models: Sequence[ModelUsage],
        answers_within: timedelta | None,
        on_delta: OnDelta | None,
    ) -> None:
        self._ctx = ctx
        self._connected = connected
        self._models = models
        """What this attempt has used of each of them."""
        self._at = 0
        self._answers_within = answers_within
        self._on_delta = on_delta
        self._failure = None if ctx.previous_failure is None else told_failure(ctx.previous_failure)

    async def answer(
        self,
        messages: list[ChatCompletionMessageParam],
        request: Mapping[str, Any],
        check: Callable[[Answer], None],
    ) -> Answer:
        """The answer to these messages: what an earlier attempt has kept, or what the model says.

        Why the attempt before failed is told with the first request that was not kept, and is added to the messages:
        those before it stay as they were, and are found. What `check` refuses is not kept.
        """
        is_asked = False

        async def asked(_told_apart: object) -> KeptAnswer:
            nonlocal is_asked
            is_asked = True
            answer = await self._asked_in_turn([*messages, *_told(self._failure)], request)
            check(answer)
            return KeptAnswer(self._models[self._at].model, answer.text, [*answer.calls.values()], self._failure)

        told_apart = {"models": [one.model for one in self._models], "messages": messages, "request": request}
        kept = await self._ctx.once(MODEL_REQUEST, asked, told_apart)
        messages += _told(kept.failure)
        if kept.failure == self._failure:
            self._failure = None
        if not is_asked:
            self._at = max(self._at, next(i for i, one in enumerate(self._models) if one.model == kept.model))
            await self._tell(kept.text)  # what the earlier attempt has streamed is void
        return Answer(self._ctx.profile.max_output_bytes, kept.text, calls=dict(enumerate(kept.calls)))

    async def _asked_in_turn(
        self, messages: Sequence[ChatCompletionMessageParam], request: Mapping[str, Any]
    ) -> Answer:
        """The answer of the first model that can be reached."""
        while True:
            try:
                return await self._asked(self._models[self._at], messages, request)
            except StepFailed as failure:
                if not is_of_another_model(failure) or self._at + 1 == len(self._models):
                    raise
                self._at += 1
                failed, following = self._models[self._at - 1 : self._at + 1]
                await tell_fallback(self._ctx, failed.model, following.model, failure)

    async def _asked(
        self, usage: ModelUsage, messages: Sequence[ChatCompletionMessageParam], request: Mapping[str, Any]
    ) -> Answer:
        answer = Answer(self._ctx.profile.max_output_bytes)
        estimate = estimated_tokens(json_text([messages, request]).encode(errors="replace"), request)
        server = self._connected.base_url.host
        async with self._ctx.spend(tokens=estimate, model=usage.model) as call:
            usage.requests += 1
            counted = ModelUsage(usage.model)
            block = model_call(self._ctx, usage.model, server=server)
            try:
                if block.captures:
                    block.said(genai_names.INPUT_MESSAGES, messages_of(messages))
                chunks = in_time(_chunks(self._connected, usage.model, messages, request), self._answers_within)
                await self._take(answer, counted, chunks)
                block.finished(answer.finish_reason)
                if block.captures:
                    block.said(genai_names.OUTPUT_MESSAGES, messages_of([answer.as_message()]))
            except BaseException as error:
                block.failed(error)
                if isinstance(error, RefusedByEndpoint | StepThrottled):
                    call.used()
                raise
            finally:
                usage.add(counted)
                block.used(counted.prompt_tokens, counted.completion_tokens, counted.cached_tokens)
                block.end()
            tell_use(call, counted.prompt_tokens, counted.completion_tokens, read=counted.cached_tokens)
        answer.check()
        return answer

    async def _take(self, answer: Answer, usage: ModelUsage, coming: AsyncGenerator[ChatCompletionChunk]) -> None:
        async with aclosing(coming) as chunks:
            async for chunk in chunks:
                await self._tell(answer.add(chunk, usage))

    async def _tell(self, text: str) -> None:
        if text and self._on_delta is not None:
            await told(self._on_delta(self._ctx, text))
        elif text:
            await stream_text(self._ctx, text)


def _told(failure: str | None) -> list[ChatCompletionMessageParam]:
    return [] if failure is None else [{"role": "user", "content": failure}]


async def _chunks(
    connected: openai.AsyncOpenAI,
    model: str,
    messages: Sequence[ChatCompletionMessageParam],
    request: Mapping[str, Any],
) -> AsyncGenerator[ChatCompletionChunk]:
    """The answer as it comes: always as a stream, so that it can be bounded. Raises StepFailed for all that fails."""
    try:
        stream = await connected.chat.completions.create(
            model=model,
            messages=messages,
            stream=True,
            stream_options={"include_usage": True},
            extra_body=dict(request),
        )
        async with stream:
            async for chunk in stream:
                yield chunk
    except StepFailed:
        raise
    except Exception as error:  # noqa: BLE001 - the client lets through what its transport and its parser raise
        # from None: what these come from may repeat the key
        raise failure_of(error, [connected.api_key]) from None
