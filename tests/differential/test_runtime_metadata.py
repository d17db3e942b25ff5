"""Supervisors and external bindings on a server, where they are sealed, and in memory."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, rule

from redis_mob.models import (
    ExternalBindingOverlayRecord,
    SupervisorAuthorityRecord,
    SupervisorPendingRotationRecord,
)
from redis_mob.models.base import U64_MAX
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.documents import authority, overlay, rotation
from redis_mob.testing.samples.new_events import RUN
from tests.differential.driver import Twins, check_twins
from tests.differential.strategies import NO_UTF8, either, rarely

MOBS = ["a", "a\0"]
MOB_IDS = either(MOBS, [NO_UTF8])

ROTATIONS = st.sampled_from(
    [rotation(2), rotation(2, "x", "y"), rotation(2, "y", "x"), rotation(3, "x", epoch=U64_MAX)]
)
FOREIGN = rotation(2).model_copy(update={"public_peer_id": "unknown"})
"""Whose peer id is that of another key."""

AUTHORITIES = st.builds(
    authority,
    st.integers(1, 2),
    epoch=st.sampled_from([0, 1, U64_MAX]),
    pending=st.none() | rarely(st.just(FOREIGN), ROTATIONS),
)

PEER = {"kind": "backend_peer", "peer_id": "p", "address": "tcp://h", "pubkey": [7] * 32, "bootstrap_token": "lost"}
OVERLAYS = st.builds(
    overlay,
    st.sampled_from(["a", "b", "", "é", "a\0"]),
    st.sampled_from([0, 1, 256, U64_MAX]),
    normalized_member_ref=st.sampled_from([None, {"kind": "session", "session_id": RUN}, PEER]),
    bootstrap_token=st.sampled_from([None, "", "secret"]),
    status=st.sampled_from(["Normalized", {"Failed": {"reason": "é"}}]),
)


class RuntimeMetadata(Twins):
    """What is compared was stored once, or never; what is deleted may not be there."""

    authorities = Bundle("authorities")
    overlays = Bundle("overlays")

    @rule(target=authorities, mob_id=MOB_IDS, record=AUTHORITIES)
    def put_supervisor_authority(self, mob_id: str, record: SupervisorAuthorityRecord) -> SupervisorAuthorityRecord:
        self.both(lambda storage: storage.runtime_metadata.put_supervisor_authority(mob_id, record))
        return record

    @rule(target=authorities, mob_id=MOB_IDS, record=AUTHORITIES)
    def put_supervisor_authority_if_absent(
        self, mob_id: str, record: SupervisorAuthorityRecord
    ) -> SupervisorAuthorityRecord:
        self.both(lambda storage: storage.runtime_metadata.put_supervisor_authority_if_absent(mob_id, record))
        return record

    @rule(target=authorities, mob_id=MOB_IDS, expected=authorities, peers=st.lists(st.sampled_from("xy"), max_size=2))
    def report_a_rotation(
        self, mob_id: str, expected: SupervisorAuthorityRecord, peers: list[str]
    ) -> SupervisorAuthorityRecord:
        """Compares and puts, as a process does that takes part in a rotation."""
        pending = SupervisorPendingRotationRecord.from_authority(authority(2, epoch=1), peers)
        record, _ = expected.apply_process_local_pending_rotation(pending)
        self.both(
            lambda storage: storage.runtime_metadata.compare_and_put_supervisor_authority(mob_id, expected, record)
        )
        return record

    @rule(mob_id=MOB_IDS, expected=authorities, record=AUTHORITIES)
    def compare_and_put_supervisor_authority(
        self, mob_id: str, expected: SupervisorAuthorityRecord, record: SupervisorAuthorityRecord
    ) -> None:
        self.both(
            lambda storage: storage.runtime_metadata.compare_and_put_supervisor_authority(mob_id, expected, record)
        )

    @rule(mob_id=MOB_IDS, expected=authorities)
    def compare_and_delete_supervisor_authority(self, mob_id: str, expected: SupervisorAuthorityRecord) -> None:
        self.both(lambda storage: storage.runtime_metadata.compare_and_delete_supervisor_authority(mob_id, expected))

    @rule(mob_id=MOB_IDS, expected=overlays, record=OVERLAYS, same=st.booleans())
    def compare_and_put_external_binding_overlay(
        self, mob_id: str, expected: ExternalBindingOverlayRecord, record: ExternalBindingOverlayRecord, same: bool
    ) -> None:
        names = {"agent_identity": expected.agent_identity, "generation": expected.generation}
        other = record.model_copy(update=names) if same else record
        self.both(
            lambda storage: storage.runtime_metadata.compare_and_put_external_binding_overlay(mob_id, expected, other)
        )

    @rule(mob_id=MOB_IDS)
    def delete_supervisor_authority(self, mob_id: str) -> None:
        self.both(lambda storage: storage.runtime_metadata.delete_supervisor_authority(mob_id))

    @rule(target=overlays, mob_id=MOB_IDS, record=OVERLAYS)
    def upsert_external_binding_overlay(
        self, mob_id: str, record: ExternalBindingOverlayRecord
    ) -> ExternalBindingOverlayRecord:
        self.both(lambda storage: storage.runtime_metadata.upsert_external_binding_overlay(mob_id, record))
        return record

    @rule(mob_id=MOB_IDS, record=OVERLAYS | overlays)
    def put_external_binding_overlay_if_absent(self, mob_id: str, record: ExternalBindingOverlayRecord) -> None:
        self.both(lambda storage: storage.runtime_metadata.put_external_binding_overlay_if_absent(mob_id, record))

    @rule(mob_id=MOB_IDS, record=overlays, generation=rarely(st.sampled_from([-1, 7, 2**64]), st.none()))
    def delete_external_binding_overlay(
        self, mob_id: str, record: ExternalBindingOverlayRecord, generation: int | None
    ) -> None:
        which = record.generation if generation is None else generation
        self.both(
            lambda storage: storage.runtime_metadata.delete_external_binding_overlay(
                mob_id, record.agent_identity, which
            )
        )

    @rule(mob_id=MOB_IDS)
    def delete_external_binding_overlays(self, mob_id: str) -> None:
        self.both(lambda storage: storage.runtime_metadata.delete_external_binding_overlays(mob_id))

    @rule(mob_id=MOB_IDS)
    def load(self, mob_id: str) -> None:
        self.both(lambda storage: storage.runtime_metadata.load_supervisor_authority(mob_id))
        self.both(lambda storage: storage.runtime_metadata.list_external_binding_overlays(mob_id))

    @invariant()
    def same_content(self) -> None:
        self.both(content)


async def content(storage: MobStorage) -> Any:
    stored = storage.runtime_metadata
    return await asyncio.gather(
        *(
            read(mob_id)
            for mob_id in MOBS
            for read in (stored.load_supervisor_authority, stored.list_external_binding_overlays)
        )
    )


def test_runtime_metadata(server_url: str) -> None:
    check_twins(RuntimeMetadata, server_url)
