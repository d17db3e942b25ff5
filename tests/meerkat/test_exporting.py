"""A namespace is written as a mob.db of 0.6, whose rows are those of meerkat's own."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from redis_mob.errors import CasConflictError, ValidationError
from redis_mob.meerkat.exporting import export_database, export_lines
from redis_mob.meerkat.importing import import_database
from redis_mob.meerkat.lines import opened_source
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.documents import authority, overlay, rotation
from tests.cli.command import Command
from tests.meerkat.files import content, event_row, golden, made
from tests.meerkat.test_importing import KEY, imported
from tests.meerkat.test_importing import storage as storage

_NANOSECONDS = re.compile(rb"(:\d\d\.\d{6})\d{3}Z")
_OFFSET = re.compile(r"(:\d\d\.\d{6})\d{3}\+")


def to_microseconds(row: tuple[object, ...]) -> tuple[object, ...]:
    """A row with times as precise as they are kept here: of nine digits the last three are dropped."""
    return tuple(
        _NANOSECONDS.sub(rb"\1Z", one)
        if isinstance(one, bytes)
        else _OFFSET.sub(r"\1+", one)
        if isinstance(one, str)
        else one
        for one in row
    )


def names(directory: Path) -> list[str]:
    return sorted(file.name for file in directory.iterdir())


async def test_what_came_in_is_written_as_the_crate_had_written_it(storage: MobStorage, tmp_path: Path) -> None:
    # contract: meerkat-20
    source, target = golden(tmp_path), tmp_path / "out.db"
    await imported(source, storage)
    counts = await export_database(storage, target, with_secrets=True)
    assert counts == {
        "events": 63, "runs": 12, "specs": 15, "supervisors": 3, "overlays": 10, "realm profiles": 4
    }  # fmt: skip
    was, now = content(source), content(target)
    assert was.keys() == now.keys()
    for table, rows in was.items():
        assert now[table] == [to_microseconds(row) for row in rows], table
    assert target.read_bytes()[18:20] == b"\x02\x02"  # in WAL mode, as the crate leaves it
    assert names(tmp_path) == ["mob.db", "out.db"]


async def test_an_export_read_back_and_written_again_is_equal_in_every_row(storage: MobStorage, tmp_path: Path) -> None:
    await imported(golden(tmp_path), storage)
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    await export_database(storage, first, with_secrets=True)
    async with MobStorage.open("memory:", namespace="back") as back:
        await imported(first, back)
        await export_database(back, second, with_secrets=True)
    assert content(first) == content(second)


async def test_secrets_are_written_only_where_they_are_asked_for(storage: MobStorage, tmp_path: Path) -> None:
    await imported(golden(tmp_path), storage)
    target = tmp_path / "out.db"
    counts = await export_database(storage, target, with_secrets=False)
    assert counts["supervisors left out, which are secret"] == 3 and not counts["supervisors"]
    assert content(target)["mob_runtime_supervisors"] == []
    tokens = [one for _, one in await storage.transfers.overlays() if one.bootstrap_token is not None]
    assert counts["bootstrap tokens left out, which are secret"] == len(tokens) > 0
    data = target.read_bytes()
    assert not any(one.bootstrap_token.encode() in data for one in tokens if one.bootstrap_token)


async def test_a_file_that_is_there_is_left_alone(storage: MobStorage, tmp_path: Path) -> None:
    target = tmp_path / "out.db"
    target.write_text("mine")
    with pytest.raises(CasConflictError, match="is there already"):
        await export_database(storage, target, with_secrets=True)
    assert target.read_text() == "mine"
    with pytest.raises(ValidationError, match="cannot be written"):
        await export_database(storage, tmp_path / "no" / "out.db", with_secrets=True)
    assert names(tmp_path) == ["out.db"]


async def test_lines_come_back_as_they_were(storage: MobStorage, tmp_path: Path) -> None:
    # contract: meerkat-21
    await imported(golden(tmp_path), storage)
    await storage.records.insert("mine", "é", {"b": [1, 1.0, None], "a": 2**70})
    first, second, third = tmp_path / "first.jsonl", tmp_path / "second.jsonl", tmp_path / "third.db"
    counts = await export_lines(storage, first, with_secrets=True)
    assert counts["records"] == 1 and counts["events"] == 63
    async with MobStorage.open("memory:", namespace="back") as back:
        with opened_source(first) as database:
            report = await import_database(database, back)
        assert report.failures == [] and report.came == counts
        await export_lines(back, second, with_secrets=True)
        await export_database(back, third, with_secrets=True)
        assert await back.records.get("mine", "é") == {"b": [1, 1.0, None], "a": 2**70}
    assert first.read_text() == second.read_text()
    assert content(third)["mob_runs"] == [to_microseconds(row) for row in content(tmp_path / "mob.db")["mob_runs"]]


@pytest.mark.parametrize("cut", ["last line", "a line", "half a line", "a table", "a value", "a name"])
async def test_lines_that_are_damaged_are_refused(storage: MobStorage, tmp_path: Path, cut: str) -> None:
    await imported(golden(tmp_path), storage)
    path = tmp_path / "out.jsonl"
    await export_lines(storage, path, with_secrets=False)
    lines = path.read_text().split("\n")[:-1]
    match cut:
        case "last line":
            del lines[-1]
        case "a line":
            del lines[5]
        case "half a line":
            lines[5] = lines[5][: len(lines[5]) // 2]
        case "a table":
            lines[5] = lines[5].replace("mob_events", "sqlite_master")
        case "a value":
            lines[5] = lines[5].replace('"row":[', '"row":[{},')
        case _:
            lines[5] = lines[4]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ValidationError, match=r"out\.jsonl"), opened_source(path):
        pass


async def test_events_that_0_6_does_not_read_are_left_out_and_counted(storage: MobStorage, tmp_path: Path) -> None:
    events = [event_row(1, schema=9), event_row(2, {"type": "made_up_kind"}, schema=9)]
    await imported(made(tmp_path / "mob.db", events, version=12), storage)
    counts = await export_database(storage, tmp_path / "out.db", with_secrets=True)
    assert counts["events left out, of kinds that 0.6 does not read"] == 1
    assert content(tmp_path / "out.db")["mob_events"] == [event_row(1)]
    assert content(tmp_path / "out.db")["mob_event_meta"] == [("next_cursor", 3)]


async def test_what_0_6_would_refuse_of_metadata_is_left_out_and_counted(storage: MobStorage, tmp_path: Path) -> None:
    # contract: meerkat-20
    later = authority(pending=rotation(2, "peer-a").model_copy(update={"protocol_version": 7}))
    await storage.runtime_metadata.put_supervisor_authority("m", authority())
    await storage.runtime_metadata.put_supervisor_authority("later", later)
    for agent, status in (("a", "Normalized"), ("b", "DirectBindPending"), ("c", "DirectBindBound")):
        await storage.runtime_metadata.upsert_external_binding_overlay("m", overlay(agent, status=status))
    await storage.runtime_metadata.upsert_external_binding_overlay("m", overlay("d", generation=2**63))
    counts = await export_database(storage, tmp_path / "out.db", with_secrets=True)
    assert counts == {
        "supervisors": 1,
        "supervisors left out, of a protocol that 0.6 does not speak": 1,
        "overlays": 1,
        "overlays left out, of a status that 0.6 does not read": 2,
        "overlays left out, whose generation has more than 63 bits": 1,
    }
    lines = await export_lines(storage, tmp_path / "out.jsonl", with_secrets=True)
    assert (lines["supervisors"], lines["overlays"]) == (2, 3)


FULL_AT = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))
from redis_mob.cli import main
main()
"""
"""`redis-mob` on a disk on which no file can have more bytes than the first argument says."""


@pytest.mark.parametrize("option", ["--mob-db", "--lines"])
@pytest.mark.parametrize("most", [0, 4096, 200_000])
async def test_a_full_disk_is_told_and_no_file_is_left(
    server_url: str, namespace: str, tmp_path: Path, option: str, most: int
) -> None:
    # contract: meerkat-20
    async with MobStorage.open(server_url, namespace=namespace, seal_key=KEY) as storage:
        (tmp_path / "source").mkdir()
        await imported(golden(tmp_path / "source"), storage)
    (tmp_path / "seal.keys").write_text(KEY.to_text())
    place = ("--url", server_url, "--namespace", namespace, "--seal-keys", "seal.keys")
    words = (str(most), "export", option, "out", "--with-secrets", *place)
    with Command(tmp_path, *words, program=("-c", FULL_AT)) as command:
        ended = await asyncio.to_thread(command.end)
    assert ended.status == 2, ended.err
    assert "error: out cannot be written: " in " ".join(ended.err.split())
    assert names(tmp_path) == ["seal.keys", "source"]
