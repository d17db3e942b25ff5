"""What telemetry is told of commits: runs that ended, attempts that are tried again, and compares that were lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import Transition
from redis_mob.telemetry import active, names
from redis_mob.telemetry.labels import labels_of
from redis_mob.telemetry.store_calls import MOST_OF_ERROR_TYPE

if TYPE_CHECKING:
    from redis_mob.telemetry.instruments import Instruments
    from redis_mob.telemetry.spans import Spans


def tell_lost(transition: Transition) -> None:
    """A transition has lost its compare."""
    if (instruments := active.instruments) is not None:
        run = transition.run
        instruments.count(names.COMMITS_LOST, labels_of(run.mob_id, run.flow_id))


def tell_committed(transition: Transition) -> None:
    """A transition was committed by this process: what it ends is told here, and nowhere else."""
    instruments, spans = active.instruments, active.spans
    if instruments is None and spans is None:
        return
    is_end = transition.run.status.is_terminal and not transition.before.run.status.is_terminal
    if instruments is not None:
        _count(instruments, transition, is_end=is_end)
    if spans is not None and is_end:
        _tell_end(spans, transition)


def _tell_end(spans: Spans, transition: Transition) -> None:
    run, launch = transition.run, transition.before.launch
    attributes: dict[str, str | bool | int] = {
        names.MOB_ID: run.mob_id,
        names.FLOW_ID: run.flow_id,
        names.RUN_ID: run.run_id,
        names.RUN_STATUS: str(run.status),
    }
    if launch.release is not None:
        attributes[names.RELEASE_ID] = launch.release
    spans.end_of_run(attributes, start=launch.trace, has_failed=run.status is MobRunStatus.FAILED)


def _count(instruments: Instruments, transition: Transition, *, is_end: bool) -> None:
    before, run, release = transition.before, transition.run, transition.before.launch.release
    if is_end:
        labels = labels_of(run.mob_id, run.flow_id, release=release, status=str(run.status))
        instruments.count(names.RUN_COMPLETED, labels)
        instruments.record(names.RUN_DURATION, (before.now - before.launched_at).total_seconds(), labels)
    for key, execution in transition.executions.items():
        earlier = before.executions.get(key)
        # What was lost with its worker was no failure of its step. The next attempt may begin in the same commit.
        if earlier is not None and execution.attempts_of_step > earlier.attempts_of_step:
            error_type = (execution.error_class or "failed")[:MOST_OF_ERROR_TYPE]
            labels = labels_of(run.mob_id, run.flow_id, role=execution.role, release=release, error_type=error_type)
            instruments.count(names.STEP_RETRIES, labels)
