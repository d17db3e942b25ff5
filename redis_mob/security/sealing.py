"""Secrets on the way into and out of the storage: sealed with a key, or in clear where there is none.

Records are sealed one by one, under a nonce each (decision 0011).
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgpack

from redis_mob.errors import (
    InternalError,
    SealKeyMissingError,
    SerializationError,
    UnsealedSecretsWarning,
    ValidationError,
    shortened,
    shown,
)

SEAL_KEY_BYTES = 32
"""Length of the secret of a seal key: AES-256."""

_MAGIC = b"\xc1rms"
"""How a sealed record starts; neither UTF-8 text nor msgpack ever holds the first byte."""

_VERSION = 1
_NONCE_BYTES = 12
_TAG_BYTES = 16
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class SecretCodec(Protocol):
    """How a store writes and reads its secret records. `kind` names the record within the mob, not its content."""

    def seal(self, mob_id: str, kind: str, plaintext: bytes) -> bytes:
        """The bytes to store. They differ from call to call, so stored bytes say nothing about equality."""
        ...

    def open(self, mob_id: str, kind: str, stored: bytes) -> bytes:
        """The plaintext of a stored record.

        Raises SealKeyMissingError if it was sealed with a key that is not here, SerializationError if it is not what
        was stored for this mob and kind.
        """
        ...

    def needs_resealing(self, stored: bytes) -> bool:
        """Whether `seal` would protect this record with another key than it is stored with."""
        ...


@dataclass(frozen=True, slots=True)
class SealKey:
    """A key that seals secrets: 32 random bytes, and an id that is stored in clear with each record it sealed.

    The id is 1-64 characters of `A-Z a-z 0-9 . _ -`. No repr and no error shows the secret; `to_text` does.
    Raises ValidationError for a bad id or another length. A passphrase is no key, and none is made of it.
    """

    id: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or _ID.fullmatch(self.id) is None:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValidationError("the id of a seal key is 1 to 64 characters of A-Z a-z 0-9 . _ -")
        if not isinstance(self.secret, bytes) or len(self.secret) != SEAL_KEY_BYTES:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValidationError(
                f"the secret of seal key {shown(self.id)} must be {SEAL_KEY_BYTES} random bytes; see SealKey.generate()"
            )

    @classmethod
    def generate(cls, id: str | None = None) -> SealKey:
        """A new random key, with a random id unless one is given."""
        return cls(secrets.token_hex(4) if id is None else id, secrets.token_bytes(SEAL_KEY_BYTES))

    @classmethod
    def from_text(cls, text: str) -> SealKey:
        """The key that `to_text` wrote. Raises ValidationError, which does not show the text, for anything else."""
        _check_text(text)
        id, _, encoded = text.strip().partition(":")
        try:
            secret = base64.b64decode(encoded, altchars=b"-_", validate=True)
        except ValueError:
            secret = b""
        if _ID.fullmatch(id) is None or len(secret) != SEAL_KEY_BYTES:
            raise ValidationError("the text of a seal key is its id, a colon, and 32 bytes in url-safe base64")
        return cls(id, secret)

    def check_value(self, namespace: str) -> str:
        """What tells this key from others of its id, and does not lead back to it; another one in each namespace."""
        purpose = msgpack.packb(["redis_mob check value of a seal key", namespace, self.id])
        return hmac.digest(self.secret, purpose, "sha256").hex()

    def to_text(self) -> str:
        """The key as one line of text, secret included: `id:base64`."""
        return f"{self.id}:{base64.urlsafe_b64encode(self.secret).decode()}"


class SealKeyring:
    """Seals with the newest key, and opens what any of the keys sealed.

    To rotate: give all processes a ring that also holds the new key, then one where it is the newest, then call
    `runtime_metadata.reseal_all()`, then leave the old key out. Raises ValidationError if two keys have one id, or one
    of them is no SealKey.
    A record in clear is refused, or a client that may write to the server could plant one; `reseal_all` can adopt those
    of the time before there was a key.
    """

    def __init__(self, newest: SealKey, *older: SealKey) -> None:
        for key in (newest, *older):
            if not isinstance(key, SealKey):  # pyright: ignore[reportUnnecessaryIsInstance]
                # only its type, because what is given in place of a key may be the text of one
                raise ValidationError(f"a SealKeyring is made of SealKeys, not of a {type(key).__name__}")
        self._newest = newest
        self._keys = {key.id: key for key in (newest, *older)}
        if len(self._keys) <= len(older):
            raise ValidationError(
                f"the seal keys {shown([key.id for key in (newest, *older)])} do not all have different ids"
            )

    @classmethod
    def from_text(cls, text: str) -> SealKeyring:
        """The keys of a text, one in each line as `SealKey.to_text` writes it, the newest first.

        Empty lines and lines that start with `#` do not count. Raises ValidationError naming the line, not its text.
        """
        _check_text(text)
        keys: list[SealKey] = []
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            try:
                keys.append(SealKey.from_text(line))
            except ValidationError as error:
                raise ValidationError(f"line {number}: {error}") from None
        if not keys:
            raise ValidationError("there is no seal key; write one in each line, as `redis-mob seal-key` prints it")
        return cls(*keys)

    def to_text(self) -> str:
        """The ring as text that `from_text` reads, secrets included."""
        return "".join(f"{key.to_text()}\n" for key in self._keys.values())

    def __repr__(self) -> str:
        return f"SealKeyring(newest={self.newest_id!r}, ids={list(self.ids)})"

    @property
    def keys(self) -> Sequence[SealKey]:
        """All keys, the newest first."""
        return tuple(self._keys.values())

    @property
    def newest_id(self) -> str:
        """The id of the key that seals."""
        return self._newest.id

    @property
    def ids(self) -> Sequence[str]:
        """The ids of all keys, the newest first."""
        return tuple(self._keys)

    def check_values(self, namespace: str) -> dict[str, str]:
        """The check value of each key, by its id."""
        return {id: key.check_value(namespace) for id, key in self._keys.items()}

    def opens(self, mob_id: str, kind: str, stored: bytes) -> bool:
        """Whether a record opens with one of these keys."""
        try:
            self.open(mob_id, kind, stored)
        except (SealKeyMissingError, SerializationError):
            return False
        return True

    def seal(self, mob_id: str, kind: str, plaintext: bytes) -> bytes:
        """A sealed record that only opens as this kind of record of this mob; each call gives other bytes."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key, nonce = self._newest, secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(key.secret).encrypt(nonce, plaintext, _context(key.id, mob_id, kind))
        return b"".join((_MAGIC, bytes((_VERSION, len(key.id))), key.id.encode(), nonce, sealed))

    def open(self, mob_id: str, kind: str, stored: bytes) -> bytes:
        """What was sealed as this kind of record of this mob.

        Raises SealKeyMissingError naming the key that is needed; SerializationError if the record is in clear, was
        changed in any byte, or was sealed for another mob or kind.
        """
        # imported where something is sealed: without seal keys it is of no use, and takes its time
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if not is_sealed(stored):
            raise SerializationError(
                f"{shortened(kind)} of mob {shown(mob_id)} is damaged, or stored in clear although this "
                "storage has a seal key; if it "
                "was written before there was one, call runtime_metadata.reseal_all(adopt_unsealed=True) once"
            )
        record = _SealedRecord.parse(mob_id, kind, stored)
        key = self._keys.get(record.key_id)
        if key is None:
            raise SealKeyMissingError(record.key_id)
        try:
            return AESGCM(key.secret).decrypt(record.nonce, record.sealed, _context(key.id, mob_id, kind))
        except InvalidTag as error:
            raise SerializationError(
                f"{shortened(kind)} of mob {shown(mob_id)} does not open with seal key {shown(key.id)}: it "
                "was changed or moved here after "
                "it was sealed, or another key of that id sealed it"
            ) from error

    def needs_resealing(self, stored: bytes) -> bool:
        """Whether a record is in clear or sealed with a key that is not the newest."""
        start = b"".join((_MAGIC, bytes((_VERSION, len(self.newest_id))), self.newest_id.encode()))
        return not stored.startswith(start)


