"""A newcomer asks the search of the site, and the page that answers is among the first three."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from playwright.async_api import BrowserContext, Page, expect

QUESTIONS = {
    "how do I retry a step": "how-to/retry-after-429",
    "how do I cancel a run": "how-to/cancel",
    "what happens when a worker dies": "how-to/recovery",
    "how do I back up": "backup",
    "how do I cap cost": "agents",
    "how do I wait for a person to approve": "how-to/approval",
    "how do I run a flow every morning": "how-to/every-morning",
    "how do I test a flow without a server": "how-to/tests",
    "how do I deploy workers on Kubernetes": "how-to/kubernetes",
    "why did my run fail": "how-to/what-happened",
    "how do I install it": "index",
    "how do I stream tokens": "how-to/stream-tokens",
    "how do I limit how many steps run at once": "how-to/priorities-and-limits",
    "which Redis do I need": "production",
}
"""What is asked, and the page that answers."""

NAMES = {"MobStorage": "api/storage", "FleetAdmin.cancel": "api/operations", "OutcomeUnknownError": "api/errors"}
"""Names that are looked up, and where their docstrings are."""


async def found(page: Page, address: str, asked: str) -> list[str]:
    """The pages that a search gives first."""
    await page.goto(f"{address}/latest/search.html?q={quote(asked)}")
    await expect(page.locator("#search-results > p.search-summary").first).to_contain_text("found")
    links = await page.locator("#search-results ul.search li > a").evaluate_all("all => all.map(one => one.pathname)")
    return list(dict.fromkeys(link.removeprefix("/latest/").removesuffix(".html") for link in links))


@pytest.mark.parametrize(("asked", "answer"), (QUESTIONS | NAMES).items())
async def test_the_page_that_answers_is_among_the_first_three(
    page: Page, address: str, asked: str, answer: str
) -> None:
    assert answer in (await found(page, address, asked))[:3]


async def test_the_field_in_the_menu_leads_to_the_results(page: Page, context: BrowserContext, address: str) -> None:
    await page.goto(f"{address}/latest/index.html")
    await page.get_by_placeholder("Search").fill("how do I cancel a run")
    await page.get_by_placeholder("Search").press("Enter")
    await expect(
        page.locator("#search-results").get_by_role("link", name="How do I cancel a run?").first
    ).to_be_visible()
