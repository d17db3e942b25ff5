"""A private PostgreSQL server for one measurement, in a directory that is removed with it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

# durable in the sense of the table; PostgreSQL's own defaults, given so that no setting of the machine counts
SETTINGS = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
READY = 30.0
"""Seconds within which a new server has to answer."""


def programs() -> Path | None:
    """The directory of initdb and postgres: that on PATH, else the newest that Debian's packages bring."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in installed), key=lambda path: float(path.parent.name), default=None)


def unprivileged_user() -> str | None:
    """The user that runs the server: this one, as None; for root, as whom PostgreSQL refuses to run, that of Debian."""
    if os.geteuid() != 0:
        return None
    if "postgres" not in (entry.pw_name for entry in pwd.getpwall()):
        raise OSError("PostgreSQL does not run as root, and there is no user postgres: add one, or be another user")
    return "postgres"


@contextmanager
def private_server(programs: Path) -> Generator[str]:
    """A server that listens on a Unix socket alone; gives the URL of a database, which does not exist yet.

    Raises OSError if it cannot be set up or does not start.
    """
    user = unprivileged_user()
    with tempfile.TemporaryDirectory(prefix="peers-") as name:
        directory = Path(name)
        if user is not None:
            shutil.chown(directory, user)
        create = [programs / "initdb", "-D", directory / "data", "-U", "bench", "-A", "trust", "-E", "UTF8"]
        created = subprocess.run(create, user=user, cwd=directory, capture_output=True, text=True)
        if created.returncode:
            raise OSError(f"initdb ended with status {created.returncode}: {created.stderr.strip()[-200:]}")
        settings = {**SETTINGS, "listen_addresses": "", "unix_socket_directories": name}
        server = subprocess.Popen(
            [programs / "postgres", "-D", directory / "data", *(f"--{key}={value}" for key, value in settings.items())],
            user=user,
            cwd=directory,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_until_ready(programs, server, name)
            yield f"postgresql://bench@/bench?host={name}"
        finally:
            server.send_signal(signal.SIGINT)  # a fast shutdown, which ends the connections
            server.wait()


def _wait_until_ready(programs: Path, server: subprocess.Popen[bytes], socket_directory: str) -> None:
    deadline = time.monotonic() + READY
    while subprocess.run([programs / "pg_isready", "-q", "-h", socket_directory]).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            raise OSError(f"PostgreSQL did not start within {READY:g} s; its status is {server.returncode}")
        time.sleep(0.05)
