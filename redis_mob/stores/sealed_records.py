"""The records of a namespace that hold secrets, as they are stored."""

from __future__ import annotations

from dataclasses import dataclass

from redis_mob.codec import runtime_metadata as codec
from redis_mob.codec.documents import decode_name
from redis_mob.codec.hashes import as_mapping
from redis_mob.codec.webhooks import SECRET as WEBHOOK_SECRET
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys


@dataclass(frozen=True, slots=True)
class SecretRecord:
    """A secret in a field of a hash: `record` is the whole field, `secret` what is sealed of it.

    It is sealed as this kind of record of this mob. Of a supervisor and of a webhook all of the record is secret, of
    an overlay a token.

    `mob_id` is the name of the webhook there.
    """

    key: str
    field: bytes
    record: bytes
    mob_id: str
    kind: str
    secret: bytes

    def with_secret(self, secret: bytes) -> bytes:
        """The record with another secret instead of this one."""
        return (
            secret
            if self.kind in (codec.SUPERVISOR, WEBHOOK_SECRET)
            else codec.with_token(self.field, self.record, secret)
        )


async def secret_records(client: Client, keys: Keys) -> list[SecretRecord]:
    """All secrets of a namespace. Raises SerializationError for a record that cannot be read."""
    supervisors, overlays = await client.read(
        "runtime_metadata/all_records", [keys.meta, keys.supervisors, keys.overlays]
    )
    found = [
        SecretRecord(keys.supervisors, field, record, decode_name("mob id", field), codec.SUPERVISOR, record)
        for field, record in as_mapping(supervisors).items()
    ]
    webhooks = await client.read("webhooks/secrets", [keys.meta, keys.webhook_secrets])
    found += [
        SecretRecord(
            keys.webhook_secrets, field, record, decode_name("name of the webhook", field), WEBHOOK_SECRET, record
        )
        for field, record in as_mapping(webhooks).items()
    ]
    for place, record in as_mapping(overlays).items():
        if (token := codec.stored_token(place, record)) is not None:
            mob_id, agent_identity, generation = codec.decode_overlay_place(place)
            kind = codec.token_kind(agent_identity, generation)
            found.append(SecretRecord(keys.overlays, place, record, mob_id, kind, token))
    return found
