"""Which field of a kernel state lies in which group of its snapshot, and how maps become rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from operator import itemgetter
from typing import Any, Generic, NamedTuple, TypeVar, cast

from redis_mob.models.base import Model
from redis_mob.models.flow import (
    CollectionPolicyKind,
    DependencyMode,
    FlowFrameState,
    FlowPhase,
    FlowRunState,
    FlowStepStatus,
    FramePhase,
    FrameScope,
    LoopIterationState,
    LoopPhase,
    LoopStage,
    NodeKind,
    NodeStatus,
)

S = TypeVar("S", bound=Model)

_NONE = 255
"""The code of None in a column of codes."""


class Column(NamedTuple):
    """How the values of one map become a row, and back."""

    write: Callable[[Iterable[Any]], Sequence[Any]]
    read: Callable[[Sequence[Any]], Iterable[Any]]


def _coded(*members: object) -> Column:
    # One byte per value. The position is the stored code, so a new member may only be added at the end.
    codes: dict[object, int] = {None: _NONE, **{member: code for code, member in enumerate(members)}}
    names = {code: member for member, code in codes.items()}

    def write(values: Iterable[object]) -> bytes:
        return bytes(map(codes.__getitem__, values))

    def read(row: Sequence[Any]) -> Iterable[object]:
        return map(names.__getitem__, row)

    return Column(write, read)


_BOOLS = _coded(False, True)
VALUES = Column(write=tuple, read=iter)


@dataclass(frozen=True)
class Layout(Generic[S]):
    """Which field of a state lies in which group.

    The plan does not change after the state was made; columns change step by step; the rest changes all the time.
    """

    model: type[S]
    ids: str | None
    plan: tuple[str, ...]
    plan_columns: Mapping[str, Column]
    block_columns: Mapping[str, Column]
    scheduler: tuple[str, ...]
    enums: Mapping[str, type[StrEnum]]
    maps: tuple[str, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All fields."""
        return (*self.plan, *self.plan_columns, *self.block_columns, *self.scheduler)

    @cached_property
    def first_block_column(self) -> int:
        """Where the columns that lie in blocks begin in `names`."""
        return len(self.plan) + len(self.plan_columns)

    @cached_property
    def blocks(self) -> Mapping[str, tuple[int, Column]]:
        """The columns that lie in blocks, each with its number among them."""
        return {name: (number, column) for number, (name, column) in enumerate(self.block_columns.items())}

    @cached_property
    def block_values(self) -> Mapping[str, int]:
        """The numbers of those of these columns that hold values as they are."""
        return {name: number for name, (number, column) in self.blocks.items() if column is VALUES}

    @cached_property
    def scheduler_values(self) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
        """Gives the values of the fields that change all the time, in their order."""
        return cast("Callable[[Mapping[str, Any]], tuple[Any, ...]]", itemgetter(*self.scheduler))

    @cached_property
    def values(self) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
        """Gives the values of all fields, in the order of `names`. Raises KeyError for a field that is missing."""
        return cast("Callable[[Mapping[str, Any]], tuple[Any, ...]]", itemgetter(*self.names))

    @cached_property
    def in_plan(self) -> frozenset[str]:
        """The fields of the plan, its columns included."""
        return frozenset((*self.plan, *self.plan_columns))

    @cached_property
    def in_blocks(self) -> frozenset[str]:
        """The fields that lie in blocks."""
        return frozenset(self.block_columns)


FLOW_RUN = Layout(
    model=FlowRunState,
    ids="tracked_steps",
    plan=(
        "tracked_steps",
        "ordered_steps",
        "escalation_threshold",
        "max_step_retries",
        "max_active_nodes",
        "max_active_frames",
        "max_frame_depth",
    ),
    plan_columns={
        "step_has_conditions": _BOOLS,
        "step_dependencies": VALUES,
        "step_dependency_modes": _coded(*DependencyMode),
        "step_branches": VALUES,
        "step_collection_policies": _coded(*CollectionPolicyKind),
        "step_quorum_thresholds": VALUES,
    },
    block_columns={
        "step_status": _coded(*FlowStepStatus),
        "output_recorded": _BOOLS,
        "step_condition_results": _BOOLS,
        "step_target_counts": VALUES,
        "step_target_success_counts": VALUES,
        "step_target_terminal_failure_counts": VALUES,
    },
    maps=("target_retry_counts",),
    scheduler=(
        "phase",
        "target_retry_counts",
        "failure_count",
        "consecutive_failure_count",
        "ready_frames",
        "ready_frame_membership",
        "pending_body_frame_loops",
        "pending_body_frame_loop_membership",
        "active_node_count",
        "active_frame_count",
        "last_granted_frame",
        "last_granted_loop",
    ),
    enums={"phase": FlowPhase},
)

FLOW_FRAME = Layout(
    model=FlowFrameState,
    ids="tracked_nodes",
    plan=("tracked_nodes", "ordered_nodes", "frame_id", "frame_scope", "loop_instance_id", "iteration"),
    plan_columns={
        "node_kind": _coded(*NodeKind),
        "node_dependencies": VALUES,
        "node_dependency_modes": _coded(*DependencyMode),
        "node_branches": VALUES,
    },
    block_columns={
        "node_status": _coded(*NodeStatus),
        "output_recorded": _BOOLS,
        "node_condition_results": _BOOLS,
    },
    scheduler=("phase", "last_admitted_node", "branch_winners", "ready_queue"),
    enums={"phase": FramePhase, "frame_scope": FrameScope},
)

LOOP_ITERATION = Layout(
    model=LoopIterationState,
    ids=None,
    plan=("loop_instance_id", "parent_frame_id", "parent_node_id", "loop_id", "depth", "max_iterations"),
    plan_columns={},
    block_columns={},
    scheduler=("phase", "stage", "current_iteration", "last_completed_iteration", "active_body_frame_id"),
    enums={"phase": LoopPhase, "stage": LoopStage},
)

LAYOUTS: Mapping[type[Model], Layout[Any]] = {layout.model: layout for layout in (FLOW_RUN, FLOW_FRAME, LOOP_ITERATION)}
"""The layout of each class of kernel states."""
