"""Calls of a worker that wait for room in an account: the first in line asks, those behind it wait for it.

It asks again when it is woken, since another call was settled or the bounds have changed, and once a second by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from redis_mob.contracts import BudgetStore
from redis_mob.models.budget import BudgetDecision, BudgetScope, BudgetVerdict
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS


@dataclass(slots=True)
class _Line:
    """Who stands in line for an account."""

    first: asyncio.Lock = field(default_factory=asyncio.Lock)
    length: int = 0


class BudgetRoom:
    """The lines of one worker: who begins lets the next one ask."""

    def __init__(self, budgets: BudgetStore) -> None:
        self._budgets = budgets
        self._lines: dict[BudgetScope, _Line] = {}

    async def wait(self, scope: BudgetScope, ask: Callable[[], Awaitable[BudgetDecision]]) -> BudgetDecision:
        """What is decided on a call that has to wait for room in an account, once that lets it wait no longer."""
        async with self._in_front(scope), self._budgets.listen(scope) as wake_up:
            while True:
                # heard at first as soon as wake-ups come: what was settled until then is seen
                await wake_up.wait(SWEEP_SECONDS)
                decision = await ask()
                if decision.verdict is not BudgetVerdict.WAIT or decision.scope != scope:
                    return decision

    @asynccontextmanager
    async def _in_front(self, scope: BudgetScope) -> AsyncGenerator[None]:
        line = self._lines.setdefault(scope, _Line())
        line.length += 1
        try:
            async with line.first:
                yield
        finally:
            line.length -= 1
            if not line.length:
                del self._lines[scope]
