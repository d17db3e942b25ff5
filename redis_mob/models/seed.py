"""What a run starts from: the seed of a flow, and the first state made of it."""

from __future__ import annotations

from redis_mob.models.authority import RunSeed
from redis_mob.models.base import U32_MAX, SortedDict, presorted
from redis_mob.models.definition import LimitsSpec
from redis_mob.models.flow import CollectionPolicyKind, DependencyMode, FlowPhase, FlowRunState
from redis_mob.models.flow_spec import CollectAny, CollectionPolicy, CollectQuorum, DependsOnMode, FlowSpec
from redis_mob.models.order import dependency_order
from redis_mob.models.remembered import remembered

DEPENDENCY_MODES = {DependsOnMode.ALL: DependencyMode.ALL, DependsOnMode.ANY: DependencyMode.ANY}
"""The machine's word for the definition's."""


_MEMORY = "_beginning"
"""Where a flow remembers what its runs begin with."""


def beginning_of(
    run_id: str, flow: FlowSpec, limits: LimitsSpec | None, escalation_threshold: int
) -> tuple[RunSeed, FlowRunState]:
    """The seed of a run of this flow, and the first state made of it. Raises as `run_seed`.

    But for the id of the run, all runs of a flow begin with the same ones.
    """

    def make() -> tuple[RunSeed, FlowRunState]:
        seed = run_seed(run_id, flow, limits, escalation_threshold)
        return seed, pending_flow_state(seed)

    seed, state = remembered(flow, _MEMORY, (flow.steps, limits, escalation_threshold), make)
    return seed.model_copy(update={"run_id": run_id}), state


def run_seed(run_id: str, flow: FlowSpec, limits: LimitsSpec | None = None, escalation_threshold: int = 0) -> RunSeed:
    """The seed of a run of this flow; a limit that is not set is 0, which means none.

    Raises DefinitionError when the steps cannot be ordered (contract: kernel-3, kernel-4).
    """
    bounds = limits or LimitsSpec()
    steps = flow.steps
    return RunSeed(
        run_id=run_id,
        step_ids=tuple(steps),
        ordered_steps=dependency_order({step: spec.depends_on for step, spec in steps.items()}, "step"),
        step_has_conditions=SortedDict((step, spec.condition is not None) for step, spec in steps.items()),
        step_dependencies=SortedDict((step, spec.depends_on) for step, spec in steps.items()),
        step_dependency_modes=SortedDict(
            (step, DEPENDENCY_MODES[spec.depends_on_mode]) for step, spec in steps.items()
        ),
        step_branches=SortedDict((step, spec.branch) for step, spec in steps.items()),
        step_collection_policies=SortedDict(
            (step, _policy_kind(spec.collection_policy)) for step, spec in steps.items()
        ),
        step_quorum_thresholds=SortedDict((step, _quorum(spec.collection_policy)) for step, spec in steps.items()),
        escalation_threshold=escalation_threshold,
        max_step_retries=bounds.max_step_retries or 0,
        max_active_nodes=bounds.max_active_nodes or 0,
        max_active_frames=bounds.max_active_frames or 0,
        max_frame_depth=bounds.max_frame_depth or 0,
    )


def _policy_kind(policy: CollectionPolicy) -> CollectionPolicyKind:
    match policy:
        case CollectQuorum():
            return CollectionPolicyKind.QUORUM
        case CollectAny():
            return CollectionPolicyKind.ANY
        case _:
            return CollectionPolicyKind.ALL


def _quorum(policy: CollectionPolicy) -> int:
    return policy.n if isinstance(policy, CollectQuorum) else 0


def pending_flow_state(seed: RunSeed) -> FlowRunState:
    """The state of a run that was just created from this seed.

    A map of the seed that leaves out a step has the default for it: no dependencies, mode and policy All, no branch,
    thresholds 0. Numbers above 32 bits saturate (contract: kernel-4).
    """
    steps = seed.step_ids
    zeros: SortedDict[int] = presorted((step, 0) for step in steps)
    return FlowRunState(
        phase=FlowPhase.PENDING,
        tracked_steps=steps,
        ordered_steps=seed.ordered_steps,
        step_status=presorted((step, None) for step in steps),
        output_recorded=presorted((step, False) for step in steps),
        step_condition_results=presorted((step, None) for step in steps),
        step_has_conditions=presorted((step, seed.step_has_conditions.get(step, False)) for step in steps),
        step_dependencies=presorted((step, seed.step_dependencies.get(step, ())) for step in steps),
        step_dependency_modes=presorted(
            (step, seed.step_dependency_modes.get(step, DependencyMode.ALL)) for step in steps
        ),
        step_branches=presorted((step, seed.step_branches.get(step)) for step in steps),
        step_collection_policies=presorted(
            (step, seed.step_collection_policies.get(step, CollectionPolicyKind.ALL)) for step in steps
        ),
        step_quorum_thresholds=presorted((step, saturated(seed.step_quorum_thresholds.get(step, 0))) for step in steps),
        step_target_counts=zeros,
        step_target_success_counts=zeros,
        step_target_terminal_failure_counts=zeros,
        target_retry_counts=SortedDict(),
        failure_count=0,
        consecutive_failure_count=0,
        escalation_threshold=saturated(seed.escalation_threshold),
        max_step_retries=saturated(seed.max_step_retries),
        ready_frames=(),
        ready_frame_membership=(),
        pending_body_frame_loops=(),
        pending_body_frame_loop_membership=(),
        active_node_count=0,
        active_frame_count=0,
        max_active_nodes=saturated(seed.max_active_nodes),
        max_active_frames=saturated(seed.max_active_frames),
        max_frame_depth=saturated(seed.max_frame_depth),
        last_granted_frame="",
        last_granted_loop="",
    )


def saturated(value: int) -> int:
    """The value, or the greatest 32-bit number if it is above that."""
    return min(value, U32_MAX)
