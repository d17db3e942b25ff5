"""Counts the tokens that the calls of one attempt use, for the limits that count them (contract: engine-92)."""

from __future__ import annotations

from functools import reduce

from redis_mob.fleet.spending import Answered, SpendKeeper, Told, Wanted
from redis_mob.models.limits import TokenUse


class TokenCount:
    """What an attempt has used so far. A handler may add to it from any thread."""

    def __init__(self) -> None:
        self._told: list[TokenUse] = []
        self._is_in_doubt = False

    def add(self, use: TokenUse) -> None:
        """Count what a call has used."""
        self._told.append(use)

    def doubt(self) -> None:
        """What some call has used is not known."""
        self._is_in_doubt = True

    def total(self) -> TokenUse | None:
        """All that was told; None if nothing was, or not all."""
        return None if self._is_in_doubt or not self._told else reduce(TokenUse.plus, self._told)


class CountedSpending:
    """Counts the tokens of the calls that another keeper allows."""

    def __init__(self, keeper: SpendKeeper, count: TokenCount) -> None:
        self._keeper = keeper
        self._count = count

    async def begin_call(self, wanted: Wanted, /) -> Answered:
        """Whether the other keeper lets a call begin. Raises as it does."""
        return await self._keeper.begin_call(wanted)

    async def end_call(self, told: Told, /) -> None:
        """Count what a call has used, and tell the other keeper."""
        if told.use is not None:
            self._count.add(TokenUse(told.use.input_tokens, told.use.output_tokens))
        elif told.wanted.tokens is not None:
            self._count.doubt()
        await self._keeper.end_call(told)
