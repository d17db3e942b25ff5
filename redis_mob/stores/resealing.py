"""Seals every secret of a namespace anew, so that all but the newest seal key can be left out.

How keys are rotated: decision 0011.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from redis_mob.codec import runtime_metadata as codec
from redis_mob.codec.documents import decode_name
from redis_mob.codec.hashes import as_mapping
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.errors import InternalError
from redis_mob.security.sealing import SealKeyring, SecretCodec, is_sealed
from redis_mob.stores.seal_keys import retire_seal_keys


async def reseal_all(client: Client, keys: Keys, secrets: SecretCodec, *, adopt_unsealed: bool) -> int:
    """Seal with the newest key what is not, then retire the other keys; returns how many records were replaced."""
    if not isinstance(secrets, SealKeyring):
        raise InternalError("there is nothing to seal with: open the storage with a seal_key")
    resealing = _Resealing(keys, secrets, adopt_unsealed)
    replaced = 0
    while stale := await resealing.stale_records(client):
        for record in stale:
            reply = await client.call(
                "runtime_metadata/replace_record", [record.key], [record.field, record.stored, record.resealed]
            )
            replaced += reply == Reply.WON
    await retire_seal_keys(client, keys, [id for id in secrets.ids if id != secrets.newest_id])
    return replaced


@dataclass(frozen=True, slots=True)
class _StaleRecord:
    key: str
    field: bytes
    stored: bytes
    resealed: bytes


@dataclass(frozen=True, slots=True)
class _Resealing:
    keys: Keys
    ring: SealKeyring
    adopt_unsealed: bool

    async def stale_records(self, client: Client) -> list[_StaleRecord]:
        supervisors, overlays = await client.read(
            "runtime_metadata/all_records", [self.keys.supervisors, self.keys.overlays]
        )
        return [*self._stale_supervisors(as_mapping(supervisors)), *self._stale_overlays(as_mapping(overlays))]

    def _stale_supervisors(self, records: dict[bytes, bytes]) -> Iterator[_StaleRecord]:
        for field, stored in records.items():
            if self.ring.needs_resealing(stored):
                resealed = self._resealed(decode_name("mob id", field), codec.SUPERVISOR, stored)
                yield _StaleRecord(self.keys.supervisors, field, stored, resealed)

    def _stale_overlays(self, records: dict[bytes, bytes]) -> Iterator[_StaleRecord]:
        for place, stored in records.items():
            token = codec.stored_token(place, stored)
            if token is not None and self.ring.needs_resealing(token):
                mob_id, agent_identity, generation = codec.decode_overlay_place(place)
                resealed = self._resealed(mob_id, codec.token_kind(agent_identity, generation), token)
                yield _StaleRecord(self.keys.overlays, place, stored, codec.with_token(place, stored, resealed))

    def _resealed(self, mob_id: str, kind: str, stored: bytes) -> bytes:
        adopted = self.adopt_unsealed and not is_sealed(stored)
        return self.ring.seal(mob_id, kind, stored if adopted else self.ring.open(mob_id, kind, stored))
