"""What all subjects of the facade share: the storage."""

from __future__ import annotations

from redis_mob.codec.arguments import instance
from redis_mob.storage import MobStorage


class AdminBase:
    """A subject of what operators do with the namespace of one storage."""

    def __init__(self, storage: MobStorage) -> None:
        self._storage = instance("storage", storage, MobStorage)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._storage!r})"
