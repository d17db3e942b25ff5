"""Files that cannot come in as they are, and places that do not take them: what is told, and what is left."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import CasConflictError, OutcomeUnknownError, ValidationError, WriteFailedError
from redis_mob.meerkat.importing import import_database
from redis_mob.meerkat.reading import opened
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import scene
from redis_mob.testing.samples.documents import authority, definition, overlay, profile
from redis_mob.testing.samples.new_events import numbered
from tests.meerkat.files import changed, event_row, expected, golden, made
from tests.meerkat.test_importing import KEY, CutError, imported
from tests.meerkat.test_importing import storage as storage
from tests.support.refusing import STATES, RefusingServer, refusing_server

THERE: Mapping[str, Callable[[MobStorage], Awaitable[Any]]] = {
    "events": lambda s: s.events.append(numbered(1)),
    "run ": lambda s: s.runs.create_run(scene()),
    "a spec of mob 'm'": lambda s: s.specs.put_spec("m", definition()),
    "realm profile 'p'": lambda s: s.realm_profiles.create("p", profile()),
    "the authority of mob 'm'": lambda s: s.runtime_metadata.put_supervisor_authority("m", authority()),
    "overlays": lambda s: s.runtime_metadata.upsert_external_binding_overlay("m", overlay()),
    "records of collection 'c'": lambda s: s.records.insert("c", "k", 1),
}
"""What a namespace may hold, by what is said of it."""


@pytest.mark.parametrize("says", THERE)
async def test_a_namespace_that_is_not_empty_is_left_alone(storage: MobStorage, tmp_path: Path, says: str) -> None:
    # contract: meerkat-11
    await THERE[says](storage)
    before = await storage.transfers.newest_cursor()
    with pytest.raises(CasConflictError, match=f"is not empty: it has {says}"):
        await imported(golden(tmp_path), storage)
    assert await storage.transfers.newest_cursor() == before
    assert await storage.records.list("redis_mob:imports") == []


async def test_a_namespace_that_had_events_once_has_given_their_cursors(storage: MobStorage, tmp_path: Path) -> None:
    await storage.events.append(numbered(1))
    await storage.events.clear()
    with pytest.raises(CasConflictError, match="is not empty: it has events"):
        await imported(golden(tmp_path), storage)


TWICE = """
CREATE TABLE specs AS SELECT * FROM mob_specs;
DROP TABLE mob_specs;
ALTER TABLE specs RENAME TO mob_specs;
INSERT INTO mob_specs SELECT * FROM mob_specs WHERE mob_id = 'fan_in';
INSERT INTO mob_specs SELECT 'fan_in', spec_json FROM mob_specs WHERE mob_id = 'research_loop';
"""
"""A table whose names are not unique, as recovering a damaged database makes them; and one that has a mob thrice."""


async def test_of_two_mobs_with_one_id_the_first_comes_and_the_other_is_named(
    storage: MobStorage, tmp_path: Path
) -> None:
    # contract: meerkat-12
    path = changed(golden(tmp_path), *(one for one in TWICE.split(";") if one.strip()))
    report = await imported(path, storage)
    told = [(one.table, one.row, one.reason) for one in report.failures]
    assert told == [("mob_specs", "mob_id 'fan_in'", "spec of mob 'fan_in': another one is there")]
    assert (report.came["specs"], report.already["specs"]) == (15, 1)
    assert [mob for mob in await storage.specs.list_specs() if mob == "fan_in"] == ["fan_in"]


async def test_a_second_file_with_the_same_mob_is_refused(storage: MobStorage, tmp_path: Path) -> None:
    await imported(golden(tmp_path), storage)
    other = made(tmp_path / "other.db")
    with closing(sqlite3.connect(other)) as connection, connection:
        connection.execute("ATTACH ? AS golden", (str(tmp_path / "mob.db"),))
        connection.execute("INSERT INTO mob_specs SELECT * FROM golden.mob_specs")
    with pytest.raises(CasConflictError, match="is not empty: it has events"):
        await imported(other, storage)


def cut_after(number: int) -> Callable[[int], None]:
    """Ends an import behind so many rows."""
    left = number

    def cut(done: int) -> None:
        nonlocal left
        left -= done
        if left < 0:
            raise CutError

    return cut


async def test_each_report_names_the_rows_that_could_not_be_read(storage: MobStorage, tmp_path: Path) -> None:
    # contract: meerkat-14
    path = made(tmp_path / "mob.db", [event_row(n) if n != 7 else (7, b"{") for n in range(1, 600)])
    with pytest.raises(CutError), opened(path) as database:
        await import_database(database, storage, progress=cut_after(300))
    assert await storage.transfers.newest_cursor() > 7
    report = await imported(path, storage)
    assert [(one.table, one.row) for one in report.failures] == [("mob_events", "cursor 7")]
    assert report.came["events"] + report.already["events"] == 598 == len(await storage.events.replay_all())
    assert report.already["events"]


async def test_what_is_read_back_in_another_form_is_known_again(storage: MobStorage, tmp_path: Path) -> None:
    """A null output is absent when it is read back, and a token in a reference is not kept (json-13, metadata-7)."""
    run = expected()["get_run"][0]
    run["step_ledger"] = [entry | {"output": None} for entry in run["step_ledger"]] or [
        {
            "step_id": "s",
            "agent_identity": "a",
            "status": "completed",
            "output": None,
            "timestamp": run["created_at"],
        }
    ]
    member = {"kind": "backend_peer", "peer_id": "p", "address": "inproc://p", "bootstrap_token": "hidden"}
    bound = json.loads(overlay().model_dump_json()) | {"normalized_member_ref": member}
    path = made(tmp_path / "mob.db", [event_row(1)])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO mob_runs VALUES (?, ?)", (run["run_id"], json.dumps(run).encode()))
        place = ("m", bound["agent_identity"], bound["generation"], json.dumps(bound).encode())
        connection.execute("INSERT INTO mob_runtime_binding_overlays VALUES (?, ?, ?, ?)", place)
    with pytest.raises(CutError), opened(path) as database:
        await import_database(database, storage, progress=cut_after(2))
    report = await imported(path, storage)
    assert report.failures == []
    assert report.already == {"events": 1, "runs": 1, "overlays": 1}


@pytest.mark.parametrize(
    "ledger",
    [
        "CREATE TABLE meerkat_schema (domain TEXT PRIMARY KEY, version TEXT); "
        "INSERT INTO meerkat_schema VALUES ('mob', 'twelve');",
        "CREATE TABLE meerkat_schema (area TEXT PRIMARY KEY, number INTEGER);",
    ],
)
async def test_a_ledger_of_another_form_is_of_a_newer_release(storage: MobStorage, tmp_path: Path, ledger: str) -> None:
    path = made(tmp_path / "mob.db", [event_row(1)], more=ledger)
    with pytest.raises(ValidationError, match=r"newer release.*does not say versions as numbers"):
        await imported(path, storage)
    assert (await imported(path, storage, force=True)).came["events"] == 1


@pytest.fixture(scope="module")
def server_that_refuses() -> Iterator[RefusingServer]:
    with refusing_server() as server:
        yield server


@pytest.fixture
async def refused(server_that_refuses: RefusingServer, namespace: str) -> AsyncIterator[MobStorage]:
    impatient = RetryPolicy(deadline=0.5, base=0.001, cap=0.01)
    url = server_that_refuses.url
    async with MobStorage.open(url, namespace=namespace, retry=impatient, seal_key=KEY) as storage:
        yield storage


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("rows", [0, 63, 80, 100])
async def test_a_server_that_refuses_writes_is_told_and_the_import_goes_on_when_it_takes_them(
    server_that_refuses: RefusingServer, refused: MobStorage, tmp_path: Path, state: str, rows: int
) -> None:
    # contract: meerkat-11
    path, left = golden(tmp_path), rows

    def refuse(done: int) -> None:
        nonlocal left
        left -= done
        if left <= 0:
            server_that_refuses.refuse(state)

    try:
        if not rows:
            server_that_refuses.refuse(state)
        with pytest.raises(WriteFailedError) as told, opened(path) as database:
            await import_database(database, refused, progress=refuse)
    finally:
        server_that_refuses.serve()
    assert not isinstance(told.value, OutcomeUnknownError)
    report = await imported(path, refused)
    assert report.failures == []
    assert report.came + report.already == {
        "events": 63, "runs": 12, "supervisors": 3, "overlays": 10, "realm profiles": 4, "specs": 15
    }  # fmt: skip
    assert len(await refused.events.replay_all()) == 63


async def test_what_has_no_place_here_is_kept_verbatim_or_named(storage: MobStorage, tmp_path: Path) -> None:
    # contract: meerkat-12, meerkat-13
    spec = json.dumps({"definition": json.loads(definition().model_dump_json()), "revision": 1, "owner": "o"})
    path = made(tmp_path / "mob.db", [event_row(5)])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO mob_event_meta VALUES ('next_cursor', 'soon'), ('other', 7)")
        connection.execute("INSERT INTO mob_specs VALUES ('m', ?)", (spec.encode(),))
    report = await imported(path, storage)
    assert [(one.table, one.row) for one in report.failures] == [
        ("mob_event_meta", "key 'next_cursor'"), ("mob_specs", "mob_id 'm'")
    ]  # fmt: skip
    assert "'owner'" in report.failures[1].reason
    assert report.verbatim == {"rows of table mob_event_meta": 1}
    assert await storage.records.list("meerkat:mob_event_meta") == [('["other"]', {"key": "other", "value": 7})]
    assert await storage.transfers.newest_cursor() == 5