class Unsealed:
    """Stores secrets in clear, for storages without a seal key; the first one gives an UnsealedSecretsWarning."""

    def __init__(self) -> None:
        self._warned = False

    def __repr__(self) -> str:
        return "Unsealed()"

    def seal(self, mob_id: str, kind: str, plaintext: bytes) -> bytes:
        """The plaintext itself. Raises InternalError for one that could be taken for a sealed record."""
        if is_sealed(plaintext):
            raise InternalError(
                f"{shortened(kind)} of mob {shown(mob_id)} starts like a sealed record and cannot be stored in clear"
            )
        if not self._warned:
            self._warned = True
            warnings.warn(
                "secrets of mobs are stored in clear, readable by every client that can read the server; pass a "
                "seal_key to MobStorage.open to seal them",
                UnsealedSecretsWarning,
                stacklevel=5,  # the caller of the store, above what tells unreadable replies (stores/readable.py)
            )
        return plaintext

    def open(self, mob_id: str, kind: str, stored: bytes) -> bytes:
        """The record itself. Raises SealKeyMissingError, naming the key, for a sealed one."""
        if is_sealed(stored):
            raise SealKeyMissingError(_SealedRecord.parse(mob_id, kind, stored).key_id)
        return stored

    def needs_resealing(self, stored: bytes) -> bool:
        """Never: there is nothing to seal with."""
        return False


