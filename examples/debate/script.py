"""A stand-in for chat models: what each member says in each round, always the same."""

from __future__ import annotations

import asyncio

from redis_mob import StepContext

PAUSE = 0.1
"""Seconds that an answer takes."""

ARGUMENTS = {
    "debater-1": [
        ("for", "Small services are deployed by themselves."),
        ("for", "The checkout alone needs to scale; that one is worth it."),
        ("depends", "Split the checkout off, and leave the rest."),
    ],
    "debater-2": [
        ("against", "Every call that leaves the process can fail."),
        ("depends", "One service more can be watched; twenty cannot."),
        ("depends", "With one service I can live."),
    ],
    "debater-3": [
        ("depends", "Modules with clear borders give most of it for less."),
        ("depends", "Modules first, and a service where the load asks for it."),
        ("depends", "Split the checkout off, and leave the rest."),
    ],
}
VOTES = {
    "judge-1": ["for", "against", "against"],
    "judge-2": ["against", "undecided", "against"],
    "judge-3": ["undecided", "for", "against"],
}
"""Any two judges disagree until the third round: whose votes come first does not matter."""


async def scripted(ctx: StepContext) -> dict[str, str]:
    """What the member says in this round; after the last one of the script, the same again."""
    await asyncio.sleep(PAUSE)
    number = ctx.iteration or 0
    if ctx.role == "judge":
        verdicts = VOTES[ctx.member]
        verdict = verdicts[min(number, len(verdicts) - 1)]
        return {"verdict": verdict, "why": f"I have heard round {number + 1}."}
    said = ARGUMENTS[ctx.member]
    position, words = said[min(number, len(said) - 1)]
    await ctx.report(message=words)
    return {"position": position, "words": words}
