"""Signs what is posted, by the specification Standard Webhooks (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac

from redis_mob.codec.ledgers import microseconds
from redis_mob.codec.webhooks import secret_bytes
from redis_mob.models.events import MobEvent

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
"""The headers of each request."""


def message_id(namespace: str, event: MobEvent) -> str:
    """The id of an event, the same at each attempt; no other event has it.

    A cursor may be given again by a server that has lost what it had acknowledged: the time tells the two apart.
    """
    origin = hashlib.blake2b(namespace.encode(), digest_size=6).hexdigest()
    return f"evt_{origin}_{event.cursor}_{microseconds(event.timestamp)}"


def signed_headers(secret: str, id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers by which a receiver knows who sent a body, and when."""
    signed = b".".join((id.encode(), b"%d" % timestamp, body))
    signature = base64.b64encode(hmac.digest(secret_bytes(secret), signed, "sha256")).decode()
    return {ID: id, TIMESTAMP: str(timestamp), SIGNATURE: f"v1,{signature}"}
