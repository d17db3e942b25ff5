"""A mob that is written in Python: its handlers, its flows, and how they are run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar, overload

from redis_mob.codec.arguments import instance, integer, optional_instance, valid_text
from redis_mob.errors import DefinitionError, HandlerError, RedisMobError, ValidationError, shown
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.flow_choice import chosen_flow
from redis_mob.fleet.isolation import isolated as in_a_process
from redis_mob.fleet.lease import DEFAULT_LEASE
from redis_mob.fleet.step_context import ALL_ROLES, Handler
from redis_mob.fleet.typed.binding import BoundHandler, bound
from redis_mob.fleet.typed.dependencies import DependencyGraph
from redis_mob.flows.building import flow_spec
from redis_mob.flows.nodes import Concurrency, Loop, Rate, Step
from redis_mob.flows.roles import Role, Roles
from redis_mob.flows.running import DEFAULT_CONCURRENCY, run_to_its_end
from redis_mob.flows.values import listed, milliseconds, model_of
from redis_mob.kernel.validation import require_valid
from redis_mob.models.base import SortedDict
from redis_mob.models.budget import Budget, SharedBudget
from redis_mob.models.conversation import Conversation, OnBusy
from redis_mob.models.definition import (
    BackendConfig,
    EventRouterConfig,
    LimitsSpec,
    MobDefinition,
    OrchestratorConfig,
    SkillSource,
    SpawnPolicy,
    SupervisorSpec,
    TopologySpec,
    WiringRules,
)
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.mob_retention import MobRetention, read_policy
from redis_mob.models.prices import Prices
from redis_mob.models.profile import Profile, RealmProfileRef
from redis_mob.models.retention import RetentionPolicy
from redis_mob.models.run import MobRun
from redis_mob.models.toml import write_toml
from redis_mob.storage import MobStorage

F = TypeVar("F", bound=Callable[..., Any])

Section = Mapping[str, Any]
"""A part of a definition as its fields, instead of its model."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow of a mob, as `Mob.flow` makes it: its mob, its id, and its specification."""

    mob: Mob = field(repr=False, compare=False)
    mob_id: str
    id: str
    spec: FlowSpec


