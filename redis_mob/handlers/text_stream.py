"""Text of a model as chunks of the stream of a run."""

from __future__ import annotations

from redis_mob.fleet.step_context import StepContext

MOST_CHARACTERS = 2_000
"""Characters of one chunk: JSON spells each with six bytes at most."""


async def stream_text(ctx: StepContext, text: str) -> None:
    """Stream a piece of text, in parts that are short enough for a chunk."""
    for start in range(0, len(text), MOST_CHARACTERS):
        await ctx.stream(text[start : start + MOST_CHARACTERS])
