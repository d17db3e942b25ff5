"""Overlays: the external bindings of the members of a mob (contract: metadata-5)."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from redis_mob.contracts import MobRuntimeMetadataStore
from redis_mob.errors import ValidationError
from redis_mob.testing.conformance.base import Guarantee, Opener, given
from redis_mob.testing.samples.documents import overlay

TOKEN = "the-token"  # noqa: S105
PEER = {"kind": "backend_peer", "peer_id": "p", "address": "tcp://h:1"}
SESSION = {"kind": "session", "session_id": "0191a6a0-0000-4000-8000-000000000001"}


async def metadata_of_handles(open_stores: Opener) -> list[MobRuntimeMetadataStore]:
    """The store as three handles have it."""
    return [given("runtime_metadata", (await open_stores()).runtime_metadata) for _ in range(3)]


class TestOverlays(Guarantee):
    """The external bindings of a mob are kept by agent and generation, and are listed in that order, at one moment."""

    async def test_a_compared_put_replaces_the_overlay_that_is_expected(
        self, metadata: MobRuntimeMetadataStore
    ) -> None:
        put = metadata.compare_and_put_external_binding_overlay
        first, failed = overlay("a", bootstrap_token=TOKEN), overlay("a", status={"Failed": {"reason": "no route"}})
        assert await put("m", first, failed) is False
        assert await metadata.list_external_binding_overlays("m") == []
        await metadata.upsert_external_binding_overlay("m", first)
        await metadata.upsert_external_binding_overlay("m", overlay("b"))
        for wrong in (overlay("a"), overlay("a", bootstrap_token="another")):  # noqa: S106
            assert await put("m", wrong, overlay("a", bootstrap_token="third")) is False  # noqa: S106
        assert await metadata.list_external_binding_overlays("m") == [first, overlay("b")]
        assert [await put("m", first, failed) for _ in range(2)] == [True, True], "the second finds its own record"
        assert await put("m", first, first) is False
        assert await metadata.list_external_binding_overlays("m") == [failed, overlay("b")]
        for other in (overlay("a", 1), overlay("b")):
            with pytest.raises(ValidationError):
                await put("m", failed, other)

    async def test_case_100_overlay_if_absent_upsert_list_delete(self, metadata: MobRuntimeMetadataStore) -> None:
        first, failed = overlay("a"), overlay("a", status={"Failed": {"reason": "no route"}})
        assert await metadata.list_external_binding_overlays("m") == []
        assert await metadata.put_external_binding_overlay_if_absent("m", first) is True
        assert await metadata.put_external_binding_overlay_if_absent("m", failed) is False
        assert await metadata.list_external_binding_overlays("m") == [first]
        await metadata.upsert_external_binding_overlay("m", failed)
        await metadata.upsert_external_binding_overlay("m", overlay("a", 1, bootstrap_token=TOKEN))
        assert await metadata.list_external_binding_overlays("m") == [failed, overlay("a", 1, bootstrap_token=TOKEN)]
        for _ in range(2):
            await metadata.delete_external_binding_overlay("m", "a", 0)
            assert await metadata.list_external_binding_overlays("m") == [overlay("a", 1, bootstrap_token=TOKEN)]
        assert await metadata.put_external_binding_overlay_if_absent("m", first) is True
        for _ in range(2):
            await metadata.delete_external_binding_overlays("m")
            assert await metadata.list_external_binding_overlays("m") == []

    async def test_case_101_overlay_order(self, metadata: MobRuntimeMetadataStore) -> None:
        order = [("", 0), ("B", 7), ("a", 2), ("a", 10), ("a", 300), ("a", 2**32), ("a", 2**64 - 1), ("a\0", 0)]
        order += [("aa", 0), ("b", 1), ("x" * 40, 0), ("x" * 300, 0), ("é", 0), ("\uffee", 0), ("😀", 0)]
        for identity, generation in reversed(order):
            await metadata.upsert_external_binding_overlay("m", overlay(identity, generation))
        listed = await metadata.list_external_binding_overlays("m")
        assert [(record.agent_identity, record.generation) for record in listed] == order

    async def test_case_102_overlay_token(self, metadata: MobRuntimeMetadataStore) -> None:
        """The token of the overlay is kept, that of the reference is not (contract: metadata-7)."""
        record = overlay(normalized_member_ref={**PEER, "bootstrap_token": "inner"}, bootstrap_token=TOKEN)
        await metadata.upsert_external_binding_overlay("m", record)
        assert await metadata.list_external_binding_overlays("m") == [
            overlay(normalized_member_ref=PEER, bootstrap_token=TOKEN)
        ]

    @pytest.mark.parametrize(
        "reference",
        [None, SESSION, PEER, {**PEER, "session_id": SESSION["session_id"], "pubkey": bytes(range(32))}],
        ids=["none", "session", "peer", "peer with a key"],
    )
    async def test_references_come_back_as_they_are(
        self, metadata: MobRuntimeMetadataStore, reference: dict[str, object] | None
    ) -> None:
        record = overlay(normalized_member_ref=reference)
        assert await metadata.put_external_binding_overlay_if_absent("m", record)
        assert await metadata.list_external_binding_overlays("m") == [record]

    @pytest.mark.parametrize("token", [None, "", "t", "é\0😀", "x" * 5000])
    async def test_tokens_come_back_as_they_are(self, metadata: MobRuntimeMetadataStore, token: str | None) -> None:
        await metadata.upsert_external_binding_overlay("m", overlay(bootstrap_token=token))
        [record] = await metadata.list_external_binding_overlays("m")
        assert record.bootstrap_token == token

    async def test_an_upsert_leaves_nothing_of_what_was_there(self, metadata: MobRuntimeMetadataStore) -> None:
        await metadata.upsert_external_binding_overlay("m", overlay(normalized_member_ref=PEER, bootstrap_token=TOKEN))
        await metadata.upsert_external_binding_overlay("m", overlay())
        assert await metadata.list_external_binding_overlays("m") == [overlay()]

    async def test_of_many_who_put_if_absent_one_wins(self, open_stores: Opener) -> None:
        stores = await metadata_of_handles(open_stores)
        records = [overlay(bootstrap_token=f"{number}") for number in range(12)]
        won = await asyncio.gather(
            *(
                stores[number % len(stores)].put_external_binding_overlay_if_absent("m", record)
                for number, record in enumerate(records)
            )
        )
        assert won.count(True) == 1
        assert await stores[0].list_external_binding_overlays("m") == [records[won.index(True)]]

    async def test_a_list_is_that_of_one_moment(self, open_stores: Opener) -> None:
        writer, reader, _ = await metadata_of_handles(open_stores)
        await writer.upsert_external_binding_overlay("m", overlay("a", 0))
        for before, after in pairwise(overlay("a", generation) for generation in range(30)):
            reading = asyncio.gather(*(reader.list_external_binding_overlays("m") for _ in range(4)))
            await asyncio.sleep(0)  # the reads begin
            await writer.upsert_external_binding_overlay("m", after)
            await writer.delete_external_binding_overlay("m", "a", before.generation)
            assert all(listed in ([before], [before, after], [after]) for listed in await reading)

    async def test_all_overlays_of_a_mob_are_deleted_at_one_moment(self, open_stores: Opener) -> None:
        writer, reader, _ = await metadata_of_handles(open_stores)
        records = [overlay(identity, generation) for identity in ("a", "b") for generation in range(20)]
        for record in records:
            await writer.upsert_external_binding_overlay("m", record)
        reading = asyncio.gather(*(reader.list_external_binding_overlays("m") for _ in range(10)))
        await asyncio.sleep(0)  # the reads begin
        await writer.delete_external_binding_overlays("m")
        assert all(listed in (records, []) for listed in await reading)
        assert await reader.list_external_binding_overlays("m") == []
