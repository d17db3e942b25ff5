"""How the payloads of a namespace are to be stored."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from redis_mob.codec.arguments import flag, integer, optional_text
from redis_mob.errors import SerializationError, ValidationError, shown
from redis_mob.payloads.blob_urls import checked_url

LEAST_ABOVE = 1024
"""Smaller payloads would cost more as blobs than they cost the server."""

DEFAULT_ABOVE = 65_536


@dataclass(frozen=True, slots=True)
class PayloadSettings:
    """How a namespace stores payloads: parameters, messages, outputs, signals, checkpoints, failures (payload-1).

    `compress` stores them as zstd does, which needs the extra `payloads`. `seal` encrypts them with AES-256-GCM under
    a key derived from the seal keys of the storage, which then has to be opened with one. `blobs` is where those go
    whose stored form has more than `above` bytes: a directory that all hosts share (`file:///srv/blobs`), or a bucket
    (`s3://bucket/prefix`, extra `s3`); None keeps all on the server. Raises ValidationError naming the field.
    """

    compress: bool = True
    seal: bool = False
    blobs: str | None = None
    above: int = DEFAULT_ABOVE

    def __post_init__(self) -> None:
        flag("compress", self.compress)
        flag("seal", self.seal)
        if integer("above", self.above) < LEAST_ABOVE:
            raise ValidationError(f"above must be at least {LEAST_ABOVE:,} bytes, not {shown(self.above)}")
        if optional_text("blobs", self.blobs) is not None:
            object.__setattr__(self, "blobs", checked_url(str(self.blobs)))


PLAIN = PayloadSettings(compress=False)
"""All payloads are stored as they are, which is how a namespace begins."""


class StoredSettings(NamedTuple):
    """What a namespace says of its payloads: how they are stored now, and where blobs may be from before."""

    settings: PayloadSettings
    former: tuple[str, ...] = ()

    def changed_to(self, settings: PayloadSettings) -> StoredSettings:
        """The same after a change; blobs stay where they are."""
        places = dict.fromkeys(([self.settings.blobs] if self.settings.blobs else []) + list(self.former))
        return StoredSettings(settings, tuple(place for place in places if place != settings.blobs))

    def to_json(self) -> bytes:
        """The text that is stored."""
        return json.dumps({**asdict(self.settings), "former": self.former}, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, key: str, data: bytes) -> StoredSettings:
        """What was stored. Raises SerializationError naming the key for what cannot be read."""
        try:
            fields: dict[str, Any] = json.loads(data)
            former = [checked_url(place) for place in fields.pop("former")]
            return cls(PayloadSettings(**fields), tuple(former))
        except (ValueError, TypeError, LookupError, AttributeError, ValidationError) as error:
            raise SerializationError(
                f"{key} is damaged, or written by a later release: how payloads are stored cannot be read: {error}"
            ) from None
