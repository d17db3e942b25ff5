"""Definitions, profiles, authorities and overlays: small ones whose content does not matter, and full ones."""

from __future__ import annotations

from typing import Any

from redis_mob.models import (
    ExternalBindingOverlayRecord,
    MobBackendKind,
    MobDefinition,
    MobRuntimeMode,
    Profile,
    SupervisorAuthorityRecord,
    SupervisorPendingRotationRecord,
    ToolConfig,
)
from redis_mob.security.identity import peer_id, public_key
from redis_mob.testing.samples.json_values import ANY_JSON
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


FULL_DEFINITION = MobDefinition.from_toml("""
[mob]
id = "full"
orchestrator = "lead"

[profiles.worker]
model = "m"
output_schema = { enum = [1, 1.0, true, "1"] }

[profiles.lead]
realm_profile = "leads of the realm"

[[wiring.role_wiring]]
a = "lead"
b = "worker"

[skills.review]
source = "inline"
content = "Read it twice. é 😀"

[backend]
default = "external"
external = { address_base = "tcp://host:1" }

[flows.refine.steps.write]
role = "worker"
message = "write {{ params.topic }}"
timeout_ms = 18446744073709551615

[flows.refine.steps.ask]
role = "lead"
message = [
  { type = "text", text = "look" },
  { type = "image", media_type = "image/png", source = "blob", blob_id = "b" },
]
depends_on = ["write"]
collection_policy = { type = "quorum", n = 255 }
condition = { op = "not", expr = { op = "in", path = "params.tags", values = [1, 2.0, "x", true, [1], { k = "v" }] } }
allowed_tools = []

[flows.refine.steps.judge]
role = "lead"
message = "judge"
depends_on = ["write", "ask"]
depends_on_mode = "any"
output_format = "text"

[flows.refine.root.nodes.start]
kind = "step"
step_id = "write"
depends_on = []
depends_on_mode = "all"

[flows.refine.root.nodes.again]
kind = "repeat_until"
loop_id = "again"
depends_on = ["start"]
depends_on_mode = "all"
max_iterations = 3
until = { op = "lt", path = "steps.judge.error", value = 0.001 }

[flows.refine.root.nodes.again.body.nodes.second]
kind = "step"
step_id = "ask"
depends_on = []
depends_on_mode = "all"

[flows.refine.root.nodes.again.body.nodes.first]
kind = "step"
step_id = "judge"
depends_on = ["second"]
depends_on_mode = "all"

[flows.empty]

[topology]
mode = "strict"
rules = [{ from_role = "lead", to_role = "*", allowed = true }]

[supervisor]
role = "lead"
escalation_threshold = 4294967295

[limits]
max_flow_duration_ms = 0
max_active_nodes = 1

[spawn_policy]
mode = "auto"
profile_map = { b = "worker", a = "lead" }
""")
"""A definition with something in every section, whose steps and nodes are not in the order of their names."""

FULL_PROFILE = Profile(
    model="m",
    skills=("b", "a", "b"),
    tools=ToolConfig(memory=True, mcp=("x",)),
    peer_description="é 😀",
    external_addressable=True,
    backend=MobBackendKind.EXTERNAL,
    runtime_mode=MobRuntimeMode.TURN_DRIVEN,
    max_inline_peer_notifications=-1,
    output_schema={"type": "object", "properties": {"z": {}, "a": {"enum": [1, 1.0, None, True]}}},
    provider_params=ANY_JSON,
)
"""A profile with something in every field."""
