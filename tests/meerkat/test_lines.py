"""Lines of a namespace that are no such lines: each is refused with its number, before anything is stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from redis_mob.errors import ValidationError
from redis_mob.meerkat.importing import import_database
from redis_mob.meerkat.lines import opened_source
from redis_mob.storage import MobStorage
from tests.meerkat.files import event_row

FIRST = b'{"format":"redis_mob namespace","version":1}\n'
EVENT = b'{"table":"mob_events","kinds":"vj","row":[1,%s]}\n' % event_row(1)[1]
RECORD = b'{"table":"redis_mob_records","kinds":"vvj","row":["c",%s,%s]}\n'


def written(path: Path, *lines: bytes, first: bytes = FIRST, rows: bytes | None = None) -> Path:
    path.write_bytes(first + b"".join(lines) + (b'{"rows":%d}\n' % len(lines) if rows is None else rows))
    return path


REFUSED = {
    "line 2: this is no UTF-8 from byte 59 on": (RECORD % (b'"k"', b'"\xff"'), None),
    "line 4: this is no row of a namespace: it stands behind the line": (EVENT, b'{"rows":1}\n' + EVENT),
    "has 1 rows, and should have True": (EVENT, b'{"rows":true}\n'),
    "line 2: .*: 9223372036854775808 is no value of a row": (EVENT.replace(b"[1,", b"[9223372036854775808,"), None),
    "line 2: .*: True is no value of a row": (EVENT.replace(b"[1,", b"[true,"), None),
    "line 2: .*: a lone surrogate cannot be stored": (RECORD % (rb'"\ud800"', b"1"), None),
    "line 2: .*: a lone surrogate .*": (RECORD % (b'"k"', rb'"\ud800"'), None),
    "line 2: .*: no JSON: NaN is no JSON number": (RECORD % (b'"k"', b"NaN"), None),
    "line 2: .*: no JSON: an integer has more than 4300 digits$": (RECORD % (b'"k"', b"1" * 5000), None),
    "line 2: .*: no JSON: it is nested too deeply": (RECORD % (b'"k"', b"[" * 100_000), None),
    "line 2: .*: a key is given twice": (EVENT.replace(b'"mob_id":', b'"mob_id":"n","mob_id":'), None),
    "line 2: .*: a key is given twice.*": (EVENT.replace(b'"kinds":', b'"kinds":"vv","kinds":'), None),
}
"""What is said, of which line, and of what the last line is if it is not the number of rows."""


@pytest.mark.parametrize("says", REFUSED)
def test_a_line_that_is_no_row_is_refused_with_its_number(tmp_path: Path, says: str) -> None:
    # contract: meerkat-21
    line, rows = REFUSED[says]
    with pytest.raises(ValidationError, match=says), opened_source(written(tmp_path / "lines", line, rows=rows)):
        pass


@pytest.mark.parametrize("form", ["byte order mark", "carriage returns"])
async def test_lines_that_an_editor_has_saved_are_read(tmp_path: Path, form: str) -> None:
    path = written(tmp_path / "lines", EVENT)
    data = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + data if form == "byte order mark" else data.replace(b"\n", b"\r\n"))
    with opened_source(path) as database:
        report = await import_database(database, None)
    assert (report.failures, report.came) == ([], {"events": 1})


@pytest.mark.parametrize("version", [b"2", b'"1"', b"true"])
def test_lines_of_another_version_name_it(tmp_path: Path, version: bytes) -> None:
    path = written(tmp_path / "lines", first=FIRST.replace(b"1}", version + b"}"))
    with pytest.raises(ValidationError, match=r"has lines of version .*reads version 1"), opened_source(path):
        pass


async def test_a_null_and_a_name_in_any_script_come_in(tmp_path: Path) -> None:
    record = RECORD % ('"é😀"'.encode(), rb'{"x":[null,1e3,"\u00e9"]}')
    async with MobStorage.open("memory:", namespace="n") as storage:
        with opened_source(written(tmp_path / "lines", record)) as database:
            assert (await import_database(database, storage)).failures == []
        assert await storage.records.get("c", "é😀") == {"x": [None, 1000.0, "é"]}
