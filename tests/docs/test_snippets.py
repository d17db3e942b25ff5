"""Python in the docs that is no program by itself: what it imports is there, and what is a program is run."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.docs.pages import PAGES, ROOT, page_id

EXECUTED_ELSEWHERE = {"docs_testing"}
"""Pages whose blocks a test of their own executes: tests/examples/test_testing_page.py."""

SNIPPET = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
STARTS = re.compile(r"^asyncio\.run\(|^print\(.*run_sync\(|^if __name__ ==", re.MULTILINE)


class Snippet(NamedTuple):
    page: Path
    line: int
    text: str

    @property
    def where(self) -> str:
        return f"{page_id(self.page)}_{self.line}"

    @property
    def tree(self) -> ast.Module:
        """Its syntax; the signature of a function stands without a body there."""
        whole = self.text.rstrip() + " ..." if self.text.rstrip().endswith(":") else self.text
        tree = compile(whole, self.where, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        assert isinstance(tree, ast.Module)
        return tree


def snippets() -> list[Snippet]:
    found: list[Snippet] = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        found += [Snippet(page, text.count("\n", 0, one.start()) + 1, one[1]) for one in SNIPPET.finditer(text)]
    return found


SNIPPETS = snippets()


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.where)
def test_what_a_snippet_imports_of_this_package_is_there(snippet: Snippet) -> None:
    for node in ast.walk(snippet.tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "redis_mob":
            module = import_module(node.module or "")
            assert [alias.name for alias in node.names if alias.name != "*" and not hasattr(module, alias.name)] == []


def test_a_whole_program_is_marked_to_be_run() -> None:
    programs = [one for one in SNIPPETS if STARTS.search(one.text) and page_id(one.page) not in EXECUTED_ELSEWHERE]
    assert [one.where for one in programs] == [], f"write ```python run there; {ROOT / 'tests/docs/pages.py'} says how"
