"""The order in which the steps of a flow run: what runs before what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from graphlib import CycleError, TopologicalSorter

from redis_mob.models.flow_spec import FlowSpec, FrameStepSpec, RepeatUntilSpec


class Cycle(tuple[str, ...]):
    """Names that depend on each other; the first one is the last one too."""

    __slots__ = ()

    def __str__(self) -> str:
        return " -> ".join(map(repr, self))


def dependency_order(dependencies: Mapping[str, Sequence[str]]) -> tuple[str, ...] | Cycle:
    """Every name after those it depends on, or names that depend on each other; unknown names are left out."""
    known = {name: [one for one in others if one in dependencies] for name, others in dependencies.items()}
    try:
        return tuple(TopologicalSorter(known).static_order())
    except CycleError as error:
        return Cycle(error.args[1])


class Order(Enum):
    """When a step, or a loop, runs, as seen from another one that is about to begin."""

    BEFORE = "before"
    """It may have run: it comes before, or it did in an earlier iteration of a loop around both."""
    BESIDE = "beside"
    """Neither waits for the other."""
    AFTER = "after"
    """It waits for the other one, or is the other one: it cannot have run."""
    UNKNOWN = "unknown"
    """The frames do not say it: they have a cycle, or do not run it."""


class FlowOrder:
    """The order of the steps and loops of one flow, in all frames.

    Two that are in one loop see each other, in an earlier iteration. All others are ordered as the nodes of the root
    frame are that hold them: so that frame is all there is to look at.
    """

    def __init__(self, flow: FlowSpec) -> None:
        nodes = flow.root_frame.nodes
        self._holders: dict[str, str] = {}
        for name, node in nodes.items():
            self._holders.update((held, name) for held in _held(node))
        self._loops = {name for name, node in nodes.items() if isinstance(node, RepeatUntilSpec)}
        dependencies = {name: node.depends_on for name, node in nodes.items()}
        order = dependency_order(dependencies)
        self._before: dict[str, frozenset[str]] = {}
        if not isinstance(order, Cycle):
            for name in order:
                needed = [one for one in dependencies[name] if one in nodes]
                self._before[name] = frozenset(needed).union(*(self._before[one] for one in needed))

    def of(self, other: str, this: str) -> Order:
        """When the other one runs, as seen from this one; both are `step(...)` or `loop(...)` of their ids."""
        here, there = self._holders.get(this), self._holders.get(other)
        if here is None or there is None or not self._before:
            return Order.UNKNOWN
        if there in self._before[here] or (here == there and here in self._loops):
            return Order.BEFORE
        return Order.AFTER if here == there or here in self._before[there] else Order.BESIDE

    def is_repeated(self, this: str) -> bool:
        """Whether it is in a loop, or is one: then what runs beside it may be over at a later iteration."""
        return self._holders.get(this) in self._loops


def step(step_id: str) -> str:
    """A step, as it is named in the order."""
    return f"steps.{step_id}"


def loop(loop_id: str) -> str:
    """A loop, as it is named in the order."""
    return f"loops.{loop_id}"


def _held(node: FrameStepSpec | RepeatUntilSpec) -> Iterator[str]:
    """The step of a node, or its loop and all that is in it."""
    if isinstance(node, FrameStepSpec):
        yield step(node.step_id)
        return
    yield loop(node.loop_id)
    for inner in node.body.nodes.values():
        yield from _held(inner)
