"""Rows that say more than is known, or something else than a store takes: they come, or are named, in a dry run too."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from redis_mob.errors import CasConflictError
from redis_mob.meerkat import rows
from redis_mob.meerkat.exporting import export_database, export_lines
from redis_mob.meerkat.importing import import_database
from redis_mob.meerkat.lines import opened_source
from redis_mob.storage import MobStorage
from tests.meerkat.files import changed, event_row, golden, made
from tests.meerkat.test_importing import imported
from tests.meerkat.test_importing import storage as storage

NAMES = (
    "_fields_set",
    "cls",
    "self",
    "values",
    "update",
    "deep",
    "strict",
    "context",
    "by_name",
    "data",
    "model_extra",
)
"""Names that methods of pydantic, or of ours, have for their parameters."""


async def test_an_unknown_field_may_have_any_name(storage: MobStorage, tmp_path: Path) -> None:
    # contract: json-1
    more = {name: {"of": name} for name in NAMES}
    row = json.loads(event_row(1)[1])
    row["event"].update(more)
    row["event"]["kind"].update(more)
    row.update(more)
    path = made(tmp_path / "mob.db", [(1, json.dumps(row).encode())])
    assert (await imported(path, storage)).failures == []
    (event,) = await storage.events.replay_all()
    for one in (event, event.kind, event.envelope):
        assert one is not None and one.model_extra == more


HOLDERS = {
    "mob_runs": ("run_json", ""),
    "mob_specs": ("spec_json", "definition"),
    "mob_runtime_supervisors": ("record_json", ""),
    "mob_runtime_binding_overlays": ("record_json", ""),
    "realm_profiles": ("profile_json", ""),
}
"""Columns with documents, and where in them are those that keep unknown fields."""


async def test_so_it_may_in_any_other_row_and_out_again(storage: MobStorage, tmp_path: Path) -> None:
    # contract: json-1, meerkat-20
    path, out = golden(tmp_path), tmp_path / "out.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, (column, within) in HOLDERS.items():
            rowids = connection.execute(f"SELECT rowid, {column} FROM {table}").fetchall()  # noqa: S608 - one of these
            for rowid, text in rowids:
                document = json.loads(text)
                (document[within] if within else document).update({name: {"of": name} for name in NAMES})
                changes = (json.dumps(document).encode(), rowid)
                connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", changes)  # noqa: S608
    report = await imported(path, storage)
    assert report.failures == []
    assert report.verbatim == {
        f"unknown fields of {kind}": number * len(NAMES) for kind, number in report.came.items() if kind != "events"
    }
    await export_database(storage, out, with_secrets=True)
    assert (await imported(out, None)).verbatim == report.verbatim


FIRST = "WHERE rowid = (SELECT min(rowid) FROM {})"
PROFILE, RUN, SPEC, OVERLAY = (
    f"UPDATE {table} SET {{}} {FIRST.format(table)}"  # noqa: S608 - one of these
    for table in ("realm_profiles", "mob_runs", "mob_specs", "mob_runtime_binding_overlays")
)


def json_set(column: str, path: str, value: str) -> str:
    return f"{column} = CAST(json_set(CAST({column} AS TEXT), '$.{path}', {value}) AS BLOB)"


NAMED: Mapping[str, str] = {
    PROFILE.format("revision = 0"): "revision must be an integer from 1",
    PROFILE.format("revision = 1000000000000000"): "revision must be at most 999999999999999",
    PROFILE.format("revision = -1"): "revision: Input should be greater than or equal to 0",
    PROFILE.format("revision = x'ff01'"): "its revision is no integer, but a blob",
    PROFILE.format("name = x'ff01'"): "its name is no text, but a blob",
    PROFILE.format("created_at = x'ff01'"): "its created_at is no text, but a blob",
    PROFILE.format("created_at = '5'"): "created_at: a time of RFC 3339 is needed",
    PROFILE.format("created_at = '1800-01-01T00:00:00Z'"): "its times lie before 1970",
    PROFILE.format("profile_json = profile_json || ',\"injected\":1'"): "Invalid JSON: trailing characters",
    PROFILE.format("profile_json = profile_json || ',\"revision\":77'"): "Invalid JSON: trailing characters",
    RUN.format("run_id = 'not-a-uuid'"): "its run_id is no UUID",
    RUN.format("run_id = CAST(run_id AS BLOB)"): "its name is no text, but a blob",
    RUN.format("run_id = NULL"): "its name is no text, but null",
    RUN.format(json_set("run_json", "created_at", "5")): "created_at: a time of RFC 3339 is needed",
    RUN.format(json_set("run_json", "status", "'SECRET'")): "status: Input should be 'pending'",
    RUN.format(json_set("run_json", "run_id", "'SECRET'")): "run_id: a UUID is needed",
    SPEC.format(json_set("spec_json", "revision", "0")): "revision must be an integer from 1",
    SPEC.format(json_set("spec_json", "revision", "-1")): "revision must be an integer from 1",
    RUN.format(json_set("run_json", "created_at", "'0001-01-01T00:00:00Z'")): "",
    SPEC.format("mob_id = x'41'"): "its name is no text, but a blob",
    OVERLAY.format(json_set("record_json", "normalized_member_ref", 'json(\'{"kind":{"SECRET":1}}\')')): "kind must be",
    "INSERT INTO mob_specs SELECT 'again', spec_json FROM mob_specs WHERE mob_id = 'fan_in'": "",
    "INSERT INTO mob_runtime_supervisors VALUES (x'ff', x'7b7d')": "its name is no text, but a blob",
}
"""What is changed in a database, and what is said of the row."""


@pytest.mark.parametrize("statement", NAMED, ids=range(len(NAMED)))
async def test_a_dry_run_names_the_rows_that_an_import_names(
    storage: MobStorage, tmp_path: Path, statement: str
) -> None:
    # contract: meerkat-12
    path = changed(golden(tmp_path), statement)
    report = await imported(path, storage)
    assert [one.reason for one in report.failures if "SECRET" in one.reason] == []
    if NAMED[statement]:
        (failure,) = report.failures
        assert NAMED[statement] in failure.reason
    dry = await imported(path, None)
    assert (dry.failures, dry.came, dry.already) == (report.failures, report.came, report.already)
    assert (await imported(path, storage)).is_repeated


async def test_a_dry_run_knows_names_that_come_twice(storage: MobStorage, tmp_path: Path) -> None:
    # contract: meerkat-12
    path = golden(tmp_path)
    with closing(sqlite3.connect(path)) as connection, connection:
        tables = ("mob_runs", "mob_specs", "mob_runtime_supervisors", "mob_runtime_binding_overlays", "realm_profiles")
        for table in tables:
            connection.execute(f"CREATE TABLE one AS SELECT * FROM {table}")  # noqa: S608 - one of these
            connection.execute(f"DROP TABLE {table}")
            connection.execute(f"ALTER TABLE one RENAME TO {table}")
            connection.execute(f"INSERT INTO {table} SELECT * FROM {table} WHERE rowid = 1")  # noqa: S608 - one of these
        connection.execute(
            "INSERT INTO realm_profiles SELECT name, profile_json, 7, created_at, updated_at"
            " FROM realm_profiles WHERE rowid = 2"
        )
        connection.execute(
            "INSERT INTO mob_specs SELECT (SELECT mob_id FROM mob_specs WHERE rowid = 2), spec_json"
            " FROM mob_specs WHERE rowid = 3"
        )
    report, dry = await imported(path, storage), await imported(path, None)
    assert [one.table for one in report.failures] == ["realm_profiles", "mob_specs"]
    assert report.already == {"runs": 1, "supervisors": 1, "overlays": 1, "realm profiles": 1, "specs": 1}
    assert (dry.failures, dry.came, dry.already) == (report.failures, report.came, report.already)


async def test_an_error_of_ours_in_a_row_does_not_end_the_import(
    storage: MobStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # contract: meerkat-12
    def broken(_row: object) -> None:
        raise TypeError("SECRET")

    monkeypatch.setattr(rows, "spec_of", broken)
    report = await imported(golden(tmp_path), storage)
    assert {one.reason for one in report.failures} == {"an error of redis_mob, which should not be: TypeError"}
    assert len(report.failures) == 15 and report.came["runs"] == 12


async def test_cursors_that_are_no_rowids_are_kept(storage: MobStorage, tmp_path: Path) -> None:
    path = changed(
        made(tmp_path / "mob.db"), "DROP TABLE mob_events", "CREATE TABLE mob_events (cursor INT, event_json)"
    )
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("INSERT INTO mob_events VALUES (?, ?)", map(event_row, (30, 10, 20)))
        connection.execute("INSERT INTO mob_events VALUES ('x', ?)", (event_row(5)[1],))
    report = await imported(path, storage)
    assert [one.row for one in report.failures] == ["cursor 'x'"]
    assert [event.cursor for event in await storage.events.replay_all()] == [10, 20, 30]


async def test_tokens_are_kept_in_no_record(storage: MobStorage, tmp_path: Path) -> None:
    # contract: meerkat-10
    path = golden(tmp_path)
    for table in ("mob_runtime_binding_overlays", "mob_runtime_supervisors", "mob_specs"):
        changed(path, f"ALTER TABLE {table} ADD COLUMN later TEXT")
    report = await imported(path, storage, force=True)
    overlays = "rows of table mob_runtime_binding_overlays with unknown columns, which has secrets"
    supervisors = "rows of table mob_runtime_supervisors with unknown columns, which has secrets"
    assert report.left_out == {overlays: 10, supervisors: 3}
    assert f"not kept verbatim: 10 {overlays}" in report.lines()
    assert await storage.records.collections() == ["meerkat:mob_specs", "redis_mob:imports"]
    tokens = [one.bootstrap_token for _, one in await storage.transfers.overlays() if one.bootstrap_token is not None]
    lines = tmp_path / "out.jsonl"
    await export_lines(storage, lines, with_secrets=False)
    assert tokens and not [one for one in tokens if one in lines.read_text()]


async def test_a_table_named_imports_is_none_of_our_marks(storage: MobStorage, tmp_path: Path) -> None:
    # contract: meerkat-11, meerkat-13
    more = "CREATE TABLE imports (a TEXT PRIMARY KEY, b); INSERT INTO imports VALUES ('x', 1);"
    path = made(tmp_path / "mob.db", [event_row(1)], more=more)
    await imported(path, storage)
    assert (await imported(path, storage)).is_repeated
    assert await storage.records.list("meerkat:imports") == [('["x"]', {"a": "x", "b": 1})]
    lines = tmp_path / "out.jsonl"
    assert (await export_lines(storage, lines, with_secrets=False))["records"] == 1
    with pytest.raises(CasConflictError, match="is not empty"):
        await imported(golden(tmp_path), storage)


async def test_a_line_does_not_mark_an_import(storage: MobStorage, tmp_path: Path) -> None:
    row = '{"table":"redis_mob_records","kinds":"vvj","row":["redis_mob:imports","k",{"is_done":false}]}'
    path = tmp_path / "lines"
    path.write_text(f'{{"format":"redis_mob namespace","version":1}}\n{row}\n{{"rows":1}}\n')
    for target in (None, storage):
        with opened_source(path) as database:
            report = await import_database(database, target)
        assert [one.reason for one in report.failures] == [
            "records of collection 'redis_mob:imports' are those of imports alone"
        ]
