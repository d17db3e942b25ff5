"""The flow: list the Python files of a tree, look at each by itself, and make a summary."""

from __future__ import annotations

import ast
from pathlib import Path

from pydantic import BaseModel

from redis_mob import Mob, StepFailed, step

MOST_FILES = 10_000
"""A step has no more items than this."""


class Found(BaseModel):
    """What there is in a file. One that is no Python has a `problem`, and the others are looked at all the same."""

    path: str
    lines: int = 0
    functions: int = 0
    undocumented: int = 0
    longest: str = ""
    longest_lines: int = 0
    problem: str = ""


class Summary(BaseModel):
    """The tree as a whole."""

    files: int
    lines: int
    functions: int
    undocumented: int
    longest: list[str]
    problems: list[str]


mob = Mob("source-tree")


@mob.handler("lister")
def list_files(path: str) -> list[str]:
    """The Python files below a folder, in one order on every host."""
    if not Path(path).is_dir():
        raise StepFailed(f"the parameter path must name a folder, not {path!r}", retryable=False)
    return sorted(str(file) for file in Path(path).rglob("*.py") if file.is_file())[:MOST_FILES]


@mob.handler("inspector", members=2, retries=2, timeout=60)
def inspect(item: str) -> Found:
    """Looks at one file, which is the `item` of this execution. It reads the file, and never runs it."""
    try:
        source = Path(item).read_text(encoding="utf-8")
        tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError) as error:
        return Found(path=item, problem=str(error))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    longest = max(functions, key=lengths, default=None)
    return Found(
        path=item,
        lines=len(source.splitlines()),
        functions=len(functions),
        undocumented=sum(ast.get_docstring(function) is None for function in functions),
        longest=longest.name if longest else "",
        longest_lines=lengths(longest) if longest else 0,
    )


def lengths(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many lines a function has."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


@mob.handler("writer")
def summarise(inspect: list[Found]) -> Summary:
    """The parameter named as the step has what was found, in the order of the files."""
    longest = sorted(inspect, key=lambda found: -found.longest_lines)[:5]
    return Summary(
        files=len(inspect),
        lines=sum(found.lines for found in inspect),
        functions=sum(found.functions for found in inspect),
        undocumented=sum(found.undocumented for found in inspect),
        longest=[f"{found.longest_lines} lines: {found.longest} in {found.path}" for found in longest if found.longest],
        problems=[f"{found.path}: {found.problem}" for found in inspect if found.problem],
    )


source_tree = mob.flow(
    "inspect",
    [
        step("list", role="lister"),
        step("inspect", role="inspector", after="list", for_each="steps.list", max_parallel=32),
        step("summary", role="writer", after="inspect"),
    ],
)
