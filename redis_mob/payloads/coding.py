"""One payload as it is stored, and back: compressed, sealed, or a reference to a blob.

    MAGIC | flags | length of the key id | key id | nonce, 12 bytes | what was compressed or sealed

The key id and the nonce are there if it is sealed. A reference has a digest and a length in place of all that, and the
blob is a payload in this form again. Nothing else that is stored has MAGIC in it: its first byte is in no UTF-8.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from redis_mob.codec.inflating import MOST_BYTES
from redis_mob.codec.payloads import Payload, read_payload
from redis_mob.errors import SealKeyMissingError, SerializationError, StorageUnavailableError, shown
from redis_mob.payloads.blobs import is_run_id
from redis_mob.payloads.settings import PayloadSettings
from redis_mob.security.sealing import SealKey, SealKeyring

MAGIC = b"\xc1rmp\x9e\x1d\xa6\x01"
"""What a coded payload begins with."""

_COMPRESSED, _SEALED, _BLOB = 1, 2, 4
_KNOWN = _COMPRESSED | _SEALED | _BLOB
_NONCE = 12
_DIGEST = 32
_LENGTH = 8
_ID = 36
_LEAST_COMPRESSED = 128
_LEVEL = 3


class BlobName(NamedTuple):
    """A blob that a payload refers to: its name, and how many bytes it has."""

    run_id: str
    name: str
    length: int


NO_BLOBS: Mapping[BlobName, bytes] = MappingProxyType({})


class _Keys(NamedTuple):
    cipher: AESGCM
    nonces: bytes


class PayloadCoder:
    """Codes payloads of one namespace by its settings, and reads those of any settings.

    Raises StorageUnavailableError if zstd is needed and not installed.
    """

    def __init__(self, settings: PayloadSettings, namespace: str, ring: SealKeyring | None) -> None:
        self._settings = settings
        self._namespace = namespace
        self._keys = {} if ring is None else {key.id: _derived(key, namespace) for key in ring.keys}
        self._newest = None if ring is None else ring.newest_id
        self._compressor: Any = None
        if settings.compress:
            self._compressor = _zstd(namespace).ZstdCompressor(level=_LEVEL, write_checksum=True)

    def coded(self, payload: Payload) -> bytes:
        """A payload as it is stored. Equal payloads give equal bytes, with one version of zstd."""
        clear, text = payload.whole[: payload.clear], payload.whole[payload.clear :]
        flags = 0
        if self._compressor is not None and _LEAST_COMPRESSED <= len(text) <= MOST_BYTES:
            short = self._compressor.compress(text)
            if len(short) < len(text):
                flags, text = _COMPRESSED, short
        if not self._settings.seal:
            return b"".join((clear, MAGIC, bytes((flags,)), text))
        id = str(self._newest).encode()
        header = b"".join((MAGIC, bytes((flags | _SEALED, len(id))), id))
        keys = self._keys[str(self._newest)]
        # made of key and text, so that equal payloads have equal bytes, which a compare-and-swap needs; two others
        # have one nonce as rarely as if it were random
        nonce = hmac.digest(keys.nonces, header + text, "sha256")[:_NONCE]
        return b"".join((clear, header, nonce, keys.cipher.encrypt(nonce, text, header)))

    def is_large(self, coded: bytes) -> bool:
        """Whether a coded payload is to be put into a blob."""
        return self._settings.blobs is not None and len(coded) > self._settings.above

    @staticmethod
    def reference(run_id: str, payload: Payload, coded: bytes) -> tuple[bytes, str, bytes]:
        """(what is stored in its place, the name of its blob, the blob)."""
        clear, blob = coded[: payload.clear], coded[payload.clear :]
        digest = blake2b(blob, digest_size=_DIGEST).digest()
        stored = b"".join((clear, MAGIC, bytes((_BLOB,)), run_id.encode(), digest, len(blob).to_bytes(_LENGTH)))
        return stored, digest.hex(), blob

    @staticmethod
    def blob_in(stored: bytes) -> BlobName | None:
        """The blob that stored bytes refer to; None if they refer to none."""
        at = stored.find(MAGIC)
        if at < 0 or stored[at + len(MAGIC) : at + len(MAGIC) + 1] != bytes((_BLOB,)):
            return None
        rest = stored[at + len(MAGIC) + 1 :]
        run_id, digest, length = rest[:_ID], rest[_ID : _ID + _DIGEST], rest[_ID + _DIGEST :]
        # the id becomes part of a path
        if len(length) != _LENGTH or not is_run_id(run_id.decode("ascii", "replace")):
            raise SerializationError("a payload is damaged: its reference to a blob cannot be read")
        return BlobName(run_id.decode(), digest.hex(), int.from_bytes(length))

    def read(self, stored: bytes, blobs: Mapping[BlobName, bytes] = NO_BLOBS) -> bytes:
        """What was coded; other bytes as they are. `blobs` has those that it may refer to.

        Raises SealKeyMissingError naming the key that it needs, SerializationError for what was changed or cut short.
        """
        at = stored.find(MAGIC)
        if at < 0:
            return stored
        name = self.blob_in(stored)
        coded = stored[at:] if name is None else blobs[name]
        return read_payload(stored[:at] + self._text(coded), stored)

    def _text(self, coded: bytes) -> bytes:
        begin = len(MAGIC) + 1
        flags, rest = coded[begin - 1 : begin], coded[begin:]
        if not coded.startswith(MAGIC) or not flags:
            raise SerializationError("a payload is damaged: it was cut short")
        if flags[0] & ~_KNOWN or flags[0] & _BLOB:
            raise SerializationError(
                f"a payload has the unknown form {flags[0]}: a later release wrote it, or it is damaged"
            )
        if flags[0] & _SEALED:
            rest = self._opened(coded[: begin + 1 + (rest[0] if rest else 0)], rest)
        return self._inflated(rest) if flags[0] & _COMPRESSED else rest

    def _opened(self, header: bytes, rest: bytes) -> bytes:
        length = rest[0] if rest else 0
        id, nonce, sealed = rest[1 : 1 + length], rest[1 + length : 1 + length + _NONCE], rest[1 + length + _NONCE :]
        named = id.decode("ascii", "replace")
        keys = self._keys.get(named)
        if keys is None:
            raise SealKeyMissingError(named)
        try:
            return keys.cipher.decrypt(nonce, sealed, header)
        except (InvalidTag, ValueError):
            raise SerializationError(
                f"a payload that was sealed with key {shown(named)} does not open: it was changed or cut short, or "
                f"is of another namespace than {shown(self._namespace)}"
            ) from None

    def _inflated(self, short: bytes) -> bytes:
        zstd = _zstd(self._namespace)
        try:
            # the library makes room for as much as the beginning of the text says
            if (length := zstd.frame_content_size(short)) > MOST_BYTES:
                raise SerializationError(f"a compressed payload is damaged: it stands for {length:,} bytes")
            return zstd.ZstdDecompressor().decompress(short, max_output_size=MOST_BYTES)
        except zstd.ZstdError as error:
            raise SerializationError(f"a compressed payload is damaged: {error}") from None


def _zstd(namespace: str) -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise StorageUnavailableError(
            f"payloads of namespace {shown(namespace)} are compressed, which needs "
            f"pip install 'redis-mob[payloads]': {error}"
        ) from error
    return zstandard


def _derived(key: SealKey, namespace: str) -> _Keys:
    """What payloads of a namespace are sealed with: one seal key is not used for that many records itself."""

    def made(purpose: str) -> bytes:
        info = f"redis_mob payloads {purpose} {namespace}".encode()
        return HKDF(hashes.SHA256(), 32, salt=None, info=info).derive(key.secret)

    return _Keys(AESGCM(made("seal")), made("nonce"))


def references_in(reply: Any) -> Sequence[BlobName]:
    """The blobs that a reply of the server refers to."""
    if isinstance(reply, bytes):
        name = PayloadCoder.blob_in(reply)
        return () if name is None else (name,)
    if isinstance(reply, list):
        return [name for one in reply for name in references_in(one)]  # pyright: ignore[reportUnknownVariableType]
    return ()
