"""When the members of a run began and ended, by the rows of its step ledger. Pure.

A row names step and member, and not the frame. Within a loop the same ones come again, one iteration after the other,
so that the rows are given to them in this order. Where that is not certain, the time is not known, and none is guessed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus
from redis_mob.models.ledger import StepLedgerEntry, StepRunStatus
from redis_mob.models.run_outputs import SYSTEM_MEMBER
from redis_mob.models.transition import NodeKey

StepMember = tuple[str, str]
"""A step, and the member or item that is at it."""

ENDS: Mapping[StepRunStatus, ExecutionStatus] = {
    StepRunStatus.COMPLETED: ExecutionStatus.COMPLETED,
    StepRunStatus.FAILED: ExecutionStatus.FAILED,
    StepRunStatus.CANCELED: ExecutionStatus.CANCELED,
}


class Span(NamedTuple):
    """From when to when; None where that is not known, or is still to come."""

    queued_at: datetime | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def start(self) -> datetime | None:
        """When it began, or else when it was asked."""
        return self.began_at or self.queued_at


NO_SPAN = Span()


class StepTimes:
    """Times of the executions of a run, and of its steps with `for_each`. `rounds` are those of the loops around a
    frame, outermost first."""

    def __init__(
        self,
        ledger: Sequence[StepLedgerEntry],
        executions: Mapping[ExecutionKey, Execution],
        rounds: Mapping[str, tuple[int, ...]],
        with_items: Mapping[NodeKey, str],
    ) -> None:
        self._rounds = rounds
        self._spans: dict[ExecutionKey, Span] = {}
        self._of_items: dict[NodeKey, Span] = {}
        firsts = self._firsts(with_items)
        self._find_items(ledger, with_items)
        begins, ends = _by_member(ledger)
        groups: defaultdict[StepMember, list[ExecutionKey]] = defaultdict(list)
        for key, execution in executions.items():
            if execution.escalation is not None:  # the ledger does not know of it
                self._spans[key] = Span(execution.due_at if execution.attempt == 1 else None, None, None)
                continue
            groups[execution.step_id, key.target].append(key)
        for member, group in groups.items():
            keys = self._in_order(group)
            over = ends.get(member, ()) if member[0] not in firsts else ()
            self._find(keys, executions, begins.get(member), over, firsts.get(member[0]))

    def of(self, key: ExecutionKey) -> Span:
        """The times of an execution."""
        return self._spans.get(key, NO_SPAN)

    def of_items(self, node: NodeKey) -> Span:
        """The times of a node whose step has `for_each`: when it began, and when the last item was over."""
        return self._of_items.get(node, NO_SPAN)

    def _firsts(self, with_items: Mapping[NodeKey, str]) -> dict[str, NodeKey]:
        """Of each step with items the node that it began in first."""
        nodes = sorted(with_items.items(), key=lambda one: self._rounds.get(one[0][0], ()), reverse=True)
        return {step_id: node for node, step_id in nodes}

    def _in_order(self, keys: Sequence[ExecutionKey]) -> Sequence[ExecutionKey] | None:
        """Executions of one member at one step, one after the other; None if they may have been at the same time."""
        rounds = [self._rounds.get(key.frame_id, ()) for key in keys]
        if len(set(rounds)) < len(keys):
            return None
        return [key for _, key in sorted(zip(rounds, keys, strict=True))]

    def _find(
        self,
        keys: Sequence[ExecutionKey] | None,
        executions: Mapping[ExecutionKey, Execution],
        began_at: datetime | None,
        ends: Sequence[StepLedgerEntry],
        first: NodeKey | None,
    ) -> None:
        """Find the times of one member at one step; `first` is the first node of a step with items, whose executions
        are not among these any more when they are over."""
        if keys is None:
            return
        over = [key for key in keys if executions[key].is_over]
        is_certain = [ENDS[row.status] for row in ends[: len(over)]] == [executions[key].status for key in over]
        ended = dict(zip(over, ends, strict=False)) if is_certain else {}
        for number, key in enumerate(keys):
            execution = executions[key]
            queued_at = execution.due_at if execution.attempt == 1 else None
            # The ledger has one such row of a member and a step, however often they come again.
            is_first = number == 0 and first in (None, key.node)
            is_its_own = is_first if queued_at is None else began_at is not None and began_at >= queued_at
            row = ended.get(key)
            self._spans[key] = Span(queued_at, began_at if is_its_own else None, row and row.timestamp)

    def _find_items(self, ledger: Sequence[StepLedgerEntry], with_items: Mapping[NodeKey, str]) -> None:
        """Each time that a step with items begins there is a row, before those of its items."""
        nodes: defaultdict[str, list[tuple[tuple[int, ...], NodeKey]]] = defaultdict(list)
        for node, step_id in with_items.items():
            nodes[step_id].append((self._rounds.get(node[0], ()), node))
        found: defaultdict[str, list[Span]] = defaultdict(list)
        for row in ledger if nodes else ():
            spans = found[row.step_id] if row.step_id in nodes else None
            if spans is None:
                continue
            if row.agent_identity != SYSTEM_MEMBER:
                if row.status in ENDS and spans:
                    spans[-1] = spans[-1]._replace(ended_at=row.timestamp)
            elif row.status is StepRunStatus.DISPATCHED:
                spans.append(Span(row.timestamp, row.timestamp, row.timestamp))
        for step_id, placed in nodes.items():
            if len({rounds for rounds, _ in placed}) == len(placed):
                for (_, node), span in zip(sorted(placed), found[step_id], strict=False):
                    self._of_items[node] = span


def _by_member(
    ledger: Iterable[StepLedgerEntry],
) -> tuple[dict[StepMember, datetime], dict[StepMember, list[StepLedgerEntry]]]:
    """When each member was first at work on a step, and the rows of how that ended, in their order."""
    begins: dict[StepMember, datetime] = {}
    ends: defaultdict[StepMember, list[StepLedgerEntry]] = defaultdict(list)
    for row in ledger:
        if row.agent_identity == SYSTEM_MEMBER:
            continue
        member = row.step_id, row.agent_identity
        if row.status is StepRunStatus.DISPATCHED:
            begins.setdefault(member, row.timestamp)
        elif row.status in ENDS:
            ends[member].append(row)
    return begins, ends
