"""Runs the real command in a process of its own, and knows everything that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, Self
from uuid import uuid4

from redis_mob.testing.waiting import LONG
from tests.cli.forked_process import ROOT, ForkedProcess

MODULE = ("-m", "redis_mob")
"""The command as Python starts it."""

IMPATIENT = (
    "-c",
    """
import redis_mob.storage
from redis_mob.cli import main
from redis_mob.connection.retry import RetryPolicy
from redis_mob.fleet import outage

redis_mob.storage.policy_of = lambda _: RetryPolicy(deadline=2)
outage.LONGEST_OUTAGE_SECONDS = 6
main()
""",
)
"""The command with less patience for a server that does not answer."""

_MARK = "REDIS_MOB_TEST_MARK"
_READ_WHEN_PYTHON_STARTS = ("PYTHON", "LANG", "LC_")


class Ended(NamedTuple):
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str


class Command:
    """`redis-mob` with these arguments. Its processes are told by a mark in the environment that they all inherit.

    Its own process is forked, unless `program` says with what Python is to be started, or `environment` has what it
    reads then.
    """

    def __init__(
        self,
        directory: Path,
        *args: str,
        stderr: int | IO[Any] = subprocess.PIPE,
        program: Sequence[str] | None = None,
        **environment: str,
    ) -> None:
        self._mark = f"{_MARK}={uuid4().hex}"
        name, _, value = self._mark.partition("=")
        inherited = {key: text for key, text in os.environ.items() if key != "REDIS_MOB_URL"}
        inherited.update({"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", name: value})
        if program is None and not any(key.startswith(_READ_WHEN_PYTHON_STARTS) for key in environment):
            self._process = ForkedProcess(args, directory, {**inherited, **environment}, stderr)
        else:
            self._process = subprocess.Popen(
                [sys.executable, *(program or MODULE), *args],
                cwd=directory,
                env={**inherited, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        """End every process that a test left behind, so that it cannot disturb another test."""
        self._process.send_signal(signal.SIGKILL)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        self._process.wait()
        wait_until(lambda: not self.processes())

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def line_of_stderr(self) -> str:
        """The next line of standard error, as soon as it is there; empty at its end."""
        assert self._process.stderr is not None
        return self._process.stderr.readline().decode()

    def line_of_stdout(self) -> str:
        """The next line of standard output, as soon as it is there; empty at its end."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode()

    def close_stdout(self) -> None:
        """Read standard output no more."""
        assert self._process.stdout is not None
        self._process.stdout.close()

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def end(self, *, at_once: bool = True) -> Ended:
        """Wait for the end; nothing that was started may be left then, or at once after it."""
        out, err = self._process.communicate(timeout=3 * LONG)
        ended = Ended(self._process.wait(), (out or b"").decode(), (err or b"").decode())
        if not at_once:
            wait_until(lambda: not self.processes())
        left = self.processes()
        assert all("lease_keeper.py" in command for command in left.values()), f"left running: {left}\n{ended.err}"
        # a command waits a second for its keeper, which may not have come to its end by then on a busy machine
        wait_until(lambda: not self.processes())
        return ended

    def processes(self) -> dict[int, str]:
        """The living processes that the command started, itself included: id and command line."""
        found: dict[int, str] = {} if self.has_ended() else {self.pid: "redis-mob"}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    environment = (entry / "environ").read_bytes()
                    if self._mark.encode() in environment.split(b"\0"):
                        found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue  # it ended, or belongs to another user
        return found

    def workers(self) -> list[int]:
        """The ids of the living worker processes."""
        return [pid for pid, command in self.processes().items() if "redis_mob.cli.worker" in command]


def redis_mob(directory: Path, *args: str, **environment: str) -> Ended:
    """Run the command to its end."""
    with Command(directory, *args, stderr=subprocess.PIPE, program=None, **environment) as command:
        return command.end()


def redis_mob_reading(file: Path, directory: Path, *args: str) -> Ended:
    """Run the command to its end, with a file as its standard input."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with file.open("rb") as stdin:
        ended = subprocess.run(
            [sys.executable, *MODULE, *args],
            cwd=directory,
            env=environment,
            stdin=stdin,
            capture_output=True,
            check=False,
        )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


class Here:
    """The command in a directory, on one namespace."""

    def __init__(self, directory: Path, url: str, namespace: str) -> None:
        self._directory, self._options = directory, ("--url", url, "--namespace", namespace)

    def __call__(self, *words: str) -> Ended:
        return redis_mob(self._directory, *words, *self._options)


def wait_until(condition: Callable[[], object]) -> None:
    """Return as soon as the condition holds; fail the test if it does not for a long time."""
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, f"{condition} did not come true"
        time.sleep(0.01)
