"""The items of a step with `for_each`: which they are, and what their executions gave (contract: engine-42)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from redis_mob.errors import Portable, shown
from redis_mob.kernel.context import ConditionContext
from redis_mob.kernel.paths import MISSING, resolve
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus, ItemProgress, RunLaunch
from redis_mob.models.flow_spec import CollectAny, FlowStepSpec
from redis_mob.models.order import natural_key
from redis_mob.models.transition import NodeKey

if TYPE_CHECKING:  # what reads runs imports this, and nothing that decides
    from redis_mob.fleet.transition_builder import TransitionBuilder

MOST_ITEMS = 10_000
"""How many items a step may have."""

MOST_OPEN = 1_000
"""How many executions of a step's items exist at a time, so that what is read and committed stays bounded."""


class ItemsUnreadError(Portable, Exception):
    """A decision needs what is not read with a run: the items of a node, or the executions `ended` of items."""

    def __init__(self, node: NodeKey, ended: Sequence[ExecutionKey] = ()) -> None:
        super().__init__(f"the items of node {shown(node[1])} of frame {shown(node[0])} were not read")
        self.node = node
        self.ended = ended


def read_items(path: str, context: ConditionContext) -> list[Any]:
    """The items that a path leads to. Raises ValueError that says what it leads to instead."""
    found = resolve(path, context)
    if found is MISSING:
        raise ValueError(f"for_each: {shown(path)} leads to nothing, and a list is needed")
    value = found.value
    if not isinstance(value, list | tuple):
        raise ValueError(f"for_each: {shown(path)} leads to {_kind(value)}, and a list is needed{_hint(path, value)}")
    items = list(cast("Sequence[Any]", value))
    if len(items) > MOST_ITEMS:
        raise ValueError(
            f"for_each: {shown(path)} leads to a list of {len(items):,} items, and a step takes {MOST_ITEMS:,} at most"
        )
    return items


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return f"a text of {len(value):,} characters"
        case _:
            return f"an object of {len(value):,} keys"


def _hint(path: str, value: Any) -> str:
    """The path of the only list in an object: a step that asks all its members gives what each of them answered."""
    if not isinstance(value, dict):
        return ""
    lists = [key for key, inner in cast("dict[str, Any]", value).items() if isinstance(inner, list | tuple)]
    return f"; write {shown(f'{path}.{lists[0]}')}" if len(lists) == 1 and "." not in lists[0] else ""


def target_of(members: Sequence[str], index: int) -> str:
    """The target of an item: its members take turns, and the index tells their items apart."""
    return f"{members[index % len(members)]}#{index}"


def child_target(flow: str) -> str:
    """What stands in the place of a member where a step runs a flow; no role gives a member such a name."""
    return f"flow:{flow}"


def members_of(builder: TransitionBuilder, spec: FlowStepSpec) -> list[str]:
    """The members of a step's role, in their natural order; what stands in their place if it runs a flow."""
    return targets_in(builder.view.launch, spec)


def targets_in(launch: RunLaunch, spec: FlowStepSpec) -> list[str]:
    """The same, for runs that were started with this."""
    if spec.flow is not None:
        return [child_target(spec.flow)]
    return sorted(launch.members.get(spec.role, ()), key=natural_key)


def results_of(
    builder: TransitionBuilder, node: NodeKey, spec: FlowStepSpec, progress: ItemProgress
) -> list[tuple[str, Execution]]:
    """(target, execution) of each item of a node that has one, by index; those that failed or are open among them.

    Raises ItemsUnreadError if some that are over are needed, and were not read.
    """
    known = builder.executions_of(*node)
    if isinstance(spec.collection_policy, CollectAny):
        # The first success ends the step in the commit that brings it, so that it is at hand.
        return list(known.items())
    members = members_of(builder, spec)
    keys = [ExecutionKey(*node, target_of(members, index)) for index in range(progress.begun)] if members else []
    found = list(_found(keys, known, builder.view.ended))
    unread = [key for key, execution in found if execution is None]
    if unread:
        raise ItemsUnreadError(node, unread)
    return [(key.target, execution) for key, execution in found if execution is not None]


def _found(
    keys: Sequence[ExecutionKey], known: Mapping[str, Execution], ended: Mapping[ExecutionKey, Execution]
) -> Iterator[tuple[ExecutionKey, Execution | None]]:
    for key in keys:
        yield key, known.get(key.target) or ended.get(key)


def completed_outputs(results: Sequence[tuple[str, Execution]]) -> dict[int, tuple[str, Any]]:
    """(target, output) of the items that completed, by index."""
    return {
        execution.item.index: (target, execution.output)
        for target, execution in results
        if execution.item is not None and execution.status is ExecutionStatus.COMPLETED
    }
