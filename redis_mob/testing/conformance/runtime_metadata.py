"""Runtime metadata: authorities of supervisors, overlays of members (contract: metadata-1, metadata-5)."""

from __future__ import annotations

import asyncio
import base64
import json
import traceback

import pytest

from redis_mob.contracts import MobRuntimeMetadataStore
from redis_mob.errors import InternalError, SerializationError
from redis_mob.models import SupervisorAuthorityRecord
from redis_mob.testing.backend import Backend, StoredOverlay, StoredSupervisor
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.conformance.overlays import PEER, TOKEN, metadata_of_handles
from redis_mob.testing.samples.documents import authority, overlay, rotation

PENDING = authority(pending=rotation(2, "peer-a", "peer-b"))


class TestSupervisorAuthority(Guarantee):
    """The authority of a mob's supervisor is kept whole, and none is whose peer ids are not those of its keys."""

    async def test_the_store_has_every_method_of_the_contract(self, metadata: MobRuntimeMetadataStore) -> None:
        assert isinstance(metadata, MobRuntimeMetadataStore)

    @pytest.mark.parametrize(
        "record",
        [authority(), PENDING, authority(epoch=2**64 - 1, pending=rotation(epoch=2**64 - 1))],
        ids=["alone", "with a rotation", "greatest epochs"],
    )
    async def test_case_095_supervisor_roundtrip_and_delete(
        self, metadata: MobRuntimeMetadataStore, record: SupervisorAuthorityRecord
    ) -> None:
        assert await metadata.load_supervisor_authority("m") is None
        await metadata.put_supervisor_authority("m", authority(9))
        await metadata.put_supervisor_authority("m", record)
        assert await metadata.load_supervisor_authority("m") == record
        assert await metadata.load_supervisor_authority("other") is None
        await metadata.delete_supervisor_authority("m")
        await metadata.delete_supervisor_authority("m")
        assert await metadata.load_supervisor_authority("m") is None

    async def test_epochs_are_not_compared(self, metadata: MobRuntimeMetadataStore) -> None:
        for epoch in (7, 3, 3):
            await metadata.put_supervisor_authority("m", authority(epoch=epoch))
            assert await metadata.load_supervisor_authority("m") == authority(epoch=epoch)

    async def test_case_096_supervisor_if_absent(self, metadata: MobRuntimeMetadataStore) -> None:
        assert await metadata.put_supervisor_authority_if_absent("m", authority(1)) is True
        assert await metadata.put_supervisor_authority_if_absent("m", authority(2)) is False
        assert await metadata.load_supervisor_authority("m") == authority(1)
        assert await metadata.put_supervisor_authority_if_absent("other", authority(2)) is True

    async def test_of_many_who_put_if_absent_one_wins(self, open_stores: Opener) -> None:
        stores = await metadata_of_handles(open_stores)
        records = [authority(number) for number in range(1, 13)]
        won = await asyncio.gather(
            *(
                stores[number % len(stores)].put_supervisor_authority_if_absent("m", record)
                for number, record in enumerate(records)
            )
        )
        assert won.count(True) == 1
        assert await stores[0].load_supervisor_authority("m") == records[won.index(True)]

    @pytest.mark.parametrize("field", ["public_peer_id", "pending_rotation.public_peer_id"])
    async def test_a_peer_id_of_another_key_is_refused(self, metadata: MobRuntimeMetadataStore, field: str) -> None:
        """An authority that could not act is not stored (contract: metadata-3)."""
        wrong = authority().model_copy(update={"public_peer_id": authority(2).public_peer_id})
        if field != "public_peer_id":
            pending = rotation().model_copy(update={"public_peer_id": authority(3).public_peer_id})
            wrong = authority(pending=pending)
        await metadata.put_supervisor_authority("m", authority(7))
        for put in (
            metadata.put_supervisor_authority("m", wrong),
            metadata.put_supervisor_authority_if_absent("new", wrong),
            metadata.compare_and_put_supervisor_authority("m", authority(7), wrong),
        ):
            with pytest.raises(InternalError):
                await put
        assert await metadata.load_supervisor_authority("m") == authority(7)
        assert await metadata.load_supervisor_authority("new") is None


