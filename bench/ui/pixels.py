"""How fast the page shows what happens, and what that costs the browser: `python -m bench.ui pixels`.

Events are written by a process of their own, at a rate; the page is served by this one, and drawn by a real browser on
the same machine. An event is on the screen when the frame in which the page shows it has been painted.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from redis_mob.connection.embedded.server import EmbeddedServer
from redis_mob.models.events import NewMobEvent
from redis_mob.models.flow_events import StepCompleted, StepDispatched
from redis_mob.models.ids import AgentRuntimeId
from redis_mob.storage import MobStorage
from tests.ui.browser.places import CHROMIUM, dev_tools, settled
from tests.ui.browser.served_page import ServedPage

RATE = 500
SECONDS = 20
BATCH_SECONDS = 0.02
RUNS = 10
"""Runs that the events are of; one of them is looked at."""

NAMESPACE = "pixels"

WATCH = """() => {
  window.seen = [];
  const stand = document.querySelector(".stand");
  new MutationObserver(() => {
    const cursor = Number(stand.dataset.cursor);
    requestAnimationFrame(() => setTimeout(() => window.seen.push([cursor, Date.now()])));
  }).observe(stand, {attributes: true, attributeFilter: ["data-cursor"]});
}"""

UNTIL_DRAWN = """(number) => new Promise((done) => {
  const look = () => Number(document.querySelector(".graph canvas")?.dataset.nodes) >= number
    ? done(performance.now()) : requestAnimationFrame(look);
  look();
})"""

UNTIL_COMPLETE = """() => new Promise((done) => {
  const look = () => document.querySelector(".tiles") && document.querySelector(".stand[data-state=live]")
    && !document.querySelector("[aria-busy=true]") ? done(performance.now()) : requestAnimationFrame(look);
  look();
})"""
"""When all of the overview is there, by the clock of the page: a test asks at intervals of up to a second."""

WEIGHT = """() => {
  const files = [...performance.getEntriesByType("resource"), ...performance.getEntriesByType("navigation")]
    .filter((one) => !one.name.includes("/api/"));
  return [files.length, files.reduce((sum, one) => sum + one.encodedBodySize, 0),
    performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0];
}"""


async def load(url: str, rate: int, seconds: float, run_ids: Sequence[str]) -> None:
    """Write events of runs at a rate."""
    async with MobStorage.open(url, namespace=NAMESPACE) as storage:
        begun, written = time.monotonic(), 0
        while (passed := time.monotonic() - begun) < seconds:
            due = int(passed * rate) - written
            if due > 0:
                await storage.events.append_batch([_event(run_ids, written + number) for number in range(due)])
                written += due
            await asyncio.sleep(BATCH_SECONDS)


def _event(run_ids: Sequence[str], number: int) -> NewMobEvent:
    run_id, step_id = run_ids[number // 2 % len(run_ids)], f"step-{number % 50}"
    target = AgentRuntimeId(identity=f"worker-{number % 7}", generation=1)
    kinds = (
        StepDispatched(run_id=run_id, step_id=step_id, target=target),
        StepCompleted(run_id=run_id, step_id=step_id),
    )
    return NewMobEvent(mob_id="papers", kind=kinds[number % 2])


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which a share of them is."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("nan")


async def event_to_pixel(
    served: ServedPage, url: str, browser: Browser, place: str, run_ids: Sequence[str]
) -> dict[str, Any]:
    """Milliseconds from the time of an event to the frame that shows it, and the share of the browser's main thread."""
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    await page.goto(f"{served.base}{place}")
    await settled(page)
    await page.evaluate(WATCH)
    session = await dev_tools(page)
    await session.send("Performance.enable")
    after = await served.call(served.storage.events.latest_cursor())
    before, began = await _busy(session), time.monotonic()
    loading = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.ui.pixels", "load", url, str(RATE), str(SECONDS), *run_ids
    )
    await loading.wait()
    await asyncio.sleep(2)
    busy, passed = await _busy(session) - before, time.monotonic() - began
    seen: list[tuple[int, int]] = await page.evaluate("window.seen")
    await page.close()
    written = await served.call(_written(served.storage, after))
    waits = _waits(written, seen)
    return {
        "events": len(waits),
        "events_per_second": round(len(written) / SECONDS),
        "p50_ms": round(quantile(waits, 0.5)),
        "p99_ms": round(quantile(waits, 0.99)),
        "main_thread": round(busy / passed, 3),
    }


