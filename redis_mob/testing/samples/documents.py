"""Small definitions, profiles, authorities and overlays for tests that do not care what exactly they hold."""

from __future__ import annotations

from typing import Any

from redis_mob.models import (
    ExternalBindingOverlayRecord,
    MobDefinition,
    Profile,
    SupervisorAuthorityRecord,
    SupervisorPendingRotationRecord,
)
from redis_mob.security.identity import peer_id, public_key
from redis_mob.testing.samples.states import NOON


def definition(name: str = "mob", **fields: Any) -> MobDefinition:
    """A definition of nothing but a name, with these fields."""
    return MobDefinition.model_validate({"id": name, **fields})


def profile(model: str = "model", **fields: Any) -> Profile:
    """A profile with defaults, and with these fields."""
    return Profile(model=model, **fields)


def authority(
    secret: int = 1, *, epoch: int = 0, pending: SupervisorPendingRotationRecord | None = None
) -> SupervisorAuthorityRecord:
    """An authority whose secret key is this byte, 32 times."""
    key = bytes([secret]) * 32
    return SupervisorAuthorityRecord(
        secret_key=key,
        public_peer_id=peer_id(public_key(key)),
        epoch=epoch,
        protocol_version=2,
        pending_rotation=pending,
    )


def rotation(secret: int = 2, *accepted: str, epoch: int = 1) -> SupervisorPendingRotationRecord:
    """A rotation to the authority of this secret, accepted by these peers."""
    return SupervisorPendingRotationRecord.from_authority(authority(secret, epoch=epoch), accepted)


def overlay(identity: str = "agent", generation: int = 0, **fields: Any) -> ExternalBindingOverlayRecord:
    """An overlay without a reference, normalized at noon, with these fields."""
    values = {"agent_identity": identity, "generation": generation, "status": "Normalized", "updated_at": NOON}
    return ExternalBindingOverlayRecord.model_validate(values | fields)
