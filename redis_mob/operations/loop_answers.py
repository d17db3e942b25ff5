"""What came of the conditions of loops, as it is stored: a replay of the log needs it, since no event tells. Pure."""

from __future__ import annotations

from typing import NamedTuple

from redis_mob.models.flow import LoopIterationState, LoopPhase, LoopStage


class LoopAnswers(NamedTuple):
    """How often the condition of a loop did not hold, and whether it did then: no event tells that."""

    not_met: int = 0
    is_met: bool = False

    @classmethod
    def of(cls, loop: LoopIterationState) -> LoopAnswers:
        """Those of a loop as it is stored."""
        match loop.phase:
            case LoopPhase.COMPLETED:
                return cls(loop.last_completed_iteration, is_met=True)
            case LoopPhase.EXHAUSTED:
                return cls(loop.max_iterations)
            case _ if loop.stage is LoopStage.AWAITING_UNTIL_EVALUATION:
                return cls(loop.last_completed_iteration)
            case _:
                return cls(loop.current_iteration)


NO_ANSWERS = LoopAnswers()
