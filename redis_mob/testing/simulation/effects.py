"""Handlers that take their time, fail at first and have effects, each of which is written down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any
from zlib import crc32

from redis_mob.fleet.step_context import Handler, StepContext
from redis_mob.fleet.step_failed import StepFailed
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

    def noted(self, process: str, handler: Handler) -> Handler:
        """The handler, each call of which is written down as an effect of a process."""

        async def call(ctx: StepContext) -> Any:
            key = ExecutionKey(ctx.frame_id, ctx.node_id, _target(ctx))
            effect = Effect(
                ctx.run_id, key, ctx.step_id, ctx.attempt, ctx.fencing_token, process, self.clock()
            )
            self.all.append(effect)
            try:
                value: Any = handler(ctx)
                effect.output = await value if asyncio.iscoroutine(value) else value
            except Exception:
                effect.outcome = "failed"
                raise
            effect.outcome = "succeeded"
            return effect.output

        return call


def moody(seed: str, *, is_settled: bool) -> Handler:
    """A handler that fails at first or for good, or takes long, but the same way each time it is asked the same.

    Its output says which round it is in, and what it has seen of the steps before it.
    """

    async def handler(ctx: StepContext) -> dict[str, Any]:
        random = Random(f"{seed} {ctx.step_id} {ctx.node_id} {_target(ctx)} {ctx.iteration} {ctx.attempt}")  # noqa: S311
        mood = Random(f"{seed} {ctx.step_id} {_target(ctx)} {ctx.iteration}").random()  # noqa: S311
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
