"""A file takes its place complete, and never the place of another one."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from redis_mob.errors import CasConflictError
from redis_mob.new_file import publish, require_new


@pytest.fixture(params=[True, False], ids=["hard links", "no hard links"])
def partial(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A complete file, on a file system with hard links or without."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not request.param:
        monkeypatch.setattr(Path, "hardlink_to", refuse)
    made = tmp_path / ".new.part"
    made.write_bytes(b"all of it")
    return made


def test_a_file_gets_its_name(partial: Path) -> None:
    path = partial.with_name("new")
    require_new(path)
    publish(partial, path)
    assert path.read_bytes() == b"all of it"


def test_a_file_that_is_there_stays_as_it_is(partial: Path) -> None:
    path = partial.with_name("new")
    path.write_bytes(b"another")
    with pytest.raises(CasConflictError, match="is there already: name a new file"):
        publish(partial, path)
    assert (path.read_bytes(), partial.read_bytes()) == (b"another", b"all of it")


def test_a_directory_that_refuses_is_told(partial: Path) -> None:
    with pytest.raises(FileNotFoundError):
        publish(partial, partial.parent / "missing" / "new")
    assert partial.read_bytes() == b"all of it"
