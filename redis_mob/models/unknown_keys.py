"""Keys of a document that no field has: they are kept and mean nothing, and the author of a file wants to know."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias, cast

from redis_mob.errors import DefinitionError, nearest, shortened, shown
from redis_mob.models.base import Model

Tell: TypeAlias = Callable[[str], object]
"""Called with each sentence that the author of a file is to be told."""

_LOGGER = logging.getLogger(__name__)


def unknown_keys(value: object, document: object, path: str = "") -> Iterator[str]:
    """A sentence for each key in a document that the value which was read from it does not have, at every depth.

    What a field holds as any JSON is not looked into.
    """
    match value, document:
        case Model(), dict():
            table = cast("dict[str, Any]", document)
            # documents have the alias of a field that has one
            fields = {one.alias or name: name for name, one in type(value).model_fields.items()}
            for key in table:
                if key not in fields:
                    yield unknown_key(below(path, key), nearest(key, fields))
            for key, name in fields.items():
                if key in table:
                    yield from unknown_keys(vars(value)[name], table[key], below(path, key))
        case dict(), dict():
            table = cast("dict[str, Any]", document)
            for key, item in cast("dict[str, Any]", value).items():
                yield from unknown_keys(item, table.get(key), below(path, key))
        case tuple(), list() | tuple():
            items = zip(cast("tuple[Any, ...]", value), cast("Sequence[Any]", document), strict=False)
            for index, (item, raw) in enumerate(items):
                yield from unknown_keys(item, raw, f"{path}[{index}]")
        case _:
            pass


def unknown_key(path: str, hint: str) -> str:
    """The sentence about one key."""
    return f"{path}: there is no such key ({hint})"


def tell_unknown(found: Iterable[str], *, strict: bool, tell: Tell | None) -> None:
    """Tell of unknown keys, in the log if `tell` is None. Raises DefinitionError with all of them if it is strict."""
    sentences = list(found)
    if sentences and strict:
        raise DefinitionError("\n".join(sentences))
    for sentence in sentences:
        (tell or _LOGGER.warning)(f"{sentence}; it is ignored")


def below(path: str, key: str) -> str:
    """The path of a key in the table at a path."""
    named = shortened(key) if key.isprintable() and key else shown(key)
    return f"{path}.{named}" if path else named
