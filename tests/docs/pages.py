"""The programs that stand on pages of the docs, as files and commands.

A fenced block is meant for these tests if a word follows its language:

* ```python run is a whole program; if a ```text block follows, that is what it prints. Nothing comes on standard error,
  unless it is ```python run logged: then the log tells there what failed;
* ```python file, ```toml file and the like is a file that the other blocks of the page use, beside them;
* ```console run is what a shell shows: lines that begin with $ are run, what stands between them is their output.

The first line of a block may be a comment with the name of its file. `...` in an output stands for any text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(
    r"^```(?P<language>\w+) (?P<use>run|run logged|file)\n(?P<text>.*?)^```$(?:\s*^```text\n(?P<output>.*?)^```$)?",
    re.DOTALL | re.MULTILINE,
)
NAME = re.compile(r"# (\S+\.\w+)\n")


@dataclass(frozen=True)
class Block:
    """A file or a program of a page."""

    page: Path
    line: int
    language: str
    text: str
    use: str
    output: str | None

    @property
    def is_run(self) -> bool:
        """Whether it is run, and not only there for others."""
        return self.use != "file"

    @property
    def where(self) -> str:
        """`docs_flows_11` for the block that begins in line 11 of docs/flows.md."""
        return f"{page_id(self.page)}_{self.line}"

    @cached_property
    def name(self) -> str:
        """The name of its file, without which it is called after its line."""
        named = NAME.match(self.text)
        return named[1] if named else f"program_{self.line}.py"

    def commands(self) -> Iterator[tuple[str, str]]:
        """What a shell is given, and what it prints."""
        for shown in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, output = shown.partition("\n")
            yield command, output


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).with_suffix("").as_posix().replace("/", "_")


def blocks(page: Path) -> list[Block]:
    """The blocks of a page that are meant for the tests."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start()) + 1,
            found["language"],
            found["text"],
            found["use"],
            found["output"],
        )
        for found in BLOCK.finditer(text)
    ]


def write_files(page: Path, folder: Path) -> None:
    """Write all files of a page into a folder; two programs of one name are an error."""
    written: set[str] = set()
    for block in blocks(page):
        if block.language != "console":
            assert block.name not in written, f"{block.where}: a second file {block.name}"
            written.add(block.name)
            (folder / block.name).write_text(block.text, encoding="utf-8")


def as_shown(printed: str, shown: str) -> bool:
    """Whether an output is what a page shows, in which `...` stands for any text."""
    pattern = ".*".join(map(re.escape, "\n".join(map(str.rstrip, shown.splitlines())).split("...")))
    return re.fullmatch(pattern, "\n".join(map(str.rstrip, printed.splitlines())), re.DOTALL) is not None
