"""What models say is shown, and does nothing: no script, no dialog, no request, no disguise."""

from __future__ import annotations

import pytest
from playwright.async_api import Request, expect

from tests.ui.browser.conftest import OpenPage, Watched
from tests.ui.browser.hostile import HOSTILE
from tests.ui.browser.papers import EACH
from tests.ui.browser.places import settled
from tests.ui.browser.scene import Scene
from tests.ui.browser.served_page import ServedPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

STRANGE = r"/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u200b\ufeff]/u"
"""Characters that must not be in the document: they hide what stands there, or turn it around."""


async def test_fifty_hostile_outputs_are_only_read(open_page: OpenPage, served: ServedPage, scene: Scene) -> None:
    """See contract: ui-41."""
    assert len(HOSTILE) == 50
    page = await open_page("#/runs")
    elsewhere: list[str] = []

    def hear(request: Request) -> None:
        if not request.url.startswith(served.base):
            elsewhere.append(request.url)

    page.on("request", hear)
    await settled(page)
    for place in ("", "/timeline", "/events", "/progress", "/definition"):
        await page.evaluate(f"location.hash = '#/runs/{scene.hostile}{place}'")
        await settled(page)
        assert not await page.evaluate(f"{STRANGE}.test(document.body.innerText)"), place
    for step in range(len(HOSTILE) // EACH):
        await page.evaluate(f"location.hash = '#/runs/{scene.hostile}?step=h{step}'")
        panel = page.get_by_role("complementary", name=f"Step h{step}", exact=True)
        await expect(panel.locator(".member details").first).to_be_visible()
        await page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        shown = await panel.inner_text()
        for text in HOSTILE[step * EACH : (step + 1) * EACH]:
            if text.isascii() and text.isprintable():
                assert text[:200] in shown
        assert not await page.evaluate(f"{STRANGE}.test(document.body.innerText)"), step
    tags = await page.evaluate("new Set([...document.querySelectorAll('#app *')].map((one) => one.localName)).size")
    assert tags < 60
    foreign = "script, iframe, object, embed, link, style, base, meta, template, video, form[action]"
    assert await page.locator("#app").locator(foreign).count() == 0
    assert elsewhere == []
    # `open_page` fails the test if `executed` was called, a dialog was opened, or the policy had to stop something


async def test_places_that_are_none_say_so_and_the_page_goes_on(open_page: OpenPage, watched: Watched) -> None:
    """See contract: ui-42."""
    watched.is_server_away = True  # a browser says of each answer with status 400 that it could not be loaded
    page = await open_page("#/constructor")
    await expect(page).to_have_title("Nothing here · redis_mob")
    await page.evaluate("location.hash = '#/runs/%3Cimg%20src%3Dx%20onerror%3Dexecuted()%3E'")
    await expect(page.get_by_text("a UUID is needed")).to_be_visible()
    await settled(page)  # the stream is there all the same


async def test_ten_megabytes_are_cut_and_can_be_downloaded(open_page: OpenPage, served: ServedPage) -> None:
    """See contract: ui-41."""
    run_id = await served.started("large", wait=True)
    page = await open_page(f"#/runs/{run_id}?step=pour")
    shown = page.get_by_role("region", name="Output", exact=True)
    await expect(shown).to_be_visible()
    assert len(await shown.inner_text()) < 300_000
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download all of it").first.click()
    assert (await (await download.value).path()).stat().st_size >= 9_000_000
