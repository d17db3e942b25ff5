"""The files of the page: what they are sent as, and what they may not contain."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from redis_mob.ui import page_files as module
from redis_mob.ui.page_files import INDEX, MAIN, page_files
from redis_mob.ui.page_modules import together

FILES = Path(module.__file__).parent / "page"
SCRIPTS = sorted(path.relative_to(FILES).as_posix() for path in FILES.rglob("*.js"))
OWN = [name for name in SCRIPTS if not name.startswith("vendor/")]

MOST_BYTES = 300_000

FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySet|document\.write|\beval\(|new Function|srcdoc|https?://(?!www\.w3\.org)"
)
"""What would make HTML or code of a text, or ask another host."""


async def test_all_files_are_sent_to_all_and_those_that_have_a_digest_are_kept(page: httpx.AsyncClient) -> None:
    """See contract: ui-40."""
    for name, file in page_files().items():
        answer = await page.get(f"/{name}", headers={"Accept-Encoding": "gzip"})
        assert (answer.status_code, answer.content) == (200, file.content), name
        assert answer.headers["content-encoding"] == "gzip"
        kept = re.fullmatch(r"\w+-[0-9a-f]{16}\.\w+", name) is not None
        assert ("immutable" in answer.headers["cache-control"], answer.headers["cache-control"] == "no-cache") == (
            kept,
            not kept,
        )
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


def test_a_browser_asks_for_few_files_whose_names_say_what_is_in_them() -> None:
    """See contract: ui-40."""
    text = page_files()[INDEX].content.decode()
    named = set(re.findall(r'(?:src|href)="([^"]+)"', text))
    assert named == {name for name in page_files() if "immutable" in page_files()[name].cache_control}
    assert len(named) == 5
    assert re.findall(r"<script(?! (?:type=\"module\" )?src=)|<style|\sstyle=|\son\w+=", text) == []


def test_every_module_is_in_the_one_that_is_sent() -> None:
    """See contract: ui-40."""
    sent = next(file for name, file in page_files().items() if name.startswith("main-")).content.decode()
    assert sorted([*re.findall(r"^// ([\w/-]+\.js)$", sent, re.MULTILINE), "early.js"]) == SCRIPTS
    assert re.findall(r"^\s*(?:import|export)\b", sent, re.MULTILINE) == []


def test_modules_are_put_together_in_the_order_of_their_imports() -> None:
    """See contract: ui-40."""
    texts = {
        MAIN: 'import { Text } from "./lib/text.js";\nText();\n',
        "lib/text.js": 'import { h } from "../vendor/h.js";\nexport function Text() {}\nexport const N = h;\n',
        "vendor/h.js": "const a = 1;export{a as h};\n",
    }
    assert together(MAIN, texts.__getitem__).splitlines() == [
        "// vendor/h.js",
        "const module0 = (() => {",
        "const a = 1;",
        "return { h: a };",
        "})();",
        "// lib/text.js",
        "const module1 = (() => {",
        "const { h } = module0;",
        "function Text() {}",
        "const N = h;",
        "",
        "return { Text: Text, N: N };",
        "})();",
        "// main.js",
        "const module2 = (() => {",
        "const { Text } = module1;",
        "Text();",
        "",
        "return {  };",
        "})();",
    ]


@pytest.mark.parametrize(
    "form",
    [
        "export let n = 1;",
        "export default 1;",
        'import * as all from "./lib/a.js";',
        'import "./lib/a.js";',
        "export { n };",
    ],
)
def test_a_form_that_cannot_be_put_together_is_refused(form: str) -> None:
    """See contract: ui-40."""
    with pytest.raises(ValueError, match=re.escape(form)):
        together(MAIN, {MAIN: f"{form}\n"}.__getitem__)


def test_modules_that_import_one_another_are_refused() -> None:
    """See contract: ui-40."""
    texts = {MAIN: 'import { a } from "./a.js";\n', "a.js": 'import { b } from "./main.js";\n'}
    with pytest.raises(ValueError, match="cycle"):
        together(MAIN, texts.__getitem__)


@pytest.mark.parametrize("name", OWN)
def test_a_module_makes_no_html_of_a_text_and_asks_no_other_host(name: str) -> None:
    """See contract: ui-41."""
    text = (FILES / name).read_text(encoding="utf-8")
    assert FORBIDDEN.findall(text) == []
    assert len(text.splitlines()) <= 400, "split it: one module, one subject"
    for imported in re.findall(r'from "(\.[^"]+)"', text):
        assert (FILES / name).parent.joinpath(imported).resolve().is_file(), imported
