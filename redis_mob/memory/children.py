"""Starts runs, those of steps among them, and tells parents of the end of their children, in memory."""

from __future__ import annotations

from datetime import datetime

from redis_mob.codec.arguments import moment
from redis_mob.codec.children import encode_parent
from redis_mob.codec.definitions import encode_definition
from redis_mob.codec.executions import encode_execution, encode_launch
from redis_mob.codec.runs import encode_run
from redis_mob.codec.signals import encode_signal
from redis_mob.memory.namespace import Access, Namespace
from redis_mob.memory.run_changes import copied
from redis_mob.memory.run_lookup import run_key
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Execution, RunLaunch
from redis_mob.models.labels import NO_LABELS, Labels
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.signal import Signal
from redis_mob.models.subflow import ParentRun
from redis_mob.notifications.run_messages import run_message


def start(
    content: Namespace,
    run: MobRun,
    launch: RunLaunch,
    definition: MobDefinition,
    at: datetime | None,
    parent: ParentRun | None = None,
    execution: Execution | None = None,
    labels: Labels = NO_LABELS,
) -> bool:
    """Store a pending run, and what it was started with; False if it exists, or its parent does not wait for it."""
    encode_run(run)
    encode_launch(launch)
    _, encoded = encode_definition(definition, forked=launch.forked_from is not None)
    begins = None if at is None else moment("at", at)
    if run.run_id in content.runs:
        return False
    stored, now = copied(run), content.clock.now()
    if now < content.tombstones.get(run.run_id, now):
        return False
    if parent is not None and execution is not None and not _waits(content, run.run_id, parent, execution):
        return False
    content.tombstones.pop(run.run_id, None)
    now = now if begins is None else max(now, begins)
    content.definitions.setdefault(launch.definition, encoded)
    content.launches[run.run_id] = (copied(launch), now)
    if parent is not None:
        content.parents[run.run_id] = copied(parent)
        content.untold.add(run.run_id)
        if (pause := content.paused_runs.get(parent.run_id)) is not None:
            content.paused_runs[run.run_id] = pause.model_copy(update={"flow_id": run.flow_id, "run_id": run.run_id})
    content.add_run(stored)
    if labels != NO_LABELS:
        content.labels[run.run_id] = labels
    content.due_runs[run.run_id] = now
    note_limits(content, run, launch, definition)
    content.run_wake_ups.send(run_message(run.run_id, is_due=True))
    return True


def note_limits(content: Namespace, run: MobRun, launch: RunLaunch, definition: MobDefinition) -> None:
    """The limits of roles are those that a run was started with last."""
    for role in sorted(definition.roles_of(run.flow_id)):
        if role in launch.max_concurrency:
            content.schedule.limits[run.mob_id, role] = launch.max_concurrency[role]
        else:
            content.schedule.limits.pop((run.mob_id, role), None)


def _waits(content: Namespace, child: str, parent: ParentRun, execution: Execution) -> bool:
    run = content.runs.get(parent.run_id)
    if run is None or run.status is not MobRunStatus.RUNNING or child in content.mailboxes[parent.run_id].told:
        return False
    stored = content.executions.get(parent.run_id, {}).get(parent.key)
    return stored is not None and encode_execution(stored) == encode_execution(execution)


class MemoryChildren:
    """The part of the contract's `ExecutionStore` that is about runs of steps."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def start_child(
        self,
        run: MobRun,
        launch: RunLaunch,
        definition: MobDefinition,
        *,
        parent: ParentRun,
        execution: Execution,
        at: datetime | None = None,
    ) -> bool:
        """See `ExecutionStore.start_child`."""
        encode_parent(parent)
        encode_execution(execution)
        return start(self._access.content, run, launch, definition, at, parent, execution)

    async def tell_parent(self, run_id: str, parent: ParentRun, signal: Signal) -> bool:
        """See `ExecutionStore.tell_parent`."""
        content, child = self._access.content, run_key(run_id)
        encode_signal(signal)
        encode_parent(parent)
        run, above = content.runs.get(child), content.runs.get(parent.run_id)
        if run is None or not run.status.is_terminal:
            return False
        content.untold.discard(child)
        content.due_runs.pop(child, None)
        content.runs_in_hand.discard(child)
        if above is None or above.status.is_terminal or child in content.mailboxes[above.run_id].told:
            return True
        mailbox = content.mailboxes[above.run_id]
        mailbox.told.add(child)
        mailbox.sent += 1
        mailbox.waiting[mailbox.sent] = copied(signal)
        content.reports[above.run_id] += 1
        if above.status is MobRunStatus.RUNNING:
            content.report(above.run_id)
            content.run_wake_ups.send(run_message(above.run_id, is_due=True))
        return True
