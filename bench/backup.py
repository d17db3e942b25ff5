"""What a backup and a restore of many events and runs cost: `python -m bench.backup [EVENTS [RUNS]]`.

It prints seconds of the clock and of the processor of the client, its memory, and the 99th percentile of a call beside
the backup and without one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from redis_mob.backup.service import back_up, restore
from redis_mob.connection.embedded.server import EmbeddedServer
from redis_mob.models.events import MobReset, NewMobEvent
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.new_events import new_event
from redis_mob.testing.samples.states import new_run


async def _fill(storage: MobStorage, events: int, runs: int) -> None:
    batch: list[NewMobEvent] = [new_event(MobReset()) for _ in range(500)]
    for _ in range(events // 500):
        await storage.events.append_batch(batch)
    for _ in range(runs // 50):
        await asyncio.gather(*(storage.runs.create_run(new_run()) for _ in range(50)))


async def _p99(storage: MobStorage, seconds: float) -> float:
    took, until = list[float](), time.monotonic() + seconds
    with contextlib.suppress(asyncio.CancelledError):
        while time.monotonic() < until:
            begun = time.monotonic()
            await storage.config.put("bench", f"d{len(took) % 100}", {"n": len(took)})
            took.append(time.monotonic() - begun)
            await asyncio.sleep(0.001)
    return sorted(took)[len(took) * 99 // 100] * 1000


async def _process(*words: str) -> dict[str, float]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.backup", *words, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return json.loads(out)


async def measure(events: int, runs: int) -> None:
    server = await EmbeddedServer.start()
    try:
        with tempfile.TemporaryDirectory() as directory:
            file = str(Path(directory) / "backup")
            async with MobStorage.open(server.url, namespace="bench") as storage:
                await _fill(storage, events, runs)
                idle = await _p99(storage, 5)
                beside = asyncio.create_task(_p99(storage, 3600))
                made = await _process("--backup", server.url, file)
                beside.cancel()
                during = await beside
            print(f"{events:,} events, {runs:,} runs")
            print(f"backup {made}, p99 {idle:.2f} ms without and {during:.2f} ms with it")
            print(f"restore {await _process('--restore', server.url, file)}")
    finally:
        await server.aclose()


async def _child(what: str, url: str, file: str) -> None:
    begun = time.monotonic()
    if what == "--backup":
        await back_up(url, "bench", Path(file))
    else:
        await restore(url, "bench-restored", [Path(file)])
    usage = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "seconds": round(time.monotonic() - begun, 1),
        "cpu": round(usage.ru_utime + usage.ru_stime, 1),
        "mb": usage.ru_maxrss // 1024,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1].startswith("--"):
        asyncio.run(_child(*sys.argv[1:4]))
    else:
        counts = [int(word) for word in sys.argv[1:]]
        asyncio.run(measure(*(counts + [100_000, 1_000][len(counts) :])))
