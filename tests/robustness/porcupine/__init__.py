"""Porcupine, a checker of linearizability in Go, as an independent judge of histories in files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.robustness.report import BrokenError

SOURCE = Path(__file__).parent

TIMEOUT = 300
"""Seconds after which Porcupine gives up an object."""


FETCHED_WITHIN = 60
"""Seconds after which the module of Porcupine is not going to come."""


class Verdict(NamedTuple):
    """What Porcupine says: "ok", "violation", or "unknown" where it gave up; and of which objects."""

    word: str
    text: str


def go_program() -> str | None:
    """The Go command: that of REDIS_MOB_GO, else the one on PATH, else the one where Go installs itself."""
    usual = Path("/usr/local/go/bin/go")
    return os.environ.get("REDIS_MOB_GO") or shutil.which("go") or (str(usual) if usual.exists() else None)


def has_modules(go: str) -> bool:
    """Whether the module of Porcupine is here, or can be fetched."""
    fetch = [go, "mod", "download"]
    try:
        fetched = subprocess.run(fetch, cwd=SOURCE, capture_output=True, check=False, timeout=FETCHED_WITHIN)
    except subprocess.TimeoutExpired:
        return False
    return fetched.returncode == 0


def build(folder: Path) -> Path:
    """Build the checker in a folder; raises BrokenError where Go is missing, or cannot build it."""
    go = go_program()
    if go is None:
        raise BrokenError("there is no Go: install it (https://go.dev/doc/install), or name it with REDIS_MOB_GO")
    program = folder / "check-history"
    built = subprocess.run(
        [go, "build", "-o", str(program), "."], cwd=SOURCE, capture_output=True, text=True, check=False
    )
    if built.returncode:
        raise BrokenError(f"the checker cannot be built: {built.stderr}")
    return program


def verdict(program: Path, file: Path) -> Verdict:
    """What the checker says of the history in a file."""
    command = [str(program), "-timeout", f"{TIMEOUT}s", str(file)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode not in (0, 1, 2):
        raise BrokenError(f"the checker failed: {said.stderr}")
    answer = json.loads(said.stdout)
    return Verdict(answer["verdict"], json.dumps(answer))
