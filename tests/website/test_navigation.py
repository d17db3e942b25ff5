"""Each page of the repository is on the site, in one place, and index pages have those of their folders below them."""

from __future__ import annotations

from pathlib import Path

import pytest

from website.navigation import ROOT, Entry, NavigationError, place_of, read_navigation

SECTION = '[[sections]]\ntitle = "Begin"\npages = [{pages}]\n'


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a home page, a guide, and a folder of two pages."""
    for name, text in {
        "README.md": "# Home\n",
        "docs/guide.md": "# Guide\n",
        "docs/how-to/README.md": "# How\n\n[second](second.md#part) and [first](first.md), [guide](../guide.md)\n",
        "docs/how-to/first.md": "# First?\n",
        "docs/how-to/second.md": "# Second?\n",
        "docs/how-to/third.md": "# Third?\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def navigation_file(repository: Path, *pages: str, keywords: str = "") -> Path:
    file = repository / "navigation.toml"
    listed = ", ".join(f'"{page}"' for page in pages)
    file.write_text(f'home = "README.md"\n{SECTION.format(pages=listed)}[keywords]\n{keywords}\n')
    return file


def test_pages_below_an_index_page_come_as_it_links_to_them(repository: Path) -> None:
    file = navigation_file(repository, "A guide <docs/guide.md>", "docs/how-to/README.md")
    [section] = read_navigation(repository, file).sections
    below = ("docs/how-to/second.md", "docs/how-to/first.md", "docs/how-to/third.md")
    assert section.entries == (Entry("docs/guide.md", "A guide"), Entry("docs/how-to/README.md", None, below))


@pytest.mark.parametrize(
    ("pages", "keywords", "said"),
    [
        (["docs/how-to/README.md"], "", "add docs/guide.md to the section"),
        (["docs/guide.md", "docs/guide.md", "docs/how-to/README.md"], "", "listed twice: docs/guide.md"),
        (["docs/guide.md", "docs/lost.md", "docs/how-to/README.md"], "", "there is no docs/lost.md"),
        (["docs/guide.md", "docs/how-to/README.md"], '"docs/old.md" = ["x"]', "there is no docs/old.md"),
    ],
)
def test_a_page_that_readers_cannot_find_is_told(repository: Path, pages: list[str], keywords: str, said: str) -> None:
    with pytest.raises(NavigationError, match=said):
        read_navigation(repository, navigation_file(repository, *pages, keywords=keywords))


def test_all_pages_of_this_repository_are_on_the_site() -> None:
    pages = set(read_navigation().pages())
    assert {file.relative_to(ROOT).as_posix() for file in (ROOT / "docs").rglob("*.md")} <= pages
    assert {file.relative_to(ROOT).as_posix() for file in (ROOT / "examples").rglob("README.md")} <= pages
    assert len({place_of(page) for page in pages}) == len(pages), "two pages in one place"


@pytest.mark.parametrize(
    ("page", "place"),
    [
        ("README.md", "index.md"),
        ("CHANGELOG.md", "project/changelog.md"),
        ("docs/flows.md", "flows.md"),
        ("docs/how-to/README.md", "how-to/index.md"),
        ("docs/how-to/cancel.md", "how-to/cancel.md"),
        ("examples/debate/README.md", "examples/debate.md"),
    ],
)
def test_a_page_is_where_its_file_says(page: str, place: str) -> None:
    assert place_of(page) == place
