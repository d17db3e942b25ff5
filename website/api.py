"""The pages of the Python API, made of what modules export: api.toml says what stands on which."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from website.navigation import toctree

API_PAGES = Path(__file__).with_name("api.toml")

_LEFT_OUT = "model_config, model_fields, model_computed_fields, model_post_init"
"""What pydantic adds to each model."""


@dataclass(frozen=True)
class Name:
    """One name, and the module from which programs import it."""

    module: str
    name: str
    is_inherited: bool = False

    @property
    def value(self) -> Any:
        """What it stands for."""
        return getattr(import_module(self.module), self.name)

    def directive(self) -> str:
        """What makes autodoc write it down."""
        value, path = self.value, f"{self.module}.{self.name}"
        if inspect.isclass(value) and value.__module__ != "builtins":
            kind = "autoexception" if issubclass(value, BaseException) else "autoclass"
            inherited = f"\n   :inherited-members: {_BASES}" if self.is_inherited else ""
            return (
                f".. {kind}:: {path}\n   :members:\n   :undoc-members:\n   :exclude-members: {_LEFT_OUT}{inherited}\n"
            )
        if inspect.isroutine(value):
            return f".. autofunction:: {path}\n"
        return f".. autodata:: {path}\n   :no-value:\n"


_BASES = "object Generic"


@dataclass
class Group:
    """Names under one heading; a group without any says what the docstring of its module says."""

    title: str | None
    module: str
    names: list[Name] = field(default_factory=list)


@dataclass
class ApiPage:
    """A page of the Python API."""

    file: str
    title: str
    text: str
    groups: list[Group]

    def markdown(self) -> str:
        """The page as Sphinx reads it."""
        parts = [f"# {self.title}\n\n{self.text}\n"]
        shown: set[str] = set()
        for group in self.groups:
            if group.title:
                parts.append(f"## {group.title}\n")
            if group.module != "redis_mob" and group.module not in shown:
                shown.add(group.module)
                parts.append(_in_rst(f".. automodule:: {group.module}\n   :no-members:\n   :no-index:\n"))
            parts += [_in_rst(name.directive()) for name in group.names]
        return "\n".join(parts)


def read_api() -> list[ApiPage]:
    """The pages of api.toml with all names that they have. A name stands on the first page that claims it."""
    taken: set[str] = set()
    return [
        ApiPage(page["file"], page["title"], page["text"], [_group(group, taken) for group in page["groups"]])
        for page in tomllib.loads(API_PAGES.read_text(encoding="utf-8"))["pages"]
    ]


def pages() -> dict[str, str]:
    """The Markdown of the pages by their place on the site, the list of them included."""
    api = read_api()
    lines = [f"| [{page.title}]({page.file}.md) | {_imports(page)} |" for page in api]
    index = (
        "# Python API\n\n"
        "Made of the docstrings. A rule of [the contract](/contract/index.md) that binds a name is linked there.\n\n"
        "| | imported from |\n|---|---|\n" + "\n".join(lines) + toctree([f"/api/{page.file}" for page in api])
    )
    return {"api/index.md": index, **{f"api/{page.file}.md": page.markdown() for page in api}}


def _imports(page: ApiPage) -> str:
    modules = dict.fromkeys(name.module for group in page.groups for name in group.names)
    return ", ".join(f"`{module}`" for module in modules)


def _group(written: dict[str, Any], taken: set[str]) -> Group:
    if "homes" in written:
        group = Group(written.get("title"), "redis_mob", list(_of_homes(written["homes"], written["names"])))
    elif "modules" in written:
        given = [Name(module, name) for module in written["modules"] for name in _classes(module)]
        group = Group(written.get("title"), "redis_mob", given)
    else:
        module = written["module"]
        names = written.get("names")
        if names is None:
            names = [] if written.get("members") is False else _exported(module, written.get("local", False))
        if (home := written.get("from", module)) != module:
            names = [name for name in names if hasattr(import_module(home), name)]
        group = Group(
            written.get("title"), module, [Name(home, name, written.get("inherited", False)) for name in names]
        )
    group.names = [name for name in group.names if _key(name) not in taken]
    taken.update(map(_key, group.names))
    return group


def _key(name: Name) -> str:
    """What two names of one thing have in common."""
    value = name.value
    is_named = inspect.isclass(value) or inspect.isroutine(value)
    return f"{value.__module__}.{value.__qualname__}" if is_named and value.__module__ != "builtins" else name.name


def _exported(module: str, local: bool) -> list[str]:
    source = import_module(module)
    if not local and hasattr(source, "__all__"):
        return list(source.__all__)
    return [
        name
        for name, value in vars(source).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module
    ]


def _classes(module: str) -> list[str]:
    return [name for name in _exported(module, local=True) if inspect.isclass(getattr(import_module(module), name))]


def _of_homes(homes: list[str], aliases: list[str]) -> Iterator[Name]:
    """The models of some modules, those that most programs need first, then alias types."""
    redis_mob, models = import_module("redis_mob"), import_module("redis_mob.models")
    of_home = {f"redis_mob.models.{home}": home for home in homes}
    found = [name for name in models.__all__ if getattr(getattr(models, name), "__module__", "") in of_home]
    chosen = [*found, *aliases]
    first = {name for name in redis_mob.__all__ if getattr(redis_mob, name) is getattr(models, name, None)}
    for name in sorted(chosen, key=lambda name: name not in first):
        yield Name("redis_mob" if name in first else "redis_mob.models", name)


def _in_rst(directive: str) -> str:
    return f"```{{eval-rst}}\n{directive}```\n"
