"""What the page hears while it is open: news of the fleet, a server that goes and comes back, a slow network."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.ui.browser.conftest import OpenPage, Watched
from tests.ui.browser.places import dev_tools, settled
from tests.ui.browser.scene import Scene
from tests.ui.browser.served_page import ServedPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

WATCH_SHIFTS = """() => {
  window.shifts = 0;
  window.what = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      window.shifts += entry.value;
      window.what.push([location.hash, entry.value, ...entry.sources.map((one) => one.node?.className ?? one.node)]);
    }
  }).observe({type: "layout-shift", buffered: true});
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def gated(served: ServedPage) -> AsyncGenerator[str]:
    """A run whose second step is held until `release` is set."""
    served.handlers.release.clear()
    run_id = await served.started("gated", wait=False)
    yield run_id
    served.handlers.release.set()
    await served.call(served.fleet.wait(run_id))


async def test_a_run_that_is_open_is_seen_to_go_on_in_all_tabs(
    open_page: OpenPage, served: ServedPage, scene: Scene, gated: str
) -> None:
    """See contract: ui-42."""
    page = await open_page(f"#/runs/{gated}")
    other = await open_page(f"#/runs/{gated}/events", beside=page)
    steps = page.get_by_role("list", name="Steps")
    await expect(steps.locator(".row", has_text="held")).to_contain_text("running")
    await expect(other.get_by_role("list", name="Events")).to_contain_text("held")
    await page.get_by_role("link", name="Progress").click()
    await expect(page.locator(".teller")).to_contain_text("waiting to be let go")
    await expect(page.locator(".teller")).to_contain_text("so far so good")
    await page.get_by_role("link", name="Graph").click()
    served.handlers.release.set()
    await expect(page.locator(".run-status")).to_contain_text("completed")
    await expect(steps.locator(".row", has_text="last")).to_contain_text("completed")
    await expect(other.get_by_role("list", name="Events")).to_contain_text("flow completed")


async def test_the_lists_and_the_overview_show_a_run_that_begins(
    open_page: OpenPage, served: ServedPage, scene: Scene
) -> None:
    """See contract: ui-42."""
    page = await open_page("#/runs")
    overview = await open_page("#/", beside=page)
    await settled(page)
    await settled(overview)
    run_id = await served.started("failing", summary="it came later")
    await expect(page.locator(".row", has_text=run_id[:8])).to_contain_text("failed")
    await expect(overview.locator(".failures a").first).to_have_attribute("href", f"#/runs/{run_id}")


async def test_the_page_goes_on_when_its_server_is_back(
    open_page: OpenPage, served: ServedPage, scene: Scene, gated: str, watched: Watched
) -> None:
    """See contract: ui-42."""
    page = await open_page(f"#/runs/{gated}")
    await settled(page)
    watched.is_server_away = True
    await served.stop_server()
    await expect(page.locator(".stand")).to_have_attribute("data-state", "reconnecting")
    await expect(page.locator(".banner")).to_contain_text("interrupted")
    served.handlers.release.set()
    await served.call(served.fleet.wait(gated))
    await served.start_server()
    await expect(page.locator(".run-status")).to_contain_text("completed")
    await expect(page.locator(".stand")).to_have_attribute("data-state", "live")
    await expect(page.locator(".banner")).to_have_count(0)


async def test_nothing_jumps_while_the_page_is_read(open_page: OpenPage, served: ServedPage, scene: Scene) -> None:
    """See contract: ui-44."""
    page = await open_page("#/")
    await settled(page)
    await page.evaluate(WATCH_SHIFTS)
    await served.started("hello")
    for place in ("#/runs", f"#/runs/{scene.review}", f"#/runs/{scene.review}/timeline", "#/inbox"):
        await page.evaluate(f"location.hash = '{place}'")
        await settled(page)
    assert await page.evaluate("window.shifts") < 0.1, await page.evaluate("window.what")


async def test_on_a_slow_network_the_page_says_that_it_reads(
    open_page: OpenPage, served: ServedPage, scene: Scene
) -> None:
    """See contract: ui-42."""
    page = await open_page(None)
    session = await dev_tools(page)
    await session.send("Network.enable")
    slow = {"offline": False, "latency": 300, "downloadThroughput": 50_000, "uploadThroughput": 20_000}
    await session.send("Network.emulateNetworkConditions", slow)
    await page.goto(f"{served.base}#/runs", wait_until="commit")
    await expect(page.locator("[aria-busy=true]").first).to_be_visible()
    await expect(page.locator(".row").first).to_be_visible()
    await page.locator(".row a").first.click()
    await expect(page.locator("[aria-busy=true]").first).to_be_visible()
    await settled(page)


async def test_a_run_that_is_deleted_while_it_is_looked_at(
    open_page: OpenPage, served: ServedPage, watched: Watched
) -> None:
    """See contract: ui-42."""
    run_id = await served.started("hello")
    page = await open_page(f"#/runs/{run_id}")
    await settled(page)
    watched.is_server_away = True  # what it asks for is not there any more
    await served.call(served.admin.delete(run_id))
    await expect(page.get_by_role("alert").first).to_contain_text("Deleted")
    await page.get_by_role("link", name="All runs").click()
    await expect(page.get_by_role("heading", name="Runs")).to_be_visible()
