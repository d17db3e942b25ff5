"""Puts the modules of the page, which are written as they run (decision 0052), together into one that is sent.

A browser asks for one file then, and not for thirty (decision 0064).

It knows the forms of import and export that the page has, each on a line of its own, and refuses others. Each module
stays a scope of its own: names of two never meet. An import is the value that it has when its module has run, so that
only what is never assigned again may be exported, which functions, constants and classes are.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from graphlib import TopologicalSorter

_IMPORT = re.compile(r'^import \{ ([\w$, ]+) \} from "(\.[^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|const|class) ([\w$]+))", re.MULTILINE)
_EXPORT_LIST = re.compile(r"\bexport\{([\w$, ]+)\};?\s*\Z")
"""What minified files end with."""

_OTHER_FORM = re.compile(r"^\s*(?:import|export)\b.*", re.MULTILINE)


def together(main: str, read: Callable[[str], str]) -> str:
    """One module that does what `main` does, of the texts that `read` gives for paths below the page.

    Raises ValueError for a form of import or export that is not known, and for modules that import one another.
    """
    texts: dict[str, str] = {}
    graph: dict[str, list[str]] = {}
    waiting = [main]
    while waiting:
        name = waiting.pop()
        if name not in texts:
            texts[name] = read(name)
            graph[name] = [_path(name, match[2]) for match in _IMPORT.finditer(texts[name])]
            waiting += graph[name]
    order = list(TopologicalSorter(graph).static_order())
    numbers = {name: number for number, name in enumerate(order)}
    return "".join(_scope(name, texts[name], numbers) for name in order)


def _path(name: str, imported: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), imported))


def _scope(name: str, text: str, numbers: dict[str, int]) -> str:
    """A module as a function that is called at once, and gives what it exports."""

    def taken(match: re.Match[str]) -> str:
        return f"const {{ {match[1]} }} = module{numbers[_path(name, match[2])]};"

    exported = {match[1]: match[1] for match in _EXPORT.finditer(text)}
    body = _EXPORT.sub("", _IMPORT.sub(taken, text))
    if listed := _EXPORT_LIST.search(body):
        pairs = (one.split(" as ") for one in listed[1].split(","))
        exported |= {pair[-1].strip(): pair[0].strip() for pair in pairs}
        body = body[: listed.start()]
    if other := _OTHER_FORM.search(body):
        raise ValueError(f"{name}: {other[0].strip()[:100]!r} is no form of import or export that is put together")
    given = ", ".join(f"{told}: {own}" for told, own in exported.items())
    return f"// {name}\nconst module{numbers[name]} = (() => {{\n{body}\nreturn {{ {given} }};\n}})();\n"
