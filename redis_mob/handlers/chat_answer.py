"""An answer of a chat model as it comes, piece by piece."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from redis_mob.errors import shown
from redis_mob.fleet.step_context import StepFailed
from redis_mob.handlers.spending import count_of
from redis_mob.handlers.usage import ModelUsage

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionAssistantMessageParam, ChatCompletionChunk
    from openai.types.chat.chat_completion_chunk import Choice, ChoiceDeltaToolCall

MOST_CALLS = 128
"""Calls of tools in one answer: as many as there may be tools in a request."""


@dataclass(slots=True)
class ToolCall:
    """A tool that the model calls, with its arguments as JSON text."""

    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class Answer:
    """What has come of an answer; of more than `most` characters it is refused."""

    most: int
    text: str = ""
    refusal: str = ""
    finish_reason: str | None = None
    calls: dict[int, ToolCall] = field(default_factory=dict[int, ToolCall])
    length: int = 0

    def add(self, chunk: ChatCompletionChunk, usage: ModelUsage) -> str:
        """Take the next chunk; returns the text that it adds to the answer. Raises StepFailed if it is too long."""
        used: Any = chunk.usage
        usage.prompt_tokens += count_of(getattr(used, "prompt_tokens", 0))
        usage.completion_tokens += count_of(getattr(used, "completion_tokens", 0))
        usage.cached_tokens += count_of(getattr(getattr(used, "prompt_tokens_details", None), "cached_tokens", 0))
        if not chunk.choices:
            return ""
        try:
            return self._add(chunk.choices[0])
        except UnicodeEncodeError:
            raise StepFailed("the answer of the model has half of a character, which no storage takes") from None
        except (AttributeError, TypeError):  # the client does not check what it makes objects of
            raise StepFailed(f"the endpoint of the model sent what is no piece of an answer: {shown(chunk)}") from None

    def _add(self, choice: Choice) -> str:
        delta, text = choice.delta, choice.delta.content or ""
        text.encode()  # a lone surrogate
        self.finish_reason = choice.finish_reason or self.finish_reason
        self.text += text
        self.refusal += delta.refusal or ""
        self.length += len(text) + len(delta.refusal or "")
        for call in delta.tool_calls or ():
            self._add_call(call)
        if self.length > self.most:
            raise StepFailed(
                f"the answer of the model is longer than {self.most:,} characters; bound it with max_completion_tokens "
                "in the provider_params of the profile",
                retryable=False,
            )
        return text

    def _add_call(self, delta: ChoiceDeltaToolCall) -> None:
        if delta.index not in self.calls and len(self.calls) >= MOST_CALLS:
            raise StepFailed(f"the model calls more than {MOST_CALLS} tools in one answer")
        call = self.calls.setdefault(delta.index, ToolCall())
        call.id = delta.id or call.id
        if delta.function is not None:
            call.name += delta.function.name or ""
            call.arguments += delta.function.arguments or ""
            self.length += len(delta.function.name or "") + len(delta.function.arguments or "")

    def check(self) -> None:
        """Raises StepFailed for an answer that is none, saying why."""
        if self.refusal:
            raise StepFailed(f"the model refuses to answer: {shown(self.refusal)}", retryable=False)
        if self.finish_reason == "content_filter":
            raise StepFailed("the answer was withheld by the content filter of the endpoint", retryable=False)
        if self.finish_reason == "length":
            raise StepFailed(
                f"the answer was cut off at the limit of tokens, after {len(self.text):,} characters; ask for a "
                "shorter one, or raise max_completion_tokens in the provider_params of the profile"
            )
        if self.finish_reason is None:
            raise StepFailed("the answer of the model broke off before its end")
        if not self.text.strip() and not self.calls:
            raise StepFailed("the answer of the model is empty")

    def as_message(self) -> ChatCompletionAssistantMessageParam:
        """The answer as the model is reminded of it, together with the results of its tools."""
        return {
            "role": "assistant",
            "content": self.text or None,
            "tool_calls": [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in self.calls.values()
            ],
        }
