"""Files whose checksums and digest were made anew are refused all the same (contract: backup-4, backup-10)."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgpack
import pytest

from redis_mob.backup import file_format
from redis_mob.backup.file_format import BackupFile, Header, Trailer, new_backup
from redis_mob.backup.service import back_up, restore
from redis_mob.errors import SerializationError
from redis_mob.security.sealing import SealKey, SealKeyring
from redis_mob.storage import MobStorage

MAGIC, FRAME = b"redis-mob backup\n", file_format._FRAME  # pyright: ignore[reportPrivateUsage]
KEYS = SealKeyring(SealKey.generate("k"))

Frames = list[tuple[bytes, bytes]]


def made(path: Path, *, records: int = 3, encrypt: bool = False, id: str = "one") -> Path:
    """A whole backup, whose records are of a frame each."""
    trailer = Trailer(cursor=7, epoch="2", time=1, records=records, meta=[b"schema".hex(), b"1".hex(), *EPOCH])
    header = Header(format=file_format.FORMAT, id=id, namespace="n", version="0")
    with new_backup(path, header, KEYS.keys[0] if encrypt else None) as writer:
        for number in range(records):
            writer.add([b"H", b"records", [b"field", b"%d" % number]], 2**20)
        writer.finish(trailer)
    return path


EPOCH = (b"epoch".hex(), b"2".hex())


def frames_of(path: Path) -> Frames:
    content, at, frames = path.read_bytes(), len(MAGIC), Frames()
    while not frames or frames[-1][0] != b"T":
        kind, length, _ = FRAME.unpack(content[at : at + FRAME.size])
        at += FRAME.size
        frames.append((kind, content[at : at + length]))
        at += length
    return frames


def written(path: Path, frames: Sequence[tuple[bytes, bytes]]) -> Path:
    """A file of these frames, with their checksums and the digest."""
    content = MAGIC + b"".join(FRAME.pack(k, len(body), zlib.crc32(k + body)) + body for k, body in frames)
    path.write_bytes(content + hashlib.sha256(content).digest())
    return path


def with_fields(body: bytes, **fields: Any) -> bytes:
    return json.dumps({**json.loads(body), **fields}).encode()


def headed(**fields: Any) -> Callable[[Frames], Frames]:
    return lambda frames: [(b"H", with_fields(frames[0][1], **fields)), *frames[1:]]


def ended(**fields: Any) -> Callable[[Frames], Frames]:
    return lambda frames: [*frames[:-1], (b"T", with_fields(frames[-1][1], **fields))]


def holding(value: Any) -> Callable[[Frames], Frames]:
    """One frame of records, in which something else is."""
    import zstandard

    body = zstandard.ZstdCompressor().compress(msgpack.packb(value, use_bin_type=False))
    return lambda frames: [frames[0], (b"D", body), (b"T", with_fields(frames[-1][1], records=1))]


WRONG: dict[str, Callable[[Frames], Frames]] = {
    "meta is no hexadecimal text": ended(meta=["zz", "yy"]),
    "meta is no pairs": ended(meta=["aa"]),
    "meta is empty": ended(meta=[]),
    "meta has no epoch": ended(meta=[b"schema".hex(), b"1".hex()]),
    "meta has a state": ended(meta=[b"schema".hex(), b"1".hex(), EPOCH[0], b"2 moved x y".hex()]),
    "cursor is negative": ended(cursor=-1),
    "records are counted otherwise": ended(records=4),
    "frames are missing": lambda frames: [frames[0], frames[-1]],
    "a frame is missing": lambda frames: [*frames[:2], *frames[3:]],
    "no header": lambda frames: frames[1:],
    "two headers": lambda frames: [frames[0], *frames],
    "another kind": lambda frames: [frames[0], (b"Z", b"x"), *frames[1:]],
    "an empty frame": lambda frames: [frames[0], (b"D", b""), *frames[1:]],
    "a later format": headed(format=2),
    "no list": holding(5),
    "a text": holding(b"abc"),
    "no record": holding([5]),
    "an empty record": holding([[]]),
    "a short record": holding([[b"H"]]),
    "an unknown kind": holding([[b"Q", b"x", 1]]),
    "a field without a value": holding([[b"H", b"x", [b"a"]]]),
    "fields that are none": holding([[b"H", b"x", 5]]),
    "a time that is none": holding([[b"E", b"x", b"soon"]]),
    "a score that is none": holding([[b"Z", b"x", [b"a", b"high"]]]),
    "an entry without an id": holding([[b"X", b"x", b"", [[b"a", [b"f", b"v"]]]]]),
    "an entry without fields": holding([[b"X", b"x", b"", [[b"1-0", []]]]]),
    "an index that is none": holding([[b"L", b"x", b"0", [b"a"]]]),
    "the state of the namespace": holding([[b"R", b"meta"]]),
    "a map with a list as key": holding([{b"a": 1}]),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_what_has_a_wrong_form_is_refused(change: Callable[[Frames], Frames], tmp_path: Path) -> None:
    whole = made(tmp_path / "whole")
    assert BackupFile(written(tmp_path / "same", frames_of(whole)), None).trailer.records == 3
    with pytest.raises(SerializationError, match="is no whole backup"):
        BackupFile(written(tmp_path / "wrong", change(frames_of(whole))), None)


@pytest.mark.parametrize(
    "change",
    [holding([[b"H", b"x", [b"secret"]]]), ended(meta="secret"), ended(meta=[1, "secret"])],
    ids=["record", "meta", "part of meta"],
)
def test_a_refusal_shows_nothing_of_what_a_backup_has(change: Callable[[Frames], Frames], tmp_path: Path) -> None:
    wrong = written(tmp_path / "wrong", change(frames_of(made(tmp_path / "whole"))))
    with pytest.raises(SerializationError) as refused:
        BackupFile(wrong, None)
    assert "secret" not in str(refused.value) and refused.value.__cause__ is None


def swapped(frames: Frames) -> Frames:
    return [frames[0], frames[2], frames[1], *frames[3:]]


OF_ENCRYPTED: dict[str, Callable[[Frames], Frames]] = {
    "salt": headed(salt="zz"),
    "namespace": headed(namespace="other"),
    "base": headed(base="x"),
    "frames are missing": lambda frames: [frames[0], frames[-1]],
    "the last frame of records is missing": lambda frames: [*frames[:-2], frames[-1]],
    "frames are swapped": swapped,
    "a frame twice": lambda frames: [*frames[:2], *frames[1:]],
    "the end is a frame of records": lambda frames: [*frames[:-1], (b"D", frames[-1][1]), frames[-1]],
    "the end is in clear": lambda frames: [*frames[:-1], (b"T", b"{}")],
}


@pytest.mark.parametrize("change", OF_ENCRYPTED.values(), ids=OF_ENCRYPTED)
def test_an_encrypted_file_is_what_was_written(change: Callable[[Frames], Frames], tmp_path: Path) -> None:
    """Who can make checksums anew, and has no key, can change nothing of it."""
    whole = made(tmp_path / "whole", encrypt=True)
    assert BackupFile(written(tmp_path / "same", frames_of(whole)), KEYS).trailer.records == 3
    with pytest.raises(SerializationError, match="is no whole backup"):
        BackupFile(written(tmp_path / "wrong", change(frames_of(whole))), KEYS)


def test_a_frame_of_another_file_is_refused(tmp_path: Path) -> None:
    one, other = (frames_of(made(tmp_path / id, encrypt=True, id=id)) for id in ("one", "other"))
    with pytest.raises(SerializationError, match="frame 1 does not belong there"):
        BackupFile(written(tmp_path / "wrong", [one[0], other[1], *one[2:]]), KEYS)


async def test_an_encrypted_file_hides_all_but_its_header(server_url: str, namespace: str, tmp_path: Path) -> None:
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        await storage.config.put("n", "one", {})
    await back_up(server_url, namespace, tmp_path / "sealed", encrypt_with=KEYS)
    content = (tmp_path / "sealed").read_bytes()
    assert b"epoch".hex().encode() not in content and b"cursor" not in content
    header = json.loads(frames_of(tmp_path / "sealed")[0][1])
    assert set(header) == {"format", "id", "namespace", "version", "base", "key_id", "salt", "check"}


async def test_a_backup_is_read_once_behind_its_making_and_twice_for_a_restore(
    server_url: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        await storage.config.put("n", "one", {})
    readings, read = list[None](), BackupFile._frames  # pyright: ignore[reportPrivateUsage]

    def counted(*args: Any) -> Any:
        readings.append(None)
        return read(*args)

    monkeypatch.setattr(BackupFile, "_frames", counted)
    await back_up(server_url, namespace, tmp_path / "one")
    assert len(readings) == 1
    await restore(server_url, f"{namespace}-b", [tmp_path / "one"])
    assert len(readings) == 3
