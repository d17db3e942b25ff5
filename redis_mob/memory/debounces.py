"""Starts under a debounce key, in memory."""

from __future__ import annotations

from datetime import datetime

from redis_mob.codec.debounces import checked_debounce, debounce_digest, named, require_not_begun
from redis_mob.codec.definitions import encode_definition
from redis_mob.codec.executions import encode_launch
from redis_mob.codec.labels import stored_labels
from redis_mob.codec.runs import encode_run
from redis_mob.host_environment import environment
from redis_mob.memory.children import note_limits, start
from redis_mob.memory.namespace import Access, Namespace
from redis_mob.memory.run_changes import copied
from redis_mob.models.debounce import Debounce
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import RunLaunch
from redis_mob.models.labels import NO_LABELS, Labels
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.notifications.run_messages import run_message


class MemoryDebounces:
    """The part of the contract's `ExecutionStore` that is about debounce keys."""

    _access: Access

    async def start_debounced(
        self,
        run: MobRun,
        launch: RunLaunch,
        definition: MobDefinition,
        *,
        debounce: Debounce,
        labels: Labels = NO_LABELS,
    ) -> str:
        """See `ExecutionStore.start_debounced`."""
        content = self._access.content
        key, after, most = checked_debounce(debounce)
        require_not_begun(run, encode_run(run))
        encode_launch(launch)
        _, encoded = encode_definition(definition, forked=launch.forked_from is not None)
        stored, digest, now = stored_labels(labels), debounce_digest(run, key), content.clock.now()
        run_id, first = content.debounces.get(digest, ("", now))
        if run_id and not _waits(content, run_id):
            forget_debounce(content, run_id)
            run_id, first = "", now
        begins = max(now, now + after if most is None else min(now + after, first + most))
        if run_id:
            content.definitions.setdefault(launch.definition, encoded)
            _start_anew(content, named(run, run_id), launch, definition, begins, stored)
            return run_id
        while not start(content, run, launch, definition, begins, labels=stored):
            run = named(run, str(environment().new_id()))
        content.debounces[digest], content.debounced[run.run_id] = (run.run_id, now), digest
        return run.run_id


def _waits(content: Namespace, run_id: str) -> bool:
    """Whether a run has not begun, and is not to be cancelled."""
    run = content.runs.get(run_id)
    return run is not None and run.status is MobRunStatus.PENDING and run_id not in content.cancel_requested


def _start_anew(
    content: Namespace, run: MobRun, launch: RunLaunch, definition: MobDefinition, begins: datetime, labels: Labels
) -> None:
    run_id = run.run_id
    content.runs[run_id] = copied(run).model_copy(update={"created_at": content.runs[run_id].created_at})
    content.launches[run_id] = (copied(launch), begins)
    content.labels.pop(run_id, None)
    if labels != NO_LABELS:
        content.labels[run_id] = labels
    content.moves[run_id] += 1
    content.decisions[run_id] += 1
    content.runs_in_hand.discard(run_id)
    content.due_runs[run_id] = begins
    note_limits(content, run, launch, definition)
    content.run_wake_ups.send(run_message(run_id, is_due=True))


def forget_debounce(content: Namespace, run_id: str) -> None:
    """The next start under the key of a run makes a run of its own: this one has begun, or is over."""
    digest = content.debounced.pop(run_id, None)
    if digest is not None and content.debounces.get(digest, ("",))[0] == run_id:
        del content.debounces[digest]
