"""A page of the Python API as Markdown, for readers that have no browser."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from website.api import ApiPage, Name

_CALLED: tuple[Any, ...] = (property, staticmethod, classmethod)


def as_text(page: ApiPage) -> str:
    """Signatures and docstrings of all names of a page."""
    parts = [f"# Python API: {page.title}"]
    for group in page.groups:
        if group.title:
            parts.append(f"## {group.title}")
        if not group.names and (doc := inspect.getdoc(import_module(group.module))):
            parts.append(f"`{group.module}`\n\n{doc}")
        for name in group.names:
            parts += _described(name)
    return "\n\n".join(parts) + "\n"


def _described(name: Name) -> Iterator[str]:
    value = name.value
    yield f"### `{name.module}.{name.name}`"
    if not inspect.isclass(value):
        if inspect.isroutine(value):
            yield _code(_signed(name.name, value))
            yield inspect.getdoc(value) or ""
        return
    yield _code(f"class {_signed(name.name, value)}")
    yield (value.__doc__ and inspect.cleandoc(value.__doc__)) or ""
    for member, kept in _members(value, name.is_inherited):
        doc = inspect.getdoc(kept) or ""
        if isinstance(kept, property):
            yield f"**`{name.name}.{member}`** (property)\n\n{doc}"
        else:
            yield f"{_code(_signed(f'{name.name}.{member}', getattr(value, member)))}\n\n{doc}"


def _members(value: type, is_inherited: bool) -> Iterator[tuple[str, Any]]:
    """What a class has that is meant for others, and is documented."""
    seen: set[str] = set()
    for owner in value.__mro__ if is_inherited else (value,):
        for member in vars(owner) if owner is not object else ():
            kept: Any = inspect.getattr_static(value, member)
            is_meant = not member.startswith("_") and member not in seen
            if is_meant and (isinstance(kept, _CALLED) or inspect.isroutine(kept)) and inspect.getdoc(kept):
                seen.add(member)
                yield member, kept


def _signed(name: str, value: Any) -> str:
    try:
        return f"{name}{inspect.signature(value)}"
    except (TypeError, ValueError):
        return name


def _code(text: str) -> str:
    return f"```python\n{text}\n```"
