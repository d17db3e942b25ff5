"""Changes a row of an SQLite database as often as it is told to, and says how long each transaction took."""

from __future__ import annotations

import json
import sqlite3
import sys
import time

from redis_mob.bench.baselines.blobs import changed


def transaction(database: sqlite3.Connection, row: int) -> None:
    """Read the document of a row, and write its next state if no other process has written meanwhile."""
    while True:
        version, text = database.execute("SELECT version, document FROM runs WHERE id = ?", (row,)).fetchone()
        document = json.dumps(changed(json.loads(text)), separators=(",", ":"))
        database.execute("BEGIN IMMEDIATE")
        won = database.execute(
            "UPDATE runs SET document = ?, version = version + 1 WHERE id = ? AND version = ?", (document, row, version)
        ).rowcount
        database.execute("COMMIT")
        if won:
            return


def main() -> None:
    order = json.loads(sys.stdin.readline())
    database = sqlite3.connect(order["file"], timeout=60, isolation_level=None)
    database.execute(f"PRAGMA synchronous={order['synchronous']}")
    print("ready", flush=True)
    for line in sys.stdin:
        latencies: list[float] = []
        used = time.process_time()
        for _ in range(int(line)):
            began = time.perf_counter()
            transaction(database, order["row"])
            latencies.append(time.perf_counter() - began)
        print(json.dumps({"latencies": latencies, "cpu": time.process_time() - used}), flush=True)


if __name__ == "__main__":
    main()
