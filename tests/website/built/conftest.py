"""The site that was built, the server that sends it, and a browser; without a site there is no test here."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from redis_mob.version import __version__
from tests.ui.browser.places import CHROMIUM

collect_ignore_glob = [] if os.environ.get("REDIS_MOB_SITE") else ["test_*.py"]

expect.set_options(timeout=60_000)


class Quiet(SimpleHTTPRequestHandler):
    """Sends files, and says nothing of it."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder with all versions."""
    return Path(os.environ["REDIS_MOB_SITE"])


@pytest.fixture(scope="session")
def built(site: Path) -> Path:
    """The folder of this version."""
    return site / __version__


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Where the site is served."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    (serving := Thread(target=server.serve_forever)).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    serving.join()
    server.server_close()


@pytest.fixture
async def context() -> AsyncGenerator[BrowserContext]:
    """A browser of its own for each test; skips where there is none."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        pytest.skip("no chromium on PATH (Debian: apt-get install chromium)")
    async with async_playwright() as playwright:
        browser: Browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(60_000)
        yield context
        await browser.close()


@pytest.fixture
async def page(context: BrowserContext) -> AsyncGenerator[Page]:
    """A tab, of which no script may fail."""
    failed: list[str] = []
    page = await context.new_page()
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("console", lambda message: failed.append(message.text) if message.type == "error" else None)
    yield page
    await asyncio.sleep(0)  # what was said last is heard
    assert failed == []
