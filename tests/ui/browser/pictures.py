"""Makes the pictures of the documentation, from the fleet that the browser tests look at: `make screenshots`."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

from playwright.async_api import async_playwright

from redis_mob.connection.embedded.server import EmbeddedServer
from tests.ui.browser.places import CHROMIUM, settled
from tests.ui.browser.scene import set_up
from tests.ui.browser.served_page import ServedPage

PICTURES = {
    "overview": ("#/", 1280, "light"),
    "runs": ("#/runs", 1280, "light"),
    "run": ("#/runs/{review}", 1280, "light"),
    "run-dark": ("#/runs/{review}", 1280, "dark"),
    "failure": ("#/runs/{failed}?step=judge", 1280, "light"),
    "timeline": ("#/runs/{review}/timeline", 1280, "light"),
    "inbox": ("#/inbox", 1280, "light"),
    "config": ("#/config/prompts/writer", 1280, "light"),
    "phone": ("#/runs/{review}", 360, "light"),
}
"""Where each is taken, how wide it is, and in which theme."""


async def main(folder: Path, widths: tuple[int, ...] = ()) -> None:
    """Write the pictures into a folder that is there; at further widths, in both themes, if some are given."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        raise SystemExit("there is no chromium on PATH: install it (Debian: apt-get install chromium)")
    server = await EmbeddedServer.start()
    try:
        async with ServedPage(server.url, "papers").running() as served, async_playwright() as playwright:
            scene = await set_up(served, is_hostile=False)
            browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            wanted = [(name, *picture) for name, picture in PICTURES.items()]
            if widths:
                places = {name: place for name, (place, *_) in PICTURES.items() if name not in ("run-dark", "phone")}
                wanted = [
                    (f"{name}-{width}-{scheme}", place, width, scheme)
                    for name, place in places.items()
                    for width in widths
                    for scheme in ("light", "dark")
                ]
            for name, place, width, scheme in wanted:
                page = await browser.new_page(
                    viewport={"width": width, "height": 740 if width < 500 else 800 if width < 2000 else 1200},
                    color_scheme="dark" if scheme == "dark" else "light",
                )
                await page.goto(f"{served.base}{place.format(**vars(scene))}")
                await settled(page)
                for opened in await page.locator("details[open] > summary").all():
                    await opened.click()  # a traceback names the paths of the machine
                await page.screenshot(path=folder / f"{name}.png")
                await page.close()
            await browser.close()
    finally:
        await server.aclose()


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    asyncio.run(main(Path(sys.argv[1]), tuple(map(int, sys.argv[2:]))))
