"""Handlers with annotations, at the top of a module: for processes of their own, and for `redis-mob run`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from pydantic import BaseModel

from redis_mob import StepContext, isolated
from redis_mob.fleet.typed.dependencies import Depends


class Source(BaseModel):
    path: str
    lines: int = 0


class Verdict(BaseModel):
    label: str
    lines: int


async def make_word() -> AsyncIterator[str]:
    yield "made"


@isolated
def judge(ctx: StepContext, source: Source, word: Annotated[str, Depends(make_word)]) -> Verdict:
    return Verdict(label=f"{word} for {ctx.member}", lines=source.lines)


@isolated
async def judge_async(source: Source) -> Verdict:
    return Verdict(label="async", lines=source.lines)


def plain(source: Source) -> Verdict:
    return Verdict(label="plain", lines=source.lines)


def broken(ctx: StepContext, client: object = None, *more: int) -> None:
    del ctx, client, more
