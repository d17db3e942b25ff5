"""Config documents: changes, found documents, versions, and writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from redis_mob.models.base import Model, WireEnum


class ConfigChangeKind(WireEnum):
    """What happened to a document: it was created or overwritten, or it was deleted."""

    PUT = "put"
    DELETE = "delete"


class ConfigChangeEvent(Model):
    """A document changed; its new value has to be read (contract: config-22)."""

    namespace: str
    id: str
    kind: ConfigChangeKind


@dataclass(frozen=True, slots=True)
class Found:
    """A stored document; `value` is None for a stored JSON null."""

    value: Any


@dataclass(frozen=True, slots=True)
class ConfigVersion:
    """What a document said from a moment on; `written_at` is the server's time, `revision` 0 if it carried none."""

    revision: int
    written_at: datetime
    value: Any


@dataclass(frozen=True, slots=True)
class ConfigSnapshot:
    """The documents of some namespaces at one moment: namespace -> id -> value, ids in byte order.

    `cursor` is that of the newest change at that moment: following the feed from it misses nothing.
    """

    documents: Mapping[str, Mapping[str, Any]]
    cursor: int


@dataclass(frozen=True, slots=True)
class Put:
    """Write a document, unconditionally."""

    namespace: str
    id: str
    value: Any


@dataclass(frozen=True, slots=True)
class PutIfAbsent:
    """Write a document unless there is one."""

    namespace: str
    id: str
    value: Any


@dataclass(frozen=True, slots=True)
class PutIfRevision:
    """Write a document if the stored revision is the expected one; absence counts as 0."""

    namespace: str
    id: str
    value: Any
    expected_revision: int


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a document if there is one."""

    namespace: str
    id: str


@dataclass(frozen=True, slots=True)
class DeleteIfRevision:
    """Delete a document if the stored revision is the expected one; absence counts as 0."""

    namespace: str
    id: str
    expected_revision: int


ConfigWrite: TypeAlias = Put | PutIfAbsent | PutIfRevision | Delete | DeleteIfRevision
"""One part of an atomic change of several documents."""
