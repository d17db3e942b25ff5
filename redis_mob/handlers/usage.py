"""What the requests to models have used in one attempt: told to a callback and to the log."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from redis_mob.fleet.step_context import StepContext

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class ModelUsage:
    """What the requests of one attempt have used, as the endpoint counts it; 0 tokens if it does not say."""

    model: str
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    """Those of the prompt that the endpoint had kept."""

    def add(self, other: ModelUsage) -> None:
        """Count also the tokens of another one."""
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.cached_tokens += other.cached_tokens

    @property
    def total_tokens(self) -> int:
        """All tokens."""
        return self.prompt_tokens + self.completion_tokens


OnUsage = Callable[[StepContext, ModelUsage], Awaitable[None] | None]


async def record_usage(ctx: StepContext, usage: ModelUsage, on_usage: OnUsage | None) -> None:
    """Log what an attempt has used, with the fields as attributes of the record, and tell it; only if it asked."""
    if not usage.requests:
        return
    fields = {
        "run_id": ctx.run_id,
        "step_id": ctx.step_id,
        "member": ctx.member,
        "attempt": ctx.attempt,
        "model": usage.model,
        "requests": usage.requests,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
    }
    _log.info(
        "model %(model)s at step %(step_id)s of run %(run_id)s: %(prompt_tokens)d tokens in, "
        "%(completion_tokens)d out, %(requests)d requests",
        fields,
        extra=fields,
    )
    if on_usage is not None:
        await told(on_usage(ctx, usage))


async def told(telling: Awaitable[None] | None) -> None:
    """Wait for a callback that is a coroutine function."""
    if inspect.isawaitable(telling):
        await telling
