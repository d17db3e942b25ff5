"""The names of all metrics, spans and attributes that redis_mob itself defines or reports: the one place for them.

The names of GenAI spans are in genai_names.py. A metric of a worker is recorded by its process; a metric of the
namespace is read from the store (`redis-mob metrics`), so that no two processes report the same thing under one name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SCOPE = "redis_mob"
"""The instrumentation scope of tracer, meter and logger."""

MOB = "mob"
FLOW = "flow"
ROLE = "role"
RELEASE = "release"
STATUS = "status"
ERROR_TYPE = "error.type"
LABELS = (MOB, FLOW, ROLE, RELEASE, STATUS, ERROR_TYPE)
"""What metrics are told apart by, beside the `db.*` of database calls. Ids of runs never are: there are too many."""

DB_SYSTEM_NAME = "db.system.name"
DB_STORED_PROCEDURE_NAME = "db.stored_procedure.name"
REDIS = "redis"
"""The value of `db.system.name`, also for Valkey: it names the protocol."""

RUN_ID = "redis_mob.run.id"
RUN_STATUS = "redis_mob.run.status"
IS_NEW = "redis_mob.run.is_new"
PARENT_RUN_ID = "redis_mob.run.parent_id"
STEP_ID = "redis_mob.step.id"
TARGET = "redis_mob.step.target"
ATTEMPT = "redis_mob.step.attempt"
SUSPECT = "redis_mob.step.suspect"
WORKER = "redis_mob.worker.id"
MOB_ID = "redis_mob.mob"
FLOW_ID = "redis_mob.flow"
ROLE_ID = "redis_mob.role"
RELEASE_ID = "redis_mob.release"
OUTCOME = "redis_mob.step.outcome"

START_SPAN = "start {flow}"
ATTEMPT_SPAN = "step {step}"
END_SPAN = "end {flow}"


class Kind(StrEnum):
    """What instrument records a metric."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


class Source(StrEnum):
    """Which process reports a metric."""

    WORKER = "worker"
    """The process in which it happens: a worker, or one that starts runs or calls the store."""

    NAMESPACE = "namespace"
    """One that reads the whole namespace from the store."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name, unit (UCUM), instrument and labels; the bucket bounds of a histogram."""

    name: str
    unit: str
    kind: Kind
    source: Source
    description: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] | None = None


FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds in seconds for what takes milliseconds."""

LONG = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0)
"""Bounds in seconds for what may take a day."""

DATABASE = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
"""The bounds in seconds that the conventions for databases ask for."""


def _counter(name: str, unit: str, description: str, *labels: str) -> Metric:
    return Metric(name, unit, Kind.COUNTER, Source.WORKER, description, labels)


def _histogram(name: str, buckets: tuple[float, ...], description: str, *labels: str) -> Metric:
    return Metric(name, "s", Kind.HISTOGRAM, Source.WORKER, description, labels, buckets)


def _gauge(name: str, unit: str, source: Source, description: str, *labels: str) -> Metric:
    return Metric(name, unit, Kind.GAUGE, source, description, labels)


RUN_STARTED = _counter("redis_mob.run.started", "{run}", "Runs that were started.", MOB, FLOW, RELEASE)
RUN_COMPLETED = _counter(
    "redis_mob.run.completed", "{run}", "Runs that ended, in any status.", MOB, FLOW, RELEASE, STATUS
)
RUN_DURATION = _histogram(
    "redis_mob.run.duration", LONG, "Time from the start of a run to its end.", MOB, FLOW, RELEASE, STATUS
)
STEP_DURATION = _histogram(
    "redis_mob.step.duration",
    LONG,
    "Time that a handler took for one attempt of a step.",
    MOB,
    FLOW,
    ROLE,
    RELEASE,
    STATUS,
    ERROR_TYPE,
)
STEP_SCHEDULE_TO_START = _histogram(
    "redis_mob.step.schedule_to_start",
    LONG,
    "Time from when an attempt could begin until a worker began it.",
    MOB,
    FLOW,
    ROLE,
    RELEASE,
)
STEP_RETRIES = _counter(
    "redis_mob.step.retries",
    "{attempt}",
    "Attempts that failed and are tried again.",
    MOB,
    FLOW,
    ROLE,
    RELEASE,
    ERROR_TYPE,
)
STEP_REDELIVERED = _counter(
    "redis_mob.step.redelivered",
    "{attempt}",
    "Attempts taken over from a worker that was lost, or has handed them back.",
    MOB,
    FLOW,
    ROLE,
    RELEASE,
)
SCHEDULE_LATENESS = _histogram(
    "redis_mob.schedule.lateness", LONG, "Time from when a schedule was due until its run was started.", MOB, FLOW
)
SLOTS_AVAILABLE = _gauge("redis_mob.worker.slots.available", "{slot}", Source.WORKER, "Free slots of a worker.")
SLOTS_USED = _gauge("redis_mob.worker.slots.used", "{slot}", Source.WORKER, "Slots of a worker in use.")
LEASE_LOST = _counter(
    "redis_mob.lease.lost",
    "{attempt}",
    "Attempts that were taken from their worker, which noticed it, or whose outcome was refused.",
    MOB,
    FLOW,
    ROLE,
    RELEASE,
)
LIMIT_WAIT = _histogram(
    "redis_mob.limit.wait",
    LONG,
    "Time that an attempt with limits waited, from when it could begin until it began.",
    MOB,
    FLOW,
    ROLE,
    RELEASE,
)
COMMITS_LOST = _counter(
    "redis_mob.commits.lost", "{commit}", "Commits that lost a compare, and are decided anew.", MOB, FLOW
)
WIRE_ROUND_TRIP = _histogram(
    "redis_mob.wire.round_trip",
    FAST,
    "Time from writing a request to the server until its reply was read, of each seventh request.",
)
RECEIPTS_USED = _counter(
    "redis_mob.receipts.used",
    "{call}",
    "Calls that were sent again, and had been done before: their receipt told the outcome.",
    DB_STORED_PROCEDURE_NAME,
)
DB_CLIENT_OPERATION_DURATION = _histogram(
    "db.client.operation.duration",
    DATABASE,
    "Duration of database client operations.",
    DB_SYSTEM_NAME,
    DB_STORED_PROCEDURE_NAME,
    ERROR_TYPE,
)

UP = _gauge("redis_mob.up", "1", Source.NAMESPACE, "1 if the namespace could be read, else 0.")
RUN_COUNT = _gauge("redis_mob.run.count", "{run}", Source.NAMESPACE, "Runs by status.", STATUS)
QUEUE_DEPTH = _gauge(
    "redis_mob.queue.depth", "{execution}", Source.NAMESPACE, "Executions that wait for a worker.", MOB, ROLE, RELEASE
)
QUEUE_OLDEST_AGE = _gauge(
    "redis_mob.queue.oldest_age", "s", Source.NAMESPACE, "How long the first of a queue has waited.", MOB, ROLE, RELEASE
)
QUEUE_DELAYED = _gauge(
    "redis_mob.queue.delayed",
    "{execution}",
    Source.NAMESPACE,
    "Executions that wait for a time, as retries do.",
    MOB,
    ROLE,
    RELEASE,
)
QUEUE_PAUSED = _gauge(
    "redis_mob.queue.paused",
    "{execution}",
    Source.NAMESPACE,
    "Executions that wait until their run, flow or mob is resumed.",
    MOB,
    ROLE,
    RELEASE,
)
QUEUE_UNSERVED = _gauge(
    "redis_mob.queue.unserved",
    "{execution}",
    Source.NAMESPACE,
    "Executions that wait, and that no worker takes.",
    MOB,
    ROLE,
    RELEASE,
)
QUEUE_WORKERS = _gauge(
    "redis_mob.queue.workers", "{worker}", Source.NAMESPACE, "Workers that serve a queue.", MOB, ROLE, RELEASE
)
ROLE_SLOTS_AVAILABLE = _gauge(
    "redis_mob.role.slots.available",
    "{slot}",
    Source.NAMESPACE,
    "Free slots of workers that serve a role, at least.",
    MOB,
    ROLE,
)
ROLE_SLOTS_USED = _gauge(
    "redis_mob.role.slots.used", "{slot}", Source.NAMESPACE, "Executions of a role that are under way.", MOB, ROLE
)
LIMIT_WAITING = _gauge(
    "redis_mob.limit.waiting", "{execution}", Source.NAMESPACE, "Executions that wait for a limit.", MOB, FLOW, ROLE
)
SCHEDULE_OVERDUE = _gauge(
    "redis_mob.schedule.overdue", "s", Source.NAMESPACE, "How long the schedule that is latest has been due.", MOB, FLOW
)
WORKER_COUNT = _gauge("redis_mob.worker.count", "{worker}", Source.NAMESPACE, "Workers with a lease.", RELEASE)
ASKS_PENDING = _gauge("redis_mob.ask.pending", "{ask}", Source.NAMESPACE, "Asks that wait for an answer.")
SERVER_MEMORY = _gauge("redis_mob.server.memory", "By", Source.NAMESPACE, "Memory that the server uses.")
SERVER_MEMORY_LIMIT = _gauge(
    "redis_mob.server.memory.limit", "By", Source.NAMESPACE, "Memory that the server may use, 0 for no limit."
)

METRICS: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""All metrics."""
