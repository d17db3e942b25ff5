"""The tables of a mob.db, release by release, and how a file is recognized (contract: meerkat-10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis_mob.errors import ValidationError, shown

EVENTS = "mob_events"
EVENT_META = "mob_event_meta"
RUNS = "mob_runs"
SPECS = "mob_specs"
SUPERVISORS = "mob_runtime_supervisors"
OVERLAYS = "mob_runtime_binding_overlays"
PROFILES = "realm_profiles"

KNOWN: Mapping[str, frozenset[str]] = {
    EVENTS: frozenset({"cursor", "mob_id", "event_json"}),
    EVENT_META: frozenset({"key", "value"}),
    RUNS: frozenset({"run_id", "run_json"}),
    SPECS: frozenset({"mob_id", "spec_json"}),
    SUPERVISORS: frozenset({"mob_id", "record_json"}),
    OVERLAYS: frozenset({"mob_id", "agent_identity", "generation", "record_json"}),
    PROFILES: frozenset({"name", "profile_json", "revision", "created_at", "updated_at"}),
}
"""The tables that are read into stores, which all releases from 0.6.0 have; `mob_id` of events came in 0.8.1."""

SECRET = frozenset({SUPERVISORS, OVERLAYS})
"""Those with keys and tokens, which are sealed in their stores alone."""

KINDS_OF_0_6 = frozenset(
    [
        "mob_created",
        "mob_completed",
        "mob_destroying",
        "mob_destroy_storage_finalizing",
        "mob_reset",
        "member_spawned",
        "member_retired",
        "member_reset",
        "member_kickoff_updated",
        "members_wired",
        "members_wired_batch",
        "members_unwired",
        "external_peer_wired",
        "external_peer_unwired",
        "flow_started",
        "flow_completed",
        "flow_failed",
        "flow_canceled",
        "step_dispatched",
        "step_target_completed",
        "step_target_failed",
        "step_completed",
        "step_failed",
        "step_skipped",
        "topology_violation",
        "supervisor_escalation",
        "operator_action_recorded",
    ]
)
"""The kinds of events that meerkat 0.6.34 reads: a log with another one it refuses as a whole."""

LATER_STATUSES = ("DirectBindPending", "DirectBindBound")
"""Statuses of overlays that meerkat 0.6.34 refuses, with all overlays of the mob."""

LEDGER = "meerkat_schema"
LEDGER_COLUMNS = frozenset({"domain", "version"})
DOMAIN = "mob"
NEWEST = 12
"""What the ledger of release 0.9.8 says of the tables of mobs."""

_OF_LEDGER = {3: "0.8.3-0.8.10", 4: "0.8.11-0.8.25", 10: "0.8.52", 12: "0.9.8"}
"""Releases by the version in their ledger, as far as their sources were at hand; others lie between them."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What was recognized in a file: of which release of which program it is, the tables with their columns."""

    release: str
    tables: Mapping[str, tuple[str, ...]]
    newer: str = ""
    """What is newer than this release knows, in words; empty if nothing is."""

    @property
    def verbatim(self) -> list[str]:
        """The tables without a store of their own, which are kept as they are."""
        return [name for name in self.tables if name not in KNOWN and name not in (LEDGER, RECORDS)]

    def unknown_columns(self, table: str) -> list[str]:
        """The columns of a known table that no known release has."""
        return [name for name in self.tables[table] if name not in KNOWN[table]]


def recognized(file: str, tables: Mapping[str, tuple[str, ...]], ledger: Mapping[Any, Any]) -> Schema:
    """The schema of the file of this name with these tables, and what its ledger says of each domain.

    Raises ValidationError for a file that is none of meerkat's.
    """
    lacking = [name for name in (EVENTS, RUNS) if name not in tables]
    if lacking:
        raise ValidationError(f"{file} is no mob.db of meerkat: it has no table {' and no table '.join(lacking)}")
    for name in KNOWN.keys() & tables.keys():
        wanted = KNOWN[name] - ({"mob_id"} if name == EVENTS else set())
        if gone := sorted(wanted - set(tables[name])):
            raise ValidationError(
                f"{file} is no mob.db of meerkat 0.6.0 to 0.9.8: table {name} has no column {gone[0]}"
            )
    said = ledger.get(DOMAIN)
    version = said if isinstance(said, int) else None
    newer: list[str] = []
    if LEDGER in tables and (said is not version or not set(tables[LEDGER]) >= LEDGER_COLUMNS):
        newer.append(f"its {LEDGER} does not say versions as numbers by domain")
    if version is not None and version > NEWEST:
        newer.append(f"its {LEDGER} says version {version} of the tables of mobs, and the newest known is {NEWEST}")
    for name in sorted(KNOWN.keys() & tables.keys()):
        newer += [f"table {name} has a column {shown(one)}" for one in tables[name] if one not in KNOWN[name]]
    return Schema(_release(tables, version), tables, "; ".join(newer))


def _release(tables: Mapping[str, tuple[str, ...]], version: int | None) -> str:
    if RECORDS in tables:
        return "redis_mob"
    if version is not None:
        return "meerkat " + _OF_LEDGER.get(version, f"0.8.3 or later, version {version} of its tables")
    if "mob_id" in tables[EVENTS]:
        return "meerkat 0.8.1-0.8.2"
    return "meerkat 0.8.0" if "mob_runtime_placed_spawns" in tables else "meerkat 0.6.0-0.7.31"


CREATE_TABLES = """
CREATE TABLE mob_events (
    cursor INTEGER PRIMARY KEY,
    event_json BLOB NOT NULL
);
CREATE TABLE mob_event_meta (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
);
CREATE TABLE mob_runs (
    run_id TEXT PRIMARY KEY,
    run_json BLOB NOT NULL
);
CREATE TABLE mob_specs (
    mob_id TEXT PRIMARY KEY,
    spec_json BLOB NOT NULL
);
CREATE TABLE mob_runtime_supervisors (
    mob_id TEXT PRIMARY KEY,
    record_json BLOB NOT NULL
);
CREATE TABLE mob_runtime_binding_overlays (
    mob_id TEXT NOT NULL,
    agent_identity TEXT NOT NULL,
    generation INTEGER NOT NULL,
    record_json BLOB NOT NULL,
    PRIMARY KEY (mob_id, agent_identity, generation)
);
CREATE TABLE realm_profiles (
    name TEXT PRIMARY KEY,
    profile_json BLOB NOT NULL,
    revision INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
"""
"""The tables of 0.6.34, in its words, so that its stores find theirs."""


def insertion(table: str, values: int) -> str:
    """The statement that inserts a row into one of these tables, with a placeholder for each of its values."""
    return f"INSERT INTO {table} VALUES ({','.join('?' * values)})"  # noqa: S608 - the name is one of these here


RECORDS = "redis_mob_records"
CREATE_RECORDS = (
    "CREATE TABLE redis_mob_records (collection TEXT, key TEXT, value_json BLOB, PRIMARY KEY (collection, key));"
)
"""A table of ours, for generic records; a mob.db has none."""

COLUMNS: Mapping[str, int] = {
    **{table: len(names - {"mob_id"} if table == EVENTS else names) for table, names in KNOWN.items()},
    RECORDS: 3,
}
"""How many columns each of these tables has as it is created here."""

SMALLEST_INTEGER, GREATEST_INTEGER = -(2**63), 2**63 - 1
"""The integers that SQLite has."""
