"""Seeds of frames and loops, and the ids of what is made at run time (contract: json-19, kernel-16, kernel-24)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis_mob.kernel.frame import seeded
from redis_mob.models.authority import FrameSeed, LoopSeed
from redis_mob.models.base import SortedDict
from redis_mob.models.flow import FrameScope, LoopIterationState, NodeKind, NodeStatus
from redis_mob.models.flow_spec import FrameSpec, FrameStepSpec, RepeatUntilSpec
from redis_mob.models.order import dependency_order
from redis_mob.models.remembered import remembered
from redis_mob.models.seed import DEPENDENCY_MODES

_MEMORY = "_seed"
"""Where the definition of a frame remembers a seed of it."""


def root_frame_id(run_id: str) -> str:
    """The id of the frame a run starts with."""
    return f"{run_id}-root"


def supervisor_frame_id(run_id: str) -> str:
    """What stands in the place of a frame where the supervisor is told of steps; no frame has this id."""
    return f"{run_id}-supervisor"


def loop_instance_id(frame_id: str, node_id: str) -> str:
    """The id of the loop instance that a loop node of a frame starts."""
    return f"{frame_id}::{node_id}"


def body_frame_id(loop_instance: str, iteration: int) -> str:
    """The id of the frame that is the body of one iteration."""
    return f"{loop_instance}::iter-{iteration}"


def root_frame_seed(run_id: str, spec: FrameSpec) -> FrameSeed:
    """The seed of a run's root frame. Raises DefinitionError when its nodes cannot be ordered."""
    return _frame_seed(run_id, root_frame_id(run_id), spec, FrameScope.ROOT, None, 0)


def body_frame_seed(run_id: str, loop: LoopIterationState, spec: FrameSpec) -> FrameSeed:
    """The seed of the body frame of a loop's current iteration. Raises DefinitionError as `root_frame_seed` does."""
    instance, iteration = loop.loop_instance_id, loop.current_iteration
    return _frame_seed(run_id, body_frame_id(instance, iteration), spec, FrameScope.BODY, instance, iteration)


def _frame_seed(
    run_id: str, frame_id: str, spec: FrameSpec, scope: FrameScope, loop_instance: str | None, iteration: int
) -> FrameSeed:
    # All frames of one definition begin alike, but for these.
    own = {
        "run_id": run_id,
        "frame_id": frame_id,
        "frame_scope": scope,
        "loop_instance_id": loop_instance,
        "iteration": iteration,
    }
    return remembered(spec, _MEMORY, (spec.nodes,), lambda: _made_seed(spec, own)).model_copy(update=own)


def _made_seed(spec: FrameSpec, own: Mapping[str, Any]) -> FrameSeed:
    nodes = spec.nodes
    ordered = dependency_order({node: details.depends_on for node, details in nodes.items()}, "node")
    ready = tuple(node for node in ordered if not nodes[node].depends_on)
    steps = {node: details for node, details in nodes.items() if isinstance(details, FrameStepSpec)}
    loops = {node: details for node, details in nodes.items() if isinstance(details, RepeatUntilSpec)}
    seed = FrameSeed(
        **own,
        tracked_nodes=tuple(nodes),
        ordered_nodes=ordered,
        node_kind=SortedDict((node, NodeKind.STEP if node in steps else NodeKind.LOOP) for node in nodes),
        node_dependencies=SortedDict((node, details.depends_on) for node, details in nodes.items()),
        node_dependency_modes=SortedDict(
            (node, DEPENDENCY_MODES[details.depends_on_mode]) for node, details in nodes.items()
        ),
        node_branches=SortedDict((node, steps[node].branch if node in steps else None) for node in nodes),
        node_step_ids=SortedDict((node, details.step_id) for node, details in steps.items()),
        node_loop_ids=SortedDict((node, details.loop_id) for node, details in loops.items()),
        node_status=SortedDict(
            (node, NodeStatus.PENDING if details.depends_on else NodeStatus.READY) for node, details in nodes.items()
        ),
        ready_queue=ready,
    )
    seeded(seed)  # it remembers the first state, and so do its copies
    return seed


def loop_seed(frame_id: str, node_id: str, spec: RepeatUntilSpec, depth: int) -> LoopSeed:
    """The seed of the loop instance of a loop node; `depth` is 1 for a loop in the root frame."""
    return LoopSeed(
        loop_instance_id=loop_instance_id(frame_id, node_id),
        parent_frame_id=frame_id,
        parent_node_id=node_id,
        loop_id=spec.loop_id,
        depth=depth,
        max_iterations=spec.max_iterations,
    )
