"""Servers for tests that need another one than the shared embedded server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from redis_mob.connection.embedded.server_process import find_server

REQUIRE_REDIS7 = "REDIS_MOB_REQUIRE_REDIS7"


@contextmanager
def server(*settings: str, program: Path | None = None) -> Generator[str]:
    """The URL of a server on a Unix socket, run with these settings (`"--requirepass", "x"`) until the block ends."""
    with tempfile.TemporaryDirectory(prefix="redis-mob-test-") as directory:
        path = f"{directory}/s"
        command = [str(program or find_server()), "--port", "0", "--unixsocket", path, "--dir", directory, "--save", ""]
        process = subprocess.Popen([*command, *settings], stdout=subprocess.DEVNULL)
        try:
            _wait_for(path, process)
            yield f"unix://{path}"
        finally:
            process.kill()
            process.wait()


def redis7_program() -> Path:
    """The Redis server program on PATH.

    Skips where there is none, or fails when the environment says that there must be one.
    """
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get(REQUIRE_REDIS7):
            pytest.fail(f"{REQUIRE_REDIS7} is set, but there is no redis-server on PATH")
        pytest.skip("no redis-server on PATH (Debian: apt-get install redis-server)")
    return Path(program)


def _wait_for(path: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(path) == 0:
                return
        time.sleep(0.005)
    raise RuntimeError(f"the server ended with status {process.returncode}")
