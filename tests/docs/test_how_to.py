"""Each how-to page answers one question, with a program, and is in the index under that question."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks

FOLDER = ROOT / "docs" / "how-to"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page.name != "README.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_asks_one_question_and_answers_with_a_program(page: Path) -> None:
    title, *rest = page.read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(r"# [A-Z].*\?", title)
    assert not [line for line in rest if line.startswith("## ")], "a page that needs headings answers several questions"
    assert [block for block in blocks(page) if block.language == "python"]


def test_the_index_has_each_page_under_its_question() -> None:
    index = re.findall(r"^\| (.*\?) \| \[([\w-]+)\]\(\2\.md\) \|$", (FOLDER / "README.md").read_text(), re.MULTILINE)
    titles = {page.stem: page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ") for page in PAGES}
    assert {page: question for question, page in index} == titles
    assert len(index) == len(titles)
