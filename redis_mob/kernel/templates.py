"""Messages of steps: `{{ path }}` becomes the value at that path (contract: kernel-37)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, cast

from redis_mob.errors import TemplateError, shortened
from redis_mob.kernel.context import ConditionContext
from redis_mob.kernel.paths import MISSING, resolve
from redis_mob.models.message import Message, TextBlock

LITERAL_BRACES = "for braces that are text, write {{ '{{' }} where '{{' is meant"
"""What every complaint about a placeholder adds: braces of another language are the most frequent reason for it."""

_BRACES = re.compile(r"\{\{|\}\}|\}")

# A text without braces needs no quotes. In runs of a release that knew none null is put in for it, as it was.
_QUOTED = re.compile(r"""\{\{\s*(?:'(?=[^']*[{}])([^']*)'|"(?=[^"]*[{}])([^"]*)")\s*\}\}""")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A path in a template; `start` is where its braces begin, counted in characters from 0."""

    path: str
    start: int

    def __str__(self) -> str:
        return f"{{{{ {shortened(' '.join(self.path.split()))} }}}}"


Part: TypeAlias = str | Placeholder
"""What a template is made of: text as it is, and placeholders."""


class Rendered(NamedTuple):
    """A message with its values, and those of its placeholders whose path led nowhere, in order."""

    message: Message
    absent: tuple[Placeholder, ...]


def parse(template: str) -> tuple[Part, ...]:
    """The parts of a template, in order.

    A placeholder is a path as in conditions, and the blanks around it do not count; or a text in quotes that has braces
    in it, `{{ '{{' }}`, which is text. A closing pair that closes nothing is text, as every single brace is.

    Raises TemplateError for a placeholder that is empty or not closed, and for braces within one.
    """
    parts: list[Part] = []
    here = 0
    while (opened := template.find("{{", here)) >= 0:
        parts.append(template[here:opened])
        if quoted := _QUOTED.match(template, opened):
            parts.append(quoted[1] or quoted[2])
            here = quoted.end()
            continue
        match _BRACES.search(template, opened + 2):
            case None:
                raise _error(template, opened, "'{{' is never closed; close it with '}}'")
            case braces if braces[0] == "}":
                problem = "a single '}' within a placeholder; close it with '}}'"
                raise _error(template, braces.start(), problem)
            case braces if braces[0] == "{{":
                problem = "'{{' within a placeholder; close the first one with '}}'"
                raise _error(template, braces.start(), problem)
            case braces:
                path = template[opened + 2 : braces.start()].strip()
                here = braces.end()
        if not path:
            raise _error(template, opened, "an empty placeholder; name a path, as in {{ params.topic }}")
        parts.append(Placeholder(path, opened))
    return (*parts, template[here:])


def texts(message: Message) -> Iterator[tuple[str, str]]:
    """The templates in a message, each with its location there: that of a text is empty."""
    if isinstance(message, str):
        yield "", message
        return
    for index, block in enumerate(message):
        if isinstance(block, TextBlock):
            yield f"[{index}].text", block.text


def spelled_position(template: str, start: int) -> str:
    """A position in a template, for a message: line and column in characters from 1, UTF-8 bytes from 0."""
    line, column, byte = _position(template, start)
    return f"line {line}, column {column} (byte {byte})"


def render(message: Message, context: ConditionContext) -> Rendered:
    """The message with every placeholder replaced; of a list of blocks, the text blocks are rendered.

    A text is put in as it is, any other value as compact JSON with sorted keys, and `null` where the path leads
    nowhere. What is put in is not looked at again. Raises TemplateError like `parse`.
    """
    absent: list[Placeholder] = []
    if isinstance(message, str):
        return Rendered(_render_text(message, context, absent), tuple(absent))
    blocks = tuple(
        block.model_copy(update={"text": _render_text(block.text, context, absent)})
        if isinstance(block, TextBlock)
        else block
        for block in message
    )
    return Rendered(blocks, tuple(absent))


class RenderedValue(NamedTuple):
    """A JSON value with the values of its placeholders, and those whose path led nowhere, in order."""

    value: Any
    absent: tuple[Placeholder, ...]


def value_texts(value: Any, location: str = "") -> Iterator[tuple[str, str]]:
    """The templates in a JSON value, each with its location there: that of the value itself is empty."""
    match value:
        case str():
            yield location, value
        case list() | tuple():
            for index, item in enumerate(cast("Sequence[Any]", value)):
                yield from value_texts(item, f"{location}[{index}]")
        case dict():
            for key, item in cast("dict[str, Any]", value).items():
                yield from value_texts(item, f"{location}.{key}")
        case _:
            pass


def render_value(value: Any, context: ConditionContext) -> RenderedValue:
    """The JSON value with every text in it rendered; keys stay as they are.

    A text that is nothing but one placeholder becomes the value itself, of any type, and null where its path leads
    nowhere. Raises TemplateError like `parse`.
    """
    absent: list[Placeholder] = []
    return RenderedValue(_rendered(value, context, absent), tuple(absent))


def _rendered(value: Any, context: ConditionContext, absent: list[Placeholder]) -> Any:
    match value:
        case str():
            parts = [part for part in parse(value) if part]
            if len(parts) != 1 or isinstance(parts[0], str):
                return _render_text(value, context, absent)
            if (found := resolve(parts[0].path, context)) is MISSING:
                absent.append(parts[0])
                return None
            return found.value
        case list() | tuple():
            return [_rendered(item, context, absent) for item in cast("Sequence[Any]", value)]
        case dict():
            return {key: _rendered(item, context, absent) for key, item in cast("dict[str, Any]", value).items()}
        case _:
            return value


def _render_text(template: str, context: ConditionContext, absent: list[Placeholder]) -> str:
    return "".join(part if isinstance(part, str) else _value_text(part, context, absent) for part in parse(template))


def _value_text(placeholder: Placeholder, context: ConditionContext, absent: list[Placeholder]) -> str:
    found = resolve(placeholder.path, context)
    if found is MISSING:
        absent.append(placeholder)
        return "null"
    if isinstance(found.value, str):
        return found.value
    return json.dumps(found.value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _position(template: str, start: int) -> tuple[int, int, int]:
    before = template[:start]
    return before.count("\n") + 1, start - before.rfind("\n"), len(before.encode())


def _error(template: str, start: int, problem: str) -> TemplateError:
    return TemplateError(f"{problem}; {LITERAL_BRACES}", *_position(template, start))
