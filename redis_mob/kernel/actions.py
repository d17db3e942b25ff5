"""What may happen next in a run: a closed set of small values that `plan` gives and `moves` carries out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from redis_mob.models.flow import FlowStepStatus, FramePhase, LoopPhase
from redis_mob.models.run import MobRunStatus


@dataclass(frozen=True, slots=True)
class StartRun:
    """The run goes from Pending to Running."""


@dataclass(frozen=True, slots=True)
class CreateRootFrame:
    """The frame a run starts with is created."""


@dataclass(frozen=True, slots=True)
class RegisterReadyFrame:
    """A frame with ready nodes is put on the run's list of such frames."""

    frame_id: str


@dataclass(frozen=True, slots=True)
class RunNode:
    """A ready step node gets a node slot; from then on its step may be executed."""

    frame_id: str
    node_id: str
    step_id: str


@dataclass(frozen=True, slots=True)
class StartLoop:
    """A ready loop node starts its loop instance; it holds no node slot afterwards (contract: kernel-14)."""

    frame_id: str
    node_id: str
    loop_id: str


@dataclass(frozen=True, slots=True)
class StartBodyFrame:
    """A waiting loop gets a frame slot, and the body frame of its current iteration is created."""

    loop_instance_id: str


@dataclass(frozen=True, slots=True)
class SealFrame:
    """A frame whose nodes are all over is closed."""

    frame_id: str
    phase: FramePhase


@dataclass(frozen=True, slots=True)
class CompleteBodyFrame:
    """The body of a loop's current iteration was sealed Completed: its slot comes back, and until is due."""

    loop_instance_id: str


@dataclass(frozen=True, slots=True)
class EvaluateUntil:
    """The until condition of a loop is to be evaluated after this iteration; `moves.until_decided` takes the answer."""

    loop_instance_id: str
    iteration: int


@dataclass(frozen=True, slots=True)
class FinishLoop:
    """A loop ends because its body failed or was canceled; its node ends alike."""

    loop_instance_id: str
    outcome: LoopPhase


@dataclass(frozen=True, slots=True)
class ProjectStep:
    """A step of a finished root frame takes its final status, from a node where there is one."""

    step_id: str
    status: FlowStepStatus
    frame_id: str | None
    node_id: str | None


@dataclass(frozen=True, slots=True)
class Terminate:
    """The run gets its terminal status; every step has its own by then."""

    status: MobRunStatus


@dataclass(frozen=True, slots=True)
class AbortRun:
    """The run cannot go on and must fail: a loop node would nest deeper than `max_frame_depth` allows."""

    frame_id: str
    node_id: str
    reason: str


Transition: TypeAlias = (
    StartRun
    | CreateRootFrame
    | RegisterReadyFrame
    | RunNode
    | StartLoop
    | StartBodyFrame
    | SealFrame
    | CompleteBodyFrame
    | FinishLoop
    | ProjectStep
    | Terminate
    | AbortRun
)
"""Actions that `moves.inputs_for` turns into inputs by itself."""

Action: TypeAlias = Transition | EvaluateUntil
"""Everything that `plan` may give."""
