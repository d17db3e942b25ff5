"""A mob.db comes into a namespace, from each release, whole or with a row less, and again after it was cut off."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from redis_mob.codec.events import encode_stored_event
from redis_mob.errors import CasConflictError, ValidationError
from redis_mob.meerkat.importing import import_database
from redis_mob.meerkat.reading import opened
from redis_mob.meerkat.report import Report
from redis_mob.meerkat.storing import Namespace
from redis_mob.models import MobDefinition, MobEvent, MobRun
from redis_mob.models.overlay import ExternalBindingOverlayRecord
from redis_mob.models.profile import StoredRealmProfile
from redis_mob.models.supervisor import SupervisorAuthorityRecord
from redis_mob.security.sealing import SealKey
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.new_events import numbered
from tests.meerkat.files import changed, event_row, expected, golden, made

KEY = SealKey("k1", bytes(32))


@pytest.fixture(params=["server", "memory"])
async def storage(request: pytest.FixtureRequest, server_url: str, namespace: str) -> AsyncIterator[MobStorage]:
    url, key = (server_url, KEY) if request.param == "server" else ("memory:", None)
    async with MobStorage.open(url, namespace=namespace, seal_key=key) as opened_storage:
        yield opened_storage


async def imported(path: Path, storage: MobStorage | None, *, force: bool = False) -> Report:
    with opened(path) as database:
        return await import_database(database, storage, force=force)


def read(model: Any, document: Any) -> Any:
    return model.model_validate_json(json.dumps(document))


async def test_all_of_a_database_of_0_6_comes_in_as_its_own_stores_give_it(storage: MobStorage, tmp_path: Path) -> None:
    # contract: meerkat-1, meerkat-2, meerkat-3, meerkat-4
    report, there = await imported(golden(tmp_path), storage), expected()
    assert report.failures == [] and not report.already and not report.verbatim
    found = [event.model_dump_json() for event in await storage.events.replay_all()]
    assert found == [read(MobEvent, event).model_dump_json() for event in there["events"]]
    assert await storage.events.latest_cursor() == there["latest_cursor"]
    for mob_id, runs in there["list_runs"].items():
        wanted = {run["run_id"]: read(MobRun, run) for run in runs}
        assert {run.run_id: run for run in await storage.runs.list_runs(mob_id)} == wanted
    order = [run["run_id"] for run in there["get_run"]]
    assert order == there["run_ids_in_creation_order"]
    assert [await storage.runs.get_run(id) for id in order] == [read(MobRun, run) for run in there["get_run"]]
    for spec in there["specs"]:
        found_spec = await storage.specs.get_spec(spec["mob_id"])
        assert found_spec == (read(MobDefinition, spec["definition"]), spec["revision"])
    assert await storage.specs.list_specs() == [spec["mob_id"] for spec in there["specs"]]
    supervisors = {one["mob_id"]: read(SupervisorAuthorityRecord, one["record"]) for one in there["supervisors"]}
    assert await storage.transfers.supervisors() == supervisors
    overlays = {one["mob_id"]: one["overlays"] for one in there["overlays"]}
    for mob_id, records in overlays.items():
        found_overlays = await storage.runtime_metadata.list_external_binding_overlays(mob_id)
        assert found_overlays == [read(ExternalBindingOverlayRecord, record) for record in records]
    assert len(await storage.transfers.overlays()) == sum(map(len, overlays.values()))
    profiles = [read(StoredRealmProfile, profile) for profile in there["realm_profiles"]]
    assert await storage.realm_profiles.list() == profiles


async def test_the_next_event_gets_the_cursor_that_the_file_would_have_given(
    storage: MobStorage, tmp_path: Path
) -> None:
    path = made(tmp_path / "mob.db", [event_row(3)], more="INSERT INTO mob_event_meta VALUES ('next_cursor', 10);")
    await imported(path, storage)
    event = (await storage.events.replay_all())[0]
    appended = await storage.transfers.append_events([event.model_copy(update={"cursor": 10})], after=9, newest=12)
    assert appended and await storage.transfers.newest_cursor() == 12
    assert not await storage.transfers.append_events([], after=9, newest=13)


async def test_a_second_import_of_a_file_changes_nothing(storage: MobStorage, tmp_path: Path) -> None:
    path = golden(tmp_path)
    await imported(path, storage)
    again = await imported(path, storage)
    assert again.is_repeated and not again.came
    other = changed(path, "DELETE FROM mob_specs")
    with pytest.raises(CasConflictError, match="is not empty"):
        await imported(other, storage)


class CutError(Exception):
    """Ends an import where a kill would."""


@pytest.mark.parametrize("at", range(0, 107, 3))
async def test_an_import_that_is_cut_off_goes_on(server_url: str, namespace: str, tmp_path: Path, at: int) -> None:
    # contract: meerkat-11
    path, there = golden(tmp_path), expected()
    left = at

    def cut(number: int) -> None:
        nonlocal left
        left -= number
        if left < 0:
            raise CutError

    async with MobStorage.open(server_url, namespace=namespace, seal_key=KEY) as storage:
        with pytest.raises(CutError), opened(path) as database:
            await import_database(database, storage, progress=cut)
        seen = await storage.specs.list_specs()
        if seen:  # what has a spec is there as a whole
            assert len(await storage.runs.list_runs("code-review")) == len(there["list_runs"]["code-review"])
        report = await imported(path, storage)
        assert not report.failures
        total = report.came + report.already
        assert total == {
            "events": 63, "runs": 12, "supervisors": 3, "overlays": 10, "realm profiles": 4, "specs": 15
        }  # fmt: skip
        assert len(await storage.events.replay_all()) == 63
        assert await storage.specs.list_specs() == [spec["mob_id"] for spec in there["specs"]]


async def test_another_file_is_refused_while_an_import_is_not_over(storage: MobStorage, tmp_path: Path) -> None:
    path = golden(tmp_path)

    def cut(_: int) -> None:
        raise CutError

    with pytest.raises(CutError), opened(path) as database:
        await import_database(database, storage, progress=cut)
    with pytest.raises(CasConflictError, match=r"mob\.db.*is not over"):
        await imported(made(tmp_path / "other.db"), storage)


async def test_a_log_that_another_program_wrote_is_not_taken_for_the_file(storage: MobStorage, tmp_path: Path) -> None:
    path = made(tmp_path / "mob.db", map(event_row, range(1, 600)))

    def cut(_: int) -> None:
        raise CutError

    with pytest.raises(CutError), opened(path) as database:
        await import_database(database, storage, progress=cut)
    await storage.events.append(numbered(1))
    with pytest.raises(CasConflictError, match="written by another program at or behind cursor 251"):
        await imported(path, storage)


async def test_a_log_that_is_written_meanwhile_ends_the_import(namespace: str, tmp_path: Path) -> None:
    path = made(tmp_path / "mob.db", map(event_row, range(1, 600)))
    async with MobStorage.open("memory:", namespace=namespace) as storage:

        def write(_: int) -> None:
            with pytest.raises(StopIteration):  # in memory a call ends without waiting
                storage.events.append(numbered(1)).send(None)

        with pytest.raises(CasConflictError, match="written by another program"), opened(path) as database:
            await import_database(database, storage, progress=write)


async def test_rows_that_cannot_be_read_are_named_and_the_rest_comes(storage: MobStorage, tmp_path: Path) -> None:
    # contract: meerkat-12
    path = changed(
        golden(tmp_path),
        "UPDATE mob_events SET event_json = CAST('{' AS BLOB) WHERE cursor = 2",
        "UPDATE mob_events SET event_json = x'ff' WHERE cursor = 3",
        "UPDATE mob_events SET event_json = (SELECT event_json FROM mob_events WHERE cursor = 1) WHERE cursor = 69",
        "UPDATE mob_runs SET run_json = substr(run_json, 1, 100) WHERE rowid = 1",
        "UPDATE mob_runtime_supervisors SET record_json = replace(CAST(record_json AS TEXT), '[31,', '[99,')",
        "UPDATE realm_profiles SET updated_at = 'yesterday' WHERE rowid = 1",
        "UPDATE mob_specs SET spec_json = 'null' WHERE mob_id = 'research_loop'",
        "UPDATE mob_runtime_binding_overlays SET generation = 77 WHERE rowid = 1",
    )
    report = await imported(path, storage)
    named = {(one.table, one.row) for one in report.failures}
    assert {row for table, row in named if table == "mob_events"} == {"cursor 2", "cursor 3", "cursor 69"}
    assert {table for table, _ in named} == {
        "mob_events", "mob_runs", "mob_runtime_supervisors", "realm_profiles", "mob_specs",
        "mob_runtime_binding_overlays",
    }  # fmt: skip
    assert ("mob_specs", "mob_id 'research_loop'") in named
    assert len(await storage.events.replay_all()) == 60
    # a key and a peer id that do not belong together are told, and not stored; nor is the key shown
    assert report.came["supervisors"] == 2
    assert "99" not in next(one.reason for one in report.failures if one.table == "mob_runtime_supervisors")


@pytest.mark.parametrize("version", [3, 4, 10, 12])
async def test_tables_without_a_store_are_kept_verbatim(storage: MobStorage, tmp_path: Path, version: int) -> None:
    # contract: meerkat-13
    report = await imported(made(tmp_path / "mob.db", [event_row(1)], version=version), storage)
    assert report.failures == [] and report.came["events"] == 1
    assert report.verbatim == {
        "rows of table mob_identity_store_meta": 1, "rows of table mob_runtime_placed_spawns": 2
    }  # fmt: skip
    assert await storage.records.list("meerkat:mob_runtime_placed_spawns") == [
        ('["m","a"]', {"mob_id": "m", "agent_identity": "a", "record_json": {"text": '{"x":1}'}}),
        ('["m","é"]', {"mob_id": "m", "agent_identity": "é", "record_json": {"hex": "ff00"}}),
    ]


async def test_what_is_not_known_of_events_is_kept_and_counted(storage: MobStorage, tmp_path: Path) -> None:
    # contract: meerkat-14
    events = [
        event_row(1, schema=8),
        event_row(2, {"type": "made_up_kind", "b": [1, 1.0], "a": {"x": None}}, schema=9),
        event_row(3, {"type": "mob_completed", "made_up_field": 2**70}),
    ]
    path = made(tmp_path / "mob.db", events, version=12)
    report = await imported(path, storage)
    assert report.failures == [] and report.came["events"] == 3
    assert report.verbatim["events of unknown kinds"] == 1 and report.verbatim["unknown fields of events"] == 1
    found = [encode_stored_event(event) for event in await storage.events.replay_all()]
    assert [json.loads(one) for one in found] == [json.loads(row) for _, row in events]


async def test_a_newer_release_is_refused_unless_it_is_forced(storage: MobStorage, tmp_path: Path) -> None:
    # contract: meerkat-10
    path = made(tmp_path / "mob.db", [event_row(1)], version=13)
    with pytest.raises(ValidationError, match="version 13 of the tables"):
        await imported(path, storage)
    assert await storage.records.list("redis_mob:imports") == []
    changed(path, "ALTER TABLE mob_runs ADD COLUMN shard INTEGER", "INSERT INTO mob_runs VALUES ('no run', 'x', 7)")
    with pytest.raises(ValidationError, match="column 'shard'"):
        await imported(path, storage)
    report = await imported(path, storage, force=True)
    assert report.came["events"] == 1 and report.verbatim["rows of table mob_runs with unknown columns"] == 1
    assert await storage.records.get("meerkat:mob_runs", '["no run"]') == {
        "run_id": "no run", "run_json": "x", "shard": 7
    }  # fmt: skip


async def test_a_database_is_read_while_another_program_writes_it(storage: MobStorage, tmp_path: Path) -> None:
    path = made(tmp_path / "mob.db", [event_row(1)])
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("INSERT INTO mob_events VALUES (?, ?)", event_row(2))  # stands in the write-ahead log alone
        with opened(path) as database:
            writer.execute("INSERT INTO mob_events VALUES (?, ?)", event_row(3))
            report = await import_database(database, storage)
    assert report.came["events"] == 2
    assert [event.cursor for event in await storage.events.replay_all()] == [1, 2]


async def test_a_dry_run_stores_nothing_and_tells_the_same(storage: MobStorage, tmp_path: Path) -> None:
    path = golden(tmp_path)
    dry = await imported(path, None)
    assert await storage.transfers.newest_cursor() == 0
    assert dry.came == (await imported(path, storage)).came


BAD: Mapping[str, Callable[[bytes], bytes] | tuple[str, ...]] = {
    "is empty": lambda _: b"",
    "is no SQLite database": lambda _: b"{}\n",
    "only half of it": lambda whole: whole[: len(whole) // 2],
    "cannot be read as a database": lambda whole: whole[:4096],
    "is no mob.db of meerkat": ("CREATE TABLE other (a)",),
    "has no column event_json": (
        "CREATE TABLE mob_events (cursor INTEGER)",
        "CREATE TABLE mob_runs (run_id, run_json)",
    ),
}
"""What is said of a file, and how it is made: of the bytes of a whole one, or by statements."""


@pytest.mark.parametrize("says", BAD)
async def test_bad_files_are_refused_and_nothing_is_stored(storage: MobStorage, tmp_path: Path, says: str) -> None:
    path, how = tmp_path / "bad.db", BAD[says]
    if callable(how):
        path.write_bytes(how(golden(tmp_path).read_bytes()))
    else:
        changed(path, *how)
    with pytest.raises(ValidationError, match=says):
        await imported(path, storage)
    assert await storage.records.collections() == []


async def test_a_file_that_has_another_name_when_it_is_gone_on_with_comes_to_its_end(
    storage: MobStorage, tmp_path: Path
) -> None:
    path = golden(tmp_path)
    with opened(path) as database:
        await Namespace(storage).begin(database)  # and is killed
    renamed = path.rename(path.with_name("renamed.db"))
    assert not (await imported(renamed, storage)).is_repeated
    assert (await imported(renamed, storage)).is_repeated


async def test_the_mark_of_an_import_has_a_bounded_number_of_failures(
    storage: MobStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redis_mob.meerkat.storing._MOST_FAILURES", 2)
    path = changed(golden(tmp_path), "UPDATE mob_events SET event_json = 'x' WHERE cursor IN (2, 3, 4)")
    first = await imported(path, storage)
    again = await imported(path, storage)
    assert (again.failures, again.failures_left_out) == (first.failures[:2], 1)
    assert again.lines()[-1] == "could not be read: 1 more, which --dry-run names too"
