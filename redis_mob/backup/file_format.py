"""One backup as a file: frames of records, each with a checksum, and a digest of all of it behind them.

The file is a magic line, the header, frames of records, the trailer and 32 bytes of SHA-256 over all before. A frame is
its kind, its length, a CRC-32 of kind and body, and the body. Bodies of records are msgpack lists, compressed with
zstd. With a seal key records and trailer are encrypted with AES-256-GCM under a key that is made for this file, each
bound to the header, its kind and its place: a frame that is missing, or comes from another file, is noticed.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import struct
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

import msgpack
from pydantic import ValidationError as BadFields

from redis_mob.backup.record_forms import checked_meta, checked_records
from redis_mob.errors import (
    SealKeyMismatchError,
    SealKeyMissingError,
    SerializationError,
    StorageUnavailableError,
    ValidationError,
    WriteFailedError,
    shortened,
    shown,
)
from redis_mob.models.base import U64, Model
from redis_mob.models.problems import problems
from redis_mob.new_file import publish, require_new
from redis_mob.security.sealing import SealKey, SealKeyring

FORMAT = 1
_MAGIC = b"redis-mob backup\n"
_FRAME = struct.Struct(">cII")
_FRAME_BYTES = 2**20
"""About how many bytes of records are in a frame."""
_MOST_BYTES = 2**30
_NONCE_PREFIX = b"rmb1"

Record = Sequence[Any]
M = TypeVar("M", bound=Model)


class Header(Model):
    """What is known when a backup begins. `base` is the digest of the backup whose changes it has.

    A server that notes changes for the next backup knows the one before it by `id`.
    """

    format: int
    id: str
    namespace: str
    version: str
    base: str | None = None
    key_id: str | None = None
    salt: str = ""
    check: str = ""


class Trailer(Model):
    """What is known at the cut: its cursor in the log, its epoch, its time (us since 1970), the fields of `meta`.

    `follows` says that what changes from the cut on was noted, for a backup of the changes alone.
    """

    cursor: U64
    epoch: str
    time: U64
    records: U64
    meta: list[str]
    follows: bool = False


class _Cipher:
    """Encrypts the frames behind a header. Each has a number, counted from 1, which is in its nonce."""

    def __init__(self, key: SealKey, salt: bytes) -> None:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        made = HKDF(hashes.SHA256(), 64, salt=salt, info=b"redis_mob backup").derive(key.secret)
        self.check = made[32:40].hex()
        self._aes = AESGCM(made[:32])
        self._bound_to = b""

    def bind(self, header: bytes) -> None:
        """Let frames be those behind this header."""
        self._bound_to = hashlib.sha256(header).digest()

    def seal(self, number: int, kind: bytes, body: bytes) -> bytes:
        return self._aes.encrypt(_NONCE_PREFIX + number.to_bytes(8, "big"), body, self._bound_to + kind)

    def open(self, number: int, kind: bytes, body: bytes) -> bytes:
        return self._aes.decrypt(_NONCE_PREFIX + number.to_bytes(8, "big"), body, self._bound_to + kind)


def _zstd() -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise StorageUnavailableError(f"backups need pip install 'redis-mob[payloads]': {error}") from error
    return zstandard


class BackupWriter:
    """Writes a backup beside its place, under a temporary name; `finish` puts it there."""

    def __init__(self, path: Path, file: IO[bytes], header: Header, key: SealKey | None) -> None:
        self._file, self._path = file, path
        self._hash, self._records = hashlib.sha256(), list[Record]()
        self._size, self.count, self._number = 0, 0, 0
        self._compressor = _zstd().ZstdCompressor(level=3, write_checksum=True)
        self._cipher: _Cipher | None = None
        if key is not None:
            salt = secrets.token_bytes(16)
            self._cipher = _Cipher(key, salt)
            header = header.model_copy(update={"key_id": key.id, "salt": salt.hex(), "check": self._cipher.check})
        self._write(_MAGIC)
        first = header.model_dump_json().encode()
        if self._cipher is not None:
            self._cipher.bind(first)
        self._frame(b"H", first)

    def add(self, record: Record, size: int) -> None:
        """Add a record of about this size."""
        self._records.append(record)
        self._size += size
        self.count += 1
        if self._size >= _FRAME_BYTES:
            self._flush()

    def finish(self, trailer: Trailer) -> str:
        """Write the records that were not written yet, and the end of the file; returns its digest."""
        self._flush()
        self._sealed_frame(b"T", trailer.model_dump_json().encode())
        digest = self._hash.digest()
        self._file.write(digest)
        return digest.hex()

    def _flush(self) -> None:
        if not self._records:
            return
        body = self._compressor.compress(msgpack.packb(self._records, use_bin_type=False))
        self._records, self._size = [], 0
        self._sealed_frame(b"D", body)

    def _sealed_frame(self, kind: bytes, body: bytes) -> None:
        self._number += 1
        self._frame(kind, self._cipher.seal(self._number, kind, body) if self._cipher else body)

    def _frame(self, kind: bytes, body: bytes) -> None:
        self._write(_FRAME.pack(kind, len(body), zlib.crc32(kind + body)))
        self._write(body)

    def _write(self, part: bytes) -> None:
        self._hash.update(part)
        self._file.write(part)


@contextlib.contextmanager
def new_backup(path: Path, header: Header, key: SealKey | None) -> Generator[BackupWriter]:
    """What writes a new file, which is there when the block ends, and not at all if that raises.

    Raises CasConflictError if the file is there, WriteFailedError if it cannot be written.
    """
    require_new(path)
    temporary = path.with_name(f".{path.name}.{header.id}.part")
    try:
        with temporary.open("xb") as file:
            yield BackupWriter(path, file, header, key)
        publish(temporary, path)
    except OSError as error:
        raise WriteFailedError(f"{shortened(path)} cannot be written: {error.strerror}; no backup was made") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


class BackupFile:
    """A backup whose every byte and record was checked when it was opened, in one reading.

    Raises ValidationError for a file that cannot be read, SerializationError for one that is no whole backup,
    SealKeyMissingError or SealKeyMismatchError for a key that is not given.
    """

    def __init__(self, path: Path, seal_keys: SealKeyring | None) -> None:
        self.path = path
        hashed = hashlib.sha256()
        try:
            with path.open("rb") as file:
                frames = self._frames(file, hashed.update)
                self.header, self._cipher = self._begun(next(frames), seal_keys)
                count = 0
                for number, (kind, body) in enumerate(frames, 1):
                    plain = self._opened(number, kind, body)
                    if kind == b"D":
                        count += len(self._records_in(number, plain))
                    else:
                        self.trailer = self._read(Trailer, plain)
                if file.read() != hashed.digest():
                    raise self._refused("it was cut, or changed: its digest is another one")
        except OSError as error:
            raise ValidationError(f"{shortened(path)} cannot be read: {error.strerror}") from None
        self.digest = hashed.hexdigest()
        if count != self.trailer.records:
            raise self._refused(f"it has {count} records, and its end counts {self.trailer.records}")
        self.meta = checked_meta(self.trailer.meta, self._refused)

    def records(self) -> Iterator[list[list[Any]]]:
        """Its records, those of a frame at a time. Raises as opening does, for a file that has changed since."""
        with self.path.open("rb") as file:
            frames = self._frames(file, lambda _: None)
            next(frames)
            for number, (kind, body) in enumerate(frames, 1):
                if kind == b"D":
                    yield self._records_in(number, self._opened(number, kind, body))

    def _refused(self, why: str) -> SerializationError:
        return SerializationError(f"{shortened(self.path)} is no whole backup: {why}")

    def _frames(self, file: IO[bytes], read: Callable[[bytes], None]) -> Iterator[tuple[bytes, bytes]]:
        """The header, frames of records and the trailer; `read` is told all bytes."""
        magic = file.read(len(_MAGIC))
        if magic != _MAGIC:
            short = len(magic) < len(_MAGIC)
            raise self._refused("it was cut, or is something else" if short else "it does not begin as one")
        read(magic)
        wanted = b"H"
        while wanted:
            head = file.read(_FRAME.size)
            if len(head) < _FRAME.size:
                raise self._refused("it was cut")
            kind, length, crc = _FRAME.unpack(head)
            body = file.read(length) if length <= _MOST_BYTES else b""
            if len(body) != length or zlib.crc32(kind + body) != crc:
                raise self._refused("it was cut, or a frame was changed")
            if kind not in wanted:
                raise self._refused("its frames are not a header, records and an end, in this order")
            read(head)
            read(body)
            yield kind, body
            wanted = b"" if kind == b"T" else b"DT"

    def _begun(self, first: tuple[bytes, bytes], seal_keys: SealKeyring | None) -> tuple[Header, _Cipher | None]:
        header = self._read(Header, first[1])
        if header.format != FORMAT:
            raise self._refused(f"it has format {header.format}, and this redis_mob reads {FORMAT}")
        if header.key_id is None:
            return header, None
        key = {key.id: key for key in seal_keys.keys}.get(header.key_id) if seal_keys else None
        if key is None:
            what = f"{shortened(self.path)} is encrypted with key {shown(header.key_id)}"
            how = "give --seal-keys FILE or REDIS_MOB_SEAL_KEYS"
            raise SealKeyMissingError(header.key_id, message=f"{what}: {how}")
        try:
            cipher = _Cipher(key, bytes.fromhex(header.salt))
        except ValueError:
            raise self._refused("the salt of its key is no hexadecimal text") from None
        if cipher.check != header.check:
            what = f"{shortened(self.path)} is encrypted with another key of the id {shown(header.key_id)}"
            raise SealKeyMismatchError(header.key_id, message=f"{what} than the one that is given")
        cipher.bind(first[1])
        return header, cipher

    def _read(self, model: type[M], body: bytes) -> M:
        try:
            return model.model_validate_json(body)
        except BadFields as error:
            wrong = problems(error)
            raise self._refused(f"its header or end cannot be read, maybe by this release: {wrong}") from None

    def _opened(self, number: int, kind: bytes, body: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.open(number, kind, body) if self._cipher else body
        except (InvalidTag, ValueError):
            raise self._refused(f"frame {number} does not belong there, or was changed") from None

    def _records_in(self, number: int, plain: bytes) -> list[list[Any]]:
        zstd = _zstd()
        try:
            if zstd.frame_content_size(plain) > _MOST_BYTES:
                raise self._refused(f"frame {number} is longer than {_MOST_BYTES} bytes")
            value = msgpack.unpackb(zstd.ZstdDecompressor().decompress(plain), raw=True)
        except (zstd.ZstdError, ValueError, TypeError, msgpack.UnpackException) as error:
            raise self._refused(f"frame {number} cannot be read: {type(error).__name__}") from None
        return checked_records(value, self._refused)


def chain_of(files: Sequence[Path], seal_keys: SealKeyring | None) -> list[BackupFile]:
    """A full backup, and behind it those of its changes, each checked whole, and against the one before."""
    chain = [BackupFile(path, seal_keys) for path in files]
    for number, one in enumerate(chain):
        base = chain[number - 1].digest if number else None
        if one.header.base != base:
            needs = f"changes since the backup with digest {shown(one.header.base)}" if one.header.base else "all of it"
            raise ValidationError(f"{shortened(one.path)} has {needs}: name the full backup, then each that follows it")
    return chain
