"""The images of the tests: from a registry, or made of this machine's programs where no registry is reached.

`python -m tests.docker.image NAME [SERVER]` makes one; the server is that of `embedded:` unless another one is named.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from redis_mob.connection.embedded.server_process import find_server

_TOOLS = ("sh", "cat", "cp", "grep", "sleep", "tail")
"""What the scripts and health checks call, besides the server and its client."""

_ENTRYPOINT = """\
#!/bin/sh
case "$1" in
"" | -*) set -- valkey-server --protected-mode no "$@" ;; # as the official images do
*.conf) set -- valkey-server "$@" ;;
esac
exec "$@"
"""


@cache
def obtain(name: str, server: Callable[[], Path] = find_server) -> str:
    """This image, pulled if need be; where no registry has it, the name of one that is made here with this server.

    Skips the test if this machine lacks a program that belongs into such an image.
    """
    if any(_succeeds("docker", *words, name) for words in (("image", "inspect"), ("pull",))):
        return name
    program = server()
    made = f"redis-mob-test/{program.name}"
    try:
        make_image(made, program)
    except FileNotFoundError as error:
        pytest.skip(f"no registry has {name}, and {error}")
    return made


def make_image(name: str, server: Path) -> None:
    """Import an image with a server, `redis-cli` and a shell; what it runs, it runs as root.

    Raises FileNotFoundError if this machine lacks a program that belongs into it.
    """
    programs = {"valkey-server": server, **{tool: _program(tool) for tool in _TOOLS}}
    programs["valkey-cli"] = _program("redis-cli")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", dereference=True) as tar:
        for called, program in programs.items():
            tar.add(program, f"bin/{called}")
        for library in sorted({library for program in programs.values() for library in _libraries(program)}):
            tar.add(library)
        _add_script(tar, "bin/docker-entrypoint.sh", _ENTRYPOINT)
    changes = ('ENTRYPOINT ["docker-entrypoint.sh"]', "WORKDIR /data", "ENV PATH=/bin")
    command = ["docker", "import", *(f"--change={change}" for change in changes), "-", name]
    subprocess.run(command, input=archive.getvalue(), stdout=subprocess.DEVNULL, check=True)


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _program(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"an image of our own needs {name}, which is not on PATH")
    return Path(found)


def _libraries(program: Path) -> set[str]:
    """The shared libraries of a program, its loader included."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    return set(re.findall(r"(/\S+) \(0x", listed.stdout))


def _add_script(tar: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = 0o755, len(text)
    tar.addfile(entry, io.BytesIO(text.encode()))


if __name__ == "__main__":
    make_image(sys.argv[1], Path(sys.argv[2]) if sys.argv[2:] else find_server())
