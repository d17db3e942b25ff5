"""Docstrings are Markdown, and what they cite is linked: rules of the contract, decisions, public names."""

from __future__ import annotations

import builtins
import re
from functools import cache
from inspect import isclass, isfunction
from pathlib import Path
from typing import Any, get_type_hints

from docutils import nodes
from docutils.utils import new_document
from myst_parser.parsers.sphinx_ import MystParser
from pydantic import BaseModel
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx.util.nodes import find_pending_xref_condition

from website.api import read_api

_CITED_RULES = re.compile(r"\bcontract: (?P<rules>[a-z]+-\d+(?:, [a-z]+-\d+)*)")
_CITED_DECISION = re.compile(r"\b(?P<said>[Dd]ecision) (?P<number>\d{4})\b")
_NAME = re.compile(r"(?<![`{\\])`(?P<name>[A-Za-z_][\w.]*)(?:\(\))?`(?!`)")
_ERROR = re.compile(r"(?<![`\w.{])(?P<name>[A-Z]\w+(?:Error|Warning))\b(?!`)")


def linked(docstring: str, decisions: dict[str, str]) -> str:
    """The Markdown of a docstring, in which citations are links."""

    def rules(found: re.Match[str]) -> str:
        return "contract: " + ", ".join(f"[{rule}](#{rule})" for rule in found["rules"].split(", "))

    def decision(found: re.Match[str]) -> str:
        page = decisions.get(found["number"])
        return f"[{found[0]}](/decisions/{page}.md)" if page else found[0]

    cited = _CITED_DECISION.sub(decision, _CITED_RULES.sub(rules, docstring))
    lines = (line if line.startswith("    ") else _named(line) for line in cited.splitlines())
    return "\n".join(lines)


def _named(line: str) -> str:
    return _ERROR.sub(r"{name}`\g<name>`", _NAME.sub(r"{name}`\g<name>`", line))


class MarkdownDirective(SphinxDirective):
    """Its content is Markdown, within reStructuredText."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """The nodes that the content stands for."""
        document = new_document(self.state.document["source"], self.state.document.settings)
        MystParser().parse("\n".join(self.content), document)
        return document.children


class NameRole(SphinxRole):
    """Names in docstrings: a link if the site has the name, and else as it is written."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """What may become a link: a public name, or what its own class has."""
        head, dot, rest = self.text.partition(".")
        link = pending_xref("", nodes.literal(self.text, self.text), refdomain="py", reftype="obj", refexplicit=False)
        link["reftarget"] = f"{_public().get(head, head)}{dot}{rest}"
        link["said_in_passing"] = True
        self.set_source_info(link)
        for context in ("py:module", "py:class"):
            link[context] = self.env.ref_context.get(context)
        return [link], []


@cache
def _public() -> dict[str, str]:
    """The paths of public names; that of `redis_mob` where two packages have one."""
    names = [name for page in read_api() for group in page.groups for name in group.names]
    return {name.name: f"{name.module}.{name.name}" for name in reversed(names)}


def as_markdown(app: Sphinx, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """Wrap a docstring, so that it is read as Markdown."""
    decisions = {page.name[:4]: page.stem for page in Path(app.srcdir, "decisions").glob("[0-9]*.md")}
    text = linked("\n".join(lines), decisions)
    lines[:] = [".. markdown::", "", *(f"   {line}" for line in text.splitlines()), ""]


def left_as_written(_app: Sphinx, _env: Any, node: pending_xref, shown: nodes.Element) -> nodes.Element | None:
    """A name that the site has not, and that nothing but its docstring takes for one, is no link."""
    return shown if node.get("said_in_passing") else None


def without_builtins(_app: Sphinx, doctree: nodes.document) -> None:
    """`type` or `bytes` in a signature is the one of Python, and not a field of that name."""
    for link in list(doctree.findall(pending_xref)):
        if link.get("refdomain") == "py" and hasattr(builtins, link["reftarget"]):
            shown = find_pending_xref_condition(link, "resolved")
            link.replace_self(shown.children if shown else link.children)


def without_fields(
    _app: Sphinx, what: str, _name: str, value: Any, _options: Any, _signature: str, _returned: str
) -> tuple[str, None] | None:
    """A model is made of its fields, which stand below it."""
    return ("", None) if what == "class" and isinstance(value, type) and issubclass(value, BaseModel) else None


def without_checks(value: Any) -> None:
    """Types as readers see them: what pydantic checks beside them is left out."""
    owners = [owner for owner in value.__mro__ if owner.__module__.startswith("redis_mob")] if isclass(value) else []
    for annotated in [*owners, *(kept for owner in owners for kept in vars(owner).values() if isfunction(kept))]:
        own = annotated.__annotations__ if isfunction(annotated) else vars(annotated).get("__annotations__", {})
        try:
            hints = get_type_hints(annotated)
        except (NameError, TypeError, AttributeError):
            continue  # it names what is imported for type checkers alone
        annotated.__annotations__ = {name: hints.get(name, hint) for name, hint in own.items()}


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("markdown", MarkdownDirective)
    app.add_role("name", NameRole())
    app.connect("autodoc-process-docstring", as_markdown)
    app.connect("autodoc-process-signature", without_fields)
    app.connect("doctree-read", without_builtins)
    app.connect("missing-reference", left_as_written)
    # all is imported now: autodoc would import with TYPE_CHECKING set, which some packages do not bear
    for page in read_api():
        for group in page.groups:
            for name in group.names:
                without_checks(name.value)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
