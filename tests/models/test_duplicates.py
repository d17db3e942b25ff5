"""A field that is given twice is refused, wherever it stands; a key of a free map may repeat."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from redis_mob.models import (
    BackendPeerMemberRef,
    ExternalBindingOverlayRecord,
    FlowStarted,
    FrameSnapshot,
    LoopIterationState,
    LoopSnapshot,
    MobDefinition,
    MobEvent,
    SupervisorAuthorityRecord,
)
from redis_mob.models.base import Model
from redis_mob.models.failure import AgentErrorReport
from redis_mob.models.problems import problems

RUN = "5b0f1c1e-7f1c-4b7e-9d3a-0a1b2c3d4e5f"
KEY = "[" + ",".join("7" * 32) + "]"
TIME = '"2026-03-01T12:00:00Z"'
LOOP = (
    '"loop_instance_id":"l","parent_frame_id":"f","parent_node_id":"n","loop_id":"x","depth":1,"stage":'
    '"AwaitingBodyFrame","current_iteration":0,"last_completed_iteration":0,"max_iterations":3'
)
NODE = '{"kind":"step","step_id":"a","depends_on":[],"depends_on_mode":"all"}'


@pytest.mark.parametrize(
    ("model", "text", "path"),
    [
        (LoopIterationState, f'{{"phase":"Absent","phase":"Absent",{LOOP}}}', "phase"),
        (LoopSnapshot, f'{{"kernel_state":{{"phase":"Absent","depth":1,{LOOP}}}}}', "kernel_state.depth"),
        (
            MobEvent,
            f'{{"cursor":1,"mob_id":"m","timestamp":{TIME},"kind":{{"type":"mob_reset","type":"mob_reset"}}}}',
            "kind.type",
        ),
        (AgentErrorReport, '{"class":"a","class":"a","message":"m"}', "class"),
        (
            ExternalBindingOverlayRecord,
            f'{{"agent_identity":"a","generation":1,"updated_at":{TIME},"status":{{"Failed":{{"reason":"a","reason":"b"}}}}}}',
            "status.Failed.reason",
        ),
        (
            SupervisorAuthorityRecord,
            f'{{"secret_key":{KEY},"secret_key":{KEY},"public_peer_id":"p","epoch":1,"protocol_version":2}}',
            "secret_key",
        ),
        (BackendPeerMemberRef, '{"peer_id":"p","address":"a","address":"a"}', "address"),
        (
            MobDefinition,
            f'{{"id":"m","flows":{{"f":{{"root":{{"nodes":{{"n":{NODE[:-1]},"step_id":"b"}}}}}}}}}}}}',
            "flows.f.root.nodes.n.step_id",
        ),
        (
            MobDefinition,
            '{"id":"m","wiring":{"role_wiring":[{"a":"x","b":"y"},{"a":"x","b":"y","b":"z"}]}}',
            "wiring.role_wiring.1.b",
        ),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_a_field_given_twice_is_refused_by_path(model: type[Model], text: str, path: str) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate_json(text)
    assert problems(refused.value) == f"{path}: The field is given twice; give it once"
    with pytest.raises(ValidationError, match="given twice"):
        model.model_validate_json(text.encode())


def test_free_maps_take_the_last_value() -> None:
    started = FlowStarted.model_validate_json(
        f'{{"run_id":"{RUN}","flow_id":"f","params":{{"type":1,"type":2,"run_id":[{{"a":1,"a":3}}]}}}}'
    )
    assert started.params == {"type": 2, "run_id": [{"a": 3}]}
    definition = MobDefinition.model_validate_json(
        '{"id":"m","profiles":{"p":{"model":"a"},"p":{"model":"b"}},"skills":{}}'
    )
    assert definition.model_dump()["profiles"]["p"]["model"] == "b"


def test_unknown_fields_may_repeat() -> None:
    assert AgentErrorReport.model_validate_json('{"class":"a","message":"m","more":1,"more":2}').message == "m"


def test_other_problems_come_first() -> None:
    with pytest.raises(ValidationError, match="kernel_state"):
        FrameSnapshot.model_validate_json('{"kernel_state":1,"kernel_state":2}')
    with pytest.raises(ValidationError, match="Invalid JSON"):
        FrameSnapshot.model_validate_json("{")
