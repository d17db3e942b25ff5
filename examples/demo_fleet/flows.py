"""The flows of a newsroom, which have branches, nested loops, a quorum, items, sub-flows, asks and signals."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from random import Random
from typing import Literal

from pydantic import BaseModel

from redis_mob import Mob, StepContext, StepFailed, loop, quorum, step, wait_for
from redis_mob.flows import eq, gt, not_

PACE = float(os.environ.get("DEMO_PACE", "1"))
"""By how much all that takes time is stretched: 0.1 is a fleet in a hurry."""

PRINT_SECONDS = 120
"""How long a newsletter waits to hear that it is printed; after that it is recalled."""

WORDS = (
    "The mob",
    "met at noon,",
    "and agreed",
    "on nothing",
    "until the judge",
    "had read it twice",
    "and asked",
    "for tea.",
)

mob = Mob("newsroom", retention={"completed": "30m", "failed": "2h", "canceled": "30m", "max_runs": 2000})
"""Its history is bounded: workers delete runs when these are old, or too many."""


class Verdict(BaseModel):
    """What an editor makes of an edition."""

    good: bool


class Vote(BaseModel):
    """What one judge says."""

    verdict: Literal["print", "hold"]


class Count(BaseModel):
    """What came of the votes."""

    prints: bool
    votes: int


class Printed(BaseModel):
    """What the printer says in its signal."""

    copies: int


class Heard(BaseModel):
    """What the step gives that waits for the printer: no payload when its time is over."""

    payload: Printed | None


def chance(ctx: StepContext) -> Random:
    """Luck of this attempt: when it is tried again, it may have better luck."""
    return Random(f"{ctx.run_id} {ctx.step_id} {ctx.member} {ctx.iteration} {ctx.attempt} {ctx.index}")  # noqa: S311


async def take_time(ctx: StepContext, least: float, most: float) -> None:
    """Be at work for some seconds, and tell how far that is."""
    seconds = chance(ctx).uniform(least, most) * PACE
    for part in range(4):
        await ctx.report(part / 4)
        await asyncio.sleep(seconds / 4)


@mob.handler("scout", timeout=60)
async def scout(ctx: StepContext, topic: str) -> list[str]:
    """Finds where something is said about a topic."""
    await take_time(ctx, 0.5, 1.5)
    await ctx.set_summary(f"an article about {topic}")
    return [f"{topic} {number}" for number in range(1, chance(ctx).randint(3, 6))]


@mob.handler("reader", members=3, retries=3, timeout=60)
async def read(ctx: StepContext, item: str) -> str:
    """Reads one source; the line is bad, so that it is often tried again."""
    await take_time(ctx, 0.3, 2)
    if chance(ctx).random() < 0.25:
        raise ConnectionError(f"the line broke while {item!r} was read")
    return f"what {item} says"


@mob.handler("checker", retries=2, timeout=60)
async def check(ctx: StepContext, source: str) -> str:
    """Asks whether a source can be trusted."""
    await take_time(ctx, 0.3, 1)
    if chance(ctx).random() < 0.3:
        raise TimeoutError(f"{source!r} did not answer the telephone")
    return f"{source} can be trusted"


@mob.handler("writer", timeout=120)
async def write(ctx: StepContext, write: str = "") -> str:
    """Goes on with the article, a few words at a time."""
    for word in WORDS:
        await asyncio.sleep(0.15 * PACE)
        await ctx.stream(f"{word} ")
    return f"{write}{' '.join(WORDS)} "


@mob.handler("editor", timeout=60)
async def score(ctx: StepContext) -> int:
    """Gives points, more each time."""
    await take_time(ctx, 0.2, 0.6)
    return (ctx.iteration or 0) + chance(ctx).randint(1, 2)


@mob.handler("chief", timeout=60)
async def judge_edition(ctx: StepContext) -> Verdict:
    """Likes the second edition at the latest."""
    await take_time(ctx, 0.3, 1)
    return Verdict(good=bool(ctx.iteration) or chance(ctx).random() < 0.5)


@mob.handler("judge", members=3, retries=1, timeout=60)
async def vote(ctx: StepContext) -> Vote:
    """Says whether to print; one in ten has lost the paper."""
    await take_time(ctx, 0.5, 3)
    if chance(ctx).random() < 0.1:
        raise StepFailed("the paper is lost", detail="it was on the table at noon")
    return Vote(verdict="print" if chance(ctx).random() < 0.8 else "hold")


@mob.handler("counter", timeout=60)
async def count(vote: dict[str, Vote]) -> Count:
    """Counts the votes."""
    votes = Counter(one.verdict for one in vote.values())
    return Count(prints=votes["print"] >= votes["hold"], votes=votes.total())


@mob.handler("press", timeout=60)
async def publish(ctx: StepContext) -> str:
    """Prints, holds, sends or recalls, as the step says."""
    await take_time(ctx, 0.5, 1.5)
    return f"{ctx.step_id}: done"


@mob.handler("manager", timeout=600)
async def approve(ctx: StepContext) -> bool:
    """Asks people whether the newsletter may go out, and gives the run to others until they answer."""
    schema = {
        "type": "object",
        "properties": {"copies": {"type": "integer", "minimum": 1, "title": "Copies"}},
        "required": ["copies"],
    }
    answer = await ctx.ask("send the newsletter", {"copies": 500}, schema=schema, timeout=3600)
    return answer.approved


@mob.handler("parser", retries=1, timeout=60)
async def parse(ctx: StepContext) -> int:
    """Reads a feed that is broken one time in three, however often it is tried."""
    await take_time(ctx, 0.3, 1)
    text = "12 articles" if int(ctx.run_id[0], 16) % 3 else "twelve articles"
    return int(text.split()[0])


article = mob.flow(
    "article",
    [
        step("scout"),
        step("read", role="reader", after="scout", for_each="steps.scout", max_parallel=3, concurrency={"limit": 8}),
        loop(
            "editions",
            [
                step("outline", "Outline it", role="writer"),
                loop(
                    "polish",
                    [step("write", role="writer"), step("score", role="editor", after="write")],
                    until=gt("steps.score", 2),
                    max_iterations=4,
                    after="outline",
                ),
                step("verdict", role="chief", after="polish"),
            ],
            until=eq("steps.verdict.good", True),
            max_iterations=3,
            after="read",
        ),
        step("vote", role="judge", after="editions", policy=quorum(2)),
        step("count", role="counter", after="vote"),
        step("publish", role="press", after="count", when=eq("steps.count.prints", True), branch="decision"),
        step("hold", role="press", after="count", when=not_(eq("steps.count.prints", True)), branch="decision"),
    ],
)

newsletter = mob.flow(
    "newsletter",
    [
        step("collect", "Collect the articles of the day", role="writer"),
        step("approve", role="manager", after="collect"),
        wait_for("printed", after="approve", when=eq("steps.approve", True), timeout=PRINT_SECONDS, schema=Printed),
        step("send", role="press", after="printed", when=gt("steps.printed.payload.copies", 0)),
    ],
)

check_one = mob.flow(
    "check-one", [step("check", role="checker"), step("vote", role="judge", after="check", policy=quorum(2))]
)

checks = mob.flow(
    "checks",
    [
        step("scout"),
        step(
            "each",
            flow=check_one,
            for_each="steps.scout",
            params={"source": "{{ item }}"},
            max_parallel=2,
            after="scout",
            policy=quorum(1),
        ),
        step("publish", role="press", after="each"),
    ],
)

feed = mob.flow("feed", [step("parse", role="parser"), step("publish", role="press", after="parse")])
