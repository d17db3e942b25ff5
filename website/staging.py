"""Brings the pages of the repository to where the site has them, with links that lead on within the site.

In the repository a page is plain Markdown that a code-hosting site shows too: nothing in it is for the site alone.
What the site needs beside that is written into the staged copy: lists of the pages below, keywords, names of anchors.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from redis_mob.version import __version__
from website import REPOSITORY, api
from website.navigation import API, ROOT, Entry, Navigation, place_of, read_navigation, toctree

_FENCED = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?P<text>!?\[[^\]]*\])\((?P<target>(?!https?:|mailto:|#)[^)\s#]+)(?P<anchor>#[^)\s]+)?\)")
_FILE = re.compile(r"\[(?:docs|examples)/[\w./-]+\]|\[[\w./-]+\.md\]")
_RULE = re.compile(r'<a id="(?P<id>[^"]+)"></a>(?:\*\*(?P<name>[^*]+)\*\*)?')
_SHOWN_BESIDE = {".svg", ".png", ".json", ".yml"}
"""What pages show or offer beside themselves."""


def stage(target: Path, root: Path = ROOT) -> Navigation:
    """Write all sources of the site into a folder; what is unchanged is not touched, so that Sphinx does not read it.

    Raises NavigationError as `read_navigation`.
    """
    navigation = read_navigation(root)
    files: dict[str, bytes] = {}
    for page in navigation.pages():
        files[place_of(page)] = staged(page, navigation).encode()
    for name, text in api.pages().items():
        files[name] = text.encode()
    for file in (root / "docs").rglob("*"):
        if file.suffix in _SHOWN_BESIDE:
            files[file.relative_to(root / "docs").as_posix()] = file.read_bytes()
    _write(target, files)
    return navigation


def staged(page: str, navigation: Navigation) -> str:
    """The text of a page as Sphinx reads it."""
    text = rewritten((navigation.root / page).read_text(encoding="utf-8"), page, navigation)
    # Sphinx takes what stands between commas for one word
    words = dict.fromkeys(" ".join(navigation.keywords.get(page, ())).split())
    head = f'---\nmyst:\n  html_meta:\n    keywords: "{", ".join(words)}"\n---\n' if words else ""
    return f"{head}{text}{''.join(_toctrees(page, navigation))}"


def rewritten(text: str, page: str, navigation: Navigation, *, names_rules: bool = True) -> str:
    """A page whose links lead to pages of the site, or to the file in the repository.

    A link that shows the name of a file shows the title of its page. With `names_rules` the anchors of rules are
    written as Sphinx knows them, so that other pages can link to them.
    """
    places, root = navigation.places, navigation.root
    here = PurePosixPath(places[page]).parent

    def link(found: re.Match[str]) -> str:
        linked = os.path.normpath((PurePosixPath(page).parent / found["target"]).as_posix())
        if f"{linked}/README.md" in places:
            linked = f"{linked}/README.md"
        text = found["text"]
        if linked in places:
            target = os.path.relpath(places[linked], here)
            if _FILE.fullmatch(text):
                text = f"[{navigation.titles[linked]}]"
        elif linked.startswith("docs/") and PurePosixPath(linked).suffix in _SHOWN_BESIDE:
            target = os.path.relpath(linked.removeprefix("docs/"), here)
        else:
            kind = "tree" if (root / linked).is_dir() else "blob"
            target = f"{REPOSITORY}/{kind}/v{__version__}/{linked}"
        return f"{text}({target}{found['anchor'] or ''})"

    def change(prose: str) -> str:
        led = _LINK.sub(link, prose)
        return _RULE.sub(_rule, led) if names_rules else led

    return _outside_of_code(text, change)


def _rule(found: re.Match[str]) -> str:
    """An anchor as Sphinx knows it; its name, where it has one, is a link to itself, which a reader can copy."""
    if found["name"] is None:
        return f"[]{{#{found['id']}}}"
    return f"[[{found['name']}](#{found['id']})]{{#{found['id']} .rule}}"


def _outside_of_code(text: str, change: Callable[[str], str]) -> str:
    return "".join(part if part.startswith("```") else change(part) for part in _FENCED.split(text))


def _toctrees(page: str, navigation: Navigation) -> Iterator[str]:
    if page == navigation.home:
        for section in navigation.sections:
            yield toctree([_line(entry) for entry in section.entries], section.title)
        return
    for section in navigation.sections:
        for entry in section.entries:
            if entry.page == page and entry.below:
                yield toctree([f"/{_docname(below)}" for below in entry.below])


def _line(entry: Entry) -> str:
    if entry.is_elsewhere:
        return f"{entry.label} <{entry.page}>"
    docname = "/api/index" if entry.page == API else f"/{_docname(entry.page)}"
    return f"{entry.label} <{docname}>" if entry.label else docname


def _docname(page: str) -> str:
    return place_of(page).removesuffix(".md")


def _write(target: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        file = target / name
        if not file.is_file() or file.read_bytes() != content:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    for file in target.rglob("*"):
        if file.is_file() and file.relative_to(target).as_posix() not in files:
            file.unlink()
