"""Decides a step by its collection policy: when it has its quorum, and when that has become impossible."""

from __future__ import annotations

from redis_mob.fleet.said import joined
from redis_mob.fleet.step_end import complete_step, fail_step
from redis_mob.fleet.transition_builder import TransitionBuilder
from redis_mob.models.execution import ExecutionStatus, ItemProgress
from redis_mob.models.flow_spec import CollectAll, CollectAny, CollectionPolicy, CollectQuorum


def members_required(policy: CollectionPolicy) -> int:
    """How many members a step must have at least, so that it can succeed at all."""
    return policy.n if isinstance(policy, CollectQuorum) else 1


def successes_required(policy: CollectionPolicy, members: int) -> int:
    """How many of a step's members must succeed."""
    match policy:
        case CollectAll():
            return members
        case CollectAny():
            return 1
        case CollectQuorum(n=n):
            return n


def decide_step(builder: TransitionBuilder, frame_id: str, node_id: str, step_id: str) -> None:
    """End the step as soon as its outcome is certain, even if other members are still at work (contract: engine-12)."""
    # Two workers may bring in the last two results at the same time. Each sees the other's execution still open and
    # decides to wait; if both commits won, no further result would come and the step would hang. So every decision
    # compares the version of the run: one of the two loses, reads both results, and decides the step.
    progress = builder.progress_of((frame_id, node_id))
    if progress is None:
        statuses = builder.statuses_of(frame_id, node_id)
        members, failures = statuses.total(), statuses[ExecutionStatus.FAILED]
        successes = statuses[ExecutionStatus.COMPLETED]
    else:
        members, failures, successes = progress.items, progress.failed, progress.completed
    required = successes_required(builder.flow.steps[step_id].collection_policy, members)
    if successes >= required:
        complete_step(builder, frame_id, node_id, step_id)
    elif members - failures < required:
        reasons = _reasons(builder, frame_id, node_id) if progress is None else _reasons_of_items(progress)
        fail_step(builder, frame_id, node_id, step_id, joined(reasons))


def _reasons(builder: TransitionBuilder, frame_id: str, node_id: str) -> list[str]:
    return [
        f"{member}: {execution.reason}"
        for member, execution in builder.executions_of(frame_id, node_id).items()
        if execution.status is ExecutionStatus.FAILED
    ]


def _reasons_of_items(progress: ItemProgress) -> list[str]:
    more = progress.failed - len(progress.reasons)
    return [*progress.reasons, f"and {more:,} more"] if more else list(progress.reasons)
