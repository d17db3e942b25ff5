"""A run as a JSON document in SQLite, which processes of one machine change."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from redis_mob.bench.baselines.blobs import document_of
from redis_mob.bench.child import Child
from redis_mob.bench.scenario import Scenario, Taken
from redis_mob.bench.target import Target

_AT_ONCE = 25
"""Transactions of each process in one call, so that asking for them costs next to nothing."""


class Sqlite(Scenario):
    """Processes with a row each in one database in WAL mode: a transaction reads, compares and writes."""

    unit = "steps"

    def __init__(self, size: int, synchronous: Literal["NORMAL", "FULL"], processes: int = 8) -> None:
        super().__init__(size)
        self.name = f"sqlite-{synchronous.lower()}-{processes}-processes"
        self.operation = f"a row is compared and written by one of {processes} processes, synchronous {synchronous}"
        self._synchronous = synchronous
        self._processes = processes
        self._children: list[Child] = []
        self._directory: TemporaryDirectory[str] | None = None

    async def set_up(self, target: Target) -> None:
        self._directory = TemporaryDirectory(prefix="redis-mob-bench-")
        file = Path(self._directory.name) / "runs.sqlite"
        document = json.dumps(document_of(self.size), separators=(",", ":"))
        database = sqlite3.connect(file)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, document TEXT NOT NULL)")
        database.executemany("INSERT INTO runs VALUES (?, 0, ?)", [(n, document) for n in range(self._processes)])
        database.commit()
        database.close()
        for row in range(self._processes):
            order = {"file": str(file), "row": row, "synchronous": self._synchronous}
            self._children.append(await Child.start("baselines.sqlite_process", order))

    async def operate(self, agent: int) -> Taken:
        for child in self._children:
            child.tell(str(_AT_ONCE))
        told = [json.loads(line) for line in await asyncio.gather(*(child.line() for child in self._children))]
        return Taken([latency for each in told for latency in each["latencies"]], cpu=sum(each["cpu"] for each in told))

    async def clean_up(self) -> None:
        for child in self._children:
            await child.end()
        if self._directory is not None:
            self._directory.cleanup()
