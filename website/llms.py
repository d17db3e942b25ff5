"""The site for agents: `llms.txt` lists its pages, `llms-full.txt` has all of them, and each page is there as Markdown.

The form of `llms.txt` is that of https://llmstxt.org: a title, a summary, and under each heading links, each with a
line that says what is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from redis_mob.version import __version__
from website import SITE
from website.api import read_api
from website.api_text import as_text
from website.navigation import API, Entry, Navigation
from website.staging import rewritten

LONGEST = 240
"""Characters of the line that says what is on a page."""

_BLOCK = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_LINKED = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_SENTENCE = re.compile(r"(.+?[.:?!])(?=\s+[A-Z`]|\s*$)", re.DOTALL)


@dataclass(frozen=True)
class Page:
    """A page of the site as Markdown; `place` is where that stands."""

    place: str
    title: str
    says: str
    text: str


def write(target: Path, navigation: Navigation) -> None:
    """Write the Markdown of all pages beside their HTML, and the two files that have them all."""
    sections = [(section, list(pages)) for section, pages in sections_of(navigation)]
    for _, pages in sections:
        for page in pages:
            file = target / page.place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(page.text, encoding="utf-8")
    (target / "llms.txt").write_text(listing(sections), encoding="utf-8")
    (target / "llms-full.txt").write_text(in_full(sections), encoding="utf-8")


def sections_of(navigation: Navigation) -> Iterator[tuple[str, Iterator[Page]]]:
    """The pages under the captions of the menu, in its order; the home page is the first of all."""
    yield "", iter([_page(navigation.home, navigation)])
    for section in navigation.sections:
        yield section.title, (page for entry in section.entries for page in _pages(entry, navigation))


def listing(sections: list[tuple[str, list[Page]]]) -> str:
    """The text of llms.txt."""
    (_, [home]), *others = sections
    lines = [
        f"# {home.title}",
        "",
        f"> {home.says}",
        "",
        f"Version {__version__}. All pages in one file: {_address('llms-full.txt')}",
    ]
    lines += ["", f"- [{home.title}]({_address(home.place)}): what it is, and the first flow"]
    for title, pages in others:
        lines += ["", f"## {title}", ""]
        lines += [f"- [{page.title}]({_address(page.place)}): {page.says}" for page in pages]
    return "\n".join(lines) + "\n"


def in_full(sections: list[tuple[str, list[Page]]]) -> str:
    """The text of llms-full.txt."""
    pages = [page for _, pages in sections for page in pages]
    return "\n\n".join(f"<!-- {_address(page.place)} -->\n\n{page.text.strip()}" for page in pages) + "\n"


def said_first(text: str) -> str:
    """The first sentence of a page, as one line without links."""
    for paragraph in re.split(r"\n\s*\n", _BLOCK.sub("", text)):
        words = " ".join(paragraph.split())
        if words and not words.startswith(("#", "|", "<", "* ", "- ", "![")):
            words = _LINKED.sub(r"\1", words).replace("**", "")
            sentence = found[1] if (found := _SENTENCE.match(words)) else words
            return sentence if len(sentence) <= LONGEST else sentence[: LONGEST - 3].rpartition(" ")[0] + "..."
    return ""


def _pages(entry: Entry, navigation: Navigation) -> Iterator[Page]:
    if entry.page == API:
        for page in read_api():
            names = ", ".join(f"`{name.name}`" for group in page.groups for name in group.names)
            says = names if len(names) <= LONGEST else names[:LONGEST].rpartition(",")[0] + ", ..."
            yield Page(f"api/{page.file}.md", f"Python API: {page.title}", says, as_text(page))
    elif not entry.is_elsewhere:
        for listed in (entry.page, *entry.below):
            yield _page(listed, navigation)


def _page(page: str, navigation: Navigation) -> Page:
    file = navigation.root / page
    text = rewritten(file.read_text(encoding="utf-8"), page, navigation, names_rules=False)
    title, _, body = text.partition("\n")
    return Page(navigation.places[page], title.removeprefix("# "), said_first(body), text)


def _address(place: str) -> str:
    return f"{SITE}/{__version__}/{place}"
