"""Renders the messages of steps: `{{ path }}` becomes the value at that path (contract: kernel-37)."""

from __future__ import annotations

import json
import re

from redis_mob.errors import TemplateError
from redis_mob.kernel.context import ConditionContext
from redis_mob.kernel.paths import MISSING, resolve
from redis_mob.models.flow_spec import Message, TextBlock

_BRACES = re.compile(r"\{\{|\}\}|\}")


def render(message: Message, context: ConditionContext) -> Message:
    """The message with every placeholder replaced; of a list of blocks, the text blocks are rendered.

    A placeholder is a path as in conditions, and the blanks around it do not count. A text is put in as it is, any
    other value as compact JSON with sorted keys, and `null` where the path leads nowhere. Nothing is escaped; braces
    outside of placeholders are plain text unless they come in pairs.

    Raises TemplateError for a placeholder that is empty or not closed, a pair of braces where it does not belong,
    and a single closing brace within a placeholder.
    """
    if isinstance(message, str):
        return _render_text(message, context)
    return tuple(
        block.model_copy(update={"text": _render_text(block.text, context)}) if isinstance(block, TextBlock) else block
        for block in message
    )


def _render_text(template: str, context: ConditionContext) -> str:
    rendered: list[str] = []
    opened: int | None = None
    literal_from = 0
    for braces in _BRACES.finditer(template):
        match braces[0], opened:
            case "{{", None:
                rendered.append(template[literal_from : braces.start()])
                opened = braces.start()
            case "{{", _:
                raise _error(template, braces.start(), "'{{' within a placeholder; close the first one with '}}'")
            case "}}", None:
                raise _error(template, braces.start(), "'}}' closes nothing; open a placeholder with '{{'")
            case "}}", int():
                path = template[opened + 2 : braces.start()].strip()
                if not path:
                    raise _error(template, opened, "an empty placeholder; name a path, as in {{ params.topic }}")
                rendered.append(_value_text(path, context))
                opened, literal_from = None, braces.end()
            case "}", int():
                raise _error(template, braces.start(), "a single '}' within a placeholder; close it with '}}'")
            case _:
                pass
    if opened is not None:
        raise _error(template, opened, "'{{' is never closed; close it with '}}'")
    return "".join([*rendered, template[literal_from:]])


def _value_text(path: str, context: ConditionContext) -> str:
    found = resolve(path, context)
    value = None if found is MISSING else found.value
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _error(template: str, position: int, problem: str) -> TemplateError:
    before = template[:position]
    return TemplateError(
        problem,
        line=before.count("\n") + 1,
        column=position - before.rfind("\n"),
        byte=len(before.encode()),
    )
