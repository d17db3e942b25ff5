"""Each link of the built site leads to a page and a place on it; pages fit a telephone, and can be walked through."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.async_api import BrowserContext, Page, expect

from redis_mob.version import __version__
from website.navigation import place_of, read_navigation

SEEN_ON_A_TELEPHONE = (
    "index",
    "flows",
    "contract/events",
    "contract/index",
    "api/fleet",
    "benchmarks/index",
    "ui",
    "how-to/index",
)


class Links(HTMLParser):
    """What a page links to, and what can be linked to on it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.to: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what this tag says."""
        given = dict(attrs)
        self.to += [value for name in ("href", "src") if (value := given.get(name))]
        if identifier := given.get("id"):
            self.ids.add(identifier)


@pytest.fixture(scope="module")
def pages(built: Path) -> dict[Path, Links]:
    return {file: Links(file.read_text(encoding="utf-8")) for file in built.rglob("*.html")}


def lost(pages: dict[Path, Links]) -> Iterator[str]:
    for file, links in pages.items():
        for target in links.to:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            there = Path(os.path.normpath(file.parent / unquote(parts.path))) if parts.path else file
            ids = pages[there].ids if there in pages else {unquote(parts.fragment)}
            if not there.is_file() or (parts.fragment and unquote(parts.fragment) not in ids):
                yield f"{file.name}: {target}"


def test_every_link_leads_to_a_page_and_a_place_on_it(pages: dict[Path, Links]) -> None:
    assert list(lost(pages)) == []


def test_every_page_of_the_repository_is_there(built: Path) -> None:
    places = [place_of(page).removesuffix(".md") for page in read_navigation().pages()]
    assert [place for place in places if not (built / f"{place}.html").is_file()] == []


def test_a_rule_is_linked_where_docstrings_cite_it(pages: dict[Path, Links], built: Path) -> None:
    assert "../contract/checkpoints.html#checkpoint-3" in pages[built / "api" / "fleet.html"].to


def test_nothing_is_loaded_from_elsewhere(pages: dict[Path, Links]) -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in list(pages)[:20])
    assert 'src="http' not in text
    assert 'rel="stylesheet" href="http' not in text


@pytest.mark.parametrize("place", SEEN_ON_A_TELEPHONE)
async def test_a_page_fits_a_telephone(page: Page, address: str, place: str) -> None:
    await page.set_viewport_size({"width": 360, "height": 740})
    await page.goto(f"{address}/latest/{place}.html")
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360, f"{place} is {width} pixels wide"


async def test_the_menu_leads_from_the_first_page_to_a_guide(page: Page, address: str) -> None:
    await page.goto(f"{address}/")
    await page.locator(".sidebar-tree").get_by_role("link", name="Handlers", exact=True).first.click()
    await expect(page).to_have_url(f"{address}/latest/handlers.html")
    await expect(page.locator("h1")).to_contain_text("Handlers")


async def test_another_version_is_offered_and_opens_the_same_page(
    context: BrowserContext, page: Page, address: str
) -> None:
    versions = {"latest": __version__, "versions": [__version__, "0.0.9"]}
    await page.route("**/versions.json", lambda route: route.fulfill(body=json.dumps(versions)))
    await page.route("**/0.0.9/**", lambda route: route.fulfill(body="<h1>The old page</h1>", content_type="text/html"))
    await page.goto(f"{address}/latest/flows.html")
    await page.get_by_label("Version").select_option("0.0.9")
    await expect(page).to_have_url(f"{address}/0.0.9/flows.html")
