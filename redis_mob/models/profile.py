"""Profiles: what a member of a role is made of (contract: definition-8), and profiles kept for a whole realm."""

from typing import Annotated, Any, TypeAlias, cast

from pydantic import Discriminator, Field, Tag

from redis_mob.models.base import I32, U64, Items, JsonValue, Model, Timestamp, WireEnum, is_none
from redis_mob.models.budget import Budget


class MobRuntimeMode(WireEnum):
    """Whether a member lives on between turns, or works only when it is given one."""

    AUTONOMOUS_HOST = "autonomous_host"
    TURN_DRIVEN = "turn_driven"


class MobBackendKind(WireEnum):
    """Where a member runs."""

    SESSION = "session"
    EXTERNAL = "external"


class ToolConfig(Model):
    """The tool groups a member may use; all are off unless turned on."""

    builtins: bool = False
    shell: bool = False
    comms: bool = False
    memory: bool = False
    workgraph: bool = False
    mob: bool = False
    schedule: bool = False
    image_generation: bool = False
    mcp: Items[str] = ()
    rust_bundles: Items[str] = ()


class Profile(Model):
    """What every member of a role is made of.

    `backend` None means the mob's default. `max_inline_peer_notifications` is a count; -1 means no limit.
    `budget` bounds what the members of the role may use in one run.
    """

    model: str
    skills: Items[str] = ()
    tools: ToolConfig = ToolConfig.unchecked()
    peer_description: str = ""
    external_addressable: bool = False
    backend: MobBackendKind | None = None
    runtime_mode: MobRuntimeMode = MobRuntimeMode.AUTONOMOUS_HOST
    max_inline_peer_notifications: I32 | None = None
    output_schema: JsonValue | None = None
    provider_params: JsonValue | None = None
    budget: Budget | None = Field(default=None, exclude_if=is_none)


class RealmProfileRef(Model):
    """A profile kept in the realm, by its name."""

    realm_profile: str


def _binding_tag(value: Any) -> str:
    if isinstance(value, dict):
        return "realm" if isinstance(cast("dict[str, Any]", value).get("realm_profile"), str) else "inline"
    return "realm" if isinstance(value, RealmProfileRef) else "inline"


ProfileBinding: TypeAlias = Annotated[
    Annotated[RealmProfileRef, Tag("realm")] | Annotated[Profile, Tag("inline")], Discriminator(_binding_tag)
]
"""A profile written out, or the name of one in the realm; an object with both is a name (contract: definition-8)."""


class StoredRealmProfile(Model):
    """A realm profile as its store holds it; `revision` grows with every write of this name (contract: profiles-5)."""

    name: str
    profile: Profile
    revision: U64
    created_at: Timestamp
    updated_at: Timestamp
