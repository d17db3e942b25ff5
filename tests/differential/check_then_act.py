"""A backend that a checker must not believe: between its look at a document and its write, others may write."""

from __future__ import annotations

from typing import Any

from redis_mob.contracts import ConfigStore
from redis_mob.errors import VersionConflictError
from redis_mob.models.revision import extract_meta_revision
from redis_mob.storage import MobStorage


class CheckThenAct:
    """The stores of a storage, but for one method of one of them."""

    def __init__(self, storage: MobStorage) -> None:
        self._storage = storage
        self.config = _CheckThenActConfig(storage.config)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)


class _CheckThenActConfig:
    def __init__(self, config: ConfigStore) -> None:
        self._config = config

    def __getattr__(self, name: str) -> Any:
        return getattr(self._config, name)

    async def put_if_revision(self, namespace: str, id: str, value: Any, expected_revision: int) -> None:
        actual = extract_meta_revision(await self._config.get(namespace, id)) or 0
        if actual != expected_revision:
            raise VersionConflictError(expected_revision, actual, f"{namespace}/{id}")
        await self._config.put(namespace, id, value)