async def _written(storage: MobStorage, after: int) -> list[tuple[int, float]]:
    found: list[tuple[int, float]] = []
    while page := await storage.events.poll(after, 1000):
        found += ((event.cursor, event.timestamp.timestamp() * 1000) for event in page)
        after = page[-1].cursor
    return found


def _waits(written: Sequence[tuple[int, float]], seen: Sequence[tuple[int, int]]) -> list[float]:
    waits: list[float] = []
    frames = iter(seen)
    frame = next(frames, None)
    for cursor, at in written:
        while frame is not None and frame[0] < cursor:
            frame = next(frames, None)
        if frame is not None:
            waits.append(frame[1] - at)
    return waits


async def _busy(session: Any) -> float:
    metrics = (await session.send("Performance.getMetrics"))["metrics"]
    return next(one["value"] for one in metrics if one["name"] == "TaskDuration")


async def time_to_draw(served: ServedPage, browser: Browser, steps: int) -> dict[str, Any]:
    """Seconds from opening a run to its graph on the screen, and of these what the server took for each answer."""
    run_id = await served.call(served.large_run(steps))
    await asyncio.sleep(5)  # its first steps are dispatched meanwhile
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    await page.goto(f"{served.base}#/runs/{run_id}", wait_until="commit")
    drawn = await page.evaluate(UNTIL_DRAWN, steps) / 1000
    await page.locator(".facts").wait_for()
    complete = await page.evaluate("performance.now()") / 1000
    answers = await page.evaluate(
        "performance.getEntriesByType('resource').filter((one) => one.name.includes('/api/runs/'))"
        ".map((one) => [one.name.split('/').pop().slice(0, 12), Math.round(one.responseEnd - one.startTime)])"
    )
    pan = await page.evaluate(PAN)
    await page.close()
    return {
        "steps": steps,
        "drawn_s": round(drawn, 2),
        "with_all_states_s": round(complete, 2),
        "answers_ms": answers,
        "pan_frame_ms": round(pan, 1),
    }


PAN = """async () => {
  const canvas = document.querySelector(".graph canvas");
  const frame = () => new Promise(requestAnimationFrame);
  const press = (key) => canvas.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  await frame();
  const began = performance.now();
  for (let number = 0; number < 30; number += 1) { press("ArrowRight"); press("ArrowDown"); await frame(); }
  return (performance.now() - began) / 30;
}"""


async def first_view(served: ServedPage, browser: Browser) -> dict[str, Any]:
    """What the page weighs as it is sent, and when it is first seen and complete, of an empty cache."""
    page: Page = await browser.new_page()
    await page.goto(served.base, wait_until="commit")
    complete = await page.evaluate(UNTIL_COMPLETE)
    files, weight, painted = await page.evaluate(WEIGHT)
    await page.close()
    return {
        "files": files,
        "kilobytes": round(weight / 1000, 1),
        "first_paint_s": round(painted / 1000, 2),
        "overview_complete_s": round(complete / 1000, 2),
    }


def main() -> None:
    """Measure all of it, and print it as JSON."""
    asyncio.run(measured())


async def measured() -> None:
    """All measurements, each printed as it is made."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        raise SystemExit("there is no chromium on PATH: install it (Debian: apt-get install chromium)")
    server = await EmbeddedServer.start()
    try:
        async with ServedPage(server.url, NAMESPACE).running() as served, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            run_ids = [await served.started("release", wait=False) for _ in range(RUNS)]
            print(json.dumps({"first view": await first_view(served, browser)}), flush=True)
            for name, place in {
                "overview": "#/",
                "events of a run": f"#/runs/{run_ids[0]}/events",
                "graph of a run": f"#/runs/{run_ids[0]}",
                "runs": "#/runs",
            }.items():
                found = await event_to_pixel(served, server.url, browser, place, run_ids)
                print(json.dumps({name: found}), flush=True)
            for steps in (1_000, 10_000):
                print(json.dumps({"graph": await time_to_draw(served, browser, steps)}), flush=True)
            await browser.close()
    finally:
        await server.aclose()


if __name__ == "__main__":  # the process that writes
    asyncio.run(load(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5:]))
