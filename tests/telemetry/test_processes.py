"""A run whose worker is killed is one trace, over all processes that had a part in it (contract: telemetry-3)."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from redis_mob.fleet.fleet import Fleet
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob, step
from tests.telemetry.conftest import Told, id_of, trace_of


async def hired(storage: MobStorage, file: Path) -> asyncio.subprocess.Process:
    where = (storage.url, storage.namespace, str(file))
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.telemetry.worker_process", *where), stdin=asyncio.subprocess.PIPE
    )


async def test_what_goes_on_after_a_lost_worker_has_a_link_to_the_lost_span(
    storage: MobStorage, told: Told, tmp_path: Path
) -> None:
    file = tmp_path / "spans"
    fleet = Fleet(storage, mob({"a": step(), "b": step("a")}))
    run_id = await fleet.start(FLOW)
    async with asyncio.timeout(LONG):
        first = await hired(storage, file)
        await first.wait()
        second = await hired(storage, file)
        run = await fleet.wait(run_id)
    second.terminate()
    await second.wait()
    spans: list[dict[str, Any]] = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    [lost] = [one for one in spans if one["name"] == "lost"]
    [a] = [one for one in spans if one["name"] == "step a"]
    [b] = [one for one in spans if one["name"] == "step b"]
    start = told.span(f"start {FLOW}")
    assert (lost["pid"], a["pid"]) == (first.pid, second.pid)
    assert a["links"] == [lost["id"]]
    assert b["links"] == [a["id"]]
    assert {one["parent"] for one in (lost, a, b)} == {id_of(start)}
    assert {one["trace"] for one in spans} == {trace_of(start)}
    assert run.root_step_outputs["b"] == {"worker-1": second.pid}
