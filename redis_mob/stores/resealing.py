"""Seals every secret of a namespace anew, so that all but the newest seal key can be left out.

How keys are rotated: decision 0011.
"""

from __future__ import annotations

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.errors import InternalError
from redis_mob.security.sealing import SealKeyring, SecretCodec, is_sealed
from redis_mob.stores.seal_keys import retire_seal_keys
from redis_mob.stores.sealed_records import SecretRecord, secret_records


async def reseal_all(client: Client, keys: Keys, secrets: SecretCodec, *, adopt_unsealed: bool) -> int:
    """Seal with the newest key what is not, then retire the other keys; returns how many records were replaced."""
    if not isinstance(secrets, SealKeyring):
        raise InternalError("there is nothing to seal with: open the storage with a seal_key")
    replaced = 0
    # read again until nothing is left: other storages may still seal with an older key meanwhile
    while stale := [one for one in await secret_records(client, keys) if secrets.needs_resealing(one.secret)]:
        resealed = [(one, _resealed(secrets, one, adopt_unsealed=adopt_unsealed)) for one in stale]
        for one, record in resealed:
            reply = await client.call("runtime_metadata/replace_record", [one.key], [one.field, one.record, record])
            replaced += reply == Reply.WON
    await retire_seal_keys(client, keys, [id for id in secrets.ids if id != secrets.newest_id])
    return replaced


def _resealed(ring: SealKeyring, one: SecretRecord, *, adopt_unsealed: bool) -> bytes:
    """The record with its secret sealed by the newest key. Raises as `SealKeyring.open` does."""
    adopted = adopt_unsealed and not is_sealed(one.secret)
    plaintext = one.secret if adopted else ring.open(one.mob_id, one.kind, one.secret)
    return one.with_secret(ring.seal(one.mob_id, one.kind, plaintext))
