"""Where blobs are kept: a directory, a bucket, and several of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from redis_mob.errors import ReadFailedError, WriteFailedError
from redis_mob.payloads.blobs import BlobStore, DirectoryBlobs, SeveralPlaces, blob_store
from tests.payloads.fake_bucket import FakeBucket

RUN, OTHER = str(uuid4()), str(uuid4())


@pytest.fixture(scope="module")
def bucket() -> Iterator[FakeBucket]:
    with FakeBucket() as running:
        yield running


@pytest.fixture(params=["directory", "bucket", "several"])
def blobs(
    request: pytest.FixtureRequest, tmp_path: Path, bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch
) -> BlobStore:
    if request.param == "bucket":
        bucket.let_in(monkeypatch)
        return blob_store(f"s3://bucket/{uuid4().hex}", "name/space")
    directory = DirectoryBlobs(tmp_path / "one", "name/space")
    return (
        directory if request.param == "directory" else SeveralPlaces(directory, DirectoryBlobs(tmp_path / "two", "a"))
    )


def age(folder: Path) -> None:
    """Make one blob older than all others."""
    [old] = folder.rglob("aa")
    os.utime(old, (0, 0))


async def runs_of(blobs: BlobStore) -> set[str]:
    return {one.run_id async for one in blobs.runs()}


async def test_payload_4_blobs_of_a_run_are_written_read_and_deleted(blobs: BlobStore) -> None:
    assert await runs_of(blobs) == set()
    await blobs.put(RUN, "aa", b"one")
    await blobs.put(RUN, "aa", b"one")
    await blobs.put(RUN, "bb", b"\x00\xff" * 100_000)
    await blobs.put(OTHER, "aa", b"other")
    assert await blobs.get(RUN, "aa") == b"one"
    assert await blobs.get(RUN, "bb") == b"\x00\xff" * 100_000
    assert await blobs.get(RUN, "cc") is None
    assert await runs_of(blobs) == {RUN, OTHER}
    await blobs.delete(RUN)
    await blobs.delete(RUN)
    assert await blobs.get(RUN, "aa") is None
    assert await blobs.get(OTHER, "aa") == b"other"
    assert await runs_of(blobs) == {OTHER}


async def test_payload_7_the_newest_blob_says_how_old_a_run_is(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path, "default")
    for name in ("aa", "bb"):
        await blobs.put(RUN, name, b"one")
    age(tmp_path)
    [found] = [one async for one in blobs.runs()]
    assert found.newest_at > datetime.now(UTC) - timedelta(hours=1)


async def test_payload_6_blobs_stay_where_they_were_written(tmp_path: Path) -> None:
    before = DirectoryBlobs(tmp_path / "before", "default")
    await before.put(RUN, "aa", b"one")
    both = SeveralPlaces(DirectoryBlobs(tmp_path / "now", "default"), before)
    await both.put(RUN, "bb", b"two")
    assert (await both.get(RUN, "aa"), await both.get(RUN, "bb")) == (b"one", b"two")
    assert await before.get(RUN, "bb") is None
    await both.delete(RUN)
    assert (await both.get(RUN, "aa"), await both.get(RUN, "bb")) == (None, None)


async def test_payload_4_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    blobs = DirectoryBlobs(tmp_path / "file", "default")
    with pytest.raises(WriteFailedError, match=f"a blob of run {RUN} cannot be written in .*file"):
        await blobs.put(RUN, "aa", b"one")
    with pytest.raises(ReadFailedError, match=f"a blob of run {RUN} cannot be read in .*file"):
        await blobs.get(RUN, "aa")


async def test_payload_4_a_bucket_that_refuses_is_named(bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.let_in(monkeypatch)
    blobs = blob_store("s3://forbidden/x", "default")
    with pytest.raises(WriteFailedError, match=f"a blob of run {RUN} cannot be written at s3://forbidden/x"):
        await blobs.put(RUN, "aa", b"one")
    with pytest.raises(ReadFailedError, match=f"a blob of run {RUN} cannot be read at s3://forbidden/x"):
        await blobs.get(RUN, "aa")
    with pytest.raises(WriteFailedError, match=f"the blobs of run {RUN} cannot be deleted at s3://forbidden/x"):
        await blobs.delete(RUN)
    with pytest.raises(ReadFailedError, match="the blobs at s3://forbidden/x cannot be listed"):
        await runs_of(blobs)


def test_payload_4_no_half_of_a_blob_is_ever_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "replace", fails)
    blobs = DirectoryBlobs(tmp_path, "default")
    with pytest.raises(OSError, match="no space left"):
        blobs._put(tmp_path / "run", "aa", b"one")  # pyright: ignore[reportPrivateUsage]
    assert list((tmp_path / "run").iterdir()) == []
