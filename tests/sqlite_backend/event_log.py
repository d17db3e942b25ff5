"""The rows of the event log, for every transaction that appends to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from redis_mob.codec.events import unknown_of
from redis_mob.errors import InternalError, SerializationError
from redis_mob.models import MemberSpawned, MobEvent, NewMobEvent, StepFailed, terminal_identity
from redis_mob.models.base import SCHEMA_VERSION, json_text
from redis_mob.models.events import STRUCTURAL_KINDS
from tests.sqlite_backend.database import Sql, allocate, newest
from tests.sqlite_backend.documents import decode, encode
from tests.sqlite_backend.subscription import Row

CURSORS = "events"
"""The counter of the cursors."""

TABLES = (
    """
    CREATE TABLE IF NOT EXISTS events (
        cursor INTEGER PRIMARY KEY, microseconds INTEGER NOT NULL, schema_version INTEGER, document BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX IF NOT EXISTS events_by_time ON events (microseconds)",
    """
    CREATE TABLE IF NOT EXISTS ended_flows (
        mob_id TEXT, run_id TEXT, flow_id TEXT, PRIMARY KEY (mob_id, run_id, flow_id)
    ) STRICT
    """,
    """
    CREATE TABLE IF NOT EXISTS failed_steps (
        mob_id TEXT, run_id TEXT, step_id TEXT, document BLOB, PRIMARY KEY (mob_id, run_id, step_id, document)
    ) STRICT
    """,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PRE_0_6 = "schema_version is missing; history of a mob from before meerkat 0.6 (pre-0.6) is not supported"


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def check_ends_flow(event: NewMobEvent) -> None:
    """Raises InternalError for an event that ends no flow."""
    if terminal_identity(event.kind) is None:
        raise InternalError(f"{event.kind.type} ends no flow: use flow_completed, flow_failed or flow_canceled")


def has_ended(sql: Sql, event: NewMobEvent) -> bool:
    """Whether the flow that a terminal event ends has ended already, by any of the methods that write such an event."""
    query = "SELECT 1 FROM ended_flows WHERE mob_id = ? AND run_id = ? AND flow_id = ?"
    return sql.execute(query, (event.mob_id, *(terminal_identity(event.kind) or ()))).fetchone() is not None


def failures_of(sql: Sql, mob_id: str, failure: StepFailed) -> list[StepFailed]:
    """What was said already of the step whose failure is told."""
    query = "SELECT document FROM failed_steps WHERE mob_id = ? AND run_id = ? AND step_id = ?"
    what = f"failure of step {failure.step_id!r} of run {failure.run_id}"
    rows = sql.execute(query, (mob_id, failure.run_id, failure.step_id))
    return [decode(what, StepFailed, document) for (document,) in rows]


def append(sql: Sql, events: Sequence[NewMobEvent], now: datetime) -> list[MobEvent]:
    """Store events, and what happens once with them; those without a time happen now."""
    first = newest(sql, CURSORS) + 1
    rows = [_row(cursor, event, now) for cursor, event in enumerate(events, first)]
    allocate(sql, CURSORS, len(rows))
    sql.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", rows)
    for event in events:
        if ends := terminal_identity(event.kind):
            sql.execute("INSERT OR IGNORE INTO ended_flows VALUES (?, ?, ?)", (event.mob_id, *ends))
        if isinstance(event.kind, StepFailed):
            told = (event.mob_id, event.kind.run_id, event.kind.step_id, encode("step_failed event", event.kind))
            sql.execute("INSERT OR IGNORE INTO failed_steps VALUES (?, ?, ?, ?)", told)
    return list(map(decode_event, rows))


def _row(cursor: int, event: NewMobEvent, now: datetime) -> Row:
    """An event as it is stored. Raises InternalError if it cannot be."""
    what = f"{event.kind.type} event of mob {event.mob_id!r}"
    moment = now if event.timestamp is None else event.timestamp
    stored = MobEvent.unchecked(**{**vars(event), "cursor": cursor, "timestamp": moment})
    stored = stored.model_copy(update=unknown_of(event))
    document = encode(what, stored)
    if isinstance(event.kind, MemberSpawned) and event.kind.bridge_member_ref is not None:
        # The public JSON of a spawned member leaves its reference out.
        fields = json.loads(document)
        fields["kind"]["bridge_member_ref"] = json.loads(encode(what, event.kind.bridge_member_ref))
        document = json_text(fields).encode()
    return cursor, microseconds(moment), SCHEMA_VERSION, document


def is_structural(document: bytes) -> bool:
    """Whether an event tells of the structure of a mob; one that cannot be read does not."""
    return any(f'"kind":{{"type":"{kind}"'.encode() in document for kind in STRUCTURAL_KINDS)


def decode_event(row: Row) -> MobEvent:
    """The event of a row. Raises SerializationError naming its cursor."""
    cursor, _, version, document = row
    if version is None:
        raise SerializationError(f"event {cursor}: {_PRE_0_6}")
    if version != SCHEMA_VERSION:
        raise SerializationError(
            f"event {cursor}: schema_version {version} is not supported; this release reads version {SCHEMA_VERSION}"
        )
    return decode(f"event {cursor}", MobEvent, document)
