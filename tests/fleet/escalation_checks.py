"""What holds of escalations when a run is over, in any order of things."""

from __future__ import annotations

from collections import Counter

from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.flow import NodeStatus
from redis_mob.models.ledger import FLOW_STEP
from redis_mob.models.run_status import MobRunStatus
from tests.fleet.flows import FLOW
from tests.fleet.simulation import Simulation


def check_escalations(sim: Simulation) -> None:
    """The supervisor was told of each step that failed from the threshold on, once, and how that ended is told once."""
    spec, found = sim.definition.supervisor, sim.escalations()
    told = Counter(line for line in sim.story() if line.startswith("supervisor_") or "@supervisor:" in line)
    assert all(one.is_over for one in found.values()), "the run has ended before its supervisor was told"
    ends = {
        ExecutionStatus.COMPLETED: "supervisor_escalation {step}",
        ExecutionStatus.FAILED: "step_target_failed {step}@supervisor:{member}",
    }
    expected = (
        ends[one.status].format(step=one.step_id, member=key.target) for key, one in found.items() if one.status in ends
    )
    assert told == Counter(expected)
    steps = Counter(one.step_id for one in found.values())
    failed = {
        step_id
        for name, frame in sim.run.frames.items()
        for node, status in frame.kernel_state.node_status.items()
        if status is NodeStatus.FAILED and (step_id := _step_of(sim, name, node)) is not None
    }
    assert not found or spec is not None
    assert set(steps.values()) <= {1}, "the supervisor is told of a step twice"
    assert steps.keys() <= failed
    was_ended = sim.run.status is MobRunStatus.CANCELED or any(step == FLOW_STEP for step, _ in sim.failures())
    if spec is not None and spec.escalation_threshold and not was_ended:
        assert len(found) == max(len(failed) - spec.escalation_threshold + 1, 0)
        assert sorted(one.escalation.failures for one in found.values() if one.escalation is not None) == list(
            range(spec.escalation_threshold, len(failed) + 1)
        )


def _step_of(sim: Simulation, frame_id: str, node_id: str) -> str | None:
    # nodes are named as their steps in random mobs
    return node_id if node_id in sim.definition.flows[FLOW].steps else None
