"""Scopes and batches of a host store."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from redis_mob.models.host import CommitBatch, ScopeKind, ScopeRef, ScopeUpdate


class Number(IntEnum):
    """Numbers that are of no built-in class."""

    ONE = 1
    TWO = 2


def mob_scope(name: str = "mob") -> ScopeRef:
    """A scope of a mob."""
    return ScopeRef(ScopeKind.MOB, name)


def record_scope(name: str = "record") -> ScopeRef:
    """A scope of a record."""
    return ScopeRef(ScopeKind.RECORD, name)


def created(scope: ScopeRef, *rows: bytes, head: bytes = b"head") -> ScopeUpdate:
    """What creates a scope with these rows."""
    return ScopeUpdate(scope, head=head, append=rows)


def changed(scope: ScopeRef, previous: int, *rows: bytes, **parts: Any) -> ScopeUpdate:
    """What changes a scope of this version, and appends these rows."""
    return ScopeUpdate(scope, previous, append=rows, **parts)


def batch(commit_id: str, fence: int, *updates: ScopeUpdate) -> CommitBatch:
    """A batch of these updates."""
    return CommitBatch(commit_id, fence, updates)
