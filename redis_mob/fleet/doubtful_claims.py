"""What a worker was to claim by commits of unknown outcome: they may have happened, and may still happen. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from redis_mob.models.execution import Claim, Execution, ExecutionKey
from redis_mob.models.transition import RunView


@dataclass(frozen=True, slots=True, eq=False)
class Doubt:
    """One commit: the executions that it was to claim, as they are then, and the claims that it was made of."""

    executions: Mapping[ExecutionKey, Execution]
    claims: Collection[Claim]


class DoubtfulClaims:
    """The commits that are under way, or ended with an unknown outcome, as long as that may still show."""

    def __init__(self) -> None:
        self._doubts: list[Doubt] = []

    def __bool__(self) -> bool:
        return bool(self._doubts)

    def begin(self, executions: Mapping[ExecutionKey, Execution], claims: Iterable[Claim]) -> Doubt:
        """Doubt a commit that is about to be sent."""
        doubt = Doubt(executions, tuple(claims))
        self._doubts.append(doubt)
        return doubt

    def end(self, doubt: Doubt) -> None:
        """The outcome of a commit is known."""
        self._doubts.remove(doubt)

    def happened(self, view: RunView) -> set[ExecutionKey]:
        """What was claimed, as the run shows that was read since."""
        claimed = (one for doubt in self._doubts for one in doubt.executions.items())
        return {key for key, execution in claimed if view.executions.get(key) == execution}

    def without_stale(self, claims: Iterable[Claim], lost: Collection[ExecutionKey]) -> list[Claim]:
        """These claims without those of commits that happened, of executions that were lost again.

        The schedule gives them out anew, and only it knows how they were lost: by that the next attempt is counted.
        """
        made = [claim for one in self._doubts for claim in one.claims]
        return [one for one in claims if one.key not in lost or one not in made]

    def forget_settled(self, view: RunView) -> None:
        """Doubt only claims that may still happen to a run as it was read: those of which none was claimed since."""
        self._doubts = [
            doubt
            for doubt in self._doubts
            if doubt.executions and all(_may_happen(view, *one) for one in doubt.executions.items())
        ]


def _may_happen(view: RunView, key: ExecutionKey, claimed: Execution) -> bool:
    current = view.executions.get(key)
    return not view.run.status.is_terminal and (current is None or current.fencing_token < claimed.fencing_token)
