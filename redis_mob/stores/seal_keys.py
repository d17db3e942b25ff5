"""Which seal keys a namespace is in need of: announced by every storage that opens it, retired by re-sealing.

A process that forgot a key must not add secrets in clear (decision 0011).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from redis_mob.codec.documents import decode_members
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import (
    ReadFailedError,
    SealKeyMismatchError,
    SealKeyMissingError,
    StorageUnavailableError,
    WriteFailedError,
    shown,
)
from redis_mob.security.sealing import SealKeyring, Secrets, key_id_of

if TYPE_CHECKING:
    from redis_mob.stores.sealed_records import SecretRecord


async def open_with_seal_keys(client: Client, keys: Keys, secrets: Secrets) -> None:
    """Check that these keys can open what a namespace holds, and record the newest as in use.

    A namespace once opened with a key is opened with it from then on: a process that forgot the key must not add
    secrets in clear, and one that has another key under its id must not seal with it. Of several storages that open a
    new namespace at one time with different keys of one id, one wins. Raises SealKeyMissingError naming every key in
    use that is not here, SealKeyMismatchError naming every key here that is another one than that in use,
    StorageUnavailableError if the server refuses.
    """
    ring = secrets if isinstance(secrets, SealKeyring) else None
    try:
        missing, others, unverified = await use_seal_keys(client, keys, ring)
        if ring is not None and unverified and not missing and not others:
            from redis_mob.stores.sealed_records import secret_records  # keys of a release without check values

            others = _other_keys(await secret_records(client, keys), ring, unverified)
            if not others:
                missing, others, _ = await use_seal_keys(client, keys, ring, verified=True)
    except (WriteFailedError, ReadFailedError) as error:
        raise StorageUnavailableError(f"cannot open namespace {shown(keys.namespace)}: {error}") from error.__cause__
    if missing:
        raise SealKeyMissingError(*sorted(missing))
    if others:
        raise SealKeyMismatchError(*sorted(others))


async def use_seal_keys(
    client: Client, keys: Keys, ring: SealKeyring | None, *, verified: bool = False
) -> tuple[list[str], list[str], list[str]]:
    """Announce the keys of a ring in one atomic step, if nothing speaks against it.

    Returns the ids in use that are missing, that are other keys, and that have no check value yet, because they were
    announced by a release without one. The latter are taken as they are with `verified`.
    """
    checks = {} if ring is None else ring.check_values(keys.namespace)
    missing, others, unverified = await client.call(
        "seal_keys/use_seal_keys",
        [keys.meta, keys.seal_keys, keys.seal_key_checks],
        {
            "sealing": "" if ring is None else ring.newest_id,
            "verified": int(verified),
            "opening": list(checks),
            "values": list(checks.values()),
        },
    )
    key = keys.seal_keys
    return decode_members(key, missing), decode_members(key, others), decode_members(key, unverified)


async def retire_seal_keys(client: Client, keys: Keys, ids: Sequence[str]) -> None:
    """Record that nothing is sealed with these keys any more, so that a namespace can be opened without them."""
    await client.call("seal_keys/retire_seal_keys", [keys.meta, keys.seal_keys, keys.seal_key_checks], {"retired": ids})


def _other_keys(records: Iterable[SecretRecord], ring: SealKeyring, ids: Sequence[str]) -> list[str]:
    """Those of these ids under which records were sealed of which none opens.

    A key that opens one of them is the right one: a single record that does not open may be damaged.
    """
    opens: dict[str, bool] = {}
    for one in records:
        if (id := key_id_of(one.secret)) is not None and id in ids and not opens.get(id, False):
            opens[id] = ring.opens(one.mob_id, one.kind, one.secret)
    return [id for id, does in opens.items() if not does]
