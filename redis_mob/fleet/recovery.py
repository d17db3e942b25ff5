"""Recovery: repairs runs that a crash left between two writes of an engine, or of a caller, that commits in pieces.

The fleet commits each transition as a whole, so that its own runs never need this.
"""

from __future__ import annotations

from dataclasses import replace

from redis_mob.contracts import ExecutionStore, MobEventStore, MobRunStore
from redis_mob.errors import KernelError, NotFoundError, SerializationError, shown
from redis_mob.fleet.run_end import terminal_event
from redis_mob.kernel.repair import repair, repaired_run
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import NewMobEvent
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.run import MobRun
from redis_mob.models.transition import Transition

MOST_NAMED = 10
"""Runs that cannot be mended which the error names."""


async def recover(
    definition: MobDefinition, events: MobEventStore, runs: MobRunStore, executions: ExecutionStore
) -> list[str]:
    """Mend the runs of a mob, and return the ids of those that needed it, in the order of their creation.

    A run that is over and never said so gets its terminal event, by its stored status (contract: engine-33). An active
    run that was started by a fleet gets its lists and counters right and becomes due (contract: kernel-46). Doing it
    again, or in two processes at once, is harmless. When all others are mended, KernelError names those that cannot be
    repaired, or are damaged.
    """
    mended: list[str] = []
    errors: list[KernelError | SerializationError] = []
    for run in await runs.list_runs(definition.id):
        flow = definition.flows.get(run.flow_id)
        if flow is None:
            continue
        is_over = run.status.is_terminal
        mend = _tell_end(events, run, flow) if is_over else _repair(runs, executions, run.run_id, flow)
        try:
            if await mend:
                mended.append(run.run_id)
        except (KernelError, SerializationError) as error:
            errors.append(error)
    if errors:
        named = [str(error) for error in errors[:MOST_NAMED]]
        more = [f"and {len(errors) - MOST_NAMED} more"] if len(errors) > MOST_NAMED else []
        raise KernelError(
            f"mob {shown(definition.id)}: mended {len(mended)} runs, could not mend {len(errors)}: "
            + "; ".join([*named, *more])
        ) from errors[0]
    return mended


async def _tell_end(events: MobEventStore, run: MobRun, flow: FlowSpec) -> bool:
    kind = terminal_event(run, flow, run.status, run.failure_ledger)
    return await events.append_terminal_event_if_absent(NewMobEvent(mob_id=run.mob_id, kind=kind)) is not None


async def _repair(runs: MobRunStore, executions: ExecutionStore, run_id: str, flow: FlowSpec) -> bool:
    while True:
        try:
            view = await executions.load(run_id)
        except NotFoundError:
            # No fleet started this run: its members and definition are unknown, so that no worker could go on with it.
            return False
        # The log of inputs is not in the core of a run, so that the run is read whole. A decision between the two reads
        # raises the version, which makes the commit a lost one.
        run = await runs.get_run(run_id)
        if view is None or run is None or run.status.is_terminal:
            return False
        draft = repair(run, flow)
        after = repaired_run(run, draft)
        if after == run:
            return False
        # A lost compare means that a worker, or another recovery, has changed the run: it is read and judged again.
        before = replace(view, run=run)
        if await executions.commit(Transition(before=before, run=after, inputs=draft.inputs, look_again_at=view.now)):
            return True
