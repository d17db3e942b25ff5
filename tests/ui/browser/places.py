"""The places of the page, and when what they show is there."""

from __future__ import annotations

from typing import Any, cast

from playwright.async_api import Page, expect

CHROMIUM = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
"""Names of the browser's program."""

PLACES = {
    "overview": "#/",
    "runs": "#/runs",
    "run": "#/runs/{review}",
    "step": "#/runs/{failed}?step=judge",
    "timeline": "#/runs/{review}/timeline",
    "events": "#/runs/{review}/events",
    "progress": "#/runs/{review}/progress",
    "definition": "#/runs/{review}/definition",
    "inbox": "#/inbox",
    "config": "#/config/prompts/writer",
    "profiles": "#/profiles",
    "help": "#/help",
    "nothing": "#/nothing",
}


async def settled(page: Page) -> None:
    """Wait until what was asked for is shown, and news come."""
    await expect(page.locator("h1").first).to_be_visible()
    await expect(page.locator("[aria-busy=true]")).to_have_count(0)
    await expect(page.locator(".stand")).to_have_attribute("data-state", "live")
    if await page.locator(".graph").count():
        await expect(page.locator(".graph canvas")).to_have_attribute("data-drawn", "true")
        await expect(page.get_by_role("slider")).to_be_visible()


async def dev_tools(page: Page) -> Any:
    """A session of the protocol by which the tools of developers steer a page; its types are not complete."""
    return cast("Any", await page.context.new_cdp_session(page))
