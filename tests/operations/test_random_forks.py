"""Random runs, forked from any step: what stands before is carried over, and the rest comes to what it came to."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any
from unittest.mock import patch

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from redis_mob.errors import ValidationError
from redis_mob.fleet import advance
from redis_mob.fleet.takeover import MOST_LOST
from redis_mob.kernel.reconcile import reconcile
from redis_mob.kernel.seeds import root_frame_id
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow import NodeStatus
from redis_mob.models.flow_spec import FrameSpec, FrameStepSpec
from redis_mob.operations.forking import UNCHANGED, ForkOrder, ForkSource
from tests.fleet.flows import FLOW
from tests.fleet.interleaving import Handler, moody
from tests.fleet.simulation import Simulation
from tests.fleet.strategies import EVERYTHING, SETTLED, mobs
from tests.fleet.test_interleavings import CREWS, PARTS, RANDOM, check_calls, check_end, outcome
from tests.fleet.virtual_crew import VirtualCrew
from tests.support.examples import examples
from tests.support.health_checks import ALL_HEALTH_CHECKS

MANY = settings(max_examples=examples(150), deadline=None, suppress_health_check=ALL_HEALTH_CHECKS)


def order(from_step: str | None, **more: Any) -> ForkOrder:
    return ForkOrder.of(from_step, UNCHANGED, None, None, priority=None, at=None, release=UNCHANGED, **more)


def fork_of(sim: Simulation, from_step: str | None, handler: Handler, random: Random, **crew: Any) -> VirtualCrew:
    """A crew with the fork of a run that is over, and which has not begun."""
    source = ForkSource.of(sim.store.load(), sim.definition, order(from_step))
    run, launch = source.forked({key: sim.store.view.ended[key] for key in source.unread})
    forked = VirtualCrew(sim.definition, handler, random, **crew)
    asyncio.run(forked.store.start_run(run, launch, sim.definition))
    forked.sim.run_id = run.run_id
    return forked


def after(frame: FrameSpec, node: str) -> set[str]:
    """A node of the root frame, those of its branch, and all that run after these."""
    first = frame.nodes[node]
    branch = first.branch if isinstance(first, FrameStepSpec) else None
    anew = {node}
    if branch is not None:
        anew |= {name for name, one in frame.nodes.items() if getattr(one, "branch", None) == branch}
    for name, one in frame.nodes.items():  # each after those that it needs, in random mobs
        if not anew.isdisjoint(one.depends_on):
            anew.add(name)
    for name, one in frame.nodes.items():
        if not anew.isdisjoint(one.depends_on):
            anew.add(name)
    return anew


def check_carried(old: Simulation, new: VirtualCrew, anew: set[str]) -> None:
    """What stands before is there with its output, and no member was asked for it."""
    root, run = old.definition.flows[FLOW].root_frame, new.sim.run
    assert reconcile(run, new.definition.flows[FLOW]) == ()
    before = old.run.frames[root_frame_id(old.run_id)].kernel_state.node_status
    carried = {name for name, status in before.items() if status is NodeStatus.COMPLETED} - anew
    called = {key.frame_id.removeprefix(run.run_id) + "::" + key.node_id for key in new.calls}
    for name in carried:
        place = f"-root::{name}"
        assert not [one for one in called if one == place or one.startswith(f"{place}::")]
        if run.status == "completed":
            frame = run.frames[root_frame_id(run.run_id)].kernel_state
            assert frame.node_status[name] is NodeStatus.COMPLETED
        if name in run.root_step_outputs:
            assert run.root_step_outputs[name] == old.run.root_step_outputs[name]
        node = root.nodes[name]
        if not isinstance(node, FrameStepSpec) and run.status == "completed":
            assert run.loop_iteration_outputs.get(node.loop_id) == old.run.loop_iteration_outputs.get(node.loop_id)


def check_two_winners(old: Simulation, error: ValidationError) -> None:
    """A fork was refused because two members of a branch had completed, which is so."""
    assert "has completed two steps of branch" in str(error)
    won = [
        (name, state.node_branches[node])
        for name, frame in old.run.frames.items()
        for state in [frame.kernel_state]
        for node, status in state.node_status.items()
        if status is NodeStatus.COMPLETED and state.node_branches.get(node) is not None
    ]
    assert len(won) > len(set(won))


@MANY
@given(definition=mobs(SETTLED), data=st.data(), parts=PARTS, **CREWS)
def test_a_fork_comes_to_what_the_run_came_to(
    definition: MobDefinition, data: st.DataObject, random: Random, mood: int, members: int, parts: int, **crew: Any
) -> None:
    old = VirtualCrew(definition, moody(mood), Random(0), members, workers=1, slots=1).to_end()
    frame = definition.flows[FLOW].root_frame
    node = data.draw(st.sampled_from(sorted(frame.nodes)))
    new = fork_of(old, node, moody(mood), random, members=members, **crew)
    with patch.object(advance, "MOST_ACTIONS", parts):
        new.to_end()
    check_end(new.sim)
    check_calls(new)
    check_carried(old, new, after(frame, node))
    assert outcome(new.sim) == outcome(old)
    again = fork_of(new.sim, node, moody(mood), random, members=members)
    assert outcome(again.to_end()) == outcome(old)
    check_carried(old, again, after(frame, node))


@MANY
@given(definition=mobs(EVERYTHING), data=st.data(), cancel=st.booleans(), parts=PARTS, **CREWS)
def test_any_run_that_is_over_can_be_forked_from_any_step(
    definition: MobDefinition, data: st.DataObject, random: Random, mood: int, cancel: bool, parts: int, **crew: Any
) -> None:
    old = VirtualCrew(definition, moody(mood), random, cancel=cancel, **crew).to_end()
    assume(root_frame_id(old.run_id) in old.run.frames)
    frame = definition.flows[FLOW].root_frame
    node = data.draw(st.sampled_from(sorted(frame.nodes)))
    try:
        new = fork_of(old, node, moody(mood + 1), random, **crew)
    except ValidationError as error:
        check_two_winners(old, error)
        return
    with patch.object(advance, "MOST_ACTIONS", parts):
        new.to_end()
    check_end(new.sim)
    check_calls(new)
    check_carried(old, new, after(frame, node))


@MANY
@given(definition=mobs(EVERYTHING), random=RANDOM, mood=st.integers(0, 1000), mishaps=st.integers(0, MOST_LOST - 1))
def test_a_fork_without_a_step_does_what_had_not_completed(
    definition: MobDefinition, random: Random, mood: int, mishaps: int
) -> None:
    old = VirtualCrew(definition, moody(mood), random).to_end()
    root = old.run.frames[root_frame_id(old.run_id)].kernel_state
    try:
        new = fork_of(old, None, moody(mood + 1), random, mishaps=mishaps)
    except ValidationError as error:
        if "has completed all of its steps" not in str(error):
            check_two_winners(old, error)
            return
        assert set(root.node_status.values()) == {NodeStatus.COMPLETED}
        return
    new.to_end()
    check_end(new.sim)
    check_calls(new)
    check_carried(old, new, set())