class TestSupervisorSuccession(Guarantee):
    """A compared put replaces the authority of a supervisor once, and only where all of it is as expected."""

    async def test_case_097_supervisor_compare_and_put(self, metadata: MobRuntimeMetadataStore) -> None:
        put = metadata.compare_and_put_supervisor_authority
        assert await put("m", authority(), authority(2)) is False
        assert await metadata.load_supervisor_authority("m") is None
        await metadata.put_supervisor_authority("m", authority())
        for wrong in (authority(2), authority(epoch=1), PENDING):
            assert await put("m", wrong, authority(3)) is False
        assert await metadata.load_supervisor_authority("m") == authority()
        assert await put("m", authority(), PENDING) is True
        assert await metadata.load_supervisor_authority("m") == PENDING
        assert await put("m", PENDING, PENDING) is True

    async def test_a_compared_delete_removes_what_is_as_expected(self, metadata: MobRuntimeMetadataStore) -> None:
        delete = metadata.compare_and_delete_supervisor_authority
        assert await delete("m", authority()) is False
        await metadata.put_supervisor_authority("m", PENDING)
        await metadata.put_supervisor_authority("other", PENDING)
        for wrong in (authority(), authority(2), authority(pending=rotation(2, "peer-b", "peer-a"))):
            assert await delete("m", wrong) is False
        assert await metadata.load_supervisor_authority("m") == PENDING
        assert [await delete("m", PENDING) for _ in range(2)] == [True, False]
        assert await metadata.load_supervisor_authority("m") is None
        assert await metadata.load_supervisor_authority("other") == PENDING

    async def test_case_098_records_are_compared_by_value(self, metadata: MobRuntimeMetadataStore) -> None:
        """The expected record was read from JSON in another order, with unknown fields (contract: metadata-2)."""
        await metadata.put_supervisor_authority("m", PENDING)
        shuffled = dict(reversed(json.loads(PENDING.model_dump_json()).items()))
        expected = SupervisorAuthorityRecord.model_validate_json(json.dumps({**shuffled, "unknown": 1}))
        assert await metadata.compare_and_put_supervisor_authority("m", expected, authority(3)) is True
        spelled_out = SupervisorAuthorityRecord.model_validate({**dict(authority(3)), "pending_rotation": None})
        assert await metadata.compare_and_put_supervisor_authority("m", spelled_out, authority(4)) is True
        assert await metadata.load_supervisor_authority("m") == authority(4)

    async def test_case_099_supervisor_compare_sees_pending(self, metadata: MobRuntimeMetadataStore) -> None:
        await metadata.put_supervisor_authority("m", PENDING)
        for accepted in ((), ("peer-a",), ("peer-b", "peer-a"), ("peer-a", "peer-b", "peer-b")):
            other = authority(pending=rotation(2, *accepted))
            assert await metadata.compare_and_put_supervisor_authority("m", other, authority(3)) is False
        for pending in (None, rotation(3, "peer-a", "peer-b"), rotation(2, "peer-a", "peer-b", epoch=2)):
            other = authority(pending=pending)
            assert await metadata.compare_and_put_supervisor_authority("m", other, authority(3)) is False
        assert await metadata.load_supervisor_authority("m") == PENDING

    async def test_of_many_compares_of_one_record_one_wins(self, open_stores: Opener) -> None:
        stores = await metadata_of_handles(open_stores)
        await stores[0].put_supervisor_authority("m", authority())
        successors = [authority(number) for number in range(2, 23)]
        won = await asyncio.gather(
            *(
                stores[number % len(stores)].compare_and_put_supervisor_authority("m", authority(), successor)
                for number, successor in enumerate(successors)
            )
        )
        assert won.count(True) == 1
        assert await stores[0].load_supervisor_authority("m") == successors[won.index(True)]

    async def test_every_peer_that_accepts_a_rotation_is_kept(self, open_stores: Opener) -> None:
        """Each handle reads, adds its peer, and compares until it wins."""
        stores = await metadata_of_handles(open_stores)
        await stores[0].put_supervisor_authority("m", authority(pending=rotation()))

        async def accept(store: MobRuntimeMetadataStore, peer: str) -> None:
            while True:
                read = await store.load_supervisor_authority("m")
                assert read is not None
                assert read.pending_rotation is not None
                accepted = authority(pending=rotation(2, *read.pending_rotation.accepted_peer_ids, peer))
                if await store.compare_and_put_supervisor_authority("m", read, accepted):
                    return

        await asyncio.gather(*(accept(store, f"{number}") for number, store in enumerate(3 * stores)))
        left = await stores[0].load_supervisor_authority("m")
        assert left is not None
        assert left.pending_rotation is not None
        assert sorted(left.pending_rotation.accepted_peer_ids) == [f"{number}" for number in range(9)]


