"""The world around the newsroom: it starts runs, prints newsletters, and answers what people leave unanswered."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple

from examples.demo_fleet.flows import PACE, mob
from redis_mob import Fleet, FleetAdmin, MobStorage
from redis_mob.errors import CasConflictError, NotFoundError, RedisMobError

PAUSE_SECONDS = 2.5
"""Between two starts, and between two looks at what is asked."""

MOST_UNDER_WAY = 40
"""Runs under way with which no other one is started: workers may be away."""

ANSWERED_AFTER = timedelta(seconds=45)
"""How long an ask is left to the people in front of the page."""

TOPICS = ("tea", "the weather", "bicycles", "the harbor", "a lost cat", "bread", "the new bridge", "old maps")
DESKS = ("city", "world", "sports")

_log = logging.getLogger(__name__)


class Kind(NamedTuple):
    """A flow, and how often it is started beside the others."""

    flow: str
    share: int


KINDS = (Kind("article", 4), Kind("newsletter", 3), Kind("checks", 2), Kind("feed", 3))


class World:
    """What happens to the newsroom from outside, as a source of chance decides."""

    def __init__(self, storage: MobStorage, luck: Random) -> None:
        self._storage = storage
        self._fleet: Fleet = mob.fleet(storage)
        self._admin = FleetAdmin(storage)
        self._luck = luck
        self._to_print: set[str] = set()

    async def go_on(self) -> None:
        """Go on for ever; what goes wrong, as when the server is away, is told, and tried again."""
        while True:
            try:
                await self.happen()
            except RedisMobError as error:
                _log.warning("%s: %s", type(error).__name__, error)
            await asyncio.sleep(PAUSE_SECONDS * PACE)

    async def happen(self) -> None:
        """Start a run, answer what has waited for long, and tell what is printed."""
        await self._start()
        await self._answer()
        await self._print()

    async def _start(self) -> None:
        if (
            sum(number for status, number in (await self._admin.count()).items() if not status.is_terminal)
            < MOST_UNDER_WAY
        ):
            [kind] = self._luck.choices(KINDS, [one.share for one in KINDS])
            attributes = {"desk": self._luck.choice(DESKS)}
            run_id = await self._fleet.start(kind.flow, {"topic": self._luck.choice(TOPICS)}, attributes=attributes)
            if kind.flow == "newsletter":
                self._to_print.add(run_id)

    async def _answer(self) -> None:
        """Answer what has waited for long, one time in five with no."""
        for one in await self._admin.inbox():
            if datetime.now(UTC) - one.ask.asked_at > ANSWERED_AFTER * PACE:
                approved = self._luck.random() < 0.8
                said = None if approved else "not today"
                await self._admin.answer(one.ask.id, approved=approved, message=said, by="the night desk")

    async def _print(self) -> None:
        """Tell a newsletter that it is printed, three times in four."""
        for run_id in sorted(self._to_print):
            if self._luck.random() < 0.1:
                self._to_print.discard(run_id)
                if self._luck.random() < 0.75:
                    await self._tell(run_id)

    async def _tell(self, run_id: str) -> None:
        try:
            await self._fleet.signal(run_id, "printed", {"copies": self._luck.randint(100, 900)})
        except (CasConflictError, NotFoundError):  # it is over
            return
