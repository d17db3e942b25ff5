"""What the help shows: each command with a whole sentence, and what each option takes in one form."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from redis_mob.cli.app import whole_app

APP = whole_app()
COMMANDS = sorted(
    command.name or command.callback.__name__.replace("_", "-")
    for command in APP.registered_commands
    if command.callback
)


def help_of(*command: str) -> str:
    return CliRunner().invoke(APP, [*command, "--help"], env={"COLUMNS": "80"}).output


def test_no_summary_of_a_command_is_cut() -> None:
    listed = help_of().partition("Commands:")[2]
    assert [line for line in listed.splitlines() if line.endswith("...")] == []
    for name in COMMANDS:
        assert re.search(rf"^  {name} +\S.*\.$", listed, re.MULTILINE), f"{name}: one short sentence"


@pytest.mark.parametrize("command", COMMANDS)
def test_options_say_what_they_take_in_capitals(command: str) -> None:
    options = help_of(command).partition("Options:")[2]
    taken = re.findall(r"^  (?:-\w, )?--[\w-]+ (\S+)", options, re.MULTILINE)
    assert [one for one in taken if not re.fullmatch(r"[A-Z]+([=:][A-Z]+)?", one)] == []
