"""Compares a run as its events tell of it with what is stored of it at that moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from redis_mob.kernel.seeds import root_frame_id
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import MobEvent
from redis_mob.models.states import State
from redis_mob.models.transition import RunView
from redis_mob.operations.run_description import (
    LoopDescription,
    NodeDescription,
    RunDescription,
    StepDescription,
)
from redis_mob.past.loop_answers import LoopAnswers
from redis_mob.past.time_travel import RunMoment, RunPast
from tests.fleet.simulation import NOON


def answers_of(view: RunView) -> dict[str, LoopAnswers]:
    """What came of the conditions of the loops of a run, as it is stored."""
    return {loop_id: LoopAnswers.of(loop.kernel_state) for loop_id, loop in view.run.loops.items()}


def numbered(view: RunView, kinds: Sequence[object]) -> list[MobEvent]:
    """Events of a run as a log would have them."""
    return [
        MobEvent.unchecked(cursor=n, timestamp=NOON + timedelta(seconds=n), mob_id=view.run.mob_id, kind=kind)
        for n, kind in enumerate(kinds, start=1)
    ]


def newest(view: RunView, definition: MobDefinition, events: Sequence[MobEvent], *, alone: bool = False) -> RunMoment:
    """The run behind its newest event; `alone` by the log alone."""
    answers = None if alone else answers_of(view)
    past = RunPast.of(definition, view.run.run_id, view.run.flow_id, events, answers)
    return past.at(events[-1].cursor if events else 0)


def each_node(nodes: Sequence[NodeDescription], frame_id: str) -> Iterator[tuple[str, NodeDescription]]:
    """Each node of a description, behind its id."""
    for node in nodes:
        yield f"{frame_id}/{node.node_id}", node
        if isinstance(node, LoopDescription):
            for iteration in node.iterations:
                yield from each_node(iteration.nodes, iteration.frame_id)


def differences(moment: RunMoment, described: RunDescription, *, rests: bool = False) -> list[str]:
    """Where the two are not the same. With `rests` a member, and its step, may wait that is told to be at work: for an
    answer, or a service that has throttled it, of which no event tells."""
    found: list[str] = []
    nodes = dict(each_node(described.nodes, root_frame_id(described.run_id)))
    if moment.status is not described.status:
        found.append(f"run {moment.status} is {described.status}")
    for name, node in nodes.items():
        told = moment.nodes.get(name)
        if told is None:
            found.append(f"{name} is not told, and {node.state}")
            continue
        if told.state is not node.state and not (rests and _may_rest(told.state, node.state)):
            found.append(f"{name} {told.state} is {node.state}")
        if isinstance(node, LoopDescription):
            begun = moment.iterations.get(name, 0)
            if begun != len(node.iterations):
                found.append(f"{name} has begun {begun} bodies, and {len(node.iterations)}")
        else:
            found += (f"{name} {one}" for one in _members(told.members, node, rests=rests))
    found += (f"{name} is told, and not there" for name in moment.nodes if name not in nodes)
    return found


def _members(told: Mapping[str, State], step: StepDescription, *, rests: bool) -> Iterator[str]:
    for member in step.members:
        state = told.get(member.member)
        if state is None:
            # one that was asked and has not begun is in no event
            if member.state not in (State.WAITING, State.CANCELED):
                yield f"{member.member} is not told, and {member.state}"
        elif state is not member.state and not (rests and _may_rest(state, member.state)):
            yield f"{member.member} {state} is {member.state}"
    if step.items is None:
        there = {member.member for member in step.members}
        yield from (f"{name} is told, and not there" for name in told if name not in there)


def _may_rest(told: State, stored: State) -> bool:
    return (told, stored) == (State.RUNNING, State.WAITING)
