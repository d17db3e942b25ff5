"""Small mobs for the fleet's tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis_mob.models.base import FrozenDict, SortedDict
from redis_mob.models.conditions import ConditionExpr
from redis_mob.models.definition import (
    LimitsSpec,
    MobDefinition,
    OrchestratorConfig,
    SupervisorSpec,
    TopologyRule,
    TopologySpec,
)
from redis_mob.models.flow_spec import (
    CollectAll,
    CollectAny,
    CollectionPolicy,
    CollectQuorum,
    DependsOnMode,
    FlowSpec,
    FlowStepSpec,
    FrameSpec,
    FrameStepSpec,
    RepeatUntilSpec,
    WaitSpec,
)
from redis_mob.models.profile import Profile

FLOW = "flow"

Node = FrameStepSpec | RepeatUntilSpec


def collect(policy: str | int) -> CollectionPolicy:
    """`all`, `any`, or the number of a quorum."""
    if isinstance(policy, int):
        return CollectQuorum(n=policy)
    return CollectAll() if policy == "all" else CollectAny()


def step(
    *needs: str, role: str = "worker", message: Any = "do it", policy: str | int = "all", join: str = "all", **more: Any
) -> FlowStepSpec:
    """A step after `needs`; `join` says whether it waits for all of them or for any."""
    return FlowStepSpec(
        role=role,
        message=message,
        depends_on=needs,
        depends_on_mode=DependsOnMode(join),
        collection_policy=collect(policy),
        **more,
    )


def wait(
    *needs: str, signal: str = "go", condition: Any = None, branch: str | None = None, **more: Any
) -> FlowStepSpec:
    """A step that waits for a signal; `more` is what it says of that."""
    return FlowStepSpec(
        role="",
        message="",
        depends_on=needs,
        condition=condition,
        branch=branch,
        wait_for=WaitSpec(signal=signal, **more),
    )


def runs(
    flow: str, *needs: str, condition: Any = None, branch: str | None = None, policy: str | int = "all", **more: Any
) -> FlowStepSpec:
    """A step that runs another flow."""
    return FlowStepSpec(
        role="",
        message="",
        flow=flow,
        depends_on=needs,
        condition=condition,
        branch=branch,
        collection_policy=collect(policy),
        **more,
    )


def with_flows(definition: MobDefinition, **flows: Mapping[str, FlowStepSpec] | FlowSpec) -> MobDefinition:
    """The mob with these flows beside its own."""
    made = {name: one if isinstance(one, FlowSpec) else FlowSpec(steps=FrozenDict(one)) for name, one in flows.items()}
    roles = {role for flow in made.values() for role in flow.roles}
    profiles = SortedDict({**{role: Profile(model="model") for role in roles}, **definition.profiles})
    flows = SortedDict({**definition.flows, **made})
    return definition.model_copy(update={"flows": flows, "profiles": profiles})


def node(step_id: str, *needs: str, join: str = "all", branch: str | None = None) -> FrameStepSpec:
    """A node that runs a step."""
    return FrameStepSpec(step_id=step_id, depends_on=needs, depends_on_mode=DependsOnMode(join), branch=branch)


def loop(
    loop_id: str, until: ConditionExpr, most: int, *needs: str, join: str = "all", **body: Node
) -> RepeatUntilSpec:
    """A node that repeats `body`, at most so many times."""
    return RepeatUntilSpec(
        loop_id=loop_id,
        depends_on=needs,
        depends_on_mode=DependsOnMode(join),
        body=FrameSpec(nodes=FrozenDict(body)),
        until=until,
        max_iterations=most,
    )


def mob(
    steps: Mapping[str, FlowStepSpec],
    root: Mapping[str, Node] | None = None,
    *,
    limits: Mapping[str, Any] | None = None,
    topology: TopologySpec | None = None,
    supervisor: SupervisorSpec | None = None,
) -> MobDefinition:
    """A mob whose flow `flow` has these steps; its orchestrator is of role `lead`."""
    roles = {"lead", *(one.role for one in steps.values() if one.has_members)}
    frame = None if root is None else FrameSpec(nodes=FrozenDict(root))
    return MobDefinition(
        id="mob",
        orchestrator=OrchestratorConfig(profile="lead"),
        profiles=SortedDict({role: Profile(model="model") for role in roles}),
        flows=SortedDict({FLOW: FlowSpec(steps=FrozenDict(steps), root=frame)}),
        limits=LimitsSpec.model_validate(limits or {}),
        topology=topology,
        supervisor=supervisor,
    )


def supervisor(threshold: int = 1, timeout_ms: int | None = None) -> SupervisorSpec:
    """A supervisor: the member of the role `lead`."""
    return SupervisorSpec(role="lead", escalation_threshold=threshold, timeout_ms=timeout_ms)


def rule(to_role: str, *, allowed: bool, from_role: str = "lead") -> TopologyRule:
    """Whether one role may hand work to another."""
    return TopologyRule(from_role=from_role, to_role=to_role, allowed=allowed)
