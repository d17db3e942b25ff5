"""The application of docs/progress.md sends what handlers tell, and goes on where a browser was."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from redis_mob import Mob, MobStorage, StepContext, step
from tests.docs.pages import ROOT, write_files


@pytest.fixture
def page(tmp_path: Path) -> ModuleType:
    """The module of the page."""
    write_files(ROOT / "docs" / "progress.md", tmp_path)
    spec = importlib.util.spec_from_file_location("watching", tmp_path / "watching.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_a_browser_is_told_the_rest_when_it_comes_back(page: ModuleType, namespace: str) -> None:
    writers = Mob("writers")

    @writers.handler
    async def write(ctx: StepContext) -> None:
        for word in ("Once", "upon"):
            await ctx.stream(word)

    writers.flow("story", [step("write")])
    app = Starlette(routes=[Route("/runs/{run_id}", page.watch)])
    async with MobStorage.open("memory:", namespace=namespace) as storage:
        app.state.fleet = fleet = writers.fleet(storage)
        async with fleet.working():
            run = await fleet.wait(await fleet.start("story"))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as browser:
            whole = await browser.get(f"/runs/{run.run_id}")
            assert whole.headers["content-type"].startswith("text/event-stream")
            assert [event.split("\n")[1] for event in events(whole)] == [
                "event: output",
                "event: output",
                "event: end",
                "event: run_over",
            ]
            seen = events(whole)[0].split("\n")[0].removeprefix("id: ")
            rest = await browser.get(f"/runs/{run.run_id}", headers={"Last-Event-ID": seen})
            assert events(rest) == events(whole)[1:]


def events(response: httpx.Response) -> list[str]:
    return response.text.strip().split("\n\n")
