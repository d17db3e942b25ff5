"""What is there for plain functions says in a coroutine what to write there, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from redis_mob.fleet.step_context import StepContext
from redis_mob.testing import KeptCheckpoints, step_context


def spend(ctx: StepContext) -> None:
    with ctx.spend(tokens=1):
        pass


CALLS: list[tuple[Callable[[StepContext], Any], str]] = [
    (lambda ctx: ctx.call_once("n", int), "await ctx.once(...)"),
    (lambda ctx: ctx.call_ask("ok"), "await ctx.ask(...)"),
    (lambda ctx: ctx.conversation.call_history(), "await ctx.conversation.history(...)"),
    (lambda ctx: ctx.conversation.call_append(1), "await ctx.conversation.append(...)"),
    (lambda ctx: ctx.conversation.call_pop(), "await ctx.conversation.pop()"),
    (lambda ctx: ctx.conversation.call_clear(), "await ctx.conversation.clear()"),
    (spend, "async with ctx.spend(...)"),
]


@pytest.mark.parametrize(("call", "instead"), CALLS)
async def test_a_plain_call_in_a_coroutine_names_the_other_one(
    call: Callable[[StepContext], Any], instead: str
) -> None:
    kept = KeptCheckpoints()
    with pytest.raises(RuntimeError) as caught:
        call(step_context(conversation="c", checkpoints=kept))
    assert str(caught.value) == (
        f"this is for plain functions, which run in threads; where an event loop runs write {instead}"
    )
    assert kept.kept == {}
