"""What the model and the tools of an agent have given, kept so that a later attempt does not ask them again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic_ai import ModelRetry, RunUsage, ToolReturn
from pydantic_ai.exceptions import ModelHTTPError, ToolRetryError
from pydantic_ai.messages import ModelMessagesTypeAdapter, ModelResponse, ToolCallPart, ToolReturnContent
from pydantic_ai.models import Model, ModelRequestContext
from pydantic_ai.models.fallback import FallbackModel
from pydantic_core import to_json

from redis_mob.fleet.spending import Spend
from redis_mob.handlers.checkpoint_names import MODEL_REQUEST, tool_call_name
from redis_mob.handlers.spending import estimated_tokens, tell_use

_VOLATILE = ("timestamp", "run_id", "conversation_id", "model_id")
"""Fields of messages and their parts that differ between attempts: times, and what pydantic-ai puts in only where it
has asked the model itself."""


@dataclass(frozen=True, slots=True)
class KeptResult:
    """How a call of a tool ended: with a value, with one that says more than that, or with a request to try again."""

    value: ToolReturnContent = None
    whole: ToolReturn[Any] | None = None
    retry: str | None = None


Once = Callable[..., Awaitable[Any]]
"""Makes a call once, as `StepContext.once` does: the name, the function, and what it is called with."""

BeginSpend = Callable[..., Spend]
"""A call that draws on budgets, as `StepContext.spend` makes it."""


class AgentCheckpoints:
    """The requests and tool calls of one attempt, kept by `once` (contract: checkpoint-8), and counted by `spend`.

    `paid` is what the model has used for requests that this attempt has made.
    """

    def __init__(self, once: Once, spend: BeginSpend) -> None:
        self._once = once
        self._spend = spend
        self.paid = RunUsage()

    async def response(
        self, request: ModelRequestContext, ask: Callable[[ModelRequestContext], Awaitable[ModelResponse]]
    ) -> ModelResponse:
        """The response to a request: what was kept of it, or what the model says."""

        async def asked(told_apart: Mapping[str, Any]) -> ModelResponse:
            estimate = estimated_tokens(to_json(told_apart, serialize_unknown=True), told_apart["settings"])
            async with self._spend(tokens=estimate, model=_models(request.model)[0]) as call:
                try:
                    response = await ask(request)
                except ModelHTTPError:
                    call.used()  # the provider has answered with an error, and the model with nothing
                    raise
                used = response.usage
                tell_use(
                    call,
                    used.input_tokens,
                    used.output_tokens,
                    read=used.cache_read_tokens,
                    written=used.cache_write_tokens,
                    model=_answered_by(request.model, response),
                )
            self.paid.incr(response.usage)
            self.paid.requests += 1
            return response

        return await self._once(MODEL_REQUEST, asked, _told_apart(request))

    async def result(
        self, call: ToolCallPart, args: dict[str, Any], execute: Callable[[dict[str, Any]], Awaitable[Any]]
    ) -> Any:
        """The result of a tool: what was kept of it, or what it returns. Raises ModelRetry where it does."""

        async def executed(args: dict[str, Any]) -> KeptResult:
            try:
                async with self._spend(tool_calls=1):
                    value = await execute(args)
            except ToolRetryError as error:
                if not isinstance(error.__cause__, ModelRetry):
                    raise
                return KeptResult(retry=error.__cause__.message)
            if isinstance(value, ToolReturn):
                return KeptResult(whole=cast("ToolReturn[Any]", value))
            return KeptResult(value)

        kept = await self._once(tool_call_name(call.tool_name, call.tool_call_id), executed, args)
        if kept.retry is not None:
            raise ModelRetry(kept.retry)
        return kept.value if kept.whole is None else kept.whole


def _models(model: Model) -> list[str]:
    """The models that may answer, in turn: those of a FallbackModel, or the one."""
    return [one.model_name for one in model.models] if isinstance(model, FallbackModel) else [model.model_name]


def _answered_by(model: Model, response: ModelResponse) -> str:
    """The one of them that has answered: a provider may add a date to its name."""
    named = response.model_name or ""
    return next((one for one in _models(model) if named.startswith(one)), _models(model)[0])


def _told_apart(request: ModelRequestContext) -> dict[str, Any]:
    """What a request depends on, without the times at which its messages were made."""
    parameters = request.model_request_parameters
    return {
        "model": request.model.model_id,
        "settings": dict(request.model_settings or {}),
        "tools": sorted(tool.name for tool in [*parameters.function_tools, *parameters.output_tools]),
        "messages": [_lasting(one) for one in ModelMessagesTypeAdapter.dump_python(request.messages, mode="json")],
    }


def _lasting(message: dict[str, Any]) -> dict[str, Any]:
    parts = cast("list[dict[str, Any]]", message.get("parts", []))
    return {**_without_times(message), "parts": list(map(_without_times, parts))}


def _without_times(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in _VOLATILE}
