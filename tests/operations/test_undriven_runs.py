"""Runs that no fleet has started are described by their ledgers (contract: operations-24)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from redis_mob.errors import NotDrivenError, NotFoundError
from redis_mob.models.ledger import FailureLedgerEntry, StepLedgerEntry, StepRunStatus
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.states import State
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.run_description import StepDescription
from redis_mob.operations.undriven_runs import described_by_ledgers
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.states import new_run

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def row(step: str, member: str, status: StepRunStatus, minute: int) -> StepLedgerEntry:
    output = {"by": member} if status is StepRunStatus.COMPLETED else None
    at = NOON + timedelta(minutes=minute)
    return StepLedgerEntry(step_id=step, agent_identity=member, status=status, output=output, timestamp=at)


ROWS = (
    row("a", "m0", StepRunStatus.DISPATCHED, 1),
    row("a", "m1", StepRunStatus.DISPATCHED, 1),
    row("a", "m0", StepRunStatus.COMPLETED, 2),
    row("a", "m1", StepRunStatus.FAILED, 3),
    row("a", "m1", StepRunStatus.DISPATCHED, 4),
    row("a", "m1", StepRunStatus.COMPLETED, 6),
    row("b", "m0", StepRunStatus.DISPATCHED, 7),
    row("c", "m0", StepRunStatus.DISPATCHED, 7),
    row("c", "m0", StepRunStatus.FAILED, 8),
)


def imported(**update: object) -> MobRun:
    failed = FailureLedgerEntry(step_id="c", reason="no ink", timestamp=NOON + timedelta(minutes=8))
    return new_run().model_copy(
        update={
            "created_at": NOON,
            "step_ledger": ROWS,
            "failure_ledger": (failed,),
            "root_step_outputs": {"a": [1, 2]},
            "activation_params": {"x": 1},
            **update,
        }
    )


def test_steps_and_members_are_as_their_newest_rows() -> None:
    told = described_by_ledgers(imported(), NOON + timedelta(minutes=10), outputs=False)
    assert (told.definition, told.seconds, told.params) == (None, 600, {"x": 1})
    assert dict(told.steps) == {"completed": 1, "failed": 1, "running": 1}
    a, b, c = (node for node in told.nodes if isinstance(node, StepDescription))
    assert (a.step_id, a.state, a.seconds, a.output_bytes, a.output) == ("a", State.COMPLETED, 300, 5, None)
    assert [(one.member, one.state, one.attempt, one.seconds) for one in a.members] == [
        ("m0", State.COMPLETED, 1, 60),
        ("m1", State.COMPLETED, 2, 120),
    ]
    assert (b.state, b.ended_at, b.members[0].state) == (State.RUNNING, None, State.RUNNING)
    assert (c.state, c.members[0].output_bytes) == (State.FAILED, None)
    [failure] = told.failures
    assert (failure.step_id, failure.member, failure.reason) == ("c", "m0", "no ink")


def test_outputs_are_told_if_they_are_asked_for() -> None:
    told = described_by_ledgers(imported(activation_params={"x": "y" * 1000}), NOON, outputs=True)
    assert isinstance(told.nodes[0], StepDescription)
    assert (told.nodes[0].output, told.params) == ([1, 2], {"x": "y" * 1000})


async def test_it_is_described_with_the_clock_of_the_storage(storage: MobStorage) -> None:
    run = new_run()
    await storage.runs.create_run(run)
    with pytest.raises(NotDrivenError, match=f"run {run.run_id} was not started by a fleet"):
        await storage.executions.load(run.run_id)
    told = await FleetAdmin(storage).describe(run.run_id)
    assert (told.run_id, told.status, told.nodes, told.begins_at) == (
        run.run_id,
        MobRunStatus.RUNNING,
        (),
        run.created_at,
    )


async def test_a_run_that_does_not_exist_is_named(storage: MobStorage) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        await FleetAdmin(storage).describe(new_run().run_id)
