"""Each part of the page: what it shows, at each width, in both themes, to all readers."""

from __future__ import annotations

from importlib.resources import files

import pytest
from playwright.async_api import expect

from tests.ui.browser.conftest import OpenPage
from tests.ui.browser.places import PLACES, dev_tools, settled
from tests.ui.browser.scene import Scene
from tests.ui.browser.served_page import ServedPage

pytestmark = pytest.mark.asyncio(loop_scope="session")
"""All browser tests of a process share a browser, which lives in the session's loop."""

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")

WIDTHS = {360: 740, 1280: 800, 2560: 1300}

NOTHING_OVER = """() => {
  const view = document.getElementById("content");
  const wide = [document.documentElement, view].filter((one) => one.scrollWidth > one.clientWidth);
  const seen = [...document.querySelectorAll("#app button, #app a, #app input, #app select, h1, h2, .tile")].filter(
    (one) => one.checkVisibility() && one.getBoundingClientRect().width > 2
      && !one.closest(".row, canvas, .skip, .step-panel"));
  const over = [];
  for (const one of seen) for (const other of seen) {
    if (one === other || one.contains(other) || other.contains(one)) continue;
    const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
    const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (width > 2 && height > 2 && !one.closest("header.top, .tabs") && !other.closest("header.top, .tabs"))
      over.push(`${one.outerHTML.slice(0, 90)} over ${other.outerHTML.slice(0, 90)}`);
  }
  return [...wide.map((one) => `${one.id || one.tagName} scrolls sideways`), ...over];
}"""


@pytest.mark.parametrize("name", PLACES)
async def test_each_place_fits_and_axe_finds_nothing_serious(open_page: OpenPage, scene: Scene, name: str) -> None:
    """See contract: ui-44."""
    page = await open_page(PLACES[name].format(**vars(scene)))
    await settled(page)
    for width, height in WIDTHS.items():
        await page.set_viewport_size({"width": width, "height": height})
        assert await page.evaluate(NOTHING_OVER) == [], f"at {width} pixels"
    await page.set_viewport_size({"width": 1280, "height": 800})
    # as a tool of a developer does, past the policy of the page
    session = await dev_tools(page)
    await session.send("Runtime.evaluate", {"expression": AXE})
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        # what is not a matter of colours is the same in both
        only = "" if scheme == "light" else ", runOnly: ['color-contrast']"
        found = await page.evaluate(f"axe.run({{resultTypes: ['violations']{only}}})")
        bad = [
            (one["id"], [node["html"][:200] for node in one["nodes"][:3]])
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert bad == [], scheme


async def test_items_stand_in_the_timeline_and_at_their_step(open_page: OpenPage, served: ServedPage) -> None:
    """See contract: ui-16."""
    run_id = await served.started("items", {"papers": ["one", "two", "three"]})
    page = await open_page(f"#/runs/{run_id}/timeline")
    await expect(page.locator(".gantt-row", has_text="quote")).to_have_count(3)
    await page.goto(page.url.replace("/timeline", "?step=quote"))
    await expect(page.get_by_role("list", name="Steps").locator(".row", has_text="quote")).to_contain_text("3 of 3")
    panel = page.get_by_role("complementary", name="Step quote")
    await expect(panel).to_contain_text("3 of 3 items completed.")
    await expect(panel.locator(".member")).to_have_count(3)
