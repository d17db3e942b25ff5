"""A run of 10,000 steps, and a list that is longer than what is read of it."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.ui.browser.conftest import OpenPage
from tests.ui.browser.places import settled
from tests.ui.browser.scene import QUICK, Scene
from tests.ui.browser.served_page import ServedPage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_run_of_10_000_steps_is_drawn_and_scrolls(open_page: OpenPage, served: ServedPage) -> None:
    """See contract: ui-43."""
    run_id = await served.call(served.large_run(10_000))
    page = await open_page(f"#/runs/{run_id}")
    canvas = page.locator(".graph canvas")
    await expect(canvas).to_have_attribute("data-nodes", "10000", timeout=60_000)
    before = await canvas.screenshot()
    await canvas.focus()
    for _ in range(5):
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("ArrowDown")
    assert await canvas.screenshot() != before
    await page.get_by_role("button", name="Show all of the graph").click()
    rows = page.get_by_role("list", name="Steps").locator(".row")
    assert await rows.count() < 100
    await page.locator("main").evaluate("(one) => one.scrollTo(0, one.scrollHeight)")
    await expect(rows.last).to_have_attribute("aria-posinset", "10000")


async def test_the_list_of_runs_reads_on_as_it_is_scrolled(open_page: OpenPage, scene: Scene) -> None:
    """See contract: ui-43."""
    page = await open_page("#/runs?flow=hello&status=completed")
    await settled(page)
    rows = page.locator(".row")
    assert await rows.count() < 60
    await page.locator("main").evaluate("(one) => one.scrollTo(0, one.scrollHeight)")
    await expect(page.locator(".end")).to_contain_text("runs.")
    await page.locator("main").evaluate("(one) => one.scrollTo(0, one.scrollHeight)")
    number = (await page.locator(".end").inner_text()).split()[0]
    assert int(number) >= QUICK
    await expect(rows.last).to_have_attribute("aria-posinset", number)
