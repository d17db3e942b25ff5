"""Handlers that take their time, fail at first and have effects, each of which is written down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any
from zlib import crc32

from redis_mob.errors import ValidationError
from redis_mob.fleet.handler_call import awaited, outcome_from
from redis_mob.fleet.outcome import Succeeded
from redis_mob.fleet.step_context import Handler, StepContext
from redis_mob.fleet.step_failed import StepFailed
from redis_mob.fleet.typed.binding import BoundHandler, bound_handlers
from redis_mob.fleet.typed.inputs import arguments_for
from redis_mob.models.execution import ExecutionKey


@dataclass
class Effect:
    """One call of a handler: for which attempt of what, on which process, and what it has given, once it has ended."""

    run_id: str
    key: ExecutionKey
    step_id: str
    attempt: int
    token: int
    process: str
    began: float
    output: Any = None
    outcome: str = ""
    """`succeeded` or `failed`, empty as long as it has not ended by itself."""


@dataclass
class Effects:
    """All effects of a simulation, in the order in which they began."""

    clock: Callable[[], float]
    all: list[Effect] = field(default_factory=list[Effect])

    def noted(self, process: str, handlers: Mapping[str, Handler]) -> dict[str, BoundHandler]:
        """The handlers, each call of which is written down as an effect of a process."""
        return {role: self._noted(process, one) for role, one in bound_handlers(handlers).items()}

    def _noted(self, process: str, handler: BoundHandler) -> BoundHandler:
        if handler.signature.dependencies:
            raise ValidationError(
                f"{handler.function!r} has dependencies, which a simulation does not make: give a double"
            )

        async def call(ctx: StepContext) -> Any:
            key = ExecutionKey(ctx.frame_id, ctx.node_id, _target(ctx))
            effect = Effect(ctx.run_id, key, ctx.step_id, ctx.attempt, ctx.fencing_token, process, self.clock())
            self.all.append(effect)
            try:
                value = await awaited(_called(handler, ctx))
                taken = outcome_from(value, ctx.step_id, handler.signature.output)
                effect.output = taken.output if isinstance(taken, Succeeded) else None
            except Exception:
                effect.outcome = "failed"
                raise
            effect.outcome = "succeeded" if isinstance(taken, Succeeded) else "failed"
            return value

        return replace(handler, function=call, is_coroutine_function=True, takes_context_alone=True)


def _called(handler: BoundHandler, ctx: StepContext) -> Any:
    if handler.takes_context_alone:
        return handler.function(ctx)
    arguments, named = arguments_for(handler.signature, ctx, {})
    return handler.function(*arguments, **named)


def moody(seed: str, *, is_settled: bool) -> Handler:
    """A handler that fails at first or for good, or takes long, but the same way each time it is asked the same.

    Its output says which round it is in, and what it has seen of the steps before it.
    """

    async def handler(ctx: StepContext) -> dict[str, Any]:
        random = Random(f"{seed} {ctx.step_id} {ctx.node_id} {_target(ctx)} {ctx.iteration} {ctx.attempt}")
        mood = Random(f"{seed} {ctx.step_id} {_target(ctx)} {ctx.iteration}").random()
        chance = random.random()
        if chance < 0.85:
            await asyncio.sleep(random.uniform(0.01, 0.8))
        elif chance < 0.97:
            await asyncio.sleep(random.uniform(1, 5))
        else:
            await asyncio.sleep(random.uniform(8, 25))  # beyond a lease, which its worker renews
        if mood < 0.15 and ctx.previous_failure is None:
            raise StepFailed(f"at first: {mood:.3f}")
        if not is_settled and mood > 0.93:
            raise StepFailed(f"for good: {mood:.3f}", retryable=mood < 0.96)
        return {"round": ctx.iteration, "seen": _digest(ctx) if is_settled else 0}

    return handler


def _target(ctx: StepContext) -> str:
    return ctx.member if ctx.index is None else f"{ctx.member}#{ctx.index}"


def _digest(ctx: StepContext) -> int:
    """What a handler is given of items: that of a settled flow is the same in every order."""
    return crc32(json.dumps([ctx.item, ctx.index, ctx.items], sort_keys=True).encode())
