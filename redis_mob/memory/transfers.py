"""What comes from other stores, and goes to them, in memory."""

from __future__ import annotations

from collections.abc import Sequence

from redis_mob.codec import transfers
from redis_mob.codec.definitions import spec_of
from redis_mob.codec.events import encode_new_event
from redis_mob.codec.ledgers import moment
from redis_mob.codec.realm_profiles import profile_named
from redis_mob.codec.runtime_metadata import decode_overlay_place, decode_supervisor
from redis_mob.contracts import TransferStore
from redis_mob.memory.namespace import Access
from redis_mob.memory.runtime_metadata import opened_overlay
from redis_mob.models import (
    ExternalBindingOverlayRecord,
    MobDefinition,
    MobEvent,
    Profile,
    StoredRealmProfile,
    SupervisorAuthorityRecord,
)
from redis_mob.models.base import same_model


class MemoryTransferStore(TransferStore):
    """The contract's `TransferStore` in memory; its docstrings say what holds."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def append_events(self, events: Sequence[MobEvent], *, after: int, newest: int) -> bool:
        cursors, found = transfers.checked_events(events, after, newest)
        encoded, content = list(map(encode_new_event, found)), self._access.content
        if content.log.newest != after:
            return False
        for cursor, event in zip(cursors, encoded, strict=True):
            content.log.newest = cursor - 1
            content.log.append([event], content.clock.now())
        content.log.newest = newest
        return True

    async def insert_spec(self, mob_id: str, definition: MobDefinition, revision: int) -> bool:
        name, number, document = transfers.brought_spec(mob_id, definition, revision)
        specs = self._access.content.specs
        if name in specs.documents:
            same = same_model(MobDefinition.model_validate_json(specs.documents[name]), definition)
            if same and specs.revision(name) == number:
                return False
            raise transfers.another(spec_of(mob_id), is_there=True)
        if not specs.bring(name, document, number):
            raise transfers.another(spec_of(mob_id), is_there=False)
        return True

    async def insert_profile(self, profile: StoredRealmProfile) -> bool:
        name, number, *times, document = transfers.brought_profile(profile)
        created, updated = map(moment, times)
        namespace, profiles = self._access.content, self._access.content.profiles
        if name in profiles.documents:
            same = same_model(Profile.model_validate_json(profiles.documents[name]), profile.profile)
            if same and (profiles.revision(name), *namespace.profile_times[name]) == (number, created, updated):
                return False
            raise transfers.another(profile_named(profile.name), is_there=True)
        if not profiles.bring(name, document, number):
            raise transfers.another(profile_named(profile.name), is_there=False)
        namespace.profile_times[name] = (created, updated)
        return True

    async def newest_cursor(self) -> int:
        return self._access.content.log.newest

    async def supervisors(self) -> dict[str, SupervisorAuthorityRecord]:
        stored = sorted(self._access.content.supervisors.items())
        return {name.decode(): decode_supervisor(name.decode(), record) for name, record in stored}

    async def overlays(self) -> list[tuple[str, ExternalBindingOverlayRecord]]:
        found = [
            (decode_overlay_place(place)[0], opened_overlay(place, record))
            for place, record in self._access.content.overlays.items()
        ]
        return transfers.in_order(found)
