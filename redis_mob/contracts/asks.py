"""What the store promises about asks: what handlers ask people, and what these answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from redis_mob.models.ask import Answer, AskPlace, PendingAsk


@runtime_checkable
class AskStore(Protocol):
    """The asks of all runs that are pending: commits enter them and take them out (contract: ask-4).

    All methods raise as those of `MobRunStore` do.
    """

    async def pending(self, *, after: AskPlace | None = None, limit: int = 100) -> Sequence[AskPlace]:
        """Where asks are that wait for an answer, those behind a place, the oldest first; at most `limit`."""
        ...

    async def answer(self, run_id: str, ask_id: str, answer: Answer, *, pending: PendingAsk | None) -> bool:
        """Answer an ask: a checkpoint that its handler finds, and a signal by which its run goes on, in one step.

        It takes the ask as it was read, None if it was not found. True if it was answered now, False if it has this
        very answer already (contract: ask-6). Raises NotFoundError for an unknown run, and for an ask that is not
        pending; CasConflictError for one that has another answer, for a run that is over, or that has 1,000,000 records
        in its index.
        """
        ...

    async def forget(self, run_id: str, places: Sequence[AskPlace]) -> bool:
        """Take out asks of a run that is over, or gone; False if it is under way (contract: ask-4)."""
        ...
