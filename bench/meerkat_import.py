"""How long a large mob.db of meerkat takes to come in, and how much memory the client needs for it.

Makes a database of so many events and runs beside the others in the directory for temporary files, imports it with the
command that users have, in a process of its own, and checks what came. Prints a table on stderr, and one JSON object on
stdout: seconds of the clock and of the processor, and the greatest resident memory of the client.

    python bench/meerkat_import.py [--events 100000] [--runs 1000] [--url redis://...]

Without a URL a server is started for it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from uuid import UUID

from redis_mob import MobStorage
from redis_mob.codec.events import encode_stored_event
from redis_mob.meerkat.schemas import CREATE_TABLES
from redis_mob.models.events import MobEvent
from redis_mob.testing.samples.compound import scene
from redis_mob.testing.samples.new_events import numbered
from redis_mob.testing.samples.states import NOON, step_entry


def make(path: Path, events: int, runs: int) -> None:
    """A database of so many events of a few hundred bytes, and so many runs with ledgers."""
    kind = numbered(1).kind
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(CREATE_TABLES)
        one = encode_stored_event(MobEvent(cursor=1, timestamp=NOON, mob_id="mob", kind=kind))
        before, after = one.split('"cursor":1', 1)
        connection.executemany(
            "INSERT INTO mob_events VALUES (?, ?)",
            ((cursor, f'{before}"cursor":{cursor}{after}'.encode()) for cursor in range(1, events + 1)),
        )
        connection.execute("INSERT INTO mob_event_meta VALUES ('next_cursor', ?)", (events + 1,))
        run = scene(run_id=str(UUID(int=1)), step_ledger=[step_entry(output={"n": n}) for n in range(20)])
        text = run.model_dump_json()
        connection.executemany(
            "INSERT INTO mob_runs VALUES (?, ?)",
            (
                (str(UUID(int=number)), text.replace(str(UUID(int=1)), str(UUID(int=number))).encode())
                for number in range(1, runs + 1)
            ),
        )


async def measure(url: str, path: Path, events: int, runs: int) -> dict[str, float]:
    """Import the file into a new namespace."""
    async with MobStorage.open(url, namespace="bench-import") as storage:
        begun = time.perf_counter()
        command = [sys.executable, "-m", "redis_mob", "import", str(path), "--json"]
        command += ["--url", storage.url, "--namespace", "bench-import-target"]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        out, _ = await process.communicate()
        seconds, used = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        report = json.loads(out)
        if report["came"] != {"events": events, "runs": runs} or report["failed"]:
            raise SystemExit(f"not all came: {out.decode()[:1000]}")
        async with MobStorage.open(storage.url, namespace="bench-import-target") as target:
            if await target.events.latest_cursor() != events:
                raise SystemExit("the log does not end where the file does")
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "mb": used.ru_maxrss // 1024,
    }


def main() -> None:
    """Make, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--url", default="embedded:")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "mob.db"
        make(path, given.events, given.runs)
        size = path.stat().st_size
        found = asyncio.run(measure(given.url, path, given.events, given.runs))
    print(f"{given.events:,} events and {given.runs:,} runs, {size / 1e6:,.0f} MB: {found}", file=sys.stderr)
    print(json.dumps({"events": given.events, "runs": given.runs, "bytes": size, **found}))


if __name__ == "__main__":
    main()
