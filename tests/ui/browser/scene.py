"""What there is to see: runs in all states, asks, documents."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from redis_mob.models.config import PutIfRevision
from redis_mob.models.labels import AttributeValue
from redis_mob.models.run_status import NOT_OVER
from redis_mob.testing.waiting import LONG
from tests.ui.browser.hostile import HOSTILE
from tests.ui.browser.served_page import ServedPage

QUICK = 120
"""Runs that fill the list."""


@dataclass(frozen=True)
class Scene:
    """The ids of the runs that are looked at."""

    review: str
    failed: str
    waiting: str
    hostile: str
    canceled: str


async def set_up(served: ServedPage, *, is_hostile: bool = True) -> Scene:
    """Start them, and wait until each has come as far as it is shown; pictures are made without what is hostile."""
    return await served.call(_set_up(served, is_hostile))


async def _set_up(served: ServedPage, is_hostile: bool) -> Scene:
    start, storage = served.fleet.start, served.storage
    labels: dict[str, AttributeValue] = {"customer": "acme", "tier": 2}
    for number in range(QUICK):
        await start("hello", {"number": number}, attributes={"batch": "morning"}, summary=f"Greeting {number}")
    hostile = ""
    if is_hostile:
        hostile = await start("hostile", {"texts": HOSTILE}, attributes={"name": HOSTILE[0]}, summary=HOSTILE[1])
    failed = await start("failing", attributes={"customer": "umbrella"})
    waiting = await start("release", summary="Waits until it is released")
    review = await start(
        "review",
        {"paper": "Fleets that agree"},
        attributes=labels,
        summary="Review of “Fleets that agree”",
    )
    canceled = await start("release")
    await storage.config.put("prompts", "editor", {"text": "Plan the review.", "temperature": 0.2})
    for revision in (1, 2):
        text = "Plan the review in three points." + " Be brief." * (revision - 1)
        value = {"text": text, "temperature": 0.2 + revision / 10, "meta": {"revision": revision}}
        await storage.config.apply([PutIfRevision("prompts", "writer", value, revision - 1)])
    await storage.config.put("limits", "fleet", {"runs": 20, "tokens": 100_000})
    admin = served.admin
    async with asyncio.timeout(LONG), storage.executions.listen() as wake_up:
        while not await admin.inbox() or (await admin.describe(canceled)).steps.get("waiting") != 1:
            await wake_up.wait(0.05)
        await admin.cancel(canceled, wait=True)
        for run_id in filter(None, (failed, hostile)):
            await served.fleet.wait(run_id)
        while (await admin.describe(waiting)).steps.get("waiting") != 1:
            await wake_up.wait(0.05)
        # another test may have started a run of another mob, which never ends
        while sum((await admin.count(mob_id="papers", statuses=NOT_OVER)).values()) > 2:
            await wake_up.wait(0.05)
    return Scene(review, failed, waiting, hostile, canceled)
