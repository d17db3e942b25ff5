"""The compare-and-swap operations on a run with one frame and one loop: what they compare, and what they leave."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar, cast

from redis_mob.contracts import MobRunStore
from redis_mob.models import (
    FlowAuthorityInput,
    FlowRunState,
    FrameSnapshot,
    LoopSnapshot,
    MobRun,
    MobRunStatus,
)
from redis_mob.models.base import SortedDict
from redis_mob.models.flow import FlowStepStatus, LoopStage, NodeStatus
from redis_mob.testing.samples.states import authority_input, flow_state, frame, iteration_entry, loop, new_run, rebuilt

P = TypeVar("P", FlowRunState, FrameSnapshot, LoopSnapshot)

RUN = flow_state(ready_frames=("root",), ready_frame_membership=("root",))
NEXT_RUN = rebuilt(RUN, active_node_count=1, step_status={"build": FlowStepStatus.DISPATCHED, "test": None})
FRAME = frame()
NEXT_FRAME = frame(node_status={"n1": NodeStatus.RUNNING, "n2": NodeStatus.PENDING}, ready_queue=())
LOOP = loop()
NEXT_LOOP = loop(stage=LoopStage.BODY_FRAME_ACTIVE, active_body_frame_id="body")

_OF_RUN = {"expected_run_state": RUN, "next_run_state": NEXT_RUN}
_OF_FRAME = {"frame_id": "root", "expected_frame": FRAME, "next_frame": NEXT_FRAME}
_OF_LOOP = {"loop_instance_id": "loop-1", "expected_loop": LOOP, "next_loop": NEXT_LOOP}

_RUN_LEFT = {"flow_state": NEXT_RUN}
_FRAME_LEFT = {"frames": {"root": NEXT_FRAME}}
_LOOP_LEFT = {"loops": {"loop-1": NEXT_LOOP}}

INPUTS: tuple[FlowAuthorityInput, ...] = (authority_input(7), authority_input(3), authority_input(7))


@dataclass(frozen=True)
class Operation:
    """A method with arguments that win on `scene()`, and the fields that the run then has."""

    name: str
    arguments: Mapping[str, Any]
    leaves: Mapping[str, Any]

    async def call(self, runs: MobRunStore, run_id: str, **changes: Any) -> bool:
        return await getattr(runs, self.name)(run_id, **{**self.arguments, **changes})

    @property
    def compared(self) -> list[str]:
        """The arguments that are compared with what is stored."""
        return [name for name in self.arguments if name.startswith("expected")]

    def left(self, run: MobRun, inputs: tuple[FlowAuthorityInput, ...] = ()) -> MobRun:
        """What the run looks like when the operation was won on it."""
        return run.model_validate(
            {
                **dict(run),
                **self.leaves,
                "flow_authority_inputs": (*run.flow_authority_inputs, *inputs),
            }
        )


COMPOUND = (
    Operation("cas_frame_state", {"frame_id": "root", "expected": FRAME, "next": NEXT_FRAME}, _FRAME_LEFT),
    Operation("cas_grant_node_slot", _OF_RUN | _OF_FRAME, _RUN_LEFT | _FRAME_LEFT),
    Operation(
        "cas_complete_step_and_record_output",
        _OF_FRAME | {"step_output_key": "build", "step_output": {"ok": True}},
        _FRAME_LEFT | {"root_step_outputs": {"build": {"ok": True}}},
    ),
    Operation(
        "cas_start_loop",
        _OF_RUN | _OF_FRAME | {"loop_instance_id": "loop-2", "initial_loop": loop("loop-2")},
        _RUN_LEFT | _FRAME_LEFT | {"loops": {"loop-1": LOOP, "loop-2": loop("loop-2")}},
    ),
    Operation("cas_loop_request_body_frame", _OF_RUN | _OF_LOOP, _RUN_LEFT | _LOOP_LEFT),
    Operation(
        "cas_grant_body_frame_start",
        _OF_RUN | _OF_LOOP | {"frame_id": "body", "initial_frame": frame("body"), "ledger_entry": iteration_entry()},
        _RUN_LEFT
        | _LOOP_LEFT
        | {"frames": {"root": FRAME, "body": frame("body")}, "loop_iteration_ledger": (iteration_entry(),)},
    ),
    Operation("cas_complete_body_frame", _OF_RUN | _OF_LOOP | _OF_FRAME, _RUN_LEFT | _LOOP_LEFT | _FRAME_LEFT),
    Operation("cas_complete_loop", _OF_RUN | _OF_LOOP | _OF_FRAME, _RUN_LEFT | _LOOP_LEFT | _FRAME_LEFT),
)
"""The eight compound operations (contract: runs-15)."""

SIMPLE = (
    Operation("cas_flow_state", {"expected": RUN, "next": NEXT_RUN}, _RUN_LEFT),
    Operation(
        "cas_run_snapshot",
        {
            "expected_status": MobRunStatus.RUNNING,
            "expected_flow_state": RUN,
            "next_status": MobRunStatus.PENDING,
            "next_flow_state": NEXT_RUN,
        },
        _RUN_LEFT | {"status": MobRunStatus.PENDING},
    ),
)
"""The other two that take authority inputs."""

OPERATIONS: Mapping[str, Operation] = {operation.name: operation for operation in (*COMPOUND, *SIMPLE)}
"""All ten by name."""


def scene(**changes: Any) -> MobRun:
    """A run on which every operation wins, with these changes."""
    parts = {"flow_state": RUN, "frames": {"root": FRAME}, "loops": {"loop-1": LOOP}}
    return new_run(**{**parts, "flow_authority_inputs": [authority_input()], **changes})


def stale(value: Any) -> Any:
    """Another value of the same kind."""
    match value:
        case FlowRunState():
            return rebuilt(value, last_granted_loop="other")
        case FrameSnapshot():
            return FrameSnapshot(kernel_state=rebuilt(value.kernel_state, last_admitted_node="other"))
        case LoopSnapshot():
            return LoopSnapshot(kernel_state=rebuilt(value.kernel_state, depth=9))
        case _:
            return next(status for status in MobRunStatus if status != value)


def backwards(part: P) -> P:
    """An equal value, made from JSON whose keys stand in the opposite order."""
    return type(part).model_validate_json(json.dumps(_backwards(json.loads(part.model_dump_json()))))


def _backwards(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _backwards(item) for key, item in reversed(cast("dict[str, Any]", value).items())}
    return value


def with_one_other_field(part: P) -> Iterator[tuple[str, P]]:
    """For each field of a part its name, and a part that differs in it alone."""
    if isinstance(part, FlowRunState):
        for field in FlowRunState.model_fields:
            yield field, rebuilt(part, **{field: _other(getattr(part, field))})
        return
    state = part.kernel_state
    for field in type(state).model_fields:
        other = rebuilt(state, **{field: _other(getattr(state, field))})
        yield field, part.model_copy(update={"kernel_state": other})


def _other(value: Any) -> Any:
    match value:
        case Enum():
            return next(member for member in type(value) if member is not value)
        case SortedDict():
            items = list(cast("SortedDict[Any]", value).items())
            return dict(items[1:]) if items else {"other": 1}
        case tuple():
            return (*cast("tuple[Any, ...]", value), "other")
        case int():
            return value + 1
        case _:
            return f"{value}other"
