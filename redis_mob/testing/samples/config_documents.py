"""Config documents that carry a revision or none, many of them at once, and the changes that they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis_mob.contracts import ConfigStore
from redis_mob.models.config import ConfigChangeEvent, ConfigChangeKind, Put
from redis_mob.models.revision import extract_meta_revision

U64_MAX = 2**64 - 1

TEN_THOUSAND = [f"{number:05d}" for number in range(10_000)]
"""Ids in their order."""


def at(revision: Any, **spec: Any) -> dict[str, Any]:
    """An envelope with this revision."""
    return {"spec": spec, "meta": {"revision": revision}}


def nested(levels: int) -> Any:
    """A list within a list, so many levels deep."""
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


def changed(id: str, namespace: str = "n") -> ConfigChangeEvent:
    """A document was written."""
    return ConfigChangeEvent(namespace=namespace, id=id, kind=ConfigChangeKind.PUT)


def deleted(id: str, namespace: str = "n") -> ConfigChangeEvent:
    """A document was deleted."""
    return ConfigChangeEvent(namespace=namespace, id=id, kind=ConfigChangeKind.DELETE)


async def put_all(config: ConfigStore, ids: Sequence[str], namespace: str = "n") -> None:
    """Write a document for each id, which is its value, a thousand at once."""
    for first in range(0, len(ids), 1000):
        await config.apply([Put(namespace, id, id) for id in ids[first : first + 1000]])


async def ids_of(config: ConfigStore, namespace: str = "n", **window: int) -> list[str]:
    """The ids of a namespace as they are listed."""
    return [id for id, _ in await config.list(namespace, **window)]


async def walked(config: ConfigStore, namespace: str = "n", page_size: int = 100) -> list[tuple[str, Any]]:
    """The ids and values that a walk sees."""
    return [document async for document in config.walk(namespace, page_size)]


async def revision_of(config: ConfigStore, id: str, namespace: str = "n") -> int:
    """The revision of a document; 0 if it has none or is absent."""
    return extract_meta_revision(await config.get(namespace, id)) or 0
