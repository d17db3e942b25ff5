"""All of it by keys alone."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.ui.browser.conftest import OpenPage
from tests.ui.browser.places import settled
from tests.ui.browser.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_failure_is_found_and_read_by_keys_alone(open_page: OpenPage, scene: Scene) -> None:
    """See contract: ui-44."""
    page = await open_page("#/")
    await settled(page)
    press = page.keyboard.press
    await press("g")
    await press("r")
    await expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    await settled(page)
    await press("/")
    await page.keyboard.type(scene.failed[:8])  # others may have forked it, with the same words
    await expect(page.locator(".row")).to_have_count(1)
    await press("Escape")
    await press("j")
    await press("Enter")
    await expect(page.get_by_role("heading", name="failing")).to_be_visible()
    await settled(page)
    await press("j")
    await press("j")
    panel = page.get_by_role("complementary")
    await expect(panel).to_contain_text("the drawing cannot be judged")
    await press("Escape")
    await expect(panel).to_have_count(0)
    await press("]")
    await expect(page).to_have_url(f"{page.url.split('#')[0]}#/runs/{scene.failed}/timeline")
    await press("?")
    await expect(page.get_by_role("heading", name="Help")).to_be_visible()
    await press("g")
    await press("o")
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()


async def test_the_first_tab_skips_to_the_content_and_the_theme_is_kept(open_page: OpenPage) -> None:
    """See contract: ui-44."""
    page = await open_page("#/runs")
    await settled(page)
    await page.keyboard.press("Tab")
    await expect(page.get_by_text("Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    await page.keyboard.press("t")
    await page.keyboard.press("t")
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"
    await page.reload()
    await settled(page)
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 20, 26)"
