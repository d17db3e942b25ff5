"""What people see: a live table on a terminal, and nothing that a terminal would obey."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import struct
import termios
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from redis_mob.cli.console import printable
from redis_mob.cli.display import display
from tests.cli.command import Command
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.simulation import Simulation

ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def on_a_terminal(project: Path, *args: str, term: str = "xterm", until: str | None = None) -> tuple[int, str, str]:
    """Run with standard error on a terminal of 100 x 30: exit status, standard output, what the terminal was sent.

    Once it was sent the text `until`, handlers that wait for the file `seen` go on.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    with Command(project, *args, stderr=theirs, TERM=term) as command:
        os.close(theirs)
        seen = b""
        while chunk := _read(ours):
            seen += chunk
            if until is not None and until in seen.decode(errors="replace"):
                (project / "seen").touch()
        os.close(ours)
        ended = command.end()
    return ended.status, ended.out, seen.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux raises it once no process has the other end open
        return b""


def test_a_terminal_shows_a_live_table_and_keeps_the_last_one(project: Path) -> None:
    arguments = ("run", "flows.toml", "--flow", "two", "--handler", "handlers:ROLES", "--members", "judge=2")
    status, out, seen = on_a_terminal(project, *arguments, "--params", '{"numbers": [1]}', "--json")
    assert status == 0
    assert json.loads(out)["status"] == "completed"
    assert "\x1b[" in seen, "it is drawn in place"
    assert "1 worker" in seen
    last = ANSI.sub("", seen.rpartition("step ")[2]).splitlines()
    cells = [line.split() for line in last]
    assert cells[0][:4] == ["member", "state", "attempt", "elapsed"]
    assert [line[:4] for line in cells[1:4]] == [
        ["sum", "clerk-1", "completed", "1"],
        ["check", "judge-1", "completed", "1"],
        ["check", "judge-2", "completed", "1"],
    ]


def test_a_dumb_terminal_gets_plain_lines(project: Path) -> None:
    arguments = ("run", "flows.toml", "--flow", "one", "--handler", "handlers:answer")
    status, _, seen = on_a_terminal(project, *arguments, term="dumb")
    assert status == 0
    assert "step work completed" in seen
    assert "\x1b" not in seen


def test_what_handlers_print_appears_above_the_table(project: Path) -> None:
    status, _, seen = on_a_terminal(project, "run", "flows.toml", "--flow", "one", "--handler", "handlers:chatter")
    assert status == 0
    assert "worker 1: loud" in ANSI.sub("", seen)


def test_a_terminal_shows_what_running_steps_tell_and_the_last_table_does_not(project: Path) -> None:
    arguments = ("run", "flows.toml", "--flow", "one", "--handler", "handlers:tell")
    told = r"25% a quarter is done Once upon a \x1b[31mtime"
    status, _, seen = on_a_terminal(project, *arguments, until=told)
    assert status == 0
    assert told in seen
    assert "quarter" not in seen.rpartition("member")[2]


def test_plain_lines_have_what_running_steps_tell(project: Path) -> None:
    with Command(project, "run", "flows.toml", "--flow", "one", "--handler", "handlers:tell", "--json") as command:
        seen = ""
        while "time" not in seen:
            line = command.line_of_stderr()
            assert line, f"the command ended before: {seen}"
            seen += line
        (project / "seen").touch()
        ended = command.end()
    assert ended.status == 0
    assert json.loads(ended.out)["status"] == "completed", "standard output has the result alone"
    lines = [line.partition(" ")[2] for line in seen.splitlines()]
    assert "step work[clerk-1] running attempt 1" in lines
    assert lines[-1] == r"step work[clerk-1] 25% a quarter is done Once upon a \x1b[31mtime"
    assert 1 <= sum("25%" in line for line in lines) <= 2, "one at once, and one with the rest a second later"


@pytest.fixture
def simulation() -> Simulation:
    """A run whose only step waits for its only member."""
    run = Simulation(mob({"work": step()}))
    run.advance()
    return run


def on_a_fake_terminal(simulation: Simulation, workers: int) -> str:
    """What is left on a terminal after this moment of a run was shown."""
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with display(console, simulation.definition.flows[FLOW]) as shown:
        shown.show(simulation.store.load(), workers)
    return written(console)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_last_table_stays_when_the_command_fails(simulation: Simulation) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    flow = simulation.definition.flows[FLOW]
    with pytest.raises(RuntimeError, match="boom"), display(console, flow) as shown:
        shown.show(simulation.store.load(), 1)
        raise RuntimeError("boom")
    assert "worker-1" in written(console).rpartition("member")[2]


def test_a_failed_attempt_shows_its_reason_in_the_table(simulation: Simulation) -> None:
    simulation.fail("work", "no\nink", retryable=False)
    seen = on_a_fake_terminal(simulation, 3)
    assert r"no\nink" in seen
    assert "3 workers" in seen


def test_times_grow_to_minutes_and_hours(simulation: Simulation) -> None:
    simulation.wait(timedelta(seconds=59.9))
    assert "59.9 s" in on_a_fake_terminal(simulation, 1)
    simulation.wait(timedelta(seconds=6.1))
    assert " 1 m 6 s" in on_a_fake_terminal(simulation, 1)
    simulation.wait(timedelta(hours=2))
    assert " 2 h 1 m" in on_a_fake_terminal(simulation, 1)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ä 漢字", "plain ä 漢字"),
        ("two\nlines\r", r"two\nlines\r"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b2J \u202e", r"\x9b2J \u202e"),
    ],
)
def test_nothing_reaches_the_terminal_that_it_would_obey(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_output_of_handlers_loses_its_control_characters_in_plain_lines(simulation: Simulation) -> None:
    console = Console(file=io.StringIO(), force_terminal=False)
    with display(console, simulation.definition.flows[FLOW]) as shown:
        shown.output("worker 1: \x1b[31mred\x1b[0m [bold]not markup[/bold] " + "long " * 40)
    assert written(console) == "worker 1: red [bold]not markup[/bold] " + "long " * 40 + "\n"
