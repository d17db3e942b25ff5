"""Runtime metadata in memory. It never leaves the process, so nothing is sealed."""

from __future__ import annotations

from redis_mob.codec.arguments import flag, instance
from redis_mob.codec.documents import encode_name
from redis_mob.codec.runtime_metadata import (
    as_stored,
    check_same_overlay,
    decode_overlay,
    decode_supervisor,
    decode_token,
    encode_overlay,
    encode_supervisor,
    encode_token,
    overlay_place,
    overlay_prefix,
    place_of_overlay,
    stored_token,
)
from redis_mob.contracts import MobRuntimeMetadataStore
from redis_mob.memory.namespace import Access
from redis_mob.models import ExternalBindingOverlayRecord, SupervisorAuthorityRecord
from redis_mob.models.base import same_model
from redis_mob.security.identity import check_peer_ids

_MOB = "mob id"


class MemoryRuntimeMetadataStore(MobRuntimeMetadataStore):
    """The contract's `MobRuntimeMetadataStore` in memory; its docstrings say what holds."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def load_supervisor_authority(self, mob_id: str) -> SupervisorAuthorityRecord | None:
        stored = self._access.content.supervisors.get(encode_name(_MOB, mob_id))
        return None if stored is None else decode_supervisor(mob_id, stored)

    async def put_supervisor_authority(self, mob_id: str, record: SupervisorAuthorityRecord) -> None:
        name, encoded = encode_name(_MOB, mob_id), _encoded(mob_id, record)
        self._access.content.supervisors[name] = encoded

    async def put_supervisor_authority_if_absent(self, mob_id: str, record: SupervisorAuthorityRecord) -> bool:
        name, encoded = encode_name(_MOB, mob_id), _encoded(mob_id, record)
        supervisors = self._access.content.supervisors
        if name in supervisors:
            return False
        supervisors[name] = encoded
        return True

    async def compare_and_put_supervisor_authority(
        self, mob_id: str, expected: SupervisorAuthorityRecord, record: SupervisorAuthorityRecord
    ) -> bool:
        name, encoded = encode_name(_MOB, mob_id), _encoded(mob_id, record)
        if not self._is_supervisor(name, mob_id, expected):
            return False
        self._access.content.supervisors[name] = encoded
        return True

    async def compare_and_delete_supervisor_authority(self, mob_id: str, expected: SupervisorAuthorityRecord) -> bool:
        name = encode_name(_MOB, mob_id)
        if not self._is_supervisor(name, mob_id, expected):
            return False
        del self._access.content.supervisors[name]
        return True

    def _is_supervisor(self, name: bytes, mob_id: str, expected: SupervisorAuthorityRecord) -> bool:
        """Whether the stored authority of a mob equals the expected one (contract: metadata-2)."""
        instance("expected", expected, SupervisorAuthorityRecord)
        stored = self._access.content.supervisors.get(name)
        return stored is not None and same_model(decode_supervisor(mob_id, stored), expected)

    async def delete_supervisor_authority(self, mob_id: str) -> None:
        self._access.content.supervisors.pop(encode_name(_MOB, mob_id), None)

    async def list_external_binding_overlays(self, mob_id: str) -> list[ExternalBindingOverlayRecord]:
        prefix, overlays = overlay_prefix(mob_id), self._access.content.overlays
        found = [opened_overlay(place, stored) for place, stored in overlays.items() if place.startswith(prefix)]
        return sorted(found, key=lambda record: (record.agent_identity.encode(), record.generation))

    async def put_external_binding_overlay_if_absent(self, mob_id: str, record: ExternalBindingOverlayRecord) -> bool:
        place, stored = _placed(mob_id, record)
        overlays = self._access.content.overlays
        if place in overlays:
            return False
        overlays[place] = stored
        return True

    async def upsert_external_binding_overlay(self, mob_id: str, record: ExternalBindingOverlayRecord) -> None:
        place, stored = _placed(mob_id, record)
        self._access.content.overlays[place] = stored

    async def compare_and_put_external_binding_overlay(
        self, mob_id: str, expected: ExternalBindingOverlayRecord, record: ExternalBindingOverlayRecord
    ) -> bool:
        check_same_overlay(mob_id, expected, record)
        place, stored = _placed(mob_id, record)
        wanted, new = as_stored(mob_id, expected), as_stored(mob_id, record)
        overlays = self._access.content.overlays
        found = opened_overlay(place, overlays[place]) if place in overlays else None
        if same_model(found, wanted):
            overlays[place] = stored
            return True
        return same_model(found, new)

    async def delete_external_binding_overlay(self, mob_id: str, agent_identity: str, generation: int) -> None:
        self._access.content.overlays.pop(overlay_place(mob_id, agent_identity, generation), None)

    async def delete_external_binding_overlays(self, mob_id: str) -> None:
        prefix, overlays = overlay_prefix(mob_id), self._access.content.overlays
        for place in [place for place in overlays if place.startswith(prefix)]:
            del overlays[place]

    async def reseal_all(self, *, adopt_unsealed: bool = False) -> int:
        flag("adopt_unsealed", adopt_unsealed)
        return 0


def _encoded(mob_id: str, record: SupervisorAuthorityRecord) -> bytes:
    encoded = encode_supervisor(mob_id, "record", record)
    check_peer_ids(record)
    return encoded


def _placed(mob_id: str, record: ExternalBindingOverlayRecord) -> tuple[bytes, bytes]:
    """Where an overlay lies, and how."""
    place, token = place_of_overlay(mob_id, record), record.bootstrap_token
    return place, encode_overlay(record, None if token is None else encode_token(place, token))


def opened_overlay(place: bytes, stored: bytes) -> ExternalBindingOverlayRecord:
    """The overlay in a stored record."""
    token = stored_token(place, stored)
    return decode_overlay(place, stored, None if token is None else decode_token(place, token))
