"""A namespace in memory as a backend of the conformance suite."""

# pyright: reportPrivateUsage=false
# Damage is done past the stores, in what they hold privately.

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from redis_mob.memory.namespace import Access, Namespace
from redis_mob.storage import MobStorage
from redis_mob.testing import Backend, Stores


class MemoryBackend(Backend):
    """A namespace of its own in this process: there is no connection to lose, and no other process can damage it."""

    name = "redis_mob in memory"

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self._anchor = Access(namespace)

    def close(self) -> None:
        """Let go of the content."""
        self._anchor.close()

    def open(self) -> AbstractAsyncContextManager[Stores]:
        return MobStorage.open("memory:", namespace=self.namespace)

    async def add_event(self, kind: str, *, schema_version: str | None = "6") -> int:
        fields = {b"mob_id": b"mob", b"timestamp": b"0", b"kind": kind.encode()}
        if schema_version is not None:
            fields[b"schema_version"] = schema_version.encode()
        cursor, _ = self._anchor.content.log._append(fields)
        return cursor

    async def forget_changes(self, *, keep: int) -> None:
        entries = self._anchor.content.config.feed._entries
        del entries[: max(len(entries) - keep, 0)]

    async def destroy(self) -> None:
        content = self._anchor.content
        vars(content).update(vars(Namespace(content.name)) | {"opened": content.opened})

    async def is_destroyed(self) -> bool:
        content = self._anchor.content
        return content.log.newest == 0 and not (content.runs or content.specs.documents or content.config.tokens)
