"""Reads a mob definition from a file."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from redis_mob.errors import DefinitionError
from redis_mob.models.definition import MobDefinition
from redis_mob.models.documents import complaints


def load_definition(path: str | Path) -> MobDefinition:
    """The definition in a `.toml` or `.json` file.

    Raises DefinitionError naming the file: it cannot be read, is no UTF-8 text, has another suffix, or its content is
    not a definition. Whether the definition makes sense is another question: see `redis_mob.kernel.validation`.
    """
    path = Path(path)
    readers = {".toml": MobDefinition.from_toml, ".json": _from_json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DefinitionError(f"{path}: a definition is a .toml or a .json file")
    try:
        return reader(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DefinitionError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DefinitionError(f"{path}: is no UTF-8 text (byte {error.start})") from error
    except DefinitionError as error:
        raise DefinitionError(f"{path}: {error}") from error


def _from_json(text: str) -> MobDefinition:
    try:
        return MobDefinition.model_validate_json(text)
    except ValidationError as error:
        readable = not any(detail["type"] == "json_invalid" for detail in error.errors())
        raise DefinitionError(complaints(error, json.loads(text) if readable else None)) from error
