"""Who takes part in the comparison: what is installed here, what it keeps its data in, and how it is called."""

from __future__ import annotations

import json
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import redis_mob
from redis_mob.bench.baselines import postgres_server as postgres
from redis_mob.connection.embedded.server import EmbeddedServer
from redis_mob.connection.embedded.server_process import find_server
from redis_mob.connection.servers.discovery import ask_server

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
BULLMQ = HERE / "node_modules" / "bullmq" / "package.json"

# The two that the others are held against: each is compared best with what is as durable.
BASELINES = ("redis_mob", "redis_mob, fsync")


@dataclass(frozen=True)
class Contestant:
    """A program with the command line of redis_mob_steps.py, and a server of its own for each measurement.

    `durable` says what is on the disk when a step counts as done, `versions` what was measured.
    """

    name: str
    command: tuple[str, ...]
    server: Callable[[], AbstractAsyncContextManager[str]]
    durable: str
    versions: str


@asynccontextmanager
async def valkey(*, fsync: bool) -> AsyncGenerator[str]:
    """An embedded server; with `fsync` it answers a write after its append-only file has been synced."""
    with tempfile.TemporaryDirectory(prefix="peers-") as directory:
        server = await EmbeddedServer.start(Path(directory) if fsync else None)
        try:
            if fsync:
                await ask_server(server.address, "CONFIG", "SET", "appendfsync", "always")
            yield server.url
        finally:
            await server.aclose()


@asynccontextmanager
async def sqlite(*, journal: str) -> AsyncGenerator[str]:
    """A new database file, whose journal mode the peer finds set."""
    with tempfile.TemporaryDirectory(prefix="peers-") as directory:
        file = Path(directory) / "dbos.sqlite"
        database = sqlite3.connect(file)
        database.execute(f"PRAGMA journal_mode={journal}")
        database.close()
        yield f"sqlite:///{file}"


@asynccontextmanager
async def postgresql(programs: Path) -> AsyncGenerator[str]:
    """A new PostgreSQL server."""
    with postgres.private_server(programs) as url:
        yield url


def first_line_of(*command: str | Path) -> str:
    """The first line that a program prints, such as its version."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().partition("\n")[0]


def contestants() -> tuple[list[Contestant], list[str]]:
    """All that can be measured on this machine, and why the others are left out."""
    found = _redis_mob()
    left_out: list[str] = []
    for peer in (_bullmq, _docket, _dbos):
        taking_part, reasons = peer()
        found += taking_part
        left_out += reasons
    return found, left_out


def _on_valkey(name: str, command: tuple[str, ...], versions: str) -> list[Contestant]:
    memory = Contestant(name, command, partial(valkey, fsync=False), "nothing: no persistence", versions)
    durable = "append-only file, appendfsync always"
    return [memory, Contestant(f"{name}, fsync", command, partial(valkey, fsync=True), durable, versions)]


def _redis_mob() -> list[Contestant]:
    server = first_line_of(find_server(), "--version").partition(" sha=")[0]
    versions = f"redis_mob {redis_mob.__version__}, Python {platform.python_version()}, {server}"
    return _on_valkey("redis_mob", (sys.executable, str(HERE / "redis_mob_steps.py")), versions)


def _bullmq() -> tuple[list[Contestant], list[str]]:
    node = shutil.which("node")
    if node is None:
        return [], ["BullMQ: there is no node on PATH"]
    if not BULLMQ.exists():
        return [], ["BullMQ: npm has not installed it in bench/peers"]
    version = json.loads(BULLMQ.read_text(encoding="utf-8"))["version"]
    versions = f"BullMQ {version}, Node {first_line_of(node, '--version')}, the same server"
    return _on_valkey("BullMQ", (node, str(HERE / "bullmq_steps.mjs")), versions), []


def _version_in_peers(distribution: str) -> str | None:
    """The version that is installed in the environment of the peers, or None."""
    try:
        return first_line_of(
            PEERS_PYTHON, "-c", f"from importlib.metadata import version; print(version('{distribution}'))"
        )
    except (OSError, subprocess.CalledProcessError):
        return None


def _docket() -> tuple[list[Contestant], list[str]]:
    version = _version_in_peers("pydocket")
    if version is None:
        return [], ["docket: it is not installed in .venv-peers"]
    versions = f"docket {version}, Python {platform.python_version()}, the same server"
    return _on_valkey("docket", (str(PEERS_PYTHON), str(HERE / "docket_steps.py")), versions), []


def _dbos() -> tuple[list[Contestant], list[str]]:
    version = _version_in_peers("dbos")
    if version is None:
        return [], ["DBOS: it is not installed in .venv-peers"]
    command = (str(PEERS_PYTHON), str(HERE / "dbos_steps.py"))
    versions = f"DBOS {version}, SQLite {sqlite3.sqlite_version}"
    # DBOS sets neither: the journal mode is SQLite's default, or that of the file, and so is what is synced
    found = [
        Contestant(f"DBOS, SQLite {journal}", command, partial(sqlite, journal=journal), settings, versions)
        for journal, settings in (
            ("delete", "journal_mode delete, synchronous full: as DBOS leaves it"),
            ("wal", "journal_mode wal, synchronous full"),
        )
    ]
    programs = postgres.programs()
    if programs is None:
        return found, ["DBOS on PostgreSQL: there is no initdb; Debian's package is postgresql"]
    settings = ", ".join(f"{name} {value}" for name, value in postgres.SETTINGS.items())
    versions = f"DBOS {version}, {first_line_of(programs / 'postgres', '--version')}"
    server = partial(postgresql, programs)
    return [*found, Contestant("DBOS, PostgreSQL", command, server, settings, versions)], []
