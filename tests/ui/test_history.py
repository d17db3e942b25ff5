"""The graph of a run, and what it was at any moment."""

from __future__ import annotations

import httpx

from redis_mob.fleet.step_context import StepContext
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from tests.fleet.everything import EVERYTHING, output
from tests.fleet.flows import mob, step
from tests.fleet.working import run_flow
from tests.operations.scenes import ROUNDS, count_rounds


async def test_each_moment_of_a_run_is_what_its_admin_says(page: httpx.AsyncClient, storage: MobStorage) -> None:
    run = await run_flow(storage, ROUNDS, {"worker": count_rounds})
    history = (await page.get(f"/api/runs/{run.run_id}/history")).json()
    assert (history[0]["type"], history[-1]["type"]) == ("flow_started", "flow_completed")
    seen: list[int] = []
    for event in history:
        told = (await page.get(f"/api/runs/{run.run_id}/at", params={"cursor": event["cursor"]})).json()
        moment = await FleetAdmin(storage).state_at(run.run_id, event["cursor"])
        assert {name: one["state"] for name, one in told["states"].items()} == {
            name: str(one.state) for name, one in moment.nodes.items()
        }
        assert (told["cursor"], told["status"]) == (event["cursor"], str(moment.status))
        assert told["event"]["kind"]["type"] == event["type"]
        seen.append(told["iterations"][f"{run.run_id}-root/l"])
    assert seen == sorted(seen) and seen[-1] == 3


async def test_now_is_the_moment_of_no_cursor(page: httpx.AsyncClient, storage: MobStorage) -> None:
    run = await run_flow(storage, ROUNDS, {"worker": count_rounds})
    told = (await page.get(f"/api/runs/{run.run_id}/at")).json()
    assert told["status"] == "completed"
    assert {one["state"] for one in told["states"].values()} == {"completed"}
    polish = told["states"][f"{run.run_id}-root::l::iter-1/polish"]
    assert (polish["members"], polish["completed"]) == ({"worker-1": "completed"}, 1)


async def test_since_tells_what_differs(page: httpx.AsyncClient, storage: MobStorage) -> None:
    run = await run_flow(storage, ROUNDS, {"worker": count_rounds})
    history = (await page.get(f"/api/runs/{run.run_id}/history")).json()
    first, last = history[0]["cursor"], history[-1]["cursor"]
    there = (await page.get(f"/api/runs/{run.run_id}/at", params={"cursor": first, "since": last})).json()
    assert there["gone"] == [f"{run.run_id}-root::l::iter-{n}/polish" for n in (1, 2)]
    assert there["states"][f"{run.run_id}-root/l"]["state"] == "running"
    same = (await page.get(f"/api/runs/{run.run_id}/at", params={"cursor": last, "since": last})).json()
    assert (same["states"], same["gone"]) == ({}, [])


async def test_the_picture_has_what_the_moments_tell_of(page: httpx.AsyncClient, storage: MobStorage) -> None:
    def work(ctx: object) -> object:
        step_id, iteration, attempt = (getattr(ctx, name) for name in ("step_id", "iteration", "attempt"))
        if step_id == "left" or (step_id == "flaky" and attempt == 1):
            raise ValueError("not now")
        return output(step_id, iteration)

    run = await run_flow(storage, EVERYTHING, {"worker": work}, members={"worker": 3})
    picture = (await page.get(f"/api/runs/{run.run_id}/picture")).json()
    told = (await page.get(f"/api/runs/{run.run_id}/at")).json()
    loops = {box["id"] for box in picture["boxes"] if box["iteration"] is None}
    assert {one["id"] for one in picture["nodes"]} | loops == told["states"].keys()
    assert next(one for one in picture["nodes"] if one["step_id"] == "vote")["quorum"] == {"n": 2, "m": 3}


async def test_what_there_is_not_is_said(page: httpx.AsyncClient, storage: MobStorage) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    for path in ("picture", "at", "history"):
        answer = await page.get(f"/api/runs/{unknown}/{path}")
        assert (answer.status_code, answer.json()["error"]["kind"]) == (404, "NotFoundError")
    run = await run_flow(storage, ROUNDS, {"worker": count_rounds})
    for wrong in ("-1", "x", "9" * 30):
        answer = await page.get(f"/api/runs/{run.run_id}/at", params={"cursor": wrong})
        assert answer.status_code == 400 and "cursor must be" in answer.json()["error"]["message"]
    assert (await page.get(f"/api/runs/{run.run_id}/at")).status_code == 200
    await FleetAdmin(storage).delete(run.run_id)
    assert (await page.get(f"/api/runs/{run.run_id}/at")).status_code == 404
    await storage.events.clear()


async def test_a_run_whose_events_are_gone_says_so(page: httpx.AsyncClient, storage: MobStorage) -> None:
    run = await run_flow(storage, ROUNDS, {"worker": count_rounds})
    await storage.events.clear()
    answer = await page.get(f"/api/runs/{run.run_id}/history")
    assert answer.status_code == 404 and "does not have all events" in answer.json()["error"]["message"]
    assert (await page.get(f"/api/runs/{run.run_id}/picture")).status_code == 200


async def test_of_an_event_that_is_long_the_beginning_is_told(page: httpx.AsyncClient, storage: MobStorage) -> None:
    """See contract: ui-20."""

    async def worker(_ctx: StepContext) -> int:
        return 1

    run = await run_flow(storage, mob({"a": step()}), {"*": worker}, params={"text": "x" * 1_000_000})
    began = (await page.get(f"/api/runs/{run.run_id}/history")).json()[0]
    answer = await page.get(f"/api/runs/{run.run_id}/at", params={"cursor": began["cursor"]})
    assert answer.json()["event"]["kind"]["type"] == began["type"] == "flow_started"
    assert len(answer.content) < 10_000
