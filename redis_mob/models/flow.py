"""Kernel states: what the flow, frame and loop machines persist (contract: json-16, json-17, json-18)."""

from redis_mob.models.base import U32, U64, Items, Model, SortedDict, SortedSet, WireEnum


class FlowPhase(WireEnum):
    """Where a run stands as a whole."""

    ABSENT = "Absent"
    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"


class FlowStepStatus(WireEnum):
    """The status of a step in its run; a step that was not begun has None instead."""

    DISPATCHED = "Dispatched"
    COMPLETED = "Completed"
    FAILED = "Failed"
    SKIPPED = "Skipped"
    CANCELED = "Canceled"


class DependencyMode(WireEnum):
    """All dependencies must be completed, or any one of them."""

    ALL = "All"
    ANY = "Any"


class CollectionPolicyKind(WireEnum):
    """How many targets of a step must succeed; the number for a quorum stands beside it."""

    ALL = "All"
    ANY = "Any"
    QUORUM = "Quorum"


class FlowRunState(Model):
    """The scheduler's state of one run: 31 fields, compared as a whole and by value.

    Maps from step id are usually, but need not be, keyed by exactly `tracked_steps`: the store takes what it gets.
    A cap of 0 means unlimited. The empty string in `last_granted_*` means none.
    """

    phase: FlowPhase
    tracked_steps: SortedSet[str]
    ordered_steps: Items[str]
    step_status: SortedDict[FlowStepStatus | None]
    output_recorded: SortedDict[bool]
    step_condition_results: SortedDict[bool | None]
    step_has_conditions: SortedDict[bool]
    step_dependencies: SortedDict[Items[str]]
    step_dependency_modes: SortedDict[DependencyMode]
    step_branches: SortedDict[str | None]
    step_collection_policies: SortedDict[CollectionPolicyKind]
    step_quorum_thresholds: SortedDict[U32]
    step_target_counts: SortedDict[U32]
    step_target_success_counts: SortedDict[U32]
    step_target_terminal_failure_counts: SortedDict[U32]
    target_retry_counts: SortedDict[U32]
    failure_count: U32
    consecutive_failure_count: U32
    escalation_threshold: U32
    max_step_retries: U32
    ready_frames: Items[str]
    ready_frame_membership: SortedSet[str]
    pending_body_frame_loops: Items[str]
    pending_body_frame_loop_membership: SortedSet[str]
    active_node_count: U32
    active_frame_count: U32
    max_active_nodes: U32
    max_active_frames: U32
    max_frame_depth: U32
    last_granted_frame: str
    last_granted_loop: str


class FramePhase(WireEnum):
    """Where a frame stands; a sealed frame is Completed, Failed or Canceled."""

    ABSENT = "Absent"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"


class FrameScope(WireEnum):
    """The root frame of a run, or the body of one loop iteration."""

    ROOT = "Root"
    BODY = "Body"


class NodeKind(WireEnum):
    """A node runs a step, or a loop."""

    STEP = "Step"
    LOOP = "Loop"


class NodeStatus(WireEnum):
    """Where a node of a frame stands."""

    PENDING = "Pending"
    READY = "Ready"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    SKIPPED = "Skipped"
    CANCELED = "Canceled"


class FlowFrameState(Model):
    """The state of one frame: 17 fields. `loop_instance_id` is empty for a root frame."""

    phase: FramePhase
    frame_id: str
    frame_scope: FrameScope
    loop_instance_id: str
    iteration: U64
    last_admitted_node: str
    tracked_nodes: SortedSet[str]
    ordered_nodes: Items[str]
    node_kind: SortedDict[NodeKind]
    node_dependencies: SortedDict[Items[str]]
    node_dependency_modes: SortedDict[DependencyMode]
    node_branches: SortedDict[str | None]
    branch_winners: SortedSet[str]
    node_status: SortedDict[NodeStatus]
    ready_queue: Items[str]
    output_recorded: SortedDict[bool]
    node_condition_results: SortedDict[bool | None]

    @property
    def body_iteration(self) -> int | None:
        """The iteration whose body the frame is; None for a root frame."""
        return self.iteration if self.frame_scope is FrameScope.BODY else None


class LoopPhase(WireEnum):
    """Where a loop stands; Exhausted means that its iterations were used up without the condition holding."""

    ABSENT = "Absent"
    RUNNING = "Running"
    COMPLETED = "Completed"
    EXHAUSTED = "Exhausted"
    FAILED = "Failed"
    CANCELED = "Canceled"


class LoopStage(WireEnum):
    """What a running loop waits for."""

    AWAITING_BODY_FRAME = "AwaitingBodyFrame"
    BODY_FRAME_ACTIVE = "BodyFrameActive"
    AWAITING_UNTIL_EVALUATION = "AwaitingUntilEvaluation"


class LoopIterationState(Model):
    """The state of one loop instance: 11 fields."""

    phase: LoopPhase
    loop_instance_id: str
    parent_frame_id: str
    parent_node_id: str
    loop_id: str
    depth: U32
    stage: LoopStage
    current_iteration: U64
    last_completed_iteration: U64
    max_iterations: U32
    active_body_frame_id: str | None = None


class FrameSnapshot(Model):
    """A frame as the store holds it."""

    kernel_state: FlowFrameState


class LoopSnapshot(Model):
    """A loop instance as the store holds it."""

    kernel_state: LoopIterationState
