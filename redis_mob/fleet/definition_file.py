"""Reads a file with a mob definition, and what stands beside it: how long runs of the mob are kept."""

from __future__ import annotations

import codecs
import json
import logging
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple, cast

from pydantic import ValidationError

from redis_mob.errors import DefinitionError
from redis_mob.models.base import json_text
from redis_mob.models.definition import MobDefinition
from redis_mob.models.documents import complaints
from redis_mob.models.mob_retention import TABLE, MobRetention
from redis_mob.models.unknown_keys import Tell, tell_unknown, unknown_keys

_LOGGER = logging.getLogger(__name__)

_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
"""How texts begin that were saved as UTF-16 or UTF-32; in little-endian order both begin alike."""


class DefinitionFile(NamedTuple):
    """A definition, and the retention policies of its mob and flows, from the table [retention]."""

    definition: MobDefinition
    retention: MobRetention


def load_definition(path: str | Path, *, strict: bool = False, tell: Tell | None = None) -> MobDefinition:
    """The definition in a file; see `load_definition_file`, which also gives what stands beside it."""
    return load_definition_file(path, strict=strict, tell=tell).definition


def load_definition_file(path: str | Path, *, strict: bool = False, tell: Tell | None = None) -> DefinitionFile:
    """What a `.toml` or `.json` file holds, which is UTF-8 text, with a byte order mark or without.

    Keys that a definition does not have are ignored, and told with the nearest one that it has: by a call of `tell` for
    each, or else in the log as a warning. With `strict` they are an error. In the table [retention] they always are:
    what is misspelled there would be kept for ever.

    Raises DefinitionError naming the file: it cannot be read, is no UTF-8 text, has another suffix, or its content is
    not a definition. Whether the definition makes sense is another question: see `redis_mob.kernel.validation`.
    """
    path = Path(path)
    readers = {".toml": _from_toml, ".json": _from_json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DefinitionError(f"{path}: a definition is a .toml or a .json file")
    ignored: list[str] = []
    try:
        found = reader(_text(path.read_bytes()), strict=strict, tell=ignored.append)
    except OSError as error:
        raise DefinitionError(f"{path}: cannot be read: {error.strerror}") from error
    except DefinitionError as error:
        raise DefinitionError(f"{path}: {error}") from error
    for sentence in ignored:
        (tell or _LOGGER.warning)(f"{path}: {sentence}")
    return found


def _text(data: bytes) -> str:
    """The text of a file, with its ends of lines as one character each."""
    if data.startswith(_WIDE_MARKS):
        raise DefinitionError("is UTF-16 or UTF-32 text; save it as UTF-8")
    mark = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    try:
        text = data[mark:].decode()
    except UnicodeDecodeError as error:
        raise DefinitionError(f"is no UTF-8 text (byte {mark + error.start}); save it as UTF-8") from error
    if (nul := text.find("\0")) >= 0:
        line = text.count("\n", 0, nul) + 1
        raise DefinitionError(f"has a NUL in line {line}, as UTF-16 without a byte order mark has; save it as UTF-8")
    return StringIO(text, newline=None).read()


def _from_toml(text: str, *, strict: bool, tell: Tell) -> DefinitionFile:
    return DefinitionFile(MobDefinition.from_toml(text, strict=strict, tell=tell), MobRetention.from_toml(text))


def _from_json(text: str, *, strict: bool, tell: Tell) -> DefinitionFile:
    try:
        definition = MobDefinition.model_validate_json(text)
    except ValidationError as error:
        readable = not any(detail["type"] == "json_invalid" for detail in error.errors())
        raise DefinitionError(complaints(error, json.loads(text) if readable else None)) from error
    document = cast("dict[str, Any]", json.loads(text))
    retention = document.pop(TABLE, None)
    if TABLE in (definition.model_extra or {}):
        # it stands beside the definition, which would keep it as an unknown field
        definition = MobDefinition.model_validate_json(json_text(document))
    tell_unknown(unknown_keys(definition, document), strict=strict, tell=tell)
    return DefinitionFile(definition, MobRetention.from_table(retention, definition.flows))
