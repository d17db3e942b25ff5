"""Commands that are forked behave as those that Python starts."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.cli.command import MODULE, Command, redis_mob, wait_until


@pytest.mark.parametrize("words", [("--version",), ("show", "--help"), ("no-such",), ("run", "absent.toml")], ids=str)
def test_they_end_in_the_same_way(tmp_path: Path, words: tuple[str, ...]) -> None:
    with Command(tmp_path, *words, program=MODULE) as command:
        assert redis_mob(tmp_path, *words) == command.end()


@pytest.mark.parametrize("program", [None, MODULE])
def test_what_they_import_and_find_is_of_their_directory_and_environment(
    tmp_path: Path, program: tuple[str, ...] | None
) -> None:
    (tmp_path / "here.py").write_text(
        "import os, sys\nprint(os.environ['FOUND'], os.getcwd(), sys.path[0], sys.argv[1:3], __file__)\n"
    )
    with Command(tmp_path, "run", "here:mob", program=program, FOUND="it") as command:
        ended = command.end()
    assert ended.status == 2
    assert f"it {tmp_path} {tmp_path} ['run', 'here:mob'] {tmp_path / 'here.py'}\n" in ended.err


@pytest.mark.parametrize("program", [None, MODULE])
def test_they_can_be_killed(project: Path, program: tuple[str, ...] | None) -> None:
    arguments = ("run", "flows.toml", "--flow", "one", "--handler", "handlers:wait_for_ever")
    with Command(project, *arguments, program=program) as command:
        wait_until((project / "begun").exists)
        assert not command.has_ended()
        assert command.pid in command.processes()
        command.signal(signal.SIGKILL)
        assert command.end(at_once=False).status == -signal.SIGKILL
