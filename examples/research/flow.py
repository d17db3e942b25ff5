"""The flow: plan questions, answer each from the sources, draft, wait for a person, publish or shelve the draft."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from redis_mob import Mob, step, wait_for
from redis_mob.flows import eq, not_
from redis_mob.handlers import chat

MODEL = os.environ.get("RESEARCH_MODEL", "gpt-5-mini")
SOURCES = Path(os.environ.get("RESEARCH_SOURCES", Path(__file__).parents[2] / "docs"))
"""The folder whose Markdown files are searched: each host that works needs it."""

MOST_FOUND = 10


class Plan(BaseModel):
    questions: Annotated[list[str], Field(min_length=1, max_length=5)]


class Decision(BaseModel):
    """What a person sends with the signal."""

    approved: bool
    by: str = "a person"
    why: str = ""


class Approval(BaseModel):
    """What the step gives that waits for the signal: no payload when its time is over."""

    payload: Decision | None


def search(words: list[str]) -> str:
    """Search the sources, and return the paragraphs that have the most of these words."""
    found: list[tuple[int, str]] = []
    for file in sorted(SOURCES.rglob("*.md")):
        for paragraph in file.read_text(encoding="utf-8").split("\n\n"):
            hits = sum(word.lower() in paragraph.lower() for word in words)
            if hits and paragraph[0].isalpha():  # no table, no heading, no program
                found.append((hits, f"{file.name}: {' '.join(paragraph.split())}"))
    found.sort(key=lambda hits_and_text: -hits_and_text[0])
    return "\n".join(text for _, text in found[:MOST_FOUND])


mob = Mob("research")

# One handler does three kinds of steps. Overload (429) is tried again later, and so is a plan that is none.
mob.handler("researcher", model=MODEL, retries=4, timeout=300)(
    chat(system="You are a careful researcher. You say only what the sources say.", tools=[search])
)


@mob.handler
def publish(draft: str, approval: Approval) -> str:
    """The report; sending it somewhere would be done here, with the idempotency key of the step."""
    return f"{draft}\n\nApproved by {approval.payload.by if approval.payload else 'a person'}."


@mob.handler
def shelve(approval: Approval) -> str:
    """Why there is no report."""
    if approval.payload is None:
        return "No report: the time for an approval is over."
    return f"No report: {approval.payload.by} has refused it. {approval.payload.why}".strip()


APPROVED = eq("steps.approval.payload.approved", True)

research = mob.flow(
    "research",
    [
        step("plan", "Plan questions: {{ params.topic }}", role="researcher", schema=Plan, allowed_tools=[]),
        step("answers", "Answer: {{ item }}", role="researcher", after="plan", for_each="steps.plan.questions"),
        step(
            "draft",
            "Draft a report: {{ params.topic }}\n{{ steps.answers }}",
            role="researcher",
            after="answers",
            allowed_tools=[],
        ),
        wait_for("approval", "Publish this draft?", after="draft", schema=Decision, timeout=3600),
        step("publish", after="approval", when=APPROVED, branch="decision"),
        step("shelve", after="approval", when=not_(APPROVED), branch="decision"),
    ],
)
