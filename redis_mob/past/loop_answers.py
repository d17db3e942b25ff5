"""What came of the conditions of loops, as it is stored: a replay of the log needs it, since no event tells. Pure."""

from __future__ import annotations

from typing import NamedTuple

from redis_mob.models.flow import LoopIterationState, LoopPhase, LoopStage


class LoopAnswers(NamedTuple):
    """How often the condition of a loop did not hold, and whether it did then: no event tells that. `begun` is how many
    bodies it had: in a run that is canceled the next one may never begin, although nothing was left to wait for."""

    not_met: int = 0
    is_met: bool = False
    begun: int = 0

    @classmethod
    def of(cls, loop: LoopIterationState) -> LoopAnswers:
        """Those of a loop as it is stored."""
        begun = loop.current_iteration + (loop.stage is LoopStage.BODY_FRAME_ACTIVE)
        match loop.phase:
            case LoopPhase.COMPLETED:
                return cls(loop.last_completed_iteration, is_met=True, begun=begun)
            case LoopPhase.EXHAUSTED:
                return cls(loop.max_iterations, begun=begun)
            case _ if loop.stage is LoopStage.AWAITING_UNTIL_EVALUATION:
                return cls(loop.last_completed_iteration, begun=begun)
            case _:
                return cls(loop.current_iteration, begun=begun)


NO_ANSWERS = LoopAnswers()