class TestMetadataOfMobs(Guarantee):
    """Authority and overlays of a mob live on their own: no change of one touches the other, or another mob."""

    async def test_mobs_do_not_meet(self, metadata: MobRuntimeMetadataStore) -> None:
        mobs = ["", "m", "ma", "m\0a", "a" * 31, "a" * 32, "a" * 255, "a" * 256, "\xff"]
        for mob_id in mobs:
            await metadata.upsert_external_binding_overlay(mob_id, overlay(f"of {mob_id}"))
            await metadata.put_supervisor_authority(mob_id, authority())
        for mob_id in mobs:
            assert await metadata.list_external_binding_overlays(mob_id) == [overlay(f"of {mob_id}")]
            assert await metadata.load_supervisor_authority(mob_id) == authority()
            await metadata.delete_supervisor_authority(mob_id)
            assert await metadata.list_external_binding_overlays(mob_id) == [overlay(f"of {mob_id}")]
            await metadata.delete_external_binding_overlays(mob_id)
            assert await metadata.list_external_binding_overlays(mob_id) == []

    async def test_an_authority_outlives_the_overlays(self, metadata: MobRuntimeMetadataStore) -> None:
        await metadata.put_supervisor_authority("m", PENDING)
        await metadata.upsert_external_binding_overlay("m", overlay())
        await metadata.delete_external_binding_overlays("m")
        assert await metadata.load_supervisor_authority("m") == PENDING

    async def test_what_is_opened_again_is_there(self, backend: Backend) -> None:
        record = overlay(normalized_member_ref=PEER, bootstrap_token=TOKEN)
        async with backend.open() as stores:
            metadata = given("runtime_metadata", stores.runtime_metadata)
            await metadata.put_supervisor_authority("m", PENDING)
            await metadata.upsert_external_binding_overlay("m", record)
        async with backend.open() as stores:
            metadata = given("runtime_metadata", stores.runtime_metadata)
            assert await metadata.load_supervisor_authority("m") == PENDING
            assert await metadata.list_external_binding_overlays("m") == [record]
            assert await metadata.compare_and_put_supervisor_authority("m", PENDING, authority(3)) is True


