"""The flow: members argue and judges vote, round by round, until two judges agree or the rounds are used up."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel

from examples.debate.script import scripted
from redis_mob import Depends, Mob, StepContext, loop, quorum, step
from redis_mob.flows import eq

ROUNDS = 4
NEEDED = 2
"""Votes that decide: as soon as so many judges have voted, the round is over."""

ROLES = ("You are for it.", "You are against it.", "You look for a third way.")


class Argument(BaseModel):
    """What a debater says in a round."""

    position: Literal["for", "against", "depends"]
    words: str


class Vote(BaseModel):
    """What a judge makes of all arguments so far."""

    verdict: Literal["for", "against", "undecided"]
    why: str


class Tally(BaseModel):
    """Where a round stands. A loop whose condition never holds fails its run, so the last round is over anyway."""

    over: bool
    agreed: bool
    verdict: str
    rounds: int


Answering = Callable[[StepContext], Awaitable[Any]]

MODEL = os.environ.get("DEBATE_MODEL", "gpt-5-mini")


def make_model() -> Answering:
    """What answers: a chat model if the environment names an endpoint or a key for one, or else a script."""
    if {"OPENAI_API_KEY", "OPENAI_BASE_URL"} & os.environ.keys():
        from redis_mob.handlers import chat

        return chat(system="You take part in a debate. You answer in one sentence.")
    return scripted


Model = Annotated[Answering, Depends(make_model)]

mob = Mob("debate")


# The model is made once per worker. A handler gives it its own context, with the message that it makes of the round.
@mob.handler("debater", members=3, retries=2, timeout=120, model=MODEL)
async def argue(ctx: StepContext, model: Model, question: str, argue: dict[str, Argument] | None = None) -> Argument:
    """One more argument; the parameter named as the step has what all of them said in the round before."""
    number = int(ctx.member.rpartition("-")[2])
    said = [f"{member}: {argument.words}" for member, argument in (argue or {}).items()]
    prompt = [question, ROLES[(number - 1) % len(ROLES)], "So far was said:", *(said or ["nothing"])]
    return Argument.model_validate(await model(replace(ctx, message="\n".join(prompt))))


@mob.handler("judge", members=3, retries=2, timeout=120, model=MODEL)
async def vote(ctx: StepContext, model: Model, question: str, argue: dict[str, Argument]) -> Vote:
    """What this judge makes of the round."""
    said = [f"{member}: {argument.words}" for member, argument in argue.items()]
    return Vote.model_validate(await model(replace(ctx, message="\n".join([question, "Judge these:", *said]))))


@mob.handler
async def tally(ctx: StepContext, vote: dict[str, Vote]) -> Tally:
    """Counts the votes that decided the round."""
    [(verdict, votes)] = Counter(one.verdict for one in vote.values()).most_common(1)
    agreed, rounds = votes >= NEEDED and verdict != "undecided", (ctx.iteration or 0) + 1
    return Tally(over=agreed or rounds == ROUNDS, agreed=agreed, verdict=verdict if agreed else "none", rounds=rounds)


debate = mob.flow(
    "debate",
    [
        loop(
            "rounds",
            [
                step("argue", role="debater", schema=Argument),  # what a chat model is asked to answer
                step("vote", role="judge", after="argue", schema=Vote, policy=quorum(NEEDED)),
                step("tally", after="vote"),
            ],
            until=eq("steps.tally.over", True),
            max_iterations=ROUNDS,
        )
    ],
)
