"""How the namespace of a storage stores payloads: it says so itself, so that all that open it do the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.errors import (
    CasConflictError,
    SealKeyMissingError,
    StorageUnavailableError,
    ValidationError,
    WriteFailedError,
)
from redis_mob.payloads.settings import PLAIN, PayloadSettings, StoredSettings
from redis_mob.security.sealing import SealKeyring, Secrets

if TYPE_CHECKING:
    from redis_mob.payloads.blobs import BlobStore


class NamespacePayloads:
    """How a namespace stores payloads, and the client of the stores whose calls carry some."""

    def __init__(self, client: Client, settings: PayloadSettings, blobs: BlobStore | None = None) -> None:
        self.client = client
        self.settings = settings
        self._blobs = blobs

    async def sweep(self, is_there: Callable[[str], Awaitable[bool]], older_than: timedelta) -> int:
        """See `MobStorage.sweep_blobs`; of a run it is asked whether it is there."""
        if self._blobs is None:
            return 0
        number, before = 0, datetime.now(UTC) - older_than
        async for run in self._blobs.runs():
            if run.newest_at < before and not await is_there(run.run_id):
                await self._blobs.delete(run.run_id)
                number += 1
        return number


async def open_payloads(
    client: Client, keys: Keys, secrets: Secrets, wanted: PayloadSettings | None
) -> NamespacePayloads:
    """The payloads of a namespace, stored from now on as is wanted, if it is said.

    Raises ValidationError for settings that need a seal key where there is none, StorageUnavailableError if what they
    need is not installed, or the server refuses, SealKeyMissingError.
    """
    ring = secrets if isinstance(secrets, SealKeyring) else None
    if wanted is not None and wanted.seal and ring is None:
        raise ValidationError("payloads can be sealed only with a key: open the storage with a seal_key")
    data = client.payload_settings
    known = StoredSettings.from_json(f"{keys.meta}, field payloads", data) if data else None
    if wanted is not None and client.has_namespace and wanted != (PLAIN if known is None else known.settings):
        changed = (known or StoredSettings(PLAIN)).changed_to(wanted)
        coding = _coding(client, keys, ring, changed)  # before it is said to others that payloads are coded so
        await _set_settings(client, keys, data, changed)
        return coding
    return NamespacePayloads(client, PLAIN) if known is None else _coding(client, keys, ring, known)


def _coding(client: Client, keys: Keys, ring: SealKeyring | None, known: StoredSettings) -> NamespacePayloads:
    # imported where payloads are coded: what ciphers need takes its time
    from redis_mob.payloads.blobs import SeveralPlaces, blob_store
    from redis_mob.payloads.calls import CodedCalls
    from redis_mob.payloads.coding import PayloadCoder

    settings = known.settings
    if settings.seal and ring is None:
        # its id is among the keys that are needed, unless that was lost
        raise SealKeyMissingError("of its payloads")
    coder = PayloadCoder(settings, keys.namespace, ring)
    urls = [url for url in (settings.blobs, *known.former) if url is not None]
    places = [blob_store(url, keys.namespace) for url in urls]
    blobs = None if not places else places[0] if len(places) == 1 else SeveralPlaces(*places)
    return NamespacePayloads(client.coding(CodedCalls(coder, blobs)), settings, blobs)


async def _set_settings(client: Client, keys: Keys, expected: bytes, changed: StoredSettings) -> None:
    try:
        reply = await client.call(
            "payloads/set_settings", [keys.meta], [expected, changed.to_json(), int(changed.settings.seal)]
        )
    except WriteFailedError as error:
        raise StorageUnavailableError(f"cannot say how payloads of {keys.namespace} are stored: {error}") from error
    if reply == Reply.LOST:
        raise CasConflictError(
            f"another storage has changed how namespace {keys.namespace!r} stores payloads meanwhile: open it again"
        )
