"""The files of the page: what they are sent as, and what they may not contain."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from redis_mob.ui import page_files as module
from redis_mob.ui.page_files import INDEX, page_files

FILES = Path(module.__file__).parent / "page"
SCRIPTS = sorted(name for name in page_files() if name.endswith(".js"))
OWN = [name for name in SCRIPTS if not name.startswith("vendor/")]

MOST_BYTES = 300_000

FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySet|document\.write|\beval\(|new Function|srcdoc|https?://(?!www\.w3\.org)"
)
"""What would make HTML or code of a text, or ask another host."""


async def test_all_files_are_sent_to_all_and_asked_for_anew_each_time(page: httpx.AsyncClient) -> None:
    """See contract: ui-40."""
    for name, file in page_files().items():
        answer = await page.get(f"/{name}", headers={"Accept-Encoding": "gzip"})
        assert (answer.status_code, answer.content) == (200, file.content), name
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["cache-control"] == "no-cache"
        again = await page.get(f"/{name}", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    plain = await page.get("/", headers={"Accept-Encoding": "identity"})
    assert plain.content == page_files()[INDEX].content
    assert plain.headers["content-type"] == "text/html; charset=utf-8"
    assert (await page.get("/lib/nothing.js")).status_code == 404
    assert (await page.get("/lib/../../settings.py")).status_code == 404


def test_the_page_weighs_little() -> None:
    """See contract: ui-40."""
    assert sum(len(file.compressed) for file in page_files().values()) <= MOST_BYTES


def test_a_browser_is_told_of_all_modules_at_once() -> None:
    """See contract: ui-40."""
    text = (FILES / INDEX).read_text(encoding="utf-8")
    named = re.findall(r'<link rel="modulepreload" href="([^"]+)">', text)
    assert sorted([*named, "main.js", "theme.js"]) == SCRIPTS
    assert re.findall(r"<script(?! (?:type=\"module\" )?src=)|<style|\sstyle=|\son\w+=", text) == []


@pytest.mark.parametrize("name", OWN)
def test_a_module_makes_no_html_of_a_text_and_asks_no_other_host(name: str) -> None:
    """See contract: ui-41."""
    text = (FILES / name).read_text(encoding="utf-8")
    assert FORBIDDEN.findall(text) == []
    assert len(text.splitlines()) <= 400, "split it: one module, one subject"
    for imported in re.findall(r'from "(\.[^"]+)"', text):
        assert (FILES / name).parent.joinpath(imported).resolve().is_file(), imported
