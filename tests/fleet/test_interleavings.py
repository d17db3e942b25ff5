"""Any flow under any number of workers, in any order of events: it ends, and each thing happens once."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from redis_mob.fleet import advance
from redis_mob.fleet.takeover import MOST_LOST
from redis_mob.fleet.transition_builder import SYSTEM_MEMBER
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.flow import FramePhase, FrameScope, NodeKind, NodeStatus
from redis_mob.models.flow_spec import CollectAll
from redis_mob.models.run_status import MobRunStatus
from tests.fleet import everything
from tests.fleet.escalation_checks import check_escalations
from tests.fleet.interleaving import Interleaving, moody, steady
from tests.fleet.simulation import TERMINAL_EVENTS, Simulation
from tests.fleet.strategies import EVERYTHING, SETTLED, WAITS, mobs
from tests.fleet.virtual_crew import VirtualCrew
from tests.fleet.wait_checks import waits_of
from tests.support.examples import examples
from tests.support.health_checks import ALL_HEALTH_CHECKS

GENEROUS = settings(max_examples=examples(150), deadline=None, suppress_health_check=ALL_HEALTH_CHECKS)
RANDOM = st.randoms(use_true_random=False)
SIGNALS = st.integers(0, 6)
"""How many are sent although no step may wait for them; of those that a run cannot end without, each is sent too."""
PARTS = st.sampled_from((1, 3, advance.MOST_ACTIONS))
"""How many actions a decision carries out: with few, workers see all that lies between those of one decision."""

ROW_OF = {
    ExecutionStatus.COMPLETED: "completed",
    ExecutionStatus.FAILED: "failed",
    ExecutionStatus.CANCELED: "canceled",
}


def nodes_by_step(sim: Simulation) -> Counter[tuple[str, NodeStatus]]:
    """How often the node of each step ended how, over all frames."""
    flow_machine = sim.definition.flows["flow"]
    ends: Counter[tuple[str, NodeStatus]] = Counter()
    assert flow_machine.root is not None
    for frame in sim.run.frames.values():
        state = frame.kernel_state
        for name, status in state.node_status.items():
            if state.node_kind[name] is NodeKind.STEP:
                ends[name, status] += 1  # nodes are named as their steps in random mobs
    return ends


def check_end(sim: Simulation) -> None:
    """What holds for every run that is over."""
    run, events = sim.run, sim.store.events
    assert run.status.is_terminal
    assert [event for event in events if isinstance(event, TERMINAL_EVENTS)] == [events[-1]]
    assert events[-1].type == f"flow_{run.status}"
    assert sim.story().count("flow_started") == (events[0].type == "flow_started")
    assert (sim.store.ready, sim.store.run_due) == ({}, None)
    assert all(frame.kernel_state.phase is not FramePhase.RUNNING for frame in run.frames.values())
    assert all(status is not None for status in run.flow_state.step_status.values())
    check_effects_happened_once(sim)
    check_ledgers(sim)
    check_items(sim)
    check_waits(sim)
    check_escalations(sim)


def check_effects_happened_once(sim: Simulation) -> None:
    story, ends, waits = Counter(sim.story()), nodes_by_step(sim), sim.definition.flows["flow"].waits
    told = {line.partition(" ")[2] for line in story if line.startswith("step_completed ")}
    for step_id in {step for step, _ in ends} | told:
        assert story[f"step_completed {step_id}"] == ends[step_id, NodeStatus.COMPLETED]
        if sim.run.status is MobRunStatus.COMPLETED:
            assert story[f"step_failed {step_id}"] == ends[step_id, NodeStatus.FAILED]
    completed = Counter(
        f"{execution.step_id}@{key.target}"
        for key, execution in sim.executions().items()
        if execution.status is ExecutionStatus.COMPLETED
    )
    assert completed == {
        line.partition(" ")[2]: count for line, count in story.items() if line.startswith("step_target_completed ")
    }
    attempts = Counter[str]()
    for key, execution in sim.executions().items():
        # a step that waits is told of when it begins, and no worker claims it
        told_of = execution.fencing_token - sim.store.resumed[key] + (execution.step_id in waits)
        attempts[f"step_dispatched {execution.step_id}@{key.target}"] += told_of
    assert +attempts == {line: count for line, count in story.items() if line.startswith("step_dispatched ")}


def check_ledgers(sim: Simulation) -> None:
    executions = sim.executions()
    rows = Counter(row for row in sim.rows() if f"@{SYSTEM_MEMBER} " not in row)
    expected = Counter(
        f"{execution.step_id}@{key.target} {ROW_OF[execution.status]}" for key, execution in executions.items()
    )
    dispatched = {
        f"{execution.step_id}@{key.target} dispatched"
        for key, execution in executions.items()
        if execution.fencing_token or execution.step_id in sim.definition.flows["flow"].waits
    }
    assert rows == expected + Counter(dispatched) + carried_rows(sim)
    system = [row for row in sim.rows() if f"@{SYSTEM_MEMBER} " in row]
    # a step over items tells how many there are in each iteration
    ends = [row for row in system if not row.endswith(" dispatched")]
    assert len(ends) == len(set(ends))
    bodies = {name for name, frame in sim.run.frames.items() if frame.kernel_state.frame_scope is FrameScope.BODY}
    iterations = [row.frame_id for row in sim.run.loop_iteration_ledger]
    assert sorted(iterations) == sorted(bodies)


def carried_rows(sim: Simulation) -> Counter[str]:
    """The rows of what a forked run has from another one."""
    carried, rows = sim.store.view.launch.carried, Counter[str]()
    for name, frame in sim.run.frames.items():
        for node, step in carried.in_frame(sim.run.run_id, name).items():
            if frame.kernel_state.node_status[node] is NodeStatus.COMPLETED:  # named as its step in random mobs
                rows.update(f"{node}@{target} completed" for target in step.outputs)
    return rows


def check_items(sim: Simulation) -> None:
    """Each item of a step that completed by all of them was done once, and gives its place in the output."""
    flow, run = sim.definition.flows["flow"], sim.run
    for node, progress in sim.store.view.progress.items():
        step = flow.steps[progress.step_id]
        items = [one.item for key, one in sim.executions().items() if key.node == node and one.item is not None]
        assert sorted(item.index for item in items) == list(range(progress.begun))
        assert all(item.value == sim.store.view.items[node][item.index] for item in items)
        frame = run.frames[node[0]].kernel_state
        is_complete = frame.node_status[node[1]] is NodeStatus.COMPLETED
        if is_complete and isinstance(step.collection_policy, CollectAll):
            assert progress.completed == progress.begun == progress.items
            if frame.frame_scope is FrameScope.ROOT:
                assert len(run.root_step_outputs[progress.step_id]) == progress.items


def check_asks(sim: Simulation) -> None:
    """Nothing is asked any more, and what completed was answered."""
    assert all(execution.asks == () for execution in sim.executions().values())


def check_waits(sim: Simulation) -> None:
    """No step waits any more, and what those in the root frame waited for is their output."""
    for key, execution in waits_of(sim.definition.flows["flow"], sim.executions()).items():
        assert execution.status in ROW_OF, f"{key} still waits"
        scope = sim.run.frames[key.frame_id].kernel_state.frame_scope
        if scope is FrameScope.ROOT and execution.status is ExecutionStatus.COMPLETED:
            assert sim.run.root_step_outputs[execution.step_id] == execution.output


@GENEROUS
@given(
    definition=mobs(EVERYTHING),
    random=RANDOM,
    parts=PARTS,
    members=st.integers(0, 3),
    mishaps=st.integers(0, MOST_LOST),
    mood=st.integers(0, 1000),
    cancel=st.booleans(),
    signals=SIGNALS,
)
def test_every_run_ends_in_order_and_everything_happens_once(
    definition: MobDefinition, random: Random, mood: int, parts: int, **more: Any
) -> None:
    with patch.object(advance, "MOST_ACTIONS", parts):
        sim = Interleaving(definition, moody(mood), random, **more).to_end()
    check_end(sim)


def outcome(sim: Simulation) -> dict[str, Any]:
    run = sim.run
    return {
        "status": run.status,
        "steps": sim.statuses(),
        "outputs": dict(run.root_step_outputs),
        "loops": {name: [dict(one) for one in rounds] for name, rounds in run.loop_iteration_outputs.items()},
        "failed": sorted(step_id for step_id, _ in sim.failures()),
    }


@GENEROUS
@given(
    definition=mobs(SETTLED),
    random=RANDOM,
    members=st.integers(1, 3),
    mishaps=st.integers(0, MOST_LOST),
    mood=st.integers(0, 1000),
    parts=PARTS,
    signals=SIGNALS,
)
def test_the_outcome_does_not_depend_on_who_does_what_when(
    definition: MobDefinition, random: Random, members: int, mood: int, parts: int, **more: Any
) -> None:
    calm = Interleaving(definition, moody(mood), Random(0), members).to_end()
    with patch.object(advance, "MOST_ACTIONS", parts):
        wild = Interleaving(definition, moody(mood), random, members, **more).to_end()
    check_end(wild)
    assert outcome(wild) == outcome(calm)


@GENEROUS
@given(
    definition=mobs(SETTLED),
    random=RANDOM,
    members=st.integers(1, 3),
    mood=st.integers(0, 1000),
    parts=PARTS,
    asks=st.integers(1, 3),
)
def test_asking_people_changes_nothing_of_the_outcome(
    definition: MobDefinition, random: Random, members: int, mood: int, parts: int, **more: Any
) -> None:
    silent = Interleaving(definition, moody(mood), Random(0), members).to_end()
    with patch.object(advance, "MOST_ACTIONS", parts):
        asking = Interleaving(definition, moody(mood), random, members, **more).to_end()
    check_end(asking)
    check_asks(asking)
    assert outcome(asking) == outcome(silent)


@GENEROUS
@given(definition=mobs(EVERYTHING), random=RANDOM, parts=PARTS, asks=st.integers(1, 3), cancel=st.booleans())
def test_any_run_that_asks_people_ends(
    definition: MobDefinition, random: Random, parts: int, asks: int, cancel: bool
) -> None:
    with patch.object(advance, "MOST_ACTIONS", parts):
        sim = Interleaving(definition, steady, random, asks=asks, cancel=cancel).to_end()
    check_end(sim)
    check_asks(sim)


@GENEROUS
@given(definition=mobs(EVERYTHING), random=RANDOM, moment=st.integers(0, 40), signals=SIGNALS)
def test_any_run_can_be_canceled_at_any_moment(
    definition: MobDefinition, random: Random, moment: int, signals: int
) -> None:
    workers = Interleaving(definition, steady, random, signals=signals)
    for _ in range(moment):
        if choices := workers.choices():
            random.choice(choices)()
    asked = workers.store.request_cancel()
    sim = workers.to_end()
    check_end(sim)
    if asked:
        assert sim.run.status is MobRunStatus.CANCELED


def check_calls(crew: VirtualCrew) -> None:
    """A handler was called once for each attempt, and for no other reason but a lost worker."""
    for key, execution in {**crew.sim.executions(), **crew.sim.escalations()}.items():
        assert crew.calls[key] <= execution.fencing_token
        if execution.escalation is None and execution.step_id in crew.definition.flows["flow"].waits:
            continue
        if execution.escalation is not None and (execution.reason or "").startswith("timeout after"):
            # its time may be over while its next attempt waits to begin
            assert execution.attempts_of_step - 1 <= crew.calls[key]
            continue
        settled = execution.status in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED)
        assert not settled or execution.attempts_of_step <= crew.calls[key]
        if execution.attempt == execution.attempts_of_step and settled and key not in crew.store.handed_on:
            assert crew.calls[key] == execution.attempt == execution.fencing_token


MANY = settings(GENEROUS, max_examples=examples(300))
ANY_MOB = mobs(EVERYTHING) | st.just(everything.EVERYTHING)
"""Random mobs are small; the other one has something to do for several workers."""

CREWS = {
    # one that hypothesis makes up step by step prefers the first move, so that hardly anything happens in between
    "random": st.randoms(use_true_random=True),
    "members": st.integers(1, 3),
    "workers": st.integers(1, 4),
    "slots": st.integers(1, 3),
    "mishaps": st.integers(0, MOST_LOST - 1),
    "mood": st.integers(0, 1000),
    "signals": SIGNALS,
}


@MANY
@given(definition=ANY_MOB, cancel=st.booleans(), parts=PARTS, **CREWS)
def test_workers_that_know_old_states_do_everything_once(
    definition: MobDefinition, random: Random, mood: int, parts: int, **crew: Any
) -> None:
    workers = VirtualCrew(definition, moody(mood), random, **crew)
    with patch.object(advance, "MOST_ACTIONS", parts):
        check_end(workers.to_end())
    check_calls(workers)


@GENEROUS
@given(definition=mobs(WAITS), cancel=st.booleans(), parts=PARTS, **CREWS)
def test_signals_are_taken_once_and_in_their_order(
    definition: MobDefinition, random: Random, mood: int, parts: int, **crew: Any
) -> None:
    workers = VirtualCrew(definition, moody(mood), random, **crew)
    with patch.object(advance, "MOST_ACTIONS", parts):
        check_end(workers.to_end())
    check_calls(workers)


@MANY
@given(definition=mobs(SETTLED), **CREWS)
def test_workers_that_know_old_states_come_to_what_one_alone_comes_to(
    definition: MobDefinition, random: Random, mood: int, members: int, **crew: Any
) -> None:
    alone = VirtualCrew(definition, moody(mood), Random(0), members, workers=1, slots=1).to_end()
    several = VirtualCrew(definition, moody(mood), random, members, **crew).to_end()
    check_end(several)
    assert outcome(several) == outcome(alone)


@MANY
@given(definition=ANY_MOB, cancel=st.booleans(), moment=st.integers(0, 100), **CREWS)
def test_one_healthy_worker_alone_ends_a_run_from_any_state(
    definition: MobDefinition, random: Random, mood: int, moment: int, **crew: Any
) -> None:
    workers = VirtualCrew(definition, moody(mood), random, **crew)
    for _ in range(moment):
        if choices := workers.choices():
            random.choice(choices)()
    check_end(workers.left_to_one())
    check_calls(workers)
