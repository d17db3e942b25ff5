"""`redis-mob import` of a mob.db, and `redis-mob export --mob-db`: what they print, and how they end."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from redis_mob.security.sealing import SealKey
from tests.cli.command import Here, redis_mob_reading
from tests.meerkat.files import changed, content, event_row, golden, made


def test_imported_runs_are_shown(here: Here, tmp_path: Path) -> None:
    assert here("import", str(golden(tmp_path))).status == 0
    listed = [json.loads(line) for line in here("ls", "--json").out.splitlines()]
    ids = [run["run_id"] for page in listed for run in page.get("runs", [page])]
    assert len(ids) == 12
    for run_id in ids:
        told = here("show", run_id)
        assert told.status == 0, told.err
        assert told.out.startswith(f"run {run_id}")
        assert json.loads(here("show", run_id, "--json").out)["definition"] is None


def test_a_database_comes_in_and_goes_out_again(here: Here, tmp_path: Path) -> None:
    path = golden(tmp_path)
    dry = here("import", str(path), "--dry-run", "--json")
    assert dry.status == 0, dry.err
    came = {"events": 63, "runs": 12, "supervisors": 3, "overlays": 10, "realm profiles": 4, "specs": 15}
    assert (json.loads(dry.out)["came"], json.loads(dry.out)["dry_run"]) == (came, True)
    told = here("import", str(path))
    assert told.status == 0, told.err
    assert told.out.splitlines() == [
        "mob.db: meerkat 0.6.0-0.7.31", *(f"{kind}: {number} came" for kind, number in came.items())
    ]  # fmt: skip
    assert "note: what is secret of supervisors and overlays is stored as it is" in told.err
    assert "Warning" not in told.err
    again = here("import", str(path))
    assert (again.status, again.out) == (0, "mob.db has been imported already; nothing was changed\n")
    out = tmp_path / "out.db"
    exported = here("export", "--mob-db", str(out), "--json")
    assert exported.status == 0, exported.err
    assert json.loads(exported.out)["counts"]["supervisors left out, which are secret"] == 3
    assert len(content(out)["mob_events"]) == 63
    lines = tmp_path / "out.jsonl"
    assert here("export", "--lines", str(lines), "--json").status == 0
    assert here("import", str(lines), "--dry-run").status == 0
    written = here("export", "--lines", "-")
    assert (written.status, "events: 63" in written.err) == (0, True)
    in_file, in_pipe = (text.strip().split("\n") for text in (lines.read_text(), written.out))
    assert list(map(json.loads, in_pipe)) == list(map(json.loads, in_file))
    assert not (tmp_path / "-").exists()
    refused = here("export", "--mob-db", str(out))
    assert refused.status == 1 and "is there already" in refused.err


def test_a_row_that_cannot_be_read_is_named_and_ends_with_1(here: Here, tmp_path: Path) -> None:
    path = changed(golden(tmp_path), "UPDATE mob_events SET event_json = 'x' WHERE cursor = 2")
    told = here("import", str(path))
    assert told.status == 1
    assert "could not be read: mob_events, cursor 2: " in told.out and "events: 62 came" in told.out
    again = here("import", str(path))
    assert again.status == 1
    first, failed = again.out.splitlines()
    assert (first, failed) == ("mob.db has been imported already; nothing was changed", told.out.splitlines()[-1])
    as_json = here("import", str(path), "--json")
    [row] = json.loads(as_json.out)["failed"]
    assert (as_json.status, row["table"], row["row"]) == (1, "mob_events", "cursor 2")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("import", "missing.db"), "missing.db cannot be read"),
        (("import", "empty.db"), "is empty"),
        (("import", "text.db"), "is no SQLite database"),
        (("import", "/dev/zero"), "/dev/zero is no regular file"),
        (("import", "pipe.jsonl"), "is no regular file: what a pipe has is read as -"),
        (("import", "pipe.db", "--dry-run"), "is no regular file"),
        (("import", "newer.db"), "version 99 of the tables"),
        (("import", "mob.db", "--skip-existing"), "--skip-existing is for exported runs: "),
        (("import", "runs.jsonl", "--dry-run"), "runs.jsonl has exported runs"),
        (("import", "lines.jsonl", "--dry-run"), "lines.jsonl is neither a mob.db nor what `redis-mob export` writes"),
        (("import", "seal.keys"), "seal.keys is neither a mob.db nor what `redis-mob export` writes"),
        (("import", "later.jsonl"), "later.jsonl has lines of version 2"),
        (("export", "--mob-db", "out.db", "--all"), "leave out RUN, --all, --output and conditions"),
        (("export", "--lines", "out.jsonl", "--status", "failed"), "leave out RUN, --all, --output and conditions"),
        (("export", "--all", "--with-secrets"), "are for --mob-db"),
        (("export", "--mob-db", "-"), "--mob-db writes a database, which standard output cannot be"),
        (("export", "--lines", "-", "--json"), "--json prints on standard output, where --lines - writes"),
    ],
)
def test_bad_words_and_files_are_usage_errors(here: Here, tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    golden(tmp_path)
    (tmp_path / "empty.db").write_bytes(b"")
    (tmp_path / "text.db").write_text("{}")
    (tmp_path / "lines.jsonl").write_text("{}\n")
    (tmp_path / "runs.jsonl").write_text('{"format":"redis_mob runs","version":2}\n')
    (tmp_path / "seal.keys").write_text(SealKey.generate("team-1").to_text())
    (tmp_path / "later.jsonl").write_text('{"format":"redis_mob namespace","version":2}\n')
    os.mkfifo(tmp_path / "pipe.db")
    os.mkfifo(tmp_path / "pipe.jsonl")
    made(tmp_path / "newer.db", [event_row(1)], version=99)
    ended = here(*(str(tmp_path / word) if "." in word else word for word in words))
    assert ended.status == 2, ended.err
    assert says in ended.err


def test_lines_of_a_namespace_come_in_from_standard_input(
    here: Here, server_url: str, namespace: str, tmp_path: Path
) -> None:
    assert here("import", str(golden(tmp_path))).status == 0
    lines = tmp_path / "out.jsonl"
    assert here("export", "--lines", str(lines)).status == 0
    there = ("--url", server_url, "--namespace", f"{namespace}-b")
    told = redis_mob_reading(lines, tmp_path, "import", "-", *there)
    assert told.status == 0, told.err
    assert told.out.splitlines()[0].startswith("standard input: ")
    assert "events: 63 came" in told.out
    again = redis_mob_reading(lines, tmp_path, "import", "-", *there)
    assert again.out == "standard input has been imported already; nothing was changed\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"SQLite format 3\0" + bytes(100), "standard input is an SQLite database, which is read from a file"),
        (b"redis-mob backup\n" + bytes(100), "standard input is neither a mob.db nor what `redis-mob export` writes"),
        (b"", "standard input is neither"),
        (b'{"format":"redis_mob runs","version":9}\n', "line 1: this is no export of runs, or one of a later release"),
    ],
)
def test_what_is_no_export_is_refused_before_a_namespace_is_created(
    here: Here, server_url: str, namespace: str, tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / "given").write_bytes(content)
    there = ("--url", server_url, "--namespace", namespace)
    refused = redis_mob_reading(tmp_path / "given", tmp_path, "import", "-", *there)
    assert (refused.status, says in refused.err) == (2, True), refused
    assert "there is no namespace" in here("ls").err


def test_runs_that_no_fleet_has_started_are_left_out_with_their_number(here: Here, tmp_path: Path) -> None:
    assert here("import", str(golden(tmp_path))).status == 0
    left_out = "12 runs left out, which no fleet has started"
    assert here("verify", "--all").out == f"0 runs verified, 0 differ; {left_out}\n"
    assert json.loads(here("verify", "--all", "--json").out) == {"left_out": 12}
    exported = here("export", "--all", "--output", "q.jsonl")
    assert exported.err == f"0 runs exported; {left_out}: --mob-db FILE or --lines FILE exports them\n"
    assert here("verify", "--all", "--mob", "none").out == "0 runs verified, 0 differ\n"


def test_runs_that_are_no_utf8_are_refused_by_their_line(here: Here, tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    file.write_bytes(b'{"format":"redis_mob runs","version":2}\n{"definition":"\xff"}\n')
    ended = here("import", str(file))
    assert (ended.status, ended.out) == (2, "")
    assert "line 2" in ended.err
