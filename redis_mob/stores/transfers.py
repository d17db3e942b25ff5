"""What comes from other stores, and goes to them, on Redis: each method encodes, calls one script, reads its reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from redis_mob.codec import runtime_metadata, transfers
from redis_mob.codec.definitions import decode_spec, spec_of
from redis_mob.codec.documents import decode_name
from redis_mob.codec.hashes import as_mapping
from redis_mob.codec.realm_profiles import decode_profile, profile_named
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.contracts import TransferStore
from redis_mob.models import (
    ExternalBindingOverlayRecord,
    MobDefinition,
    MobEvent,
    StoredRealmProfile,
    SupervisorAuthorityRecord,
)
from redis_mob.models.base import same_model
from redis_mob.security.sealing import SecretCodec
from redis_mob.stores.event_arguments import event_arguments, log_keys
from redis_mob.stores.events import RedisEventStore
from redis_mob.stores.readable import readable
from redis_mob.stores.runtime_metadata import opened_overlay, opened_supervisor

_MOB = "mob id"


@readable
class RedisTransferStore(TransferStore):
    """The contract's `TransferStore` on Redis; its docstrings say what holds."""

    def __init__(
        self, speaking: Client, client: Client, keys: Keys, secrets: SecretCodec, events: RedisEventStore
    ) -> None:
        self._speaking = speaking
        self._client = client
        self._keys = keys
        self._secrets = secrets
        self._events = events

    async def append_events(self, events: Sequence[MobEvent], *, after: int, newest: int) -> bool:
        cursors, found = transfers.checked_events(events, after, newest)
        reply = await self._speaking.call(
            "transfers/append_events",
            log_keys(self._keys),
            {"after": after, "newest": newest, "cursors": cursors, "new_events": list(map(event_arguments, found))},
        )
        return reply == Reply.WON

    async def insert_spec(self, mob_id: str, definition: MobDefinition, revision: int) -> bool:
        name, number, document = transfers.brought_spec(mob_id, definition, revision)
        keys = [self._keys.meta, self._keys.specs, self._keys.spec_revisions]
        reply = await self._client.call("transfers/insert_spec", keys, [name, number, b"%d %b" % (number, document)])

        def is_same(stored: bytes) -> bool:
            found, at = decode_spec(mob_id, stored)
            return at == number and same_model(found, definition)

        return _is_new(spec_of(mob_id), reply, is_same)

    async def insert_profile(self, profile: StoredRealmProfile) -> bool:
        name, number, created, updated, document = transfers.brought_profile(profile)
        record = b"%d %d %d %b" % (number, created, updated, document)
        keys = [self._keys.meta, self._keys.profiles, self._keys.profile_revisions]
        reply = await self._client.call("transfers/insert_profile", keys, [name, number, record])
        return _is_new(
            profile_named(profile.name), reply, lambda stored: same_model(decode_profile(profile.name, stored), profile)
        )

    async def newest_cursor(self) -> int:
        return await self._events.newest_cursor()

    async def supervisors(self) -> dict[str, SupervisorAuthorityRecord]:
        records, _ = await self._metadata()
        stored = {decode_name(_MOB, field): record for field, record in sorted(as_mapping(records).items())}
        return {mob: opened_supervisor(self._secrets, mob, record) for mob, record in stored.items()}

    async def overlays(self) -> list[tuple[str, ExternalBindingOverlayRecord]]:
        _, records = await self._metadata()
        found = [
            (runtime_metadata.decode_overlay_place(place)[0], opened_overlay(self._secrets, place, record))
            for place, record in as_mapping(records).items()
        ]
        return transfers.in_order(found)

    async def _metadata(self) -> Any:
        keys = [self._keys.meta, self._keys.supervisors, self._keys.overlays]
        return await self._client.read("runtime_metadata/all_records", keys, [])


def _is_new(what: str, reply: Any, is_same: Callable[[bytes], bool]) -> bool:
    match reply:
        case [Reply.WON]:
            return True
        case [Reply.LOST, stored] if is_same(stored):
            return False
        case _:
            raise transfers.another(what, is_there=reply[0] == Reply.LOST)