class Mob:
    """A mob: roles with their handlers, and flows of steps that these do.

    Everything is checked when it is given: annotations of handlers, ids, roles, dependencies, conditions, and all that
    holds for definitions. The definition is the same as that of a TOML file with the same content. `limits` and the
    other parts of a definition are given as models or as their fields, `profiles` of roles that have no handler here.
    `retention` says how long its runs are kept, as `{"completed": "7d", "max_runs": 100000}`: workers of its fleets set
    that as the policy of the mob where it has none (contract: operations-89).
    Raises DefinitionError for what makes no sense.
    """

    def __init__(
        self,
        id: str,
        *,
        limits: LimitsSpec | Section | None = None,
        profiles: Mapping[str, Profile | RealmProfileRef | Section] | None = None,
        orchestrator: str | OrchestratorConfig | None = None,
        skills: Mapping[str, SkillSource | Section] | None = None,
        wiring: WiringRules | Section | None = None,
        backend: BackendConfig | Section | None = None,
        topology: TopologySpec | Section | None = None,
        supervisor: SupervisorSpec | Section | None = None,
        spawn_policy: SpawnPolicy | Section | None = None,
        event_router: EventRouterConfig | Section | None = None,
        budgets: Mapping[str, SharedBudget | Section] | None = None,
        prices: Prices | Section | None = None,
        retention: RetentionPolicy | Section | None = None,
    ) -> None:
        self.id = valid_text("id", id)
        leader = {"profile": orchestrator} if isinstance(orchestrator, str) else orchestrator
        sections = {
            "limits": limits,
            "profiles": profiles,
            "orchestrator": leader,
            "skills": skills,
            "wiring": wiring,
            "backend": backend,
            "topology": topology,
            "supervisor": supervisor,
            "spawn_policy": spawn_policy,
            "event_router": event_router,
            "budgets": budgets,
            "prices": prices,
        }
        given = {field: value for field, value in sections.items() if value is not None}
        self._base = self._validated({"id": self.id, **given})
        self._roles = Roles({role: Role(profile) for role, profile in self._base.profiles.items()})
        self._flows: dict[str, FlowSpec] = {}
        self._policy = None if retention is None else read_policy("retention", retention)
        self._policies: dict[str, RetentionPolicy] = {}
        self._dependencies = DependencyGraph()

    @classmethod
    def from_definition(cls, definition: MobDefinition, retention: MobRetention | None = None) -> Mob:
        """A mob with the flows of a definition, such as one read from TOML; its handlers are given as to any other.

        `retention` is what stands beside the definition, as `MobRetention.from_toml` reads it. Raises DefinitionError
        with every diagnostic.
        """
        require_valid(instance("definition", definition, MobDefinition))
        mob = cls(definition.id)
        mob._base = definition.model_copy(update={"flows": MobDefinition(id=definition.id).flows})
        mob._roles = Roles({role: Role(profile) for role, profile in definition.profiles.items()})
        mob._flows = dict(definition.flows)
        declared = optional_instance("retention", retention, MobRetention) or MobRetention()
        mob._policy, mob._policies = declared.policy, dict(declared.checked(definition.flows).flows)
        return mob

    def __repr__(self) -> str:
        return f"Mob({self.id!r}, roles={list(self._roles.by_name)}, flows={list(self._flows)})"

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by role, as a fleet takes them."""
        return self._roles.handlers()

    @property
    def members(self) -> Mapping[str, int]:
        """How many members the roles have that have more than one."""
        return self._roles.members()

    @property
    def retention(self) -> MobRetention:
        """How long its runs, and those of its flows, are kept: what its fleets declare."""
        return MobRetention(policy=self._policy, flows=SortedDict(self._policies))

    @overload
    def handler(self, role: F) -> F: ...
    @overload
    def handler(
        self,
        role: str | None = None,
        *,
        retries: int | None = None,
        timeout: float | timedelta | None = None,
        members: int = 1,
        isolated: bool = False,
        model: str = "none",
    ) -> Callable[[F], F]: ...
    def handler(
        self,
        role: str | F | None = None,
        *,
        retries: int | None = None,
        timeout: float | timedelta | None = None,
        members: int = 1,
        isolated: bool = False,
        model: str = "none",
    ) -> F | Callable[[F], F]:
        """Decorates the function that does the steps of a role, which has the function's name unless it is given.

        `retries` and `timeout` (in seconds) hold for the steps of the role that say nothing else, `members` is how many
        members it has, `isolated` calls the function in processes of its own, `model` is that of the role's profile.
        "*" stands for all roles that have no handler of their own. The function itself is left as it is.

        Raises HandlerError naming the function, its file and its line for annotations that make no sense, or for a role
        that has a handler; ValidationError for options that make no sense.
        """
        if callable(role):
            return self.handler()(role)

        if retries is not None:
            integer("retries", retries, least=0)
        if timeout is not None:
            _check_timeout(timeout)

        def register(function: F) -> F:
            if not callable(function):
                raise HandlerError(f"a handler must be a function, not {shown(function)}")
            named = getattr(function, "__name__", None) if role is None else role
            if named is None:
                raise HandlerError(f"{shown(function)} has no name: write @mob.handler(role) with that of its role")
            handler = bound(in_a_process(function) if isolated else function, self._dependencies)
            self._add(valid_text("role", named), model, handler, integer("members", members, least=1), retries, timeout)
            return function

        return register

    def role(self, role: str, *, members: int = 1, model: str = "none") -> None:
        """Add a role that other programs do: one that has no handler here, and no profile yet."""
        self._add(valid_text("role", role), model, None, integer("members", members, least=1), None, None)

    def _add(
        self,
        role: str,
        model: str,
        handler: BoundHandler | None,
        members: int,
        retries: int | None,
        timeout: float | timedelta | None,
    ) -> None:
        known = self._roles.by_name.get(role)
        if known is not None and (known.handler is not None or handler is None):
            raise HandlerError(f"mob {shown(self.id)} has a role {shown(role)} already")
        profile = Profile(model=valid_text("model", model)) if known is None else known.profile
        added = Role(profile, handler, members, retries, timeout)
        if known is None and role != ALL_ROLES:
            defined = self._defined({**self._roles.by_name, role: added}, self._flows)
            # the supervisor's role may be added after this one; it is looked at when there is a flow
            require_valid(defined.model_copy(update={"supervisor": None}))
        self._roles.by_name[role] = added

    def flow(
        self,
        id: str,
        steps: Sequence[Step | Loop] | FlowSpec,
        *,
        description: str | None = None,
        output: str | None = None,
        concurrency: Concurrency | None = None,
        rate: Rate | None = None,
        budget: Budget | Section | None = None,
        retention: RetentionPolicy | Section | None = None,
    ) -> Flow:
        """Add a flow of these steps and loops, or one that is specified already.

        The roles of its steps, and other flows that these run, must be there before. `output` is the path of what a
        step gets that runs this flow, such as "steps.report"; without one that is an object from step to output.
        `concurrency` and `rate` bound the executions of all its steps together; `budget`
        bounds what the calls of handlers may use in each of its runs. A flow that is specified already has its own.
        Runs of a flow with its own `retention` are kept by that alone. Raises DefinitionError naming the flow
        and what is wrong with it; then it is not added.
        """
        if valid_text("id", id) in self._flows:
            raise DefinitionError(f"mob {shown(self.id)} has a flow {shown(id)} already")
        policy = None if retention is None else read_policy(f"flow {shown(id)}: retention", retention)
        if isinstance(steps, FlowSpec):
            if concurrency is not None or rate is not None or budget is not None:
                raise DefinitionError(f"flow {shown(id)}: give its limits where it is specified")
            spec = steps
        else:
            nodes = listed(f"flow {shown(id)}: steps", steps, "steps and loops")
            spec = flow_spec(id, nodes, self._roles.by_name, description, concurrency, rate, output, budget)
        require_valid(self._defined(self._roles.by_name, {**self._flows, id: spec}))
        self._flows[id] = spec
        if policy is not None:
            self._policies[id] = policy
        return Flow(self, self.id, id, spec)

    def definition(self) -> MobDefinition:
        """The definition of this mob as it is now: the one that a TOML file with the same content gives."""
        return self._defined(self._roles.by_name, self._flows)

    def to_toml(self) -> str:
        """The definition as TOML, which reads back as an equal one, and then the table [retention].

        Raises DefinitionError for what TOML cannot say.
        """
        beside = self.retention.to_tables()
        return self.definition().to_toml() + (f"\n{write_toml(beside)}" if beside else "")

    def fleet(
        self,
        storage: MobStorage,
        *,
        members: Mapping[str, int] | None = None,
        lease: timedelta = DEFAULT_LEASE,
        release: str | None = None,
    ) -> Fleet:
        """A fleet of this mob over a storage, to start runs, wait for them, and work; see `Fleet`."""
        optional_instance("members", members, Mapping)
        counts = {**self._roles.members(), **(members or {})}
        opened = instance("storage", storage, MobStorage)
        return Fleet(
            opened,
            self.definition(),
            self.handlers,
            members=counts,
            lease=lease,
            release=release,
            retention=self.retention,
        )

    async def run(
        self,
        flow: Flow | str,
        params: Any = None,
        *,
        url: str | None = None,
        namespace: str = "default",
        storage: MobStorage | None = None,
        members: Mapping[str, int] | None = None,
        idempotency_key: str | None = None,
        concurrency: int = DEFAULT_CONCURRENCY,
        conversation: str | Conversation | None = None,
        on_busy: OnBusy | str | None = None,
    ) -> MobRun:
        """Run a flow to its end with a worker in this process, and return the completed run.

        `params` is JSON, or what pydantic dumps as JSON, such as a model. The storage is the open one that is given, or
        else that of `url`: REDIS_MOB_URL and then `embedded:`, a private server, unless it is given. `concurrency` is
        how many handlers run at a time; `conversation` and `on_busy` are those of `Fleet.start`. If this is cancelled,
        so is the run.

        Raises RunFailedError, which has the run, if it failed or was canceled; what `Fleet.start` raises; and what
        ended the worker.
        """
        flow_id = chosen_flow(flow, self.id, self._flows)

        def start(fleet: Fleet) -> Coroutine[Any, Any, str]:
            return fleet.start(flow_id, params, idempotency_key, conversation=conversation, on_busy=on_busy)

        if storage is not None:
            fleet = self.fleet(storage, members=members)
            return await run_to_its_end(fleet, start, concurrency)
        async with MobStorage.open(url, namespace=namespace) as opened:
            fleet = self.fleet(opened, members=members)
            return await run_to_its_end(fleet, start, concurrency)

    def run_sync(self, flow: Flow | str, params: Any = None, **options: Any) -> MobRun:
        """The same for programs without an event loop; the options are those of `run`.

        Raises RedisMobError where an event loop runs already, as in a notebook: `await mob.run(...)` there.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass  # left before the run, so that this is not the context of what its handlers raise
        else:
            raise RedisMobError("run_sync cannot be called where an event loop runs: write await mob.run(...) there")
        return asyncio.run(self.run(flow, params, **options))

    def _defined(self, roles: Mapping[str, Role], flows: Mapping[str, FlowSpec]) -> MobDefinition:
        profiles = {role_id: role.profile for role_id, role in roles.items() if role_id != ALL_ROLES}
        sections = {name: getattr(self._base, name) for name in MobDefinition.model_fields}
        known = self._validated({**sections, "profiles": profiles, "flows": dict(flows)})
        return known.model_copy(update=self._base.model_extra)

    def _validated(self, document: dict[str, Any]) -> MobDefinition:
        return model_of(f"mob {shown(self.id)}", MobDefinition, **document)


def _check_timeout(timeout: float | timedelta) -> None:
    try:
        milliseconds(timeout)
    except ValueError as error:
        raise ValidationError(str(error)) from None
