"""Finds the mobs of a Python file by reading it, for the message that says how they are named: nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from redis_mob.errors import DefinitionError

_MADE_BY = {"Mob", "from_definition"}
"""What is called to make one: `Mob("x")`, `redis_mob.Mob("x")` or `Mob.from_definition(...)`."""


def require_definition(given: Path) -> None:
    """Raises DefinitionError if this is Python code, or its module, in the place of module:mob, with the right form."""
    if given.suffix in {".toml", ".json"}:
        return
    source = _source(given)
    if source is None:
        what = "is neither" if given.exists() else "there is no such file or module here"
        raise DefinitionError(f"{given}: {what}: name a .toml or .json file, or a mob in Python as module:mob")
    module = _module(source)
    names = list(_mobs(source))
    if not names:
        raise DefinitionError(
            f"{given}: a mob in Python is written as module:mob, and {source} makes none at its top: write "
            f'mob = Mob("name") there, and name it {module}:mob'
        )
    forms = " or ".join(f"{module}:{name}" for name in names)
    raise DefinitionError(f"{given}: a mob in Python is written as module:mob: name it {forms}")


def _source(given: Path) -> Path | None:
    """The Python file that is meant: it is named itself, or by its module, below the working directory."""
    if given.suffix == ".py":
        return given if given.is_file() else None
    if not all(part.isidentifier() for part in str(given).split(".")):
        return None
    path = Path(*str(given).split("."))
    return next((one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()), None)


def _module(source: Path) -> str:
    """The name under which the file is imported from the working directory."""
    here = Path.cwd()
    path = source.absolute()
    relative = path.relative_to(here) if path.is_relative_to(here) else Path(path.name)
    parts = relative.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _mobs(source: Path) -> Iterator[str]:
    """The names at the top of a file that a mob is given to."""
    try:
        tree = ast.parse(source.read_bytes(), source)
    except (OSError, SyntaxError, ValueError) as error:
        raise DefinitionError(
            f"{source}: a mob in Python is written as module:mob; this file has none: {error}"
        ) from None
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=function)):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Call(func=function)):
                pass
            case _:
                continue
        called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if called in _MADE_BY:
            yield name