def _check_text(text: object) -> None:
    if not isinstance(text, str):
        raise ValidationError(f"the text of seal keys must be a str, not a {type(text).__name__}")


def is_sealed(stored: bytes) -> bool:
    """Whether these bytes start as sealed records of all versions do."""
    return stored.startswith(_MAGIC)


def key_id_of(stored: bytes) -> str | None:
    """The id of the key that sealed a record; None for one in clear, or one that names no key."""
    if not is_sealed(stored):
        return None
    try:
        return _SealedRecord.parse("", "record", stored).key_id
    except SerializationError:
        return None


Secrets = SealKeyring | Unsealed
"""What a storage reads and writes its secret records with."""


def secrets_with(seal_key: SealKey | SealKeyring | None) -> Secrets:
    """What a storage that is given this key seals with. Raises ValidationError, showing no value, for another type."""
    match seal_key:
        case None:
            return Unsealed()
        case SealKey():
            return SealKeyring(seal_key)
        case SealKeyring():
            return seal_key
    raise ValidationError(f"seal_key must be a SealKey or a SealKeyring, not {type(seal_key).__name__}")


@dataclass(frozen=True, slots=True)
class _SealedRecord:
    key_id: str
    nonce: bytes
    sealed: bytes

    @classmethod
    def parse(cls, mob_id: str, kind: str, stored: bytes) -> _SealedRecord:
        """The parts of a sealed record: magic, version, length of the id, id, nonce, ciphertext with its tag."""
        fixed = len(_MAGIC) + 2
        version, id_length = stored[len(_MAGIC) : fixed].ljust(2, b"\0")
        if version != _VERSION:
            raise SerializationError(
                f"{shortened(kind)} of mob {shown(mob_id)} is sealed in version {version}, and this "
                f"redis_mob reads {_VERSION}: it is "
                "damaged, or a newer redis_mob wrote it"
            )
        id_end = fixed + id_length
        nonce_end = id_end + _NONCE_BYTES
        key_id = stored[fixed:id_end].decode("ascii", "replace")
        if _ID.fullmatch(key_id) is None or len(stored) < nonce_end + _TAG_BYTES:
            raise SerializationError(
                f"the sealed {shortened(kind)} of mob {shown(mob_id)} is damaged: it is cut off, or names no key"
            )
        return cls(key_id, stored[id_end:nonce_end], stored[nonce_end:])


def _context(key_id: str, mob_id: str, kind: str) -> bytes:
    """What a sealed record is bound to; nothing of it can be exchanged without breaking the seal."""
    place = [name.encode("utf-8", "surrogatepass") for name in (key_id, mob_id, kind)]
    return msgpack.packb([_VERSION, *place], use_bin_type=True)
