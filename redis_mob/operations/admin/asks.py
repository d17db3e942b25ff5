"""What handlers ask people, and the answers."""

from __future__ import annotations

from typing import Any

from redis_mob.models.ask import AnsweredAsk, AskPlace, PendingAsk
from redis_mob.operations import asks
from redis_mob.operations.admin.base import AdminBase
from redis_mob.operations.forking import UNCHANGED


class AskAdmin(AdminBase):
    """What handlers ask people, and the answers."""

    async def inbox(self, *, limit: int = 100, after: AskPlace | None = None) -> tuple[PendingAsk, ...]:
        """What waits for an answer in all runs, the oldest first (contract: ask-4).

        Of a page the `place` of the last one is `after` for the page behind it.
        """
        return await asks.inbox(self._storage, limit, after)

    async def answers(self, run_id: str) -> tuple[AnsweredAsk, ...]:
        """What the handlers of a run have asked people and were answered, by whom, as far as that was said.

        By execution, and of one by kind and ordinal; it is kept as long as the run. Raises NotFoundError for an unknown
        run, SerializationError for what cannot be read.
        """
        return await asks.answers(self._storage, run_id)

    async def answer(
        self,
        ask_id: str,
        *,
        approved: bool = True,
        value: Any = UNCHANGED,
        message: str | None = None,
        by: str | None = None,
        run_id: str | None = None,
    ) -> bool:
        """Answer an ask, whose id may be cut to a beginning that no other one has; its run goes on.

        It is approved as it was asked, or with another value, any JSON; or denied. False if it has this very answer
        already (contract: ask-6): with `run_id` that is known of asks that are not pending any more, too.
        Raises NotFoundError for an ask that is not pending, or an unknown run; CasConflictError for one that has
        another answer, or whose run is over; ValidationError for a value that does not fit its schema, is longer than
        `limits.max_output_bytes` allows, or comes with a denial, and for an id that several have.
        """
        return await asks.answer(self._storage, ask_id, asks.GivenAnswer(approved, value, message, by), run_id)
