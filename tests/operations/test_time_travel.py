"""A run at any moment of its past, by its events: what was stored then (contract: operations-250, operations-251)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_mob.fleet.outcome import Failed, Outcome, Succeeded
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import MobEvent
from redis_mob.models.execution import Execution
from redis_mob.models.flow import LoopPhase
from redis_mob.models.flow_events import FlowCanceled
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.states import State
from redis_mob.models.transition import RunView
from redis_mob.operations.describing import StoredRun
from redis_mob.operations.run_description import RunDescription
from redis_mob.past.time_travel import RunMoment, RunPast
from tests.fleet import everything
from tests.fleet.everything import ALWAYS
from tests.fleet.flows import loop, mob, node, step
from tests.fleet.interleaving import Handler, Interleaving, Move, moody
from tests.fleet.simulation import Simulation
from tests.fleet.strategies import EVERYTHING, NEVER, WAITS, mobs
from tests.operations.past_checks import answers_of, differences, newest, numbered
from tests.support.examples import examples
from tests.support.health_checks import ALL_HEALTH_CHECKS

GENEROUS = settings(max_examples=examples(20), deadline=None, suppress_health_check=ALL_HEALTH_CHECKS)

RANDOM = st.randoms(use_true_random=False)


def described(crowd: Interleaving) -> RunDescription:
    """The run as it is stored now."""
    view = crowd.store.load()
    view = replace(view, run=crowd.store.view.run)
    flow = crowd.definition.flows[view.run.flow_id]
    return StoredRun(view=view, step_ledger=view.run.step_ledger, flow=flow, workers=()).described()


@dataclass
class Looking(Interleaving):
    """Compares, after each third commit, the past with what is stored then, and keeps what was stored for later."""

    compares: bool = True
    commits: int = 0
    stored: dict[int, RunDescription] = field(default_factory=dict[int, RunDescription])

    def _commit(self, move: Move) -> None:
        super()._commit(move)
        self.commits += 1
        if not self.compares or self.commits % 3:
            return
        now = described(self)
        assert differences(newest(self.view, self.definition, self.log), now, rests=self.rests) == [], self.sim.story()
        self.stored[len(self.log)] = now

    @property
    def rests(self) -> bool:
        """Whether members may wait without an event that tells it."""
        return self.asks > 0

    @property
    def view(self) -> RunView:
        """The run as it is stored now."""
        return replace(self.store.load(), run=self.store.view.run)

    @property
    def log(self) -> list[MobEvent]:
        """Its events."""
        return numbered(self.store.view, self.store.events)

    def check_the_past(self) -> None:
        """Each moment of a run that is over is as it was stored then, when no further event had come."""
        view = self.view
        past = RunPast.of(self.definition, view.run.run_id, view.run.flow_id, self.log, answers_of(view))
        for cursor, stored in self.stored.items():
            assert differences(past.at(cursor), stored, rests=self.rests) == [], self.sim.story()[:cursor]


def telling(handler: Handler) -> Handler:
    """Failures of a class, as those of handlers are: then their events say whether they are tried again."""

    def tell(execution: Execution, iteration: int) -> Outcome:
        outcome = handler(execution, iteration)
        return replace(outcome, error_class="BadMood") if isinstance(outcome, Failed) else outcome

    return tell


@GENEROUS
@given(mobs(EVERYTHING), st.integers(0, 10), RANDOM, st.integers(0, 2), st.booleans(), st.integers(0, 1))
def test_the_past_is_what_was_stored_then(
    definition: MobDefinition, seed: int, random: Random, mishaps: int, cancel: bool, asks: int
) -> None:
    crowd = Looking(
        definition, telling(moody(seed)), random, mishaps=mishaps, cancel=cancel, asks=asks, signals=2, noted=1 / 3
    )
    crowd.to_end()
    crowd.check_the_past()


@GENEROUS
@given(mobs(WAITS), st.integers(0, 10), RANDOM, st.booleans())
def test_flows_that_wait_for_signals(definition: MobDefinition, seed: int, random: Random, cancel: bool) -> None:
    crowd = Looking(definition, telling(moody(seed)), random, cancel=cancel, signals=3)
    crowd.to_end()
    crowd.check_the_past()


@pytest.mark.parametrize("cancel", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_a_flow_of_everything(seed: int, cancel: bool) -> None:
    def handler(execution: Execution, iteration: int) -> Outcome:
        if execution.step_id == "left" or (execution.step_id == "flaky" and execution.attempts_of_step == 1):
            return Failed("not now", error_class="NotNow")
        return Succeeded(everything.output(execution.step_id, iteration))

    crowd = Looking(everything.EVERYTHING, handler, Random(seed), members=3, mishaps=2, cancel=cancel)
    crowd.to_end()
    crowd.check_the_past()
    assert cancel or any(node.members for node in newest(crowd.view, crowd.definition, crowd.log).nodes.values())


@GENEROUS
@given(mobs(EVERYTHING), st.integers(0, 10), RANDOM)
def test_the_log_alone_tells_how_the_steps_of_a_run_ended(definition: MobDefinition, seed: int, random: Random) -> None:
    """Without what came of the conditions of loops. Of several loops that are exhausted the last one is told."""
    crowd = Looking(definition, telling(moody(seed)), random, compares=False)
    crowd.to_end()
    moment, stored = newest(crowd.view, definition, crowd.log, alone=True), described(crowd)
    assert moment.status is stored.status
    phases = [loop.kernel_state.phase for loop in crowd.store.view.run.loops.values()]
    for one in stored.nodes if phases.count(LoopPhase.EXHAUSTED) < 2 else ():
        assert moment.nodes[f"{stored.run_id}-root/{one.node_id}"].state is one.state, crowd.sim.story()


def test_a_loop_whose_condition_is_not_known_goes_on_with_the_next_event() -> None:
    steps = {"draft": step(policy="any"), "print": step("draft", policy="any")}
    root = {"write": loop("write", NEVER, 3, draft=node("draft")), "print": node("print", "write")}
    sim = Simulation(mob(steps, root), worker=1)
    sim.advance()
    sim.do("draft")
    write = f"{sim.run_id}-root/write"

    def alone() -> RunMoment:
        view = sim.store.view
        return newest(view, sim.definition, numbered(view, sim.store.events), alone=True)

    assert (alone().nodes[write].state, list(alone().iterations.values())) == (State.RUNNING, [1])
    sim.claim("draft")
    assert (alone().nodes[write].state, list(alone().iterations.values())) == (State.RUNNING, [2])
    assert newest(sim.store.view, sim.definition, numbered(sim.store.view, sim.store.events)).nodes == alone().nodes


def test_a_moment_is_that_of_the_last_event_up_to_its_cursor() -> None:
    sim = Simulation(mob({"a": step(), "b": step("a")}), worker=2)
    sim.advance()
    sim.do("a", member="worker-1")
    sim.claim("a", "worker-2")
    sim.settle("a", Failed("broken", retryable=False, error_class="Broken"), "worker-2")
    sim.advance()
    log = numbered(sim.store.view, sim.store.events)
    apart = [one.model_copy(update={"cursor": one.cursor * 10}) for one in log]
    past = RunPast.of(sim.definition, sim.run_id, "flow", apart)
    assert (past.at(9).status, past.at(9).cursor, past.at(9).nodes) == (MobRunStatus.PENDING, 0, {})
    began = past.at(29)
    a, b = (f"{sim.run_id}-root/{name}" for name in "ab")
    assert (began.cursor, began.at, began.status) == (20, log[1].timestamp, MobRunStatus.RUNNING)
    assert began.nodes[a].members == {"worker-1": State.RUNNING} and began.nodes[b].since is None
    over = past.at(10_000)
    assert over.nodes[a].members == {"worker-1": State.COMPLETED, "worker-2": State.FAILED}
    assert (over.nodes[a].completed, over.nodes[b].state) == (1, State.SKIPPED)
    assert [over.nodes[a].since, over.status] == [log[-3].timestamp, MobRunStatus.FAILED]


def test_what_was_taken_already_and_what_is_of_another_run_changes_nothing() -> None:
    sim = Simulation(mob({"a": step()}), worker=1)
    sim.advance()
    sim.do("a")
    log = numbered(sim.store.view, sim.store.events)
    of_another = log[1].model_copy(
        update={"cursor": 99, "kind": FlowCanceled(run_id="00000000-0000-4000-8000-000000000001", flow_id="flow")}
    )
    past = RunPast.of(sim.definition, sim.run_id, "flow", log)
    before = past.at(100)
    for event in (*log, of_another):
        past.take(event)
    assert past.at(100) == before and past.cursors == [one.cursor for one in log]


def alone(sim: Simulation) -> RunMoment:
    """The run behind its newest event, by the log alone."""
    view = sim.store.view
    return newest(view, sim.definition, numbered(view, sim.store.events), alone=True)


def test_a_body_that_a_cancellation_kept_from_beginning_has_not_begun() -> None:
    """The next body could begin when the step before was over: what the log tells then is the same as if it had."""
    steps = {"a": step(), "b": step()}
    root = {"first": loop("first", NEVER, 2, a=node("a")), "next": loop("next", NEVER, 2, b=node("b"))}
    sim = Simulation(mob(steps, root, limits={"max_active_frames": 1}), worker=1)
    sim.advance()
    sim.do("a")
    token = sim.claim("a")
    sim.store.request_cancel()
    sim.settle("a", Succeeded(1), token=token)
    sim.advance()
    view = sim.store.view
    assert view.run.status is MobRunStatus.CANCELED
    flow = sim.definition.flows["flow"]
    stored = StoredRun(view=view, step_ledger=view.run.step_ledger, flow=flow, workers=()).described()
    moment = newest(view, sim.definition, numbered(view, sim.store.events))
    assert differences(moment, stored) == []
    assert dict(moment.iterations) == {f"{sim.run_id}-root/first": 2}


def test_a_step_that_is_not_reached_tells_that_a_loop_within_the_one_it_needs_is_exhausted() -> None:
    steps = {"a": step(), "b": step(), "other": step(policy="any")}
    inner = loop("inner", NEVER, 1, a=node("a"))
    root = {"outer": loop("outer", NEVER, 1, inner=inner), "b": node("b", "outer"), "other": node("other")}
    sim = Simulation(mob(steps, root), worker=1)
    sim.advance()
    sim.do("a")
    assert (sim.run.status, sim.story()[-1]) == ("running", "step_skipped b")
    outer, b = (f"{sim.run_id}-root/{name}" for name in ("outer", "b"))
    assert [alone(sim).nodes[name].state for name in (outer, b)] == [State.FAILED, State.SKIPPED]


def test_a_step_that_is_skipped_by_its_condition_tells_that_the_loop_around_it_has_begun() -> None:
    steps = {"a": step(), "b": step(condition=NEVER), "c": step(), "other": step()}
    root = {
        "first": loop("first", ALWAYS, 3, a=node("a")),
        "next": loop("next", ALWAYS, 3, "first", b=node("b"), c=node("c")),
        "other": node("other"),
    }
    sim = Simulation(mob(steps, root), worker=1)
    sim.advance()
    sim.do("a")
    assert sim.story()[-1] == "step_skipped b"
    first, next_one = (f"{sim.run_id}-root/{name}" for name in ("first", "next"))
    assert [alone(sim).nodes[name].state for name in (first, next_one)] == [State.COMPLETED, State.RUNNING]
    sim.do("c")
    sim.do("other")
    assert sim.run.status == "completed"
    moment = alone(sim)
    assert {one.state for one in moment.nodes.values()} == {State.COMPLETED, State.SKIPPED}


def test_of_two_loops_that_a_skipped_step_needs_the_one_that_was_over_last_is_exhausted() -> None:
    steps = {"a": step(), "b": step(), "c": step(), "other": step()}
    root = {
        "met": loop("met", ALWAYS, 1, a=node("a")),
        "exhausted": loop("exhausted", NEVER, 1, b=node("b")),
        "c": node("c", "met", "exhausted"),
        "other": node("other"),
    }
    sim = Simulation(mob(steps, root), worker=1)
    sim.advance()
    sim.do("a")
    sim.do("b")
    assert sim.story()[-1] == "step_skipped c"
    met, exhausted = (f"{sim.run_id}-root/{name}" for name in ("met", "exhausted"))
    assert [alone(sim).nodes[name].state for name in (met, exhausted)] == [State.COMPLETED, State.FAILED]
