"""Blobs in a bucket that speaks S3's protocol.

Credentials and endpoint come from the environment, under the names that AWS gave them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from redis_mob.errors import ReadFailedError, StorageUnavailableError, WriteFailedError, shortened
from redis_mob.payloads.blobs import BlobStore, RunOfBlobs, folder_of


class BucketBlobs(BlobStore):
    """Blobs as objects: `<prefix>/<namespace>/<run>/<name>`."""

    def __init__(self, url: str, namespace: str) -> None:
        self._url = url
        self._folder = folder_of(namespace)
        parts = urlsplit(url)
        try:
            self._store = S3Store(parts.netloc, prefix=parts.path.strip("/") or None)
        except (BaseError, ValueError) as error:
            raise StorageUnavailableError(f"blobs at {url} cannot be used: {shortened(error)}") from None

    def __repr__(self) -> str:
        return f"BucketBlobs({self._url!r}, {self._folder!r})"

    async def put(self, run_id: str, name: str, data: bytes) -> None:
        try:
            await obstore.put_async(self._store, self._path(run_id, name), data)
        except (BaseError, OSError) as error:
            raise WriteFailedError(
                f"a blob of run {run_id} cannot be written at {self._url}: {shortened(error)}"
            ) from error

    async def get(self, run_id: str, name: str) -> bytes | None:
        try:
            found = await obstore.get_async(self._store, self._path(run_id, name))
            return bytes(await found.bytes_async())
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise ReadFailedError(
                f"a blob of run {run_id} cannot be read at {self._url}: {shortened(error)}"
            ) from error

    async def delete(self, run_id: str) -> None:
        try:
            async for paths in self._pages(f"{self._folder}/{run_id}"):
                await obstore.delete_async(self._store, [path for path, _ in paths])
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise WriteFailedError(
                f"the blobs of run {run_id} cannot be deleted at {self._url}: {shortened(error)}"
            ) from error

    async def runs(self) -> AsyncIterator[RunOfBlobs]:
        newest: dict[str, datetime] = {}
        try:
            async for page in self._pages(self._folder):
                for path, at in page:
                    run_id = path.split("/")[-2]
                    newest[run_id] = max(newest.get(run_id, at), at)
        except (BaseError, OSError) as error:
            raise ReadFailedError(f"the blobs at {self._url} cannot be listed: {shortened(error)}") from error
        for run_id, at in newest.items():
            yield RunOfBlobs(run_id, at)

    async def _pages(self, prefix: str) -> AsyncIterator[list[tuple[str, datetime]]]:
        """(path, time of writing) of what is below a prefix, some at a time."""
        # one of the overloads returns a type of a package that is not installed
        pages: Any = obstore.list(self._store, prefix=prefix)  # pyright: ignore[reportUnknownMemberType]
        async for page in pages:
            yield [(one["path"], one["last_modified"]) for one in page]

    def _path(self, run_id: str, name: str) -> str:
        return f"{self._folder}/{run_id}/{name}"
