"""Ed25519 keys, and the two texts made of a public key: the peer id and the key text (contract: metadata-13)."""

from __future__ import annotations

import base64
import hashlib
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from redis_mob.errors import InternalError, ValidationError, shown
from redis_mob.models.ids import KEY_BYTES
from redis_mob.models.supervisor import (
    BRIDGE_PROTOCOL_VERSION,
    SupervisorAuthorityRecord,
    SupervisorPendingRotationRecord,
)

PEER_ID_NAMESPACE = UUID("6d656572-6b61-7450-6565-724964300001")
"""The UUID namespace of peer ids."""

KEY_TEXT_PREFIX = "ed25519:"


def public_key(secret_key: bytes) -> bytes:
    """The 32 bytes of the public key that belongs to these 32 secret bytes."""
    return Ed25519PrivateKey.from_private_bytes(secret_key).public_key().public_bytes_raw()


def peer_id(public_key: bytes) -> str:
    """The name of a peer: the UUIDv5 of its 32 public key bytes. It does not lead back to the key."""
    digest = hashlib.sha1(PEER_ID_NAMESPACE.bytes + public_key, usedforsecurity=False).digest()
    return str(UUID(bytes=digest[:16], version=5))


def key_text(public_key: bytes) -> str:
    """The public key as text, from which `parse_key_text` reads it back."""
    return KEY_TEXT_PREFIX + base64.standard_b64encode(public_key).decode()


def parse_key_text(text: str) -> bytes:
    """The public key that `key_text` wrote. Raises ValidationError for anything else."""
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValidationError(f"a key text must be a str, not a {type(text).__name__}")
    try:
        key = base64.b64decode(text.removeprefix(KEY_TEXT_PREFIX))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES or key_text(key) != text:
        # without the text: it may be a secret key that was given instead of a public one
        raise ValidationError(f"this is no key text: {KEY_TEXT_PREFIX} and {KEY_BYTES} bytes in base64 are needed")
    return key


def generate_authority(protocol_version: int = BRIDGE_PROTOCOL_VERSION) -> SupervisorAuthorityRecord:
    """A supervisor authority with a new random key: epoch 0, no rotation pending."""
    secret = Ed25519PrivateKey.generate().private_bytes_raw()
    return SupervisorAuthorityRecord(
        secret_key=secret,
        public_peer_id=peer_id(public_key(secret)),
        epoch=0,
        protocol_version=protocol_version,
    )


def check_peer_ids(authority: SupervisorAuthorityRecord) -> None:
    """Raises InternalError if a peer id, also of the rotation, is not that of its key (contract: metadata-3)."""
    _check(authority, "public_peer_id")
    if authority.pending_rotation is not None:
        _check(authority.pending_rotation, "pending_rotation.public_peer_id")


def _check(record: SupervisorAuthorityRecord | SupervisorPendingRotationRecord, field: str) -> None:
    expected = peer_id(public_key(record.secret_key))
    if record.public_peer_id != expected:
        raise InternalError(
            f"{field} {shown(record.public_peer_id)} does not belong to the secret key, whose peer id is {expected}"
        )
