"""Spans of what handlers ask models, agents and tools, by the GenAI conventions (contract: telemetry-7).

Each is a block within the attempt of the step. What is said in it is told only if the application asks for that.
"""

from __future__ import annotations

import json
import os
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from redis_mob.telemetry import active
from redis_mob.telemetry import genai_names as names
from redis_mob.telemetry.store_calls import error_type_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span

MOST_CONTENT = 64 * 1024
"""Characters of a prompt, an answer, arguments or a result that one attribute holds."""


class GenAiBlock:
    """A call of a model, an agent or a tool, which begins when this is made; this one is told to no tracer.

    Where nothing must be allocated it is not used by `with`, which makes a method of `__exit__`.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.failed(error)
        self.end()

    def used(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> None:
        """The tokens that it has used."""

    def finished(self, reason: str | None) -> None:
        """Why the model has ended its answer."""

    @property
    def captures(self) -> bool:
        """Whether the application asks for what is said."""
        return False

    def said(self, name: str, content: Any) -> None:
        """What is said, as JSON; to be asked for by `captures` before it is made, if that takes its time."""

    def failed(self, error: BaseException) -> None:
        """It has raised this."""

    def end(self) -> None:
        """It is over."""


_OFF = GenAiBlock()


class _Told(GenAiBlock):
    def __init__(self, span: Span) -> None:
        from opentelemetry.context import attach
        from opentelemetry.trace import set_span_in_context

        self._span = span
        self._in_context = attach(set_span_in_context(span))

    def used(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> None:
        self._span.set_attribute(names.USAGE_INPUT_TOKENS, input_tokens)
        self._span.set_attribute(names.USAGE_OUTPUT_TOKENS, output_tokens)
        if cached_tokens:
            self._span.set_attribute(names.USAGE_CACHE_READ_INPUT_TOKENS, cached_tokens)

    def finished(self, reason: str | None) -> None:
        if reason is not None:
            self._span.set_attribute(names.RESPONSE_FINISH_REASONS, [reason])

    @property
    def captures(self) -> bool:
        return self._span.is_recording() and os.environ.get(names.CAPTURE_CONTENT, "").lower() in names.CAPTURES

    def said(self, name: str, content: Any) -> None:
        if self.captures:
            text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, default=str)
            self._span.set_attribute(name, text[:MOST_CONTENT])

    def failed(self, error: BaseException) -> None:
        from redis_mob.telemetry.spans import fail

        fail(self._span, error_type_of(error))

    def end(self) -> None:
        from opentelemetry.context import detach

        from redis_mob.telemetry.spans import end

        detach(self._in_context)
        end(self._span)


def chat(
    model: str, *, provider: str = names.OPENAI, conversation: str | None = None, server: str | None = None
) -> GenAiBlock:
    """A request to a model."""
    if active.spans is None:
        return _OFF
    attributes = _common(names.CHAT, provider, conversation) | {
        names.REQUEST_MODEL: model,
        names.REQUEST_STREAM: True,
    }
    if server:
        attributes[names.SERVER_ADDRESS] = server
    return _Told(active.spans.client(f"{names.CHAT} {model}", attributes))


def invoke_agent(
    agent: str | None, *, model: str | None = None, provider: str = names.OPENAI, conversation: str | None = None
) -> GenAiBlock:
    """A run of an agent in this process."""
    if active.spans is None:
        return _OFF
    attributes = _common(names.INVOKE_AGENT, provider, conversation)
    if agent:
        attributes[names.AGENT_NAME] = agent
    if model:
        attributes[names.REQUEST_MODEL] = model
    return _Told(active.spans.internal(" ".join(filter(None, (names.INVOKE_AGENT, agent))), attributes))


def execute_tool(tool: str, call_id: str | None = None) -> GenAiBlock:
    """A call of a tool, which is a function."""
    if active.spans is None:
        return _OFF
    attributes: dict[str, str | bool] = {
        names.OPERATION_NAME: names.EXECUTE_TOOL,
        names.TOOL_NAME: tool,
        names.TOOL_TYPE: names.FUNCTION,
    }
    if call_id:
        attributes[names.TOOL_CALL_ID] = call_id
    return _Told(active.spans.internal(f"{names.EXECUTE_TOOL} {tool}", attributes))


def _common(operation: str, provider: str, conversation: str | None) -> dict[str, str | bool]:
    common: dict[str, str | bool] = {names.OPERATION_NAME: operation, names.PROVIDER_NAME: provider}
    return common if conversation is None else {**common, names.CONVERSATION_ID: conversation}
