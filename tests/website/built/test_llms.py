"""What agents read: a list of all pages, all of them in one file, and each by itself as Markdown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from redis_mob.version import __version__
from website import SITE
from website.llms import LONGEST, said_first, write
from website.navigation import place_of, read_navigation


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    write(target := tmp_path_factory.mktemp("llms"), read_navigation())
    return target


def test_the_list_has_title_summary_and_a_line_for_each_page(written: Path) -> None:
    lines = (written / "llms.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# redis_mob"
    assert lines[2].startswith("> The coordination store of agent fleets.")
    listed = [re.fullmatch(r"- \[.+?\]\((\S+)\): .+", line) for line in lines if line.startswith("- ")]
    assert all(listed)
    addresses = [found[1] for found in listed if found]
    assert len(set(addresses)) == len(addresses)
    places = [address.removeprefix(f"{SITE}/{__version__}/") for address in addresses]
    assert {place_of(page) for page in read_navigation().pages()} <= set(places)
    assert not [place for place in places if not (written / place).is_file()]


def test_its_headings_are_those_of_the_menu_in_order(written: Path) -> None:
    text = (written / "llms.txt").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [section.title for section in read_navigation().sections]


def test_the_whole_has_every_page_and_the_docstrings(written: Path) -> None:
    text = (written / "llms-full.txt").read_text(encoding="utf-8")
    assert text.count(f"<!-- {SITE}/{__version__}/") == len(list(written.rglob("*.md")))
    assert "# How do I cancel a run?" in text
    assert "### `redis_mob.MobStorage`" in text


def test_pages_are_markdown_with_links_to_each_other(written: Path) -> None:
    text = (written / "contract" / "events.md").read_text(encoding="utf-8")
    assert '<a id="events-1"></a>**events-1**' in text
    assert "](../decisions/0005-cursors-never-go-back.md)" in text
    assert "toctree" not in (written / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n[Flows](flows.md) are **short**. And more.\n", "Flows are short."),
        ("```\ncode. here.\n```\n\nAfter the code: `x`.\n", "After the code:"),
        ("![a picture](x.png)\n\n## Heading\n\nAsk `a.b` about it. Then go.\n", "Ask `a.b` about it."),
        ("word " * 100, ("word " * 100)[: LONGEST - 3].rpartition(" ")[0] + "..."),
        ("", ""),
    ],
)
def test_the_line_of_a_page_is_its_first_sentence(text: str, said: str) -> None:
    assert said_first(text) == said
