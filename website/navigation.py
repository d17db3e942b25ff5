"""Which pages the site has, and in which order: navigation.toml, and the links of index pages to their folders."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
NAVIGATION = Path(__file__).with_name("navigation.toml")

API = "api"
"""Stands in navigation.toml for the pages that are made of docstrings."""

_NAMED = re.compile(r"(?P<label>.+) <(?P<page>[^>]+)>")
_LINK = re.compile(r"\]\(([\w-]+\.md)(?:#[^)]*)?\)")  # of a page beside it
_PLACES = {
    "README.md": "index.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
}


class NavigationError(Exception):
    """navigation.toml and the pages of the repository do not agree."""


@dataclass(frozen=True)
class Entry:
    """A page in the menu, with the pages below it; `label` replaces its title there."""

    page: str
    label: str | None = None
    below: tuple[str, ...] = ()

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is no page of the site, but an address."""
        return self.page.startswith("https:")


@dataclass(frozen=True)
class Section:
    """Entries under one caption of the menu."""

    title: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Navigation:
    """The pages of the site by their files in the repository, in order."""

    home: str
    sections: tuple[Section, ...]
    keywords: Mapping[str, tuple[str, ...]]
    root: Path = ROOT

    @cached_property
    def places(self) -> Mapping[str, str]:
        """Where each page is on the site."""
        return {page: place_of(page) for page in self.pages()}

    @cached_property
    def titles(self) -> Mapping[str, str]:
        """What each page is called in the menu, and by links that name its file."""
        labels = {entry.page: entry.label for section in self.sections for entry in section.entries if entry.label}
        return {page: labels.get(page) or _title(self.root / page) for page in self.places}

    def pages(self) -> Iterator[str]:
        """All of them, the entry for the API apart."""
        yield self.home
        for section in self.sections:
            for entry in section.entries:
                if entry.page != API and not entry.is_elsewhere:
                    yield entry.page
                    yield from entry.below


def place_of(page: str) -> str:
    """Where a page of the repository is on the site: its address with `.md` in the place of `.html`.

    Pages of docs/ keep their place below it, an index page is called `index`, and the page of an example after it.
    """
    if page in _PLACES:
        return _PLACES[page]
    path = PurePosixPath(page)
    if path.parts[0] == "docs":
        path = path.relative_to("docs")
        return str(path.with_name("index.md") if path.name == "README.md" else path)
    return f"{path.parent}.md"


def toctree(lines: list[str], caption: str | None = None) -> str:
    """A list of pages for the menu, which the page itself does not show."""
    titled = f":caption: {caption}\n" if caption else ""
    return "\n\n```{toctree}\n:hidden:\n" + titled + "\n" + "\n".join(lines) + "\n```\n"


def read_navigation(root: Path = ROOT, file: Path = NAVIGATION) -> Navigation:
    """Read navigation.toml, and find the pages below its index pages.

    Raises NavigationError for a page that is listed twice or does not exist, and for a page of docs/ that is in no
    section: it could not be found by those who read the site.
    """
    written = tomllib.loads(file.read_text(encoding="utf-8"))
    sections = tuple(
        Section(one["title"], tuple(_entry(text, root) for text in one["pages"])) for one in written["sections"]
    )
    keywords = {page: tuple(words) for page, words in written["keywords"].items()}
    navigation = Navigation(written["home"], sections, keywords, root)
    listed = list(navigation.pages())
    if twice := sorted({page for page in listed if listed.count(page) > 1}):
        raise NavigationError(f"{file.name}: listed twice: {', '.join(twice)}")
    if absent := [page for page in (*listed, *keywords) if not (root / page).is_file()]:
        raise NavigationError(f"{file.name}: there is no {', no '.join(absent)}")
    there = {page.relative_to(root).as_posix() for page in (root / "docs").rglob("*.md")}
    if lost := sorted(there - set(listed)):
        raise NavigationError(f"{file.name}: add {', '.join(lost)} to the section where readers look for it")
    return navigation


def _title(page: Path) -> str:
    return page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _entry(text: str, root: Path) -> Entry:
    named = _NAMED.fullmatch(text)
    page, label = (named["page"], named["label"]) if named else (text, None)
    path = root / page
    if path.name != "README.md" or path.parts[-3:-2] != ("docs",):
        return Entry(page, label)
    here = {other.name for other in path.parent.glob("*.md")} - {path.name}
    in_order = [name for name in dict.fromkeys(_LINK.findall(path.read_text(encoding="utf-8"))) if name in here]
    names = [*in_order, *sorted(here - set(in_order))]
    return Entry(page, label, tuple(str(PurePosixPath(page).with_name(name)) for name in names))