class TestUnreadableMetadata(Guarantee):
    """An authority or overlay that cannot be read or stored is named without its secrets, and hurts no other."""

    async def test_a_damaged_authority_hurts_only_those_who_read_it(
        self, metadata: MobRuntimeMetadataStore, backend: Backend
    ) -> None:
        await metadata.put_supervisor_authority("sound", authority())
        await metadata.put_supervisor_authority("broken", authority(17, pending=rotation(18)))
        await backend.damage(StoredSupervisor("broken"))
        for read in (
            metadata.load_supervisor_authority("broken"),
            metadata.compare_and_put_supervisor_authority("broken", authority(17), authority(3)),
        ):
            with pytest.raises(SerializationError, match="broken") as caught:
                await read
            assert _keys_in(caught.value, 17, 18) == []
        assert await metadata.load_supervisor_authority("sound") == authority()
        assert await metadata.put_supervisor_authority_if_absent("broken", authority()) is False
        await metadata.put_supervisor_authority("broken", authority(3))
        assert await metadata.load_supervisor_authority("broken") == authority(3)

    async def test_a_damaged_overlay_hurts_only_the_list_of_its_mob(
        self, metadata: MobRuntimeMetadataStore, backend: Backend
    ) -> None:
        await metadata.upsert_external_binding_overlay("m", overlay("broken", 3, bootstrap_token=TOKEN))
        await metadata.upsert_external_binding_overlay("other", overlay())
        await backend.damage(StoredOverlay("m", "broken", 3))
        with pytest.raises(SerializationError, match="broken") as caught:
            await metadata.list_external_binding_overlays("m")
        assert TOKEN not in _told(caught.value)
        assert await metadata.list_external_binding_overlays("other") == [overlay()]
        await metadata.upsert_external_binding_overlay("m", overlay("good"))
        assert await metadata.put_external_binding_overlay_if_absent("m", overlay("broken", 3)) is False
        await metadata.delete_external_binding_overlay("m", "broken", 3)
        assert await metadata.list_external_binding_overlays("m") == [overlay("good")]

    async def test_a_damaged_overlay_can_be_replaced(self, metadata: MobRuntimeMetadataStore, backend: Backend) -> None:
        await metadata.upsert_external_binding_overlay("m", overlay(bootstrap_token=TOKEN))
        await backend.damage(StoredOverlay("m", "agent", 0))
        await metadata.upsert_external_binding_overlay("m", overlay(bootstrap_token="another"))  # noqa: S106
        assert await metadata.list_external_binding_overlays("m") == [overlay(bootstrap_token="another")]  # noqa: S106

    async def test_what_cannot_be_stored_is_refused_before_any_write(self, metadata: MobRuntimeMetadataStore) -> None:
        lone = "\ud800"
        peer = overlay(normalized_member_ref=PEER).normalized_member_ref
        assert peer is not None
        for call in (
            metadata.put_supervisor_authority(lone, authority()),
            metadata.load_supervisor_authority(lone),
            metadata.delete_supervisor_authority(lone),
            metadata.upsert_external_binding_overlay(lone, overlay()),
            *(
                metadata.upsert_external_binding_overlay("m", overlay().model_copy(update={field: value}))
                for field, value in (
                    ("agent_identity", lone),
                    ("bootstrap_token", TOKEN + lone),
                    ("normalized_member_ref", peer.model_copy(update={"peer_id": lone})),
                )
            ),
            metadata.list_external_binding_overlays(lone),
            metadata.delete_external_binding_overlay("m", lone, 0),
            metadata.delete_external_binding_overlays(lone),
        ):
            with pytest.raises(InternalError) as caught:
                await call
            assert TOKEN not in _told(caught.value)
        assert await metadata.list_external_binding_overlays("m") == []


def _told(error: BaseException) -> str:
    """All that a log would show of an error and its causes."""
    return "".join(traceback.format_exception(error))


def _keys_in(error: BaseException, *secrets: int) -> list[str]:
    """What an error shows of the secret keys that are made of these bytes, in any form."""
    parts = [bytes([secret]) * 6 for secret in secrets]
    forms = [
        form
        for part in parts
        for form in (part.hex(), repr(part)[2:-1], str([*part])[1:-1], base64.b64encode(part).decode())
    ]
    return [form for form in forms if form in _told(error) or form.replace(" ", "") in _told(error)]
