"""What the reviewers look for: three lenses over the syntax trees of a source tree.

Reviewed code is parsed, never imported or run, so any repository may be looked at.
"""

from __future__ import annotations

import ast
import os
import stat
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypedDict

MAX_BYTES = 1_000_000
"""Larger files are generated ones, and not reviewed."""

NOT_SOURCE = frozenset({"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"})
"""Directories that are not entered, besides hidden ones and virtual environments."""

PARSED = "<reviewed>"

Severity = Literal["low", "medium", "high"]
Function = ast.FunctionDef | ast.AsyncFunctionDef

# The parser warns about odd escapes in the code under review; that is not this program's own affair.
warnings.filterwarnings("ignore", module=PARSED)


class Finding(TypedDict):
    """One remark about one line; `path` is relative to the tree, with forward slashes."""

    path: str
    line: int
    lens: str
    severity: Severity
    message: str


class UnreadableFileError(Exception):
    """A file that cannot be reviewed; the text says why."""


Remark = tuple[int, Severity, str]
"""Line, severity, message."""


def python_files(root: Path, problems: list[OSError]) -> Iterator[str]:
    """Paths of all Python files below `root`, in a fixed order; directories that cannot be read go to `problems`."""
    for folder, directories, files in os.walk(root, onerror=problems.append):
        directories[:] = sorted(name for name in directories if _is_source(Path(folder, name)))
        for name in sorted(files):
            if name.endswith(".py"):
                yield Path(folder, name).relative_to(root).as_posix()


def _is_source(directory: Path) -> bool:
    name = directory.name
    return not (name.startswith(".") or name in NOT_SOURCE or (directory / "pyvenv.cfg").exists())


def parse(root: Path, path: str) -> ast.Module:
    """The syntax tree of one file. Raises UnreadableFileError."""
    file = root / path
    try:
        about = file.lstat()
        if not stat.S_ISREG(about.st_mode):
            raise UnreadableFileError("not a regular file")
        if about.st_size > MAX_BYTES:
            raise UnreadableFileError(f"{about.st_size:,} bytes, more than {MAX_BYTES:,}")
        return ast.parse(file.read_bytes(), PARSED)
    except OSError as error:
        raise UnreadableFileError(error.strerror or "cannot be read") from error
    except SyntaxError as error:
        raise UnreadableFileError(f"line {error.lineno or 1}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise UnreadableFileError(f"the parser gives up: {error or type(error).__name__}") from error


def examine(root: Path, paths: Iterable[str], lens: str) -> list[Finding]:
    """What one lens sees in these files. A file that has become unreadable since the inventory has no findings."""
    findings: list[Finding] = []
    for path in paths:
        try:
            module = parse(root, path)
        except UnreadableFileError:
            continue
        findings += (
            Finding(path=path, line=line, lens=lens, severity=severity, message=message)
            for line, severity, message in LENSES[lens](module, path)
        )
    return findings


def complexity(module: ast.Module, _path: str) -> Iterator[Remark]:
    """Functions that branch too much, are too long, or take too many positional parameters."""
    for node in ast.walk(module):
        if not isinstance(node, Function):
            continue
        paths = 1 + sum(map(_extra_paths, _own_nodes(node)))
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        parameters = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args) if arg.arg not in ("self", "cls")]
        for measured, bounds, what in (
            (paths, (10, 15, 25), "independent paths"),
            (lines, (60, 100, 200), "lines"),
            (len(parameters), (5, 8, 12), "positional parameters"),
        ):
            if measured > bounds[0]:
                yield node.lineno, _grade(measured, bounds), f"{node.name} has {measured} {what}, more than {bounds[0]}"


def _grade(measured: int, bounds: tuple[int, int, int]) -> Severity:
    _, medium, high = bounds
    return "high" if measured > high else "medium" if measured > medium else "low"


def _own_nodes(function: Function) -> Iterator[ast.AST]:
    """The nodes of a function's body without those of functions and classes inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if not isinstance(node, Function | ast.ClassDef):
            yield node
            waiting.extend(ast.iter_child_nodes(node))


def _extra_paths(node: ast.AST) -> int:
    match node:
        case ast.BoolOp():
            return len(node.values) - 1
        case ast.comprehension():
            return 1 + len(node.ifs)
        case ast.If() | ast.IfExp() | ast.For() | ast.AsyncFor() | ast.While() | ast.ExceptHandler() | ast.match_case():
            return 1
        case _:
            return 0


def documentation(module: ast.Module, path: str) -> Iterator[Remark]:
    """Public modules, classes and functions that say nothing about themselves; tests may keep silent."""
    *folders, name = path.split("/")
    if "tests" in folders or name.startswith("test_") or name == "conftest.py":
        return
    if module.body and ast.get_docstring(module) is None:
        yield 1, "low", "the module has no docstring"
    yield from _silent(module.body, "")


def _silent(body: Sequence[ast.stmt], owner: str) -> Iterator[Remark]:
    for node in body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_") or _described_elsewhere(node):
            continue
        name = f"{owner}{node.name}"
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if ast.get_docstring(node) is None:
            yield node.lineno, "medium" if lines > 20 else "low", f"{name} is public and has no docstring"
        if isinstance(node, ast.ClassDef):
            yield from _silent(node.body, f"{name}.")


def _described_elsewhere(node: Function | ast.ClassDef) -> bool:
    names = {
        decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
        for decorator in node.decorator_list
    }
    return not names.isdisjoint({"override", "overload", "setter", "deleter"})


def imports(module: ast.Module, path: str) -> Iterator[Remark]:
    """Wildcard imports, imports that nothing uses, and imports that are repeated."""
    used = set(_used_names(module))
    exports = path.endswith("__init__.py")
    seen: set[str] = set()
    for node in ast.walk(module):
        if not isinstance(node, ast.Import | ast.ImportFrom) or (
            isinstance(node, ast.ImportFrom) and node.module == "__future__"
        ):
            continue
        for alias in node.names:
            imported = _spell(node, alias)
            if alias.name == "*":
                yield node.lineno, "high", f"`{imported}` hides where names come from"
            elif not exports and alias.asname != alias.name and _bound_name(alias) not in used:
                yield node.lineno, "medium", f"`{imported}` is never used"
            elif node in module.body and imported in seen:
                yield node.lineno, "low", f"`{imported}` is repeated"
            if node in module.body:
                seen.add(imported)


def _bound_name(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def _spell(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    name = f"{alias.name} as {alias.asname}" if alias.asname else alias.name
    if isinstance(node, ast.Import):
        return f"import {name}"
    return f"from {'.' * node.level}{node.module or ''} import {name}"


def _used_names(module: ast.Module) -> Iterator[str]:
    """Names that the code reads, also in short strings: quoted annotations, and what `__all__` lists."""
    for node in ast.walk(module):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 200:
            yield from _names_in(node.value)


def _names_in(text: str) -> Iterator[str]:
    try:
        expression = ast.parse(text, PARSED, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(expression):
        if isinstance(node, ast.Name):
            yield node.id


LENSES: dict[str, Callable[[ast.Module, str], Iterator[Remark]]] = {
    "complexity": complexity,
    "documentation": documentation,
    "imports": imports,
}
