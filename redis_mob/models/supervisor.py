"""The authority of a mob's supervisor: its key, its epoch, and a rotation under way (contract: metadata-10)."""

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import AfterValidator, Field

from redis_mob.models.base import U64, Items, JsonValue, SortedDict, is_none
from redis_mob.models.ids import KeyBytes
from redis_mob.models.secret import SecretRecord

BRIDGE_PROTOCOL_VERSION = 2
"""The version of the supervisor bridge protocol that new authorities have, which is that of meerkat 0.6."""

NEWEST_PROTOCOL_VERSION = 7
"""The newest version that is read and kept; meerkat 0.7 to 0.9 have 3 to 7."""


def _supported(version: int) -> int:
    if not BRIDGE_PROTOCOL_VERSION <= version <= NEWEST_PROTOCOL_VERSION:
        known = f"those from {BRIDGE_PROTOCOL_VERSION} to {NEWEST_PROTOCOL_VERSION} are"
        raise ValueError(f"bridge protocol version {version} is not supported; {known}")
    return version


BridgeProtocolVersion = Annotated[int, AfterValidator(_supported)]


class _Authority(SecretRecord):
    secret_key: KeyBytes = Field(repr=False)
    public_peer_id: str
    epoch: U64
    protocol_version: BridgeProtocolVersion


class SupervisorPendingRotationRecord(_Authority):
    """The authority a rotation leads to, and the peers that accepted it already.

    `secret_key` is secret: no repr and no error shows it, but the JSON does. `operation_id` and `member_targets` are
    there since meerkat 0.7: by which name all members know the rotation, and where each was told of it.
    """

    accepted_peer_ids: Items[str] = ()
    operation_id: str | None = Field(default=None, exclude_if=is_none)
    member_targets: SortedDict[JsonValue] | None = Field(default=None, exclude_if=is_none, repr=False)

    @classmethod
    def from_authority(cls, authority: "SupervisorAuthorityRecord", accepted_peer_ids: Iterable[str]) -> Self:
        """A rotation to `authority`, accepted by these peers so far."""
        return cls(
            secret_key=authority.secret_key,
            public_peer_id=authority.public_peer_id,
            epoch=authority.epoch,
            protocol_version=authority.protocol_version,
            accepted_peer_ids=tuple(accepted_peer_ids),
        )

    def authority_record(self) -> "SupervisorAuthorityRecord":
        """The authority this rotation leads to, with no rotation pending, and without what only a rotation has."""
        return SupervisorAuthorityRecord(
            secret_key=self.secret_key,
            public_peer_id=self.public_peer_id,
            epoch=self.epoch,
            protocol_version=self.protocol_version,
        )

    def same_attempted_authority(self, other: "SupervisorPendingRotationRecord") -> bool:
        """Whether both lead to the same authority; the peers that accepted it are not compared."""
        return self.authority_record() == other.authority_record()

    def remove_accepted_peer_ids(self, peer_ids: Iterable[str]) -> tuple[Self, bool]:
        """Without these peers, every mention of them; and whether any was in the list. The order is kept."""
        removed = frozenset(peer_ids)
        kept = tuple(peer_id for peer_id in self.accepted_peer_ids if peer_id not in removed)
        return self.model_copy(update={"accepted_peer_ids": kept}), len(kept) < len(self.accepted_peer_ids)


class SupervisorAuthorityRecord(_Authority):
    """The authority of a mob's supervisor, its epoch, and the rotation to a successor if one is pending.

    `secret_key` is secret: no repr and no error shows it, but the JSON does. A store refuses a record whose
    `public_peer_id` does not belong to its key (contract: metadata-3).
    """

    pending_rotation: SupervisorPendingRotationRecord | None = Field(default=None, exclude_if=is_none)

    def without_pending_rotation(self) -> Self:
        """The same authority with no rotation pending."""
        return self.model_copy(update={"pending_rotation": None})

    def apply_process_local_pending_rotation(self, pending: SupervisorPendingRotationRecord) -> tuple[Self, bool]:
        """This durable record after a process reported its own view of a rotation; and whether the view is welcome.

        A view with accepted peers replaces the pending rotation, list and all; one without peers takes it back. It is
        welcome if it leads to the next epoch, or (with accepted peers) to another authority of an epoch that is not
        ahead, and contradicts no other rotation that is pending. True does not mean that anything changed
        (contract: metadata-12).
        """
        has_peers = bool(pending.accepted_peer_ids)
        overtaken = has_peers and pending.epoch <= self.epoch and pending.public_peer_id != self.public_peer_id
        follows = pending.epoch == self.epoch + 1
        durable = self.pending_rotation
        if not (overtaken or follows):
            return self, False
        if durable is None:
            return (self.model_copy(update={"pending_rotation": pending}), True) if has_peers else (self, False)
        if not durable.same_attempted_authority(pending):
            return self, False
        return self.model_copy(update={"pending_rotation": pending if has_peers else None}), True
