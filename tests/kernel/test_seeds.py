"""Fresh runs, orders and seeds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from redis_mob.errors import DefinitionError, KernelError
from redis_mob.kernel.machine import FlowMachine, replay
from redis_mob.kernel.seeds import body_frame_id, loop_instance_id, root_frame_id
from redis_mob.models.base import U32_MAX, FrozenDict
from redis_mob.models.conditions import EqCondition
from redis_mob.models.definition import LimitsSpec
from redis_mob.models.flow import CollectionPolicyKind, DependencyMode, FlowPhase
from redis_mob.models.flow_spec import CollectAny, CollectQuorum, DependsOnMode, FlowSpec, FlowStepSpec, FrameStepSpec
from redis_mob.models.order import dependency_order
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from tests.kernel.flows import flow, frame, step

FLAT = FlowSpec(
    steps=FrozenDict(
        {
            "z": FlowStepSpec(role="r", message="m", depends_on=("a",), depends_on_mode=DependsOnMode.ANY, branch="x"),
            "a": FlowStepSpec(role="r", message="m", collection_policy=CollectQuorum(n=2)),
            "m": FlowStepSpec(
                role="r", message="m", collection_policy=CollectAny(), condition=EqCondition(path="params.k", value=1)
            ),
        }
    )
)


def test_a_fresh_run_is_pending_and_logged() -> None:
    before = datetime.now(UTC)
    run = MobRun.pending("mob", "flow", FLAT, {"k": 1}, LimitsSpec(max_active_nodes=4, max_step_retries=2))
    assert (run.mob_id, run.flow_id, run.status, run.schema_version) == ("mob", "flow", MobRunStatus.PENDING, 6)
    assert before <= run.created_at <= datetime.now(UTC)
    assert run.completed_at is None
    assert run.activation_params == {"k": 1}
    assert replay(run.flow_authority_inputs) == FlowMachine.from_run(run, FLAT)

    state = run.flow_state
    assert state.phase is FlowPhase.PENDING
    assert state.ordered_steps == ("a", "m", "z")
    assert state.step_has_conditions == {"a": False, "m": True, "z": False}
    assert state.step_dependencies == {"a": (), "m": (), "z": ("a",)}
    assert state.step_dependency_modes["z"] is DependencyMode.ANY
    assert state.step_branches == {"a": None, "m": None, "z": "x"}
    assert dict(state.step_collection_policies) == {
        "a": CollectionPolicyKind.QUORUM,
        "m": CollectionPolicyKind.ANY,
        "z": CollectionPolicyKind.ALL,
    }
    assert state.step_quorum_thresholds == {"a": 2, "m": 0, "z": 0}
    assert (state.max_active_nodes, state.max_step_retries, state.max_active_frames) == (4, 2, 0)


def test_fresh_runs_have_ids_of_their_own() -> None:
    ids = {MobRun.pending("mob", "flow", FLAT, None).run_id for _ in range(5)}
    assert len(ids) == 5


def test_what_a_run_is_given_is_kept() -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    run = MobRun.pending(
        "mob",
        "flow",
        FLAT,
        None,
        run_id="4E6EE972DAC244838421" + "67329d40af1f",
        escalation_threshold=3,
        created_at=moment,
    )
    assert run.run_id == "4e6ee972-dac2-4483-8421-67329d40af1f"
    assert run.created_at == moment
    assert run.flow_state.escalation_threshold == 3


def test_limits_above_32_bits_saturate() -> None:
    run = MobRun.pending("mob", "flow", FLAT, None, LimitsSpec(max_active_frames=2**40))
    assert run.flow_state.max_active_frames == U32_MAX


def test_a_flat_flow_has_a_node_per_step() -> None:
    assert FLAT.root_frame.nodes == {
        "z": FrameStepSpec(step_id="z", depends_on=("a",), depends_on_mode=DependsOnMode.ANY, branch="x"),
        "a": step("a"),
        "m": step("m"),
    }
    assert list(FLAT.root_frame.nodes) == ["z", "a", "m"]
    root = frame(a=step("a"))
    assert flow(root).root_frame is root


def test_order_is_by_dependency_then_definition() -> None:
    needs = {"d": ("a",), "c": ("a", "b", "a"), "b": (), "a": (), "e": ("c", "d")}
    assert dependency_order(needs, "step") == ("b", "a", "d", "c", "e")
    assert dependency_order({}, "step") == ()


@pytest.mark.parametrize(
    ("needs", "message"),
    [
        ({"a": ("a",)}, "step 'a' depends on itself"),
        ({"a": ("b",)}, "step 'a' depends on 'b', which is not defined beside it"),
        ({"a": ("c",), "b": ("a",), "c": ("b",), "d": ("c",), "e": ()}, "steps a, b, c, d"),
    ],
)
def test_what_cannot_be_ordered_is_named(needs: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        dependency_order(needs, "step")


def test_ids_made_at_run_time() -> None:
    root = root_frame_id("run")
    instance = loop_instance_id(root, "node")
    assert (root, instance, body_frame_id(instance, 2)) == ("run-root", "run-root::node", "run-root::node::iter-2")


def test_a_log_begins_with_its_run() -> None:
    with pytest.raises(KernelError, match="an empty log cannot be replayed"):
        replay([])
