"""Puts a run that was exported into a namespace in memory."""

from __future__ import annotations

from redis_mob.codec.events import encode_new_event
from redis_mob.codec.items import encode_items
from redis_mob.codec.run_copies import CopiedRun, checkpoints_of_copy, key_of_copy
from redis_mob.codec.signals import encode_published
from redis_mob.memory.namespace import Mailbox, Namespace
from redis_mob.memory.run_changes import copied
from redis_mob.memory.schedule import Schedule
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.labels import NO_LABELS
from redis_mob.models.run import MobRun
from redis_mob.models.run_copy import RunCopy
from redis_mob.notifications.run_messages import run_message


def store_copy(content: Namespace, run: MobRun, copy: RunCopy, definition: MobDefinition, stored: CopiedRun) -> None:
    """Store all of it; nothing in it can fail."""
    run_id, now, launch = run.run_id, content.clock.now(), copied(copy.launch)
    content.definitions.setdefault(launch.definition, stored.definition)
    content.launches[run_id] = launch, copy.launched_at
    content.add_run(run)
    executions = {key_of_copy(one): copied(one.execution) for one in copy.executions}
    content.executions[run_id] = {key: one for key, one in executions.items() if not one.leaves}
    content.ended[run_id] = {key: one for key, one in executions.items() if one.leaves}
    content.item_progress[run_id] = {(one.frame_id, one.node_id): copied(one.progress) for one in copy.items}
    content.items[run_id] = {(one.frame_id, one.node_id): encode_items(one.values) for one in copy.items}
    content.decisions[run_id], content.reports[run_id] = copy.version, copy.reports
    content.moves[run_id] = copy.moves
    content.mailboxes[run_id] = Mailbox(
        sent=copy.last_signal,
        waiting={one.number: copied(one.signal) for one in copy.signals},
        published={name: encode_published(name, value) for name, value in copy.published.items()},
    )
    content.checkpoints[run_id] = dict(checkpoints_of_copy(copy))
    if copy.labels != NO_LABELS:
        content.labels[run_id] = copied(copy.labels)
    if copy.cancel_requested:
        content.cancel_requested.add(run_id)
    is_over = run.status.is_terminal
    if not is_over:
        content.due_runs[run_id] = max(now, copy.launched_at)
        _limit(content, run, copy, definition)
    for key, one in executions.items():
        if one.status is ExecutionStatus.WAITING:
            content.schedule.move(Schedule.entry(run, key, one, launch), one, now)
    content.log.append(list(map(encode_new_event, stored.events)), now)
    content.run_wake_ups.send(run_message(run_id, is_due=not is_over, is_over=is_over))


def _limit(content: Namespace, run: MobRun, copy: RunCopy, definition: MobDefinition) -> None:
    flow = definition.flows.get(run.flow_id)
    for role in sorted(flow.roles) if flow else ():
        if role in copy.launch.max_concurrency:
            content.schedule.limits[run.mob_id, role] = copy.launch.max_concurrency[role]
        else:
            content.schedule.limits.pop((run.mob_id, role), None)
