"""How runs end before their time: signals, dead workers, a dead parent, a dead server. Nothing is left in any case."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import pytest

from redis_mob.fleet.presence import worker_name
from tests.cli.command import IMPATIENT, Command, wait_until
from tests.support.servers import server


def started(
    project: Path,
    handler: str,
    *options: str,
    stderr: int | IO[Any] = subprocess.PIPE,
    program: Sequence[str] | None = None,
) -> Command:
    arguments = ("run", "flows.toml", "--flow", "one", "--handler", f"handlers:{handler}", *options)
    return Command(project, *arguments, stderr=stderr, program=program)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_run_whose_server_ends_too(project: Path, number: signal.Signals) -> None:
    with started(project, "wait_for_ever", "--json", "--lease", "1", "--workers", "2") as command:
        wait_until((project / "begun").exists)
        command.signal(number)
        ended = command.end()
    assert ended.status == 1
    found = json.loads(ended.out)
    assert (found["status"], found["steps"]) == ("canceled", {"work": "canceled"})
    assert "canceling the run" in ended.err
    assert "Traceback" not in ended.err


def test_sigterm_leaves_the_run_to_the_next_start_with_its_key(project: Path) -> None:
    """What is under way is handed back, and is no loss."""
    with server() as url:
        options = ("--json", "--url", url, "--idempotency-key", "k", "--drain-timeout", "0")
        with started(project, "wait_for_the_word", *options) as command:
            wait_until((project / "begun").exists)
            command.signal(signal.SIGTERM)
            left = command.end()
        assert left.status == 1
        assert json.loads(left.out)["status"] == "running"
        assert "leaving run" in left.err
        assert re.search(r"^run \S+ left running after \d+\.\d s$", left.err, re.MULTILINE), left.err
        assert "1 execution has not ended in time; it is handed back: member clerk-1 at step work of run " in left.err
        (project / "word").touch()
        with started(project, "wait_for_the_word", *options) as command:
            ended = command.end()
    assert ended.status == 0, ended.err
    assert (project / "begun").read_text() == "11", "each call is the first attempt"
    assert json.loads(ended.out)["outputs"] == {"work": {"clerk-1": 1}}


def test_work_that_no_worker_serves_is_told_until_the_run_is_canceled(project: Path) -> None:
    """The run is found by its key, and asks for workers of another release than those that are started here."""
    told = project / "told"
    with server() as url, told.open("w") as stderr:
        options = ("--json", "--url", url, "--idempotency-key", "k", "--drain-timeout", "0")
        with started(project, "wait_for_the_word", *options, "--release", "old") as command:
            wait_until((project / "begun").exists)
            command.signal(signal.SIGTERM)
            command.end()
        with started(project, "wait_for_the_word", *options, "--release", "new", stderr=stderr) as command:
            wait_until(lambda: "start one, or cancel the run" in told.read_text())
            command.signal(signal.SIGINT)
            ended = command.end()
    assert json.loads(ended.out)["status"] == "canceled"
    waits = "step 'work' waits for a worker that serves role 'clerk' of mob 'office' and release 'old'; of 1"
    assert told.read_text().count(waits) == 1


def test_after_sigterm_a_step_under_way_has_time_to_end(project: Path) -> None:
    told = project / "told"
    with server() as url, told.open("w") as stderr:
        options = ("--json", "--url", url, "--drain-timeout", "60")
        with started(project, "wait_for_the_word", *options, stderr=stderr) as command:
            wait_until((project / "begun").exists)
            command.signal(signal.SIGTERM)
            wait_until(lambda: "leaving run" in told.read_text())
            (project / "word").touch()
            ended = command.end()
    assert ended.status == 0
    assert json.loads(ended.out)["outputs"] == {"work": {"clerk-1": 1}}


def test_sigint_cancels_a_run_that_could_go_on(project: Path) -> None:
    with server() as url, started(project, "wait_for_ever", "--json", "--url", url) as command:
        wait_until((project / "begun").exists)
        command.signal(signal.SIGINT)
        ended = command.end()
    assert json.loads(ended.out)["status"] == "canceled"


def test_what_a_killed_worker_held_waits_for_no_lease(project: Path) -> None:
    """Its lease would outlive the test."""
    options = ("--json", "--lease", "3600", "--workers", "2")
    with started(project, "hang_at_first", *options) as command:
        wait_until((project / "pid").exists)
        os.kill(int((project / "pid").read_text()), signal.SIGKILL)
        ended = command.end()
    assert ended.status == 0, ended.err
    assert json.loads(ended.out)["outputs"] == {"work": {"clerk-1": 2}}


def test_a_second_signal_kills_and_spares_not_what_handlers_started(project: Path) -> None:
    told = project / "told"
    with told.open("w") as stderr, started(project, "block_for_ever", stderr=stderr) as command:
        wait_until((project / "begun").exists)
        assert any("sleep" in line for line in command.processes().values())
        command.signal(signal.SIGINT)
        wait_until(lambda: "canceling the run" in told.read_text())
        command.signal(signal.SIGINT)
        assert command.end().status == 1
    assert told.read_text().endswith("interrupted\n")
    assert "Traceback" not in told.read_text()


def test_a_killed_worker_is_replaced_and_the_run_completes(project: Path) -> None:
    with started(project, "hang_at_first", "--json", "--lease", "0.5", "--workers", "2") as command:
        wait_until((project / "pid").exists)
        killed = int((project / "pid").read_text())
        os.kill(killed, signal.SIGKILL)
        ended = command.end()
    assert ended.status == 0, ended.err
    assert json.loads(ended.out)["outputs"] == {"work": {"clerk-1": 2}}
    name = re.escape(worker_name(killed))
    assert re.search(rf"worker [12] \({name}\) was killed by SIGKILL; another one is started", ended.err), ended.err


def test_a_step_that_kills_every_worker_fails_in_the_end(project: Path) -> None:
    with started(project, "kill_the_worker", "--json", "--lease", "0.1") as command:
        ended = command.end()
    assert ended.status == 1, ended.err
    assert json.loads(ended.out)["status"] == "failed"
    assert "its worker stopped renewing its lease while it executed this and nothing else" in ended.err


def test_workers_and_server_end_when_their_parent_is_killed(project: Path) -> None:
    with started(project, "block_for_ever", "--workers", "2") as command:
        wait_until((project / "begun").exists)
        assert len(command.workers()) == 2
        command.signal(signal.SIGKILL)
        wait_until(lambda: not command.processes())


def test_a_worker_without_parent_takes_along_what_its_handlers_left(project: Path) -> None:
    with started(project, "leave_something_behind") as command:
        wait_until((project / "begun").exists)
        command.signal(signal.SIGKILL)
        (project / "go").touch()
        wait_until(lambda: not command.processes())


def test_workers_that_never_come_to_serve_end_the_command(project: Path) -> None:
    (project / "handlers.py").write_text(
        "import os, sys\nif 'redis_mob.cli.app' not in sys.modules: os._exit(9)\ndef answer(ctx): return 1\n"
    )
    with started(project, "answer", "--workers", "2") as command:
        ended = command.end()
    assert ended.status == 1
    assert "error: workers die again and again" in ended.err
    assert "ended with status 9" in ended.err
    assert "Traceback" not in ended.err


def test_a_handler_that_only_workers_cannot_import_is_told_once(project: Path) -> None:
    (project / "handlers.py").write_text(
        "import sys\nif 'redis_mob.cli.app' not in sys.modules: 1 / 0\ndef answer(ctx): return 1\n"
    )
    with started(project, "answer", "--workers", "2") as command:
        ended = command.end()
    assert ended.status == 2
    assert ended.err.count("ZeroDivisionError: division by zero") == 1
    assert "Traceback" not in ended.err


def test_a_server_that_is_lost_ends_the_command_with_one_message(project: Path) -> None:
    options = ("--workers", "2", "--lease", "1", "--json")
    with (
        server() as url,
        started(project, "wait_for_ever", *options, "--url", url, program=IMPATIENT) as command,
    ):
        wait_until((project / "begun").exists)
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(url.removeprefix("unix://"))
            line.sendall(b"SHUTDOWN NOSAVE\r\n")
            line.recv(1)
        ended = command.end()
    assert (ended.status, ended.out) == (3, "")
    assert "Traceback" not in ended.err
    [message] = [line for line in ended.err.splitlines() if url in line]
    assert message.startswith("error: ")
