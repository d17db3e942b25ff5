"""The definition of a mob: its members, how they are wired, which flows they run (contract: definition-1)."""

from functools import cached_property
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, ValidationError

from redis_mob.errors import DefinitionError
from redis_mob.models.base import U32, U64, Items, Model, SortedDict, WireEnum, is_empty, is_none
from redis_mob.models.budget import SharedBudget
from redis_mob.models.documents import MOB_FIELDS, complaints, from_tables, read_toml, unknown_in_tables
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.prices import Prices
from redis_mob.models.profile import MobBackendKind, Profile, ProfileBinding
from redis_mob.models.toml import brief, differences, to_tables, write_toml
from redis_mob.models.unknown_keys import Tell, tell_unknown, unknown_keys


class OrchestratorConfig(Model):
    """The profile that leads the mob."""

    profile: str


class RoleWiringRule(Model):
    """Members of role `a` and members of role `b` may talk to each other."""

    a: str
    b: str


class WiringRules(Model):
    """Which members may talk to each other."""

    auto_wire_orchestrator: bool = False
    role_wiring: Items[RoleWiringRule] = ()


class InlineSkill(Model):
    """A skill whose text stands in the definition."""

    source: Literal["inline"] = "inline"
    content: str


class PathSkill(Model):
    """A skill whose text is in a file."""

    source: Literal["path"] = "path"
    path: str


SkillSource: TypeAlias = Annotated[InlineSkill | PathSkill, Field(discriminator="source")]
"""Where the text of a skill comes from."""


class SupervisorBridgeConfig(Model):
    """Where external members reach the supervisor: `bind_address` is host:port, `advertised_address` a tcp:// URL."""

    bind_address: str | None = Field(default=None, exclude_if=is_none)
    advertised_address: str | None = Field(default=None, exclude_if=is_none)


class ExternalBackendConfig(Model):
    """How external members are addressed."""

    address_base: str
    supervisor_bridge: SupervisorBridgeConfig | None = Field(default=None, exclude_if=is_none)


class BackendConfig(Model):
    """Where members run unless their profile says otherwise."""

    default: MobBackendKind = MobBackendKind.SESSION
    external: ExternalBackendConfig | None = None


class PolicyMode(WireEnum):
    """Whether a forbidden dispatch is only reported, or stopped."""

    ADVISORY = "advisory"
    STRICT = "strict"


class TopologyRule(Model):
    """May `from_role` hand work to `to_role`? `*` stands for any role; the last rule that matches decides."""

    from_role: str
    to_role: str
    allowed: bool


class TopologySpec(Model):
    """Which roles may hand work to which."""

    mode: PolicyMode
    rules: Items[TopologyRule]


class SupervisorSpec(Model):
    """The role that is told when steps fail, and after how many failures of a run (0: never).

    `timeout_ms` is how long that may take, from the failure on: 30 seconds unless it is given, or meerkat's
    `escalation_turn_timeout_ms`.
    """

    role: str
    escalation_threshold: U32
    timeout_ms: U64 | None = Field(default=None, exclude_if=is_none)

    @property
    def meerkat_timeout_ms(self) -> Any:
        """What meerkat 0.8 and later write as `escalation_turn_timeout_ms`; not checked, and None if there is none."""
        # no field, since meerkat also writes null, and a field could not tell that from none
        return (self.model_extra or {}).get("escalation_turn_timeout_ms")


class LimitsSpec(Model):
    """Bounds of every run; None leaves the default. Times are in milliseconds; for `max_active_nodes`,
    `max_active_frames` and `max_frame_depth` 0 means no bound.

    `max_concurrency` says for a role how many of its executions may be under way at a time, in all runs of the mob and
    on all workers together. `max_output_bytes` bounds the output of one execution, as JSON: 1 MiB unless it is given.
    """

    max_flow_duration_ms: U64 | None = None
    max_step_retries: U32 | None = None
    max_orphaned_turns: U32 | None = None
    cancel_grace_timeout_ms: U64 | None = None
    max_active_nodes: U64 | None = None
    max_active_frames: U64 | None = None
    max_frame_depth: U64 | None = None
    max_concurrency: SortedDict[U64] | None = Field(default=None, exclude_if=is_none)
    max_output_bytes: U64 | None = Field(default=None, exclude_if=is_none)


class NoSpawnPolicy(Model):
    """Members are never spawned automatically."""

    mode: Literal["none"] = "none"


class AutoSpawnPolicy(Model):
    """A missing member is spawned from the profile that `profile_map` names for it."""

    mode: Literal["auto"] = "auto"
    profile_map: SortedDict[str]


SpawnPolicy: TypeAlias = Annotated[NoSpawnPolicy | AutoSpawnPolicy, Field(discriminator="mode")]
"""Whether missing members are spawned."""


