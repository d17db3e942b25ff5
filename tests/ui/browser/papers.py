"""The fleet that the page shows in its tests and pictures: it reviews papers, asks people, fails, and is hostile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from redis_mob.fleet.step_context import Handler, StepContext
from redis_mob.models.base import FrozenDict
from redis_mob.models.conditions import EqCondition, NotCondition
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_spec import DispatchMode, FlowSpec, FlowStepSpec, FrameSpec, RetrySpec
from tests.fleet.flows import loop, mob, node, step, wait, with_flows
from tests.ui.browser.hostile import HOSTILE

EACH = 5
"""Hostile texts of one step: each of its members says one."""

MEMBERS = {"reader": 3, "critic": 3, "hostile": EACH}

_ALWAYS = NotCondition(expr=EqCondition(path="params.none", value=1))

_APPROVAL = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 120, "description": "What readers see first"},
        "price": {"type": "number", "minimum": 0},
        "public": {"type": "boolean"},
    },
    "required": ["title", "price"],
}

_RELEASED = {
    "type": "object",
    "properties": {"version": {"type": "integer", "minimum": 1}, "note": {"type": "string"}},
    "required": ["version"],
}


def _one(role: str, *needs: str, **more: Any) -> FlowStepSpec:
    return step(*needs, role=role, policy="any", dispatch_mode=DispatchMode.ONE_TO_ONE, **more)


_REVIEW = FlowSpec(
    steps=FrozenDict(
        {
            "plan": _one("editor", message="Plan the review of {{ params.paper }}"),
            "search": step(role="reader", message="Read {{ params.paper }}, and say what is new"),
            "vote": step(role="critic", policy=2, message="Is it worth a review?"),
            "deepen": _one("editor", condition=_ALWAYS, branch="way"),
            "widen": _one("editor", condition=_ALWAYS, branch="way"),
            "write": _one("writer", message="Write a draft"),
            "polish": _one("writer", message="Polish the draft"),
            "check": _one("checker", retry=RetrySpec(attempts=3, first=0.01)),
            "approve": _one("publisher"),
        }
    ),
    root=FrameSpec(
        nodes=FrozenDict(
            {
                "plan": node("plan"),
                "search": node("search", "plan"),
                "vote": node("vote", "search"),
                "deepen": node("deepen", "vote", branch="way"),
                "widen": node("widen", "vote", branch="way"),
                "drafts": loop(
                    "drafts",
                    EqCondition(path="steps.write.good", value=True),
                    3,
                    "deepen",
                    "widen",
                    join="any",
                    write=node("write"),
                    polishing=loop(
                        "polishing",
                        EqCondition(path="steps.polish.good", value=True),
                        2,
                        "write",
                        polish=node("polish"),
                    ),
                ),
                "check": node("check", "drafts"),
                "approve": node("approve", "check"),
            }
        )
    ),
)


def papers() -> MobDefinition:
    """The mob of all these flows."""
    return with_flows(
        mob({"greet": _one("quick")}, limits={"max_output_bytes": 16_000_000}).model_copy(update={"id": "papers"}),
        hello={"greet": _one("quick"), "part": _one("quick", "greet")},
        review=_REVIEW,
        gated={
            "first": _one("quick"),
            "held": _one("held", "first", timeout_ms=600_000),
            "last": _one("quick", "held"),
        },
        release={"build": _one("quick"), "wait": wait("build", signal="released", schema=json.dumps(_RELEASED))},
        items={"quote": step(role="quick", for_each="params.papers"), "last": _one("quick", "quote")},
        large={"pour": _one("pourer", timeout_ms=60_000)},
        failing={"draw": _one("quick"), "judge": _one("judge", "draw"), "frame": _one("quick", "judge")},
        hostile={
            f"h{number}": step(role="hostile", message=f"{{{{ params.texts.{number * EACH} }}}}")
            for number in range(len(HOSTILE) // EACH)
        },
    )


class Handlers:
    """What the members do. `held` waits until the test lets it go."""

    def __init__(self) -> None:
        self.release = asyncio.Event()

    def by_role(self) -> Mapping[str, Handler]:
        """A handler for each role."""
        return {
            "quick": lambda _: {"said": "hello"},
            "editor": lambda ctx: {"step": ctx.step_id, "points": ["novelty", "method", "figures"]},
            "reader": _read,
            "critic": _judge,
            "writer": _write,
            "checker": _check,
            "publisher": _publish,
            "pourer": lambda _: {"text": "ten megabytes " * 700_000},
            "held": self._hold,
            "judge": _fail,
            "hostile": _hostile,
        }

    async def _hold(self, ctx: StepContext) -> str:
        await ctx.report(0.4, "waiting to be let go")
        await ctx.stream("so far so good ")
        await self.release.wait()
        return "let go"


async def _read(ctx: StepContext) -> dict[str, Any]:
    for number, word in enumerate(("the ", "method ", "is ", "new")):
        await ctx.stream(word)
        await ctx.report((number + 1) / 4, f"section {number + 1} of 4")
    return {"new": "the method", "pages": 12, "member": ctx.member}


def _judge(ctx: StepContext) -> dict[str, Any]:
    if ctx.member.endswith("3"):
        raise ValueError("I have no opinion on papers of mine")
    return {"vote": "yes", "because": "it is clear, and it is new"}


def _write(ctx: StepContext) -> dict[str, Any]:
    return {"text": "A coordination store lets agents share work. " * 4, "good": (ctx.iteration or 0) >= 1}


def _check(ctx: StepContext) -> dict[str, Any]:
    if ctx.attempt < 3:
        raise TimeoutError(f"the linter did not answer in attempt {ctx.attempt}")
    return {"errors": 0}


async def _publish(ctx: StepContext) -> Any:
    answer = await ctx.ask("publish", {"title": "Fleets that agree", "price": 12.5, "public": True}, schema=_APPROVAL)
    return {"published": answer.approved, "as": answer.value}


def _fail(_ctx: StepContext) -> Any:
    found = {"contrast": None}
    raise ValueError(f"the drawing cannot be judged: contrast is {found['contrast']}")


async def _hostile(ctx: StepContext) -> Any:
    """Gives, tells and raises what the page must not do."""
    text = HOSTILE[EACH * int(ctx.step_id[1:]) + int(ctx.member.rpartition("-")[2]) - 1]
    await ctx.report(0.5, text[:1000])
    await ctx.stream(text[:4000])
    if ctx.step_id == "h9":
        raise ValueError(text)
    return text


def many_steps(number: int) -> MobDefinition:
    """A mob of one flow of so many steps, at most 32 in a row."""
    wide = -(-number // 32)
    needs = (() if index < wide else (f"s{index - wide}",) for index in range(number))
    return mob({f"s{index}": _one("unserved", *before) for index, before in enumerate(needs)}).model_copy(
        update={"id": "many"}
    )
