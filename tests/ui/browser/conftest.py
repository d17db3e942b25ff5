"""A browser for all browser tests of a process, a page that they look at, and what holds for each test."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

from tests.ui.browser.places import CHROMIUM
from tests.ui.browser.scene import Scene, set_up
from tests.ui.browser.served_page import ServedPage

expect.set_options(timeout=20_000)

OpenPage = Callable[..., Awaitable[Page]]

_AWAY = ("ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET")
"""What a browser says of a server that a test has stopped."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncGenerator[Browser]:
    """The browser on PATH; skips where there is none."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        pytest.skip("no chromium on PATH (Debian: apt-get install chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served(server_url: str) -> AsyncGenerator[ServedPage]:
    """A page with a fleet at work behind it."""
    async with ServedPage(server_url, f"test-{uuid4().hex}").running() as page:
        yield page


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def scene(served: ServedPage) -> Scene:
    """Runs in all states, config documents, a profile."""
    return await set_up(served)


@dataclass
class Watched:
    """What a page has said that it should not: errors, dialogs, what the policy has stopped, scripts of others."""

    said: list[str]
    is_server_away: bool = False

    def hear(self, message: ConsoleMessage) -> None:
        text = message.text
        if self.is_server_away and any(one in text for one in (*_AWAY, "Failed to load resource")):
            return
        if message.type == "error" or "Content Security Policy" in text:
            self.said.append(text)


@pytest.fixture
def watched() -> Watched:
    """What the pages of the test have said."""
    return Watched([])


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(chromium: Browser, served: ServedPage, watched: Watched) -> AsyncGenerator[OpenPage]:
    """Opens a place of the page, in a browser of its own unless `beside` names another page of the test.

    In the end none of them may have said that something went wrong.
    """
    contexts: list[BrowserContext] = []

    async def opened(place: str | None = "#/", beside: Page | None = None, **options: Any) -> Page:
        if beside is None:
            options.setdefault("viewport", {"width": 1280, "height": 800})
            context = await chromium.new_context(**options)
            contexts.append(context)
            context.set_default_timeout(20_000)
        else:
            context = beside.context
        page = await context.new_page()
        page.on("console", watched.hear)
        page.on("pageerror", lambda error: watched.said.append(str(error)))
        page.on("dialog", lambda dialog: watched.said.append(f"dialog: {dialog.message}"))
        await cast("Any", page).expose_function(  # its types are not complete
            "executed", lambda: watched.said.append("a script of others was executed")
        )
        if place is not None:
            await page.goto(f"{served.base}{place}")
        return page

    yield opened
    for context in contexts:
        await context.close()
    assert watched.said == []
