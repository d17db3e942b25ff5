"""The duty of a worker that starts the runs of schedules: each due time once, over any number of workers.

A due time is fired by starting a run whose id is made of mob, schedule and due time, as idempotency keys do it: however
many workers fire it, there is one run. After that the schedule is moved on, by a compare-and-swap that may be lost to
another worker, which has done the same (contract: operations-102).
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from redis_mob.codec.labels import checked_labels
from redis_mob.codec.schedules import schedule_named
from redis_mob.contracts import ExecutionStore, ScheduleStore
from redis_mob.errors import (
    DefinitionError,
    KernelError,
    MobStoreError,
    NotFoundError,
    SerializationError,
    ValidationError,
    shortened,
)
from redis_mob.fleet import run_start
from redis_mob.fleet.run_start import new_run, read_subflows, read_terms
from redis_mob.fleet.schedule_plan import due_now
from redis_mob.fleet.traced_starts import start_of_run, told, traced
from redis_mob.models.base import format_timestamp
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_schedule import FlowSchedule, Overlap, ScheduleRecord, StoredSchedule
from redis_mob.notifications.waiting import wait_for_news
from redis_mob.telemetry import active, names
from redis_mob.telemetry.labels import labels_of

KEEP = timedelta(seconds=10)
"""How long a schedule that a worker has taken is kept from others: so late it is fired when that worker is lost."""

AT_ONCE = 20
"""How many schedules a worker takes in one go: few, so that what is due spreads over all workers."""

SHORTEST_PAUSE = 0.05
"""Seconds between two looks: what becomes due meanwhile is taken in one."""

IDLE_PAUSE = 60.0
"""How long wake-ups are relied on where there is no schedule. One is due a second after it was made at the earliest."""

LOOK_AGAIN = timedelta(seconds=1)
"""When it is looked again whether the run before is over."""

TROUBLE_PAUSE = 1.0
"""Seconds until the next look after an error of the storage."""

MOST_NAMED = 3
"""Schedules that one message names."""

KNOWN_DEFINITIONS = 64
"""Definitions that a worker remembers."""

_log = logging.getLogger(__name__)


def run_id_of(schedule: FlowSchedule, due: datetime) -> str:
    """The id of the run of a due time."""
    # of more parts than those of starts and forks: no idempotency key gives the same
    return run_start.run_id_of("schedule", schedule.mob_id, schedule.name, "due", format_timestamp(due))


class Scheduler:
    """Fires the schedules of a namespace, of all its mobs: to start a run no handler is needed."""

    def __init__(self, schedules: ScheduleStore, executions: ExecutionStore) -> None:
        self._schedules = schedules
        self._executions = executions
        self._definitions: dict[str, MobDefinition] = {}
        self._in_trouble = False

    async def run(self, stop: asyncio.Event, worker: str) -> None:
        """Fire what is due until `stop` is set, for the worker of this name.

        Errors are told in the log, once each time that they begin.
        """
        while not stop.is_set():
            try:
                async with self._schedules.listen() as wake_up:
                    while not stop.is_set():
                        pause, trouble = await self._look()
                        self._tell(worker, trouble)
                        if pause > 0:
                            await wait_for_news(wake_up, (stop,), pause)
            except Exception as error:  # noqa: BLE001  # the worker has other duties, which an error here must not end
                self._tell(worker, error)
                await asyncio.sleep(TROUBLE_PAUSE)

    def _tell(self, worker: str, error: Exception | None) -> None:
        if error is not None and not self._in_trouble:
            unexpected = None if isinstance(error, MobStoreError) else error
            _log.warning("worker %s cannot fire schedules: %s", worker, error, exc_info=unexpected)
        self._in_trouble = error is not None

    async def _look(self) -> tuple[float, Exception | None]:
        """Fire what is due; for how many seconds there is nothing else to do, and what went wrong.

        What is not dealt with is due again after a while, here or elsewhere, and holds up nothing else.
        """
        due = await self._schedules.take_due(most=AT_ONCE, keep=KEEP)
        began = asyncio.get_running_loop().time()
        trouble: Exception | None = None
        if due.unreadable:
            trouble = SerializationError("; ".join(due.unreadable[:MOST_NAMED]))
        # what was taken is hidden until it was dealt with: the storage does not know yet when it is due next
        times = [due.next_at]
        for stored in due.schedules:
            try:
                times.append(await self.fire(stored, due.now))
            except Exception as error:  # noqa: BLE001
                trouble = error
        if due.more:
            return 0.0, trouble
        known = [at for at in times if at is not None]
        if not known:
            return IDLE_PAUSE, trouble
        passed = asyncio.get_running_loop().time() - began
        pause = (min(known) - due.now).total_seconds() - passed
        return min(max(pause, SHORTEST_PAUSE), KEEP.total_seconds()), trouble

    async def fire(self, stored: StoredSchedule, now: datetime) -> datetime | None:
        """Start what is due of one schedule, and move it on; returns when it is due again."""
        record = stored.record
        try:
            record, look_at = await self._fired(record, now)
        except (DefinitionError, KernelError, NotFoundError, ValidationError) as error:
            # none of them passes by itself: `schedule list` shows the reason
            reason = f"paused, since no run can be started: {shortened(error)}"
            record, look_at = record.model_copy(update={"paused": True, "note": reason, "waits": False}), None
            _log.warning("%s is %s", schedule_named(record.name), reason)
        await self._schedules.advance(record, stored.revision, look_at=look_at)  # False: it has changed meanwhile
        return record.begins_at if look_at is None else look_at

    async def _fired(self, record: ScheduleRecord, now: datetime) -> tuple[ScheduleRecord, datetime | None]:
        """The schedule as it is when what is due has been started, and when to look again, if a run is waited for."""
        firing = due_now(record, now)
        if firing.note is not None:
            _log.warning("%s: %s", schedule_named(record.name), firing.note)
            record = record.model_copy(update={"note": firing.note})
        for due in firing.due:
            if await self._is_held_up(record):
                if record.schedule.overlap is not Overlap.SKIP:
                    return record.model_copy(update={"next_at": due, "waits": True}), now + LOOK_AGAIN
                record = record.model_copy(update={"skipped": record.skipped + 1})
                continue
            run_id = await self._start(record.schedule, due, now)
            fired = {"last_due_at": due, "last_run_id": run_id, "fired": record.fired + 1, "waits": False}
            record = record.model_copy(update=fired)
        return record.model_copy(update={"next_at": firing.next_at, "waits": False}), None

    async def _is_held_up(self, record: ScheduleRecord) -> bool:
        """Whether the run before is under way, and no other one may be; it is cancelled, if that is the policy."""
        overlap, run_id = record.schedule.overlap, record.last_run_id
        if overlap is Overlap.ALLOW or run_id is None:
            return False
        status = await self._executions.status(run_id)
        if status is None or status.is_terminal:
            return False
        if overlap is Overlap.CANCEL_RUNNING:
            try:
                return await self._executions.request_cancel(run_id)
            except NotFoundError:  # it was deleted a moment ago
                return False
        return True

    async def _start(self, schedule: FlowSchedule, due: datetime, now: datetime) -> str:
        definition, flow_id = await self._definition(schedule.definition), schedule.flow_id
        if flow_id not in definition.flows:
            raise NotFoundError(f"mob {definition.id!r} has no flow {flow_id!r}")
        schemas, params = read_terms(flow_id, definition.flows[flow_id], schedule.params)
        run, launch = new_run(
            definition,
            flow_id,
            params,
            schemas=schemas,
            members=schedule.members,
            run_id=run_id_of(schedule, due),
            priority=schedule.priority,
            release=schedule.release,
            subflows=read_subflows(definition, flow_id),
        )
        labels = checked_labels(schedule.attributes, None)
        start = start_of_run(run, launch, is_of_worker=True)
        starting = self._executions.start_run(run, traced(start, launch), definition, labels=labels)
        is_new = await told(start, starting)  # False: another worker was faster
        if is_new and active.instruments is not None:
            late = (now - due).total_seconds()
            active.instruments.record(names.SCHEDULE_LATENESS, late, labels_of(run.mob_id, run.flow_id))
        return run.run_id

    async def _definition(self, digest: str) -> MobDefinition:
        if digest not in self._definitions:
            if len(self._definitions) >= KNOWN_DEFINITIONS:
                del self._definitions[next(iter(self._definitions))]
            self._definitions[digest] = await self._executions.get_definition(digest)
        return self._definitions[digest]
