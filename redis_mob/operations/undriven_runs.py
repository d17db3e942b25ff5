"""Describes a run that no fleet has started, as one that was imported: from its ledgers (contract: operations-24)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic_core import to_json

from redis_mob.errors import NotDrivenError, NotFoundError
from redis_mob.models.base import SortedDict
from redis_mob.models.ledger import StepLedgerEntry, StepRunStatus
from redis_mob.models.run import MobRun
from redis_mob.models.run_outputs import SYSTEM_MEMBER
from redis_mob.models.state_of import STATE_OF_ROW
from redis_mob.models.states import State
from redis_mob.operations.describing import SHORT_PARAMS
from redis_mob.operations.failures import failures_of
from redis_mob.operations.inspection import describe
from redis_mob.operations.run_description import MemberDescription, RunDescription, StepDescription, seconds_between
from redis_mob.storage import MobStorage


async def describe_any(storage: MobStorage, run_id: str, *, outputs: bool, attempts: bool) -> RunDescription:
    """A run as it is now; see `FleetAdmin.describe`."""
    try:
        return await describe(storage, run_id, outputs=outputs, attempts=attempts)
    except NotDrivenError:
        run = await storage.runs.get_run(run_id)
        if run is None:
            raise NotFoundError.of_run(run_id, storage.namespace) from None
        return described_by_ledgers(run, run.completed_at or await storage.schedules.now(), outputs=outputs)


def described_by_ledgers(run: MobRun, now: datetime, *, outputs: bool) -> RunDescription:
    """A run with its steps in the order in which they began, without frames and loops: these need its definition."""
    rows: defaultdict[str, list[StepLedgerEntry]] = defaultdict(list)
    for row in run.step_ledger:
        rows[row.step_id].append(row)
    steps = tuple(_step(run, step_id, of_step, outputs=outputs) for step_id, of_step in rows.items())
    params_bytes = len(to_json(run.activation_params))
    return RunDescription(
        run_id=run.run_id,
        mob_id=run.mob_id,
        flow_id=run.flow_id,
        status=run.status,
        now=now,
        created_at=run.created_at,
        begins_at=run.created_at,
        completed_at=run.completed_at,
        seconds=seconds_between(run.created_at, now) or 0.0,
        definition=None,
        params_bytes=params_bytes,
        params=run.activation_params if outputs or params_bytes <= SHORT_PARAMS else None,
        steps=SortedDict(Counter(str(step.state) for step in steps)),
        failures=failures_of(run, run.step_ledger, {}, {}),
        nodes=steps,
    )


def _step(run: MobRun, step_id: str, rows: Sequence[StepLedgerEntry], *, outputs: bool) -> StepDescription:
    of_members: defaultdict[str, list[StepLedgerEntry]] = defaultdict(list)
    for row in rows:
        of_members[row.agent_identity].append(row)
    of_step = of_members.pop(SYSTEM_MEMBER, [])
    members = tuple(_member(name, of_member) for name, of_member in of_members.items())
    state = STATE_OF_ROW[of_step[-1].status] if of_step else _state_of(members)
    began, ended = rows[0].timestamp, rows[-1].timestamp if state.is_final else None
    output: Any = run.root_step_outputs.get(step_id)
    is_there = step_id in run.root_step_outputs
    return StepDescription(
        step_id=step_id,
        node_id=step_id,
        state=state,
        began_at=began,
        ended_at=ended,
        seconds=seconds_between(began, ended),
        members=members,
        output_bytes=len(to_json(output)) if is_there else None,
        output=output if outputs else None,
    )


def _state_of(members: Sequence[MemberDescription]) -> State:
    """The state of a step of which no row of its own tells: it is over when all of its members are."""
    states = {member.state for member in members}
    if not all(state.is_final for state in states):
        return State.RUNNING
    return next(state for state in (State.FAILED, State.CANCELED, State.COMPLETED, State.SKIPPED) if state in states)


def _member(name: str, rows: Sequence[StepLedgerEntry]) -> MemberDescription:
    """A member by its rows: each time it was asked is an attempt."""
    asked = [row.timestamp for row in rows if row.status is StepRunStatus.DISPATCHED]
    newest = rows[-1]
    state = STATE_OF_ROW[newest.status]
    began, ended = asked[-1] if asked else None, newest.timestamp if state.is_final else None
    return MemberDescription(
        member=name,
        state=state,
        attempt=max(len(asked), 1),
        queued_at=asked[0] if asked else None,
        began_at=began,
        ended_at=ended,
        seconds=seconds_between(began, ended),
        output_bytes=len(to_json(newest.output)) if newest.status is StepRunStatus.COMPLETED else None,
    )
