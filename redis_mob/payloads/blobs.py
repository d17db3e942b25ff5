"""Where large payloads are kept outside of the server: by namespace, run, and the digest of their bytes."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import quote, urlsplit

from redis_mob.errors import ReadFailedError, StorageUnavailableError, WriteFailedError
from redis_mob.models.base import canonical_run_id
from redis_mob.payloads.blob_urls import directory_of


class RunOfBlobs(NamedTuple):
    """A run that has blobs, and when the newest of them was written."""

    run_id: str
    newest_at: datetime


class BlobStore(Protocol):
    """Keeps bytes by run and name. A name is the digest of the bytes: writing it twice changes nothing."""

    async def put(self, run_id: str, name: str, data: bytes) -> None:
        """Keep these bytes. Raises WriteFailedError if they are not kept."""
        ...

    async def get(self, run_id: str, name: str) -> bytes | None:
        """The bytes; None if they are gone. Raises ReadFailedError if that cannot be learned."""
        ...

    async def delete(self, run_id: str) -> None:
        """Delete all blobs of a run. Raises WriteFailedError if some may be left."""
        ...

    def runs(self) -> AsyncIterator[RunOfBlobs]:
        """The runs that have blobs. Raises ReadFailedError."""
        ...


def is_run_id(text: str) -> bool:
    """Whether a text is the id of a run as it is stored."""
    try:
        return canonical_run_id(text) == text
    except ValueError:
        return False


def folder_of(namespace: str) -> str:
    """What stands for a namespace in a path: no name of one leads out of its folder."""
    return quote(namespace, safe="").replace(".", "%2E")


class DirectoryBlobs(BlobStore):
    """Blobs as files: `<directory>/<namespace>/<first letters of the run>/<run>/<name>`.

    Files are written under another name first, so that no reader sees half of one.
    """

    def __init__(self, directory: Path, namespace: str) -> None:
        self._folder = directory / folder_of(namespace)

    def __repr__(self) -> str:
        return f"DirectoryBlobs({str(self._folder)!r})"

    async def put(self, run_id: str, name: str, data: bytes) -> None:
        try:
            await asyncio.to_thread(self._put, self._of(run_id), name, data)
        except OSError as error:
            raise WriteFailedError(f"a blob of run {run_id} cannot be written in {self._folder}: {error}") from error

    def _put(self, folder: Path, name: str, data: bytes) -> None:
        path = folder / name
        if path.exists():
            return
        folder.mkdir(parents=True, exist_ok=True)
        handle, written = tempfile.mkstemp(dir=folder, prefix=".")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                # the reference to it may outlive this host
                os.fsync(file.fileno())
            Path(written).replace(path)
        except BaseException:
            Path(written).unlink(missing_ok=True)
            raise

    async def get(self, run_id: str, name: str) -> bytes | None:
        try:
            return await asyncio.to_thread((self._of(run_id) / name).read_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ReadFailedError(f"a blob of run {run_id} cannot be read in {self._folder}: {error}") from error

    async def delete(self, run_id: str) -> None:
        try:
            await asyncio.to_thread(shutil.rmtree, self._of(run_id))
        except FileNotFoundError:
            return
        except OSError as error:
            raise WriteFailedError(f"the blobs of run {run_id} cannot be deleted in {self._folder}: {error}") from error

    async def runs(self) -> AsyncIterator[RunOfBlobs]:
        try:
            found = await asyncio.to_thread(lambda: list(self._runs()))
        except OSError as error:
            raise ReadFailedError(f"the blobs in {self._folder} cannot be listed: {error}") from error
        for one in found:
            yield one

    def _runs(self) -> Iterator[RunOfBlobs]:
        for folder in self._folder.glob("*/*"):
            if is_run_id(folder.name):
                newest = max((file.stat().st_mtime for file in folder.iterdir()), default=folder.stat().st_mtime)
                yield RunOfBlobs(folder.name, datetime.fromtimestamp(newest, UTC))

    def _of(self, run_id: str) -> Path:
        # a directory that holds all runs would become slow to search
        return self._folder / run_id[:2] / run_id


class SeveralPlaces(BlobStore):
    """Blobs are written to the first place, and read from all: those that were there before stay where they are."""

    def __init__(self, *places: BlobStore) -> None:
        self._places = places

    def __repr__(self) -> str:
        return ", ".join(map(repr, self._places))

    async def put(self, run_id: str, name: str, data: bytes) -> None:
        await self._places[0].put(run_id, name, data)

    async def get(self, run_id: str, name: str) -> bytes | None:
        for place in self._places:
            if (data := await place.get(run_id, name)) is not None:
                return data
        return None

    async def delete(self, run_id: str) -> None:
        for place in self._places:
            await place.delete(run_id)

    async def runs(self) -> AsyncIterator[RunOfBlobs]:
        for place in self._places:
            async for run in place.runs():
                yield run


def blob_store(url: str, namespace: str) -> BlobStore:
    """The place that a URL names. Raises StorageUnavailableError if what it needs is not installed."""
    if urlsplit(url).scheme == "file":
        return DirectoryBlobs(directory_of(url), namespace)
    try:
        from redis_mob.payloads.bucket import BucketBlobs
    except ImportError as error:
        raise StorageUnavailableError(
            f"payloads of namespace {namespace!r} are kept at {url}, which needs pip install 'redis-mob[s3]': {error}"
        ) from error
    return BucketBlobs(url, namespace)
