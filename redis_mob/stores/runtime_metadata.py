"""Runtime metadata on Redis: each method checks and encodes, calls one script, and reads its reply."""

from __future__ import annotations

from redis_mob.codec import runtime_metadata as codec
from redis_mob.codec.arguments import flag, instance, text
from redis_mob.codec.documents import encode_name
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply
from redis_mob.contracts import MobRuntimeMetadataStore
from redis_mob.models import ExternalBindingOverlayRecord, SupervisorAuthorityRecord
from redis_mob.models.base import same_model
from redis_mob.security.identity import check_peer_ids
from redis_mob.security.sealing import SecretCodec
from redis_mob.stores.readable import readable
from redis_mob.stores.resealing import reseal_all

_MOB = "mob id"


@readable
class RedisRuntimeMetadataStore(MobRuntimeMetadataStore):
    """The contract's `MobRuntimeMetadataStore` on Redis; its docstrings say what holds.

    `secrets` seals and opens what is secret: a supervisor's record as a whole, of an overlay its bootstrap token.
    """

    def __init__(self, client: Client, keys: Keys, secrets: SecretCodec) -> None:
        self._client = client
        self._keys = keys
        self._secrets = secrets

    async def load_supervisor_authority(self, mob_id: str) -> SupervisorAuthorityRecord | None:
        stored = await self._stored_supervisor(mob_id)
        return None if stored is None else self._opened_supervisor(mob_id, stored)

    async def put_supervisor_authority(self, mob_id: str, record: SupervisorAuthorityRecord) -> None:
        await self._client.call(
            "runtime_metadata/put_supervisor_authority",
            [self._keys.meta, self._keys.supervisors],
            [encode_name(_MOB, mob_id), self._sealed_supervisor(mob_id, record)],
        )

    async def put_supervisor_authority_if_absent(self, mob_id: str, record: SupervisorAuthorityRecord) -> bool:
        reply = await self._client.call(
            "runtime_metadata/put_supervisor_authority_if_absent",
            [self._keys.meta, self._keys.supervisors],
            [encode_name(_MOB, mob_id), self._sealed_supervisor(mob_id, record)],
        )
        return reply == Reply.WON

    async def compare_and_put_supervisor_authority(
        self, mob_id: str, expected: SupervisorAuthorityRecord, record: SupervisorAuthorityRecord
    ) -> bool:
        sealed = self._sealed_supervisor(mob_id, record)
        return await self._if_supervisor_is(
            mob_id, expected, "runtime_metadata/compare_and_put_supervisor_authority", sealed
        )

    async def compare_and_delete_supervisor_authority(self, mob_id: str, expected: SupervisorAuthorityRecord) -> bool:
        return await self._if_supervisor_is(
            mob_id, expected, "runtime_metadata/compare_and_delete_supervisor_authority"
        )

    async def _if_supervisor_is(
        self, mob_id: str, expected: SupervisorAuthorityRecord, script: str, *more: bytes
    ) -> bool:
        """Run a script that changes exactly the bytes that were compared; they are compared again if they changed."""
        name = encode_name(_MOB, mob_id)
        instance("expected", expected, SupervisorAuthorityRecord)
        while (stored := await self._stored_supervisor(mob_id)) is not None:
            if not same_model(self._opened_supervisor(mob_id, stored), expected):
                return False
            keys = [self._keys.meta, self._keys.supervisors]
            if await self._client.call(script, keys, [name, stored, *more]) == Reply.WON:
                return True
        return False

    async def delete_supervisor_authority(self, mob_id: str) -> None:
        await self._client.call(
            "runtime_metadata/delete_supervisor_authority",
            [self._keys.meta, self._keys.supervisors],
            [encode_name(_MOB, mob_id)],
        )

    async def list_external_binding_overlays(self, mob_id: str) -> list[ExternalBindingOverlayRecord]:
        stored = await self._client.read(
            "runtime_metadata/list_external_binding_overlays", self._overlay_keys(), [codec.overlay_prefix(mob_id)]
        )
        overlays = [self._opened_overlay(place, record) for place, record in stored]
        return sorted(overlays, key=lambda overlay: (overlay.agent_identity.encode(), overlay.generation))

    async def put_external_binding_overlay_if_absent(self, mob_id: str, record: ExternalBindingOverlayRecord) -> bool:
        reply = await self._client.call(
            "runtime_metadata/put_external_binding_overlay_if_absent",
            self._overlay_keys(),
            self._overlay_arguments(mob_id, record),
        )
        return reply == Reply.WON

    async def upsert_external_binding_overlay(self, mob_id: str, record: ExternalBindingOverlayRecord) -> None:
        await self._client.call(
            "runtime_metadata/upsert_external_binding_overlay",
            self._overlay_keys(),
            self._overlay_arguments(mob_id, record),
        )

    async def compare_and_put_external_binding_overlay(
        self, mob_id: str, expected: ExternalBindingOverlayRecord, record: ExternalBindingOverlayRecord
    ) -> bool:
        codec.check_same_overlay(mob_id, expected, record)
        place, encoded = self._overlay_arguments(mob_id, record)
        wanted, new = codec.as_stored(mob_id, expected), codec.as_stored(mob_id, record)
        while (stored := await self._get_external_binding_overlay(place)) is not None:
            found = self._opened_overlay(place, stored)
            if same_model(found, new):
                return True
            if not same_model(found, wanted):
                return False
            reply = await self._client.call(
                "runtime_metadata/compare_and_put_external_binding_overlay",
                self._overlay_keys(),
                [place, stored, encoded],
            )
            if reply == Reply.WON:
                return True
        return False

    async def _get_external_binding_overlay(self, place: bytes) -> bytes | None:
        return await self._client.read("runtime_metadata/get_external_binding_overlay", self._overlay_keys(), [place])

    async def delete_external_binding_overlay(self, mob_id: str, agent_identity: str, generation: int) -> None:
        await self._client.call(
            "runtime_metadata/delete_external_binding_overlay",
            self._overlay_keys(),
            [codec.overlay_place(mob_id, agent_identity, generation)],
        )

    async def delete_external_binding_overlays(self, mob_id: str) -> None:
        await self._client.call(
            "runtime_metadata/delete_external_binding_overlays", self._overlay_keys(), [codec.overlay_prefix(mob_id)]
        )

    async def reseal_all(self, *, adopt_unsealed: bool = False) -> int:
        adopt = flag("adopt_unsealed", adopt_unsealed)
        return await reseal_all(self._client, self._keys, self._secrets, adopt_unsealed=adopt)

    async def _stored_supervisor(self, mob_id: str) -> bytes | None:
        return await self._client.read(
            "runtime_metadata/load_supervisor_authority",
            [self._keys.meta, self._keys.supervisors],
            [encode_name(_MOB, mob_id)],
        )

    def _sealed_supervisor(self, mob_id: str, record: SupervisorAuthorityRecord) -> bytes:
        mob, plaintext = text("the mob id", mob_id), codec.encode_supervisor(mob_id, "record", record)
        check_peer_ids(record)
        return self._secrets.seal(mob, codec.SUPERVISOR, plaintext)

    def _opened_supervisor(self, mob_id: str, stored: bytes) -> SupervisorAuthorityRecord:
        return opened_supervisor(self._secrets, text("the mob id", mob_id), stored)

    def _overlay_keys(self) -> list[str]:
        return [self._keys.meta, self._keys.overlays, self._keys.overlay_places]

    def _overlay_arguments(self, mob_id: str, record: ExternalBindingOverlayRecord) -> list[bytes]:
        mob, place = text("the mob id", mob_id), codec.place_of_overlay(mob_id, record)
        token = None
        if record.bootstrap_token is not None:
            kind = codec.token_kind(record.agent_identity, record.generation)
            token = self._secrets.seal(mob, kind, codec.encode_token(place, record.bootstrap_token))
        return [place, codec.encode_overlay(record, token)]

    def _opened_overlay(self, place: bytes, stored: bytes) -> ExternalBindingOverlayRecord:
        return opened_overlay(self._secrets, place, stored)


def opened_supervisor(secrets: SecretCodec, mob_id: str, stored: bytes) -> SupervisorAuthorityRecord:
    """The authority in a stored record. Raises as `SecretCodec.open`, and SerializationError."""
    return codec.decode_supervisor(mob_id, secrets.open(mob_id, codec.SUPERVISOR, stored))


def opened_overlay(secrets: SecretCodec, place: bytes, stored: bytes) -> ExternalBindingOverlayRecord:
    """The overlay of a place in a stored record. Raises as `SecretCodec.open`, and SerializationError."""
    mob_id, agent_identity, generation = codec.decode_overlay_place(place)
    sealed = codec.stored_token(place, stored)
    if sealed is None:
        return codec.decode_overlay(place, stored, None)
    token = secrets.open(mob_id, codec.token_kind(agent_identity, generation), sealed)
    return codec.decode_overlay(place, stored, codec.decode_token(place, token))
