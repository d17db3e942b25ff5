"""How a mob.db is opened and read: side files, names and rows that few databases have, and what is no database."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from redis_mob.errors import ValidationError
from redis_mob.meerkat.lines import opened_source
from redis_mob.meerkat.reading import opened
from redis_mob.storage import MobStorage
from tests.meerkat.files import changed, event_row, made
from tests.meerkat.test_importing import imported
from tests.meerkat.test_importing import storage as storage

KILLED_IN_A_TRANSACTION = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 5")
connection.execute("BEGIN")
connection.execute("DELETE FROM mob_events WHERE cursor % 2 = 0")
os.kill(os.getpid(), signal.SIGKILL)
"""
"""Writes a part of a transaction into the file, since it does not fit into the cache, and ends in the middle of it."""


@pytest.mark.parametrize("by_link", [False, True])
def test_half_a_transaction_is_refused_until_it_is_undone(tmp_path: Path, by_link: bool) -> None:
    # contract: meerkat-10
    path = made(tmp_path / "mob.db", map(event_row, range(1, 3001)))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_A_TRANSACTION, path], check=False)
    assert killed.returncode == -signal.SIGKILL and path.with_name("mob.db-journal").stat().st_size
    given = path
    if by_link:
        given = tmp_path / "elsewhere" / "link.db"
        given.parent.mkdir()
        given.symlink_to(path)
    with pytest.raises(ValidationError, match=r"rollback journal beside it.* Undo that once with"), opened(given):
        pass
    with closing(sqlite3.connect(path)) as connection:  # as the message says
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    with opened(given) as database:
        assert database.counts["mob_events"] == 3000


async def test_each_row_of_a_table_without_a_store_is_kept(storage: MobStorage, tmp_path: Path) -> None:
    # contract: meerkat-13
    more = """
    CREATE TABLE first (a INTEGER PRIMARY KEY, b);
    INSERT INTO first VALUES (-9223372036854775808, 1), (7, 2);
    CREATE TABLE text_rowid (ROWID TEXT, a);
    INSERT INTO text_rowid VALUES ('x', 1), (NULL, 2), (5, 3);
    CREATE TABLE all_taken (rowid, _rowid_, oid);
    INSERT INTO all_taken VALUES ('x', 1, 1), ('x', 2, 2), (NULL, 3, 3);
    CREATE TABLE without (a TEXT PRIMARY KEY, b) WITHOUT ROWID;
    INSERT INTO without VALUES ('x', 1), ('y', 2);
    CREATE TABLE computed (a INTEGER PRIMARY KEY, b AS (a * 2) STORED, c AS (a + 1));
    INSERT INTO computed (a) VALUES (1);
    """
    report = await imported(made(tmp_path / "mob.db", [event_row(1)], more=more), storage)
    assert report.failures == []

    async def kept(table: str) -> list[tuple[str, object]]:
        return list(await storage.records.list(f"meerkat:{table}"))

    assert await kept("first") == [
        ("[-9223372036854775808]", {"a": -(2**63), "b": 1}), ("[7]", {"a": 7, "b": 2})
    ]  # fmt: skip
    assert await kept("text_rowid") == [
        ("[1]", {"ROWID": "x", "a": 1}), ("[2]", {"ROWID": None, "a": 2}), ("[3]", {"ROWID": "5", "a": 3})
    ]  # fmt: skip
    taken = [("x", 1), ("x", 2), (None, 3)]
    assert await kept("all_taken") == [
        (f"[{number}]", {"rowid": text, "_rowid_": number, "oid": number}) for text, number in taken
    ]
    assert await kept("without") == [('["x"]', {"a": "x", "b": 1}), ('["y"]', {"a": "y", "b": 2})]
    assert await kept("computed") == [("[1]", {"a": 1, "b": 2, "c": 2})]
    assert sum(report.verbatim.values()) == 11


@pytest.mark.parametrize(
    ("create", "says"),
    [
        ("CREATE TABLE XNAMEX (a)", "table whose name is no UTF-8"),
        ("CREATE TABLE t (XNAMEX)", "column of table t whose"),
    ],
)
def test_a_name_that_is_no_utf_8_is_refused(tmp_path: Path, create: str, says: str) -> None:
    path = changed(made(tmp_path / "mob.db"), create)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    path.write_bytes(path.read_bytes().replace(b"XNAMEX", b"X\xff\xfeMEX"))
    with pytest.raises(ValidationError, match=says), opened(path):
        pass


@pytest.mark.parametrize("kind", ["device", "pipe", "directory"])
def test_what_is_no_regular_file_is_refused_and_not_read(tmp_path: Path, kind: str) -> None:
    path = Path("/dev/zero") if kind == "device" else tmp_path / kind
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    with pytest.raises(ValidationError, match="is no regular file"), opened_source(path):
        pass
