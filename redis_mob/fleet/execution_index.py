"""The executions of a run as decisions ask for them: by node, by status, and how many are open by member."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus, member_of
from redis_mob.models.order import natural_key
from redis_mob.models.transition import NodeKey

OPEN = (
    ExecutionStatus.WAITING,
    ExecutionStatus.LEASED,
    ExecutionStatus.REPORTED,
    ExecutionStatus.AWAITING,
    ExecutionStatus.ASKING,
)
"""Executions that may still give a result, or have given one that no decision has taken."""


class ExecutionIndex:
    """Made once of all executions of a run, then kept up change by change, from one decision to the next.

    So a decision costs what it changes, and not what the run has. The index is of one mapping of executions. A change
    makes it that of none, until the mapping that the change led to is named: what a decision changed that was not
    committed is never taken for stored.
    """

    def __init__(self, executions: Mapping[ExecutionKey, Execution]) -> None:
        self._executions: Mapping[ExecutionKey, Execution] | None = None
        self._nodes: defaultdict[NodeKey, dict[str, Execution]] = defaultdict(dict)
        self._statuses: defaultdict[NodeKey, Counter[ExecutionStatus]] = defaultdict(Counter)
        # Dicts as ordered sets: what became of a status first stands first.
        self._by_status: defaultdict[ExecutionStatus, dict[ExecutionKey, None]] = defaultdict(dict)
        self._load: Counter[str] = Counter()
        self._escalations: dict[ExecutionKey, None] = {}
        for key, execution in executions.items():
            self._add(key, execution)
        self._executions = executions

    def is_of(self, executions: Mapping[ExecutionKey, Execution]) -> bool:
        """Whether the index is of this very mapping."""
        return self._executions is executions

    def put(self, key: ExecutionKey, execution: Execution) -> None:
        """Replace an execution, or add one."""
        self._executions = None
        self._remove(key)
        self._add(key, execution)

    def follow(self, executions: Mapping[ExecutionKey, Execution], changed: Iterable[ExecutionKey]) -> None:
        """Be of this mapping, to which the changes that were put have led; some that changed may be in it no more."""
        for key in changed:
            if key not in executions:
                self._remove(key)
                del self._nodes[key.node][key.target]
        self._executions = executions

    def of_node(self, node: NodeKey) -> dict[str, Execution]:
        """The executions of a node by target, in the natural order of the targets' names."""
        executions = self._nodes.get(node, {})
        targets = sorted(executions, key=natural_key) if len(executions) > 1 else list(executions)
        return {target: executions[target] for target in targets}

    def statuses_of(self, node: NodeKey) -> Counter[ExecutionStatus]:
        """How many executions of a node there are of each status."""
        return self._statuses.get(node) or Counter()

    def execution(self, key: ExecutionKey) -> Execution:
        """The execution of a key that was named here."""
        return self._nodes[key.node][key.target]

    def with_status(self, status: ExecutionStatus) -> Iterable[ExecutionKey]:
        """The executions of a status; to be listed before one of them changes."""
        return self._by_status.get(status, {}).keys()

    def escalations(self) -> Iterable[ExecutionKey]:
        """The escalations that are open; to be listed before one of them changes."""
        return self._escalations.keys()

    def open_of(self, member: str) -> int:
        """How many executions of a member are open."""
        return self._load[member]

    def _add(self, key: ExecutionKey, execution: Execution) -> None:
        node, status = key.node, execution.status
        self._nodes[node][key.target] = execution
        self._statuses[node][status] += 1
        self._by_status[status][key] = None
        if status in OPEN:
            self._load[member_of(key, execution)] += 1
            if execution.escalation is not None:
                self._escalations[key] = None

    def _remove(self, key: ExecutionKey) -> None:
        node = key.node
        execution = self._nodes[node].get(key.target)
        if execution is None:
            return
        # It keeps where it stands in its node when it is added anew.
        self._statuses[node][execution.status] -= 1
        del self._by_status[execution.status][key]
        if execution.status in OPEN:
            self._load[member_of(key, execution)] -= 1
            self._escalations.pop(key, None)
