"""The slots of one process, shared by its workers in several namespaces (contract: shards-7).

A worker in a namespace may use every slot that is free. While others have work waiting and less than an equal part of
the slots, one that has its part leaves a free one for each of them: so all come to their parts as handlers end, and no
slot is idle for a namespace that has nothing to do.
"""

from __future__ import annotations

from redis_mob.codec.arguments import integer
from redis_mob.fleet.slots import Slots
from redis_mob.fleet.worker import SHARE_OF_OTHERS


class SlotPool:
    """The slots of one process, and the parts of the workers that share them.

    Raises ValidationError for a number below 1.
    """

    def __init__(self, number: int) -> None:
        self.number = integer("concurrency", number, least=1)
        self._parts: list[SlotPart] = []

    @property
    def free(self) -> int:
        """How many slots no handler has."""
        return self.number - sum(part.used for part in self._parts)

    def part(self) -> SlotPart:
        """The part of one more worker, which may become as large as all."""
        self._parts.append(part := SlotPart(self))
        return part

    def leave(self, part: SlotPart) -> None:
        """Its worker has ended."""
        self._parts.remove(part)
        self.tell_of_free_ones()

    def equal_part(self, part: SlotPart) -> int:
        """How many slots a worker has if all that have work get the same; at least one."""
        busy = sum(1 for one in self._parts if one is part or one.used or one.wants)
        return max(self.number // busy, 1)

    def left_to(self, part: SlotPart) -> int:
        """How many slots a worker may take now: up to its equal part any, above that what others do not wait for."""
        free, equal = self.free, self.equal_part(part)
        kept = sum(1 for one in self._parts if one is not part and one.wants and one.used < equal)
        return max(min(free, equal - part.used), free - kept, 0)

    def tell_of_free_ones(self) -> None:
        """Wake the workers that wait for a slot."""
        for part in self._parts:
            part.given_back.set()


class SlotPart(Slots):
    """The slots of one worker among those of a pool."""

    def __init__(self, pool: SlotPool) -> None:
        super().__init__(pool.number)
        self._pool = pool

    @property
    def wants(self) -> bool:
        """Whether work waits in its namespace that it would take."""
        return self.kept_for_others > 0 and not (self.is_closed or self.is_one_alone)

    @property
    def free(self) -> int:
        """How many slots a driver may take; what it leaves to others of its namespace is a share of its part."""
        kept = max(self._pool.equal_part(self) // SHARE_OF_OTHERS, 1) if self.kept_for_others else 0
        return max(self.unused - kept, 0)

    @property
    def unused(self) -> int:
        """How many slots may be taken."""
        return min(super().unused, self._pool.left_to(self))

    def give_back(self, number: int = 1) -> None:
        """Give slots back, and say so to all workers that share them."""
        super().give_back(number)
        if number:
            self._pool.tell_of_free_ones()