class EventRouterConfig(Model):
    """Which events of members are routed to the mob, and how many are buffered."""

    buffer_size: U64 = 256
    include_patterns: Items[str] | None = Field(default=None, exclude_if=is_none)
    exclude_patterns: Items[str] | None = Field(default=None, exclude_if=is_none)


class SessionCleanupPolicy(WireEnum):
    """What becomes of the mob when the session that owns it is archived."""

    MANUAL = "manual"
    DESTROY_ON_OWNER_ARCHIVE = "destroy_on_owner_archive"


class MobDefinition(Model):
    """Everything that is fixed about a mob.

    `budgets` are those that runs share whose parameters give the same key, `prices` say what models cost.
    Maps are sorted by name; only the steps of a flow and the nodes of a frame keep the order in which they were
    written, and that order is no part of equality.
    """

    id: str
    orchestrator: OrchestratorConfig | None = None
    profiles: SortedDict[ProfileBinding] = SortedDict()
    wiring: WiringRules = WiringRules.unchecked()
    skills: SortedDict[SkillSource] = SortedDict()
    backend: BackendConfig = BackendConfig.unchecked()
    flows: SortedDict[FlowSpec] = SortedDict()
    topology: TopologySpec | None = None
    supervisor: SupervisorSpec | None = None
    limits: LimitsSpec | None = None
    spawn_policy: SpawnPolicy | None = None
    event_router: EventRouterConfig | None = None
    budgets: SortedDict[SharedBudget] = Field(default=SortedDict(), exclude_if=is_empty)
    prices: Prices | None = Field(default=None, exclude_if=is_none)
    owner_bridge_session_id: str | None = Field(default=None, exclude_if=is_none)
    session_cleanup_policy: SessionCleanupPolicy = Field(
        default=SessionCleanupPolicy.MANUAL, exclude_if=lambda policy: policy == SessionCleanupPolicy.MANUAL
    )
    is_implicit: bool = False

    @property
    def escalates(self) -> bool:
        """Whether its runs tell a supervisor of steps that fail."""
        return self.supervisor is not None and self.supervisor.escalation_threshold > 0

    @cached_property
    def has_budgets(self) -> bool:
        """Whether it bounds what the calls of handlers may use."""
        profiles = [one for one in self.profiles.values() if isinstance(one, Profile)]
        return bool(self.budgets) or any(one.budget is not None for one in (*self.flows.values(), *profiles))

    def roles_of(self, flow_id: str) -> tuple[str, ...]:
        """The roles whose members a run of this flow may ask: those of its steps, and the supervisor's."""
        steps = self.flows[flow_id].roles if flow_id in self.flows else ()
        told = (self.supervisor.role,) if self.supervisor is not None and self.escalates and steps else ()
        return tuple(dict.fromkeys((*steps, *told)))

    @classmethod
    def from_toml(cls, text: str, *, strict: bool = False, tell: Tell | None = None) -> Self:
        """Read a definition from TOML: `[mob]` holds `id` and `orchestrator`, every other section is a table.

        Steps and nodes keep the order in which they are written. Keys and tables that a definition does not have are
        ignored, and told with the nearest one that it has: by a call of `tell` for each, or else in the log as a
        warning. With `strict` they are an error. Fields that belong to the running mob (`owner_bridge_session_id`,
        `session_cleanup_policy`, `is_implicit`) cannot be set. A table [retention] is no part of the definition, and is
        passed over: `MobRetention.from_toml` reads it (contract: operations-89).

        Raises DefinitionError naming line and column, or the path and value of the field
        (contract: definition-2, definition-9, definition-19).
        """
        tables = read_toml(text)
        document = from_tables(tables)
        try:
            definition = cls.model_validate(document)
        except ValidationError as error:
            raise DefinitionError(complaints(error, document, inside_mob=MOB_FIELDS)) from error
        leader = unknown_keys(definition.orchestrator, document.pop("orchestrator", None), "mob.orchestrator")
        known = {name: value for name, value in document.items() if name in cls.model_fields}
        rest = unknown_keys(definition, known)
        tell_unknown((*unknown_in_tables(tables), *leader, *rest), strict=strict, tell=tell)
        return definition

    def to_toml(self) -> str:
        """This definition as TOML, from which `from_toml` reads an equal one.

        Raises DefinitionError naming the path for what TOML cannot say: a null within a JSON value, and fields that
        belong to the running mob.
        """
        document = self.model_dump(mode="json")
        tables = to_tables(brief(document, self.model_dump(mode="json", exclude_defaults=True)))
        again = from_tables(tables)
        try:
            read = type(self).model_validate(again).model_dump(mode="json")
            path = next(differences(document, read), None)
        except ValidationError as error:  # a null was a value that must be there
            path = complaints(error, again, inside_mob=MOB_FIELDS).partition(": ")[0]
        if path is not None:
            raise DefinitionError(f"{path}: TOML cannot say this: it has no null, and no fields of a running mob")
        return write_toml(tables)
