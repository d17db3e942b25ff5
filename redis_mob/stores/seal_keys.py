"""Which seal keys a namespace is in need of: announced by every storage that opens it, retired by re-sealing.

A process that forgot a key must not add secrets in clear (decision 0011).
"""

from __future__ import annotations

from collections.abc import Sequence

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import SealKeyMissingError, StorageUnavailableError, ValidationError, WriteFailedError
from redis_mob.security.sealing import SealKey, SealKeyring, Unsealed

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


async def use_seal_keys(client: Client, keys: Keys, secrets: Secrets) -> None:
    """Check that these keys can open what a namespace holds, and record the newest as in use; in one atomic step.

    A namespace once opened with a key is opened with it from then on: no process that forgot the key may add
    secrets in clear. Raises SealKeyMissingError naming every key in use that is not here, StorageUnavailableError if
    the server refuses.
    """
    sealing, opening = (secrets.newest_id, secrets.ids) if isinstance(secrets, SealKeyring) else ("", ())
    try:
        missing = await client.call(
            "seal_keys/use_seal_keys", [keys.seal_keys], {"sealing": sealing, "opening": opening}
        )
    except WriteFailedError as error:
        raise StorageUnavailableError(f"cannot open namespace {keys.namespace!r}: {error}") from error.__cause__
    if missing:
        raise SealKeyMissingError(*sorted(bytes(id).decode() for id in missing))


async def retire_seal_keys(client: Client, keys: Keys, ids: Sequence[str]) -> None:
    """Record that nothing is sealed with these keys any more, so that a namespace can be opened without them."""
    await client.call("seal_keys/retire_seal_keys", [keys.seal_keys], {"retired": ids})
