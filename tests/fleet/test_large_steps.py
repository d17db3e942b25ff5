"""What a decision costs on a step with many members: so much for each result, however many members there are."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from redis_mob.fleet import engine, execution_index
from redis_mob.fleet.engine import Claimant, Report
from redis_mob.fleet.outcome import Failed, Outcome, Succeeded
from redis_mob.fleet.transition_builder import TransitionBuilder
from redis_mob.models.execution import Claim, ExecutionStatus
from redis_mob.models.order import natural_key
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import Transition
from tests.fleet.flows import mob, step
from tests.fleet.simulation import Simulation


def at_work(members: int, policy: str = "all") -> Simulation:
    """A step whose members are all at work."""
    sim = Simulation(mob({"a": step(policy=policy)}), worker=members)
    assert sim.advance()
    claims = [Claim(key) for key in sim.keys("a")]
    noted = engine.note(sim.store.load(), sim.definition, claims=claims, claimant=Claimant("one"), random=Random(0))
    assert noted.transition is not None
    assert sim.commit(noted.transition)
    return sim


def settled(sim: Simulation, outcome: Outcome) -> Transition:
    """The decision that takes the same outcome of all members."""
    view = sim.store.load()
    reports = [Report(key, one.fencing_token, outcome) for key, one in view.executions.items()]
    decision = engine.decide(view, sim.definition, reports=reports, claimant=Claimant("one"), random=Random(0))
    assert decision.transition is not None
    return decision.transition


@pytest.mark.parametrize(("policy", "outcome"), [("all", Succeeded(1)), ("any", Failed("broken", retryable=False))])
@pytest.mark.parametrize("members", [10, 300])
def test_the_results_of_all_members_take_a_few_looks_at_each(
    policy: str, outcome: Outcome, members: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step needs all of these results, so that it is decided once, with the last."""
    looks: Counter[str] = Counter()

    def key_of(name: str) -> Any:
        looks["order"] += 1
        return natural_key(name)

    sim = at_work(members, policy)
    monkeypatch.setattr(execution_index, "natural_key", key_of)
    transition = settled(sim, outcome)
    assert 0 < looks["order"] <= 3 * members
    monkeypatch.undo()
    assert sim.commit(transition)
    assert sim.run.status is (MobRunStatus.COMPLETED if isinstance(outcome, Succeeded) else MobRunStatus.FAILED)


def test_the_counts_of_a_node_follow_what_is_put() -> None:
    sim = at_work(3)
    builder = TransitionBuilder(sim.store.load(), sim.definition)
    [first, second, third] = sim.keys("a")
    node = (first.frame_id, first.node_id)
    builder.close(first, status=ExecutionStatus.FAILED)
    assert builder.statuses_of(*node) == {ExecutionStatus.LEASED: 2, ExecutionStatus.FAILED: 1}
    builder.close(first, status=ExecutionStatus.CANCELED)
    builder.close(second, status=ExecutionStatus.COMPLETED)
    builder.put(third._replace(target="new"), sim.execution("a"))
    counts = {ExecutionStatus.LEASED: 2, ExecutionStatus.COMPLETED: 1, ExecutionStatus.CANCELED: 1}
    assert +builder.statuses_of(*node) == counts == Counter(one.status for one in builder.executions_of(*node).values())
    assert not builder.statuses_of(*node[:1], "another")
