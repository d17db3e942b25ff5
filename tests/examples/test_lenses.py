"""The lenses of the code review: what each one sees, and what it leaves alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from examples.code_review.lenses import MAX_BYTES, UnreadableFileError, examine, parse, python_files

ROOT = Path(__file__).resolve().parents[2]


def seen(tmp_path: Path, lens: str, source: str, path: str = "module.py") -> list[tuple[int, str, str]]:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(source, encoding="utf-8")
    findings = examine(tmp_path, [path], lens)
    assert all(finding["path"] == path and finding["lens"] == lens for finding in findings)
    return [(finding["line"], finding["severity"], finding["message"]) for finding in findings]


def branches(count: int) -> str:
    return "def busy(x):\n" + "    if x: pass\n" * count


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(branches(9), [], id="ten-paths-are-fine"),
        pytest.param(branches(10), [(1, "low", "busy has 11 independent paths, more than 10")], id="low"),
        pytest.param(branches(15), [(1, "medium", "busy has 16 independent paths, more than 10")], id="medium"),
        pytest.param(branches(25), [(1, "high", "busy has 26 independent paths, more than 10")], id="high"),
        pytest.param(
            "async def busy(x):\n"
            "    for a in x:\n"
            "        while a or x or 1: pass\n"
            "    try: pass\n"
            "    except ValueError: pass\n"
            "    match x:\n"
            "        case 1: pass\n"
            "        case 2: pass\n"
            "    return [i if i else 0 for i in x if i]\n",
            [(1, "low", "busy has 11 independent paths, more than 10")],
            id="every-kind-of-branch",
        ),
        pytest.param(
            "def outer(x):\n    def inner():\n" + "        if x: pass\n" * 10,
            [(2, "low", "inner has 11 independent paths, more than 10")],
            id="an-inner-function-counts-for-itself",
        ),
        pytest.param("def long():\n" + "    pass\n" * 60, [(1, "low", "long has 61 lines, more than 60")], id="lines"),
        pytest.param(
            "class C:\n    def m(self, a, b, c, d, e, /, f, *, g, h): pass\n",
            [(2, "low", "m has 6 positional parameters, more than 5")],
            id="parameters",
        ),
        pytest.param("def m(self, a, b, c, d, e, *, f): pass\n", [], id="self-and-keywords-do-not-count"),
    ],
)
def test_complexity(tmp_path: Path, source: str, expected: list[tuple[int, str, str]]) -> None:
    assert seen(tmp_path, "complexity", source) == expected


SILENT = """
class Public:
    def method(self): pass
    def _private(self): pass
    @x.setter
    def x(self, value): pass

@override
def known(): pass

def _private(): pass
"""


def test_documentation_names_what_is_public_and_silent(tmp_path: Path) -> None:
    assert seen(tmp_path, "documentation", SILENT) == [
        (1, "low", "the module has no docstring"),
        (2, "low", "Public is public and has no docstring"),
        (3, "low", "Public.method is public and has no docstring"),
    ]


def test_documentation_of_something_long_matters_more(tmp_path: Path) -> None:
    source = '"""A module."""\ndef long():\n' + "    pass\n" * 20
    assert seen(tmp_path, "documentation", source) == [(2, "medium", "long is public and has no docstring")]


@pytest.mark.parametrize("path", ["tests/helper.py", "test_module.py", "pkg/conftest.py"])
def test_documentation_lets_tests_keep_silent(tmp_path: Path, path: str) -> None:
    assert seen(tmp_path, "documentation", SILENT, path) == []


def test_documentation_wants_nothing_of_an_empty_module(tmp_path: Path) -> None:
    assert seen(tmp_path, "documentation", "") == []


def test_imports_that_hide_or_do_nothing(tmp_path: Path) -> None:
    source = (
        "from os import *\n"
        "import json, sys\n"
        "import os.path\n"
        "from ..pkg import name as other\n"
        "import sys\n"
        "print(sys, os.path)\n"
    )
    assert seen(tmp_path, "imports", source) == [
        (1, "high", "`from os import *` hides where names come from"),
        (2, "medium", "`import json` is never used"),
        (4, "medium", "`from ..pkg import name as other` is never used"),
        (5, "low", "`import sys` is repeated"),
    ]


@pytest.mark.parametrize(
    ("source", "path"),
    [
        pytest.param("from __future__ import annotations\n", "m.py", id="future"),
        pytest.param("from .a import b as b\n", "m.py", id="marked-as-export"),
        pytest.param("from .a import b\n", "__init__.py", id="package"),
        pytest.param("from .a import b\n__all__ = ['b']\n", "m.py", id="listed-in-all"),
        pytest.param("from .a import B\ndef f(x: 'list[B]'): pass\n", "m.py", id="quoted-annotation"),
        pytest.param("import a.b\nimport a.c\na.b, a.c\n", "m.py", id="two-modules-of-a-package"),
        pytest.param("import a\ndef f():\n    import a\n    a\n", "m.py", id="another-scope"),
    ],
)
def test_imports_with_a_reason_are_left_alone(tmp_path: Path, source: str, path: str) -> None:
    assert seen(tmp_path, "imports", source, path) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"x = 1\ndef broken(:\n", "line 2: invalid syntax", id="syntax"),
        pytest.param(b"# -*- coding: no-such-code -*-\n", "line 1: unknown encoding: no-such-code", id="encoding"),
        pytest.param(b"x = '\xff'\n", "line 1: ", id="not-utf-8"),
        pytest.param(b"x = 1\0\n", "null bytes", id="null-byte"),
        pytest.param(b"-" * 100_000 + b"1", "the parser gives up: ", id="too-deep"),
        pytest.param(b"#" * (MAX_BYTES + 1), "1,000,001 bytes, more than 1,000,000", id="too-large"),
    ],
)
def test_an_unreadable_file_is_named_and_has_no_findings(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "bad.py").write_bytes(content)
    with pytest.raises(UnreadableFileError, match=reason):
        parse(tmp_path, "bad.py")
    assert examine(tmp_path, ["bad.py"], "complexity") == []


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "link.py").symlink_to("/dev/zero")
    for name in ("pipe.py", "link.py"):
        with pytest.raises(UnreadableFileError, match="not a regular file"):
            parse(tmp_path, name)
    with pytest.raises(UnreadableFileError, match="No such file"):
        parse(tmp_path, "gone.py")


def test_files_come_sorted_and_without_what_is_not_source(tmp_path: Path) -> None:
    for path in ("b.py", "a/z.py", "a/b/c.py", "text.txt", ".git/x.py", "__pycache__/x.py", "venv/x.py", "env/x.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "env" / "pyvenv.cfg").touch()
    problems: list[OSError] = []
    assert list(python_files(tmp_path, problems)) == ["b.py", "a/z.py", "a/b/c.py"]
    assert problems == []


def test_a_directory_that_cannot_be_listed_is_a_problem_not_an_end(tmp_path: Path) -> None:
    problems: list[OSError] = []
    assert list(python_files(tmp_path / "gone", problems)) == []
    assert [problem.filename for problem in problems] == [str(tmp_path / "gone")]


def test_reviewed_code_is_not_run_and_its_warnings_are_not_ours(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("import sys\nsys.exit('executed')\nx = '\\d'\n")
    program = (
        "from pathlib import Path; from examples.code_review.lenses import LENSES, examine\n"
        f"for lens in LENSES: examine(Path({str(tmp_path)!r}), ['module.py'], lens)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
