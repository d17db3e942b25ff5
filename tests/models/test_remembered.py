"""What models remember of what was made of their fields, and what they begin anew."""

from __future__ import annotations

from itertools import count

import pytest

from redis_mob.kernel.seeds import root_frame_seed
from redis_mob.models.authority import RunFlow
from redis_mob.models.base import FrozenDict
from redis_mob.models.flow_spec import FlowSpec, FrameSpec
from redis_mob.models.remembered import remembered
from redis_mob.models.run import MobRun
from redis_mob.testing.samples.new_events import RUN

TWO = FlowSpec.model_validate({"steps": {"a": {"role": "r", "message": "m"}, "b": {"role": "r", "message": "m"}}})
ONE = {"steps": FrozenDict({"a": TWO.steps["a"]})}


def test_it_is_made_once_of_the_same_objects_and_copies_remember_it() -> None:
    made, flow, parts = count(), TWO.model_copy(), (object(),)
    assert [remembered(flow, "_tried", parts, lambda: next(made)) for _ in range(2)] == [0, 0]
    assert remembered(flow.model_copy(), "_tried", parts, lambda: next(made)) == 0
    assert remembered(flow, "_tried", (object(),), lambda: next(made)) == 1


def test_an_error_is_not_remembered() -> None:
    flow = TWO.model_copy()

    def fail() -> int:
        raise ValueError("not now")

    with pytest.raises(ValueError, match="not now"):
        remembered(flow, "_tried", (), fail)
    assert remembered(flow, "_tried", (), lambda: 1) == 1


def test_runs_of_a_flow_begin_alike_but_for_their_ids_and_those_of_a_changed_copy_do_not() -> None:
    flow = TWO.model_copy()
    first, second = (MobRun.pending("mob", "flow", flow, None) for _ in range(2))
    assert first.flow_state == second.flow_state
    inputs = (*first.flow_authority_inputs, *second.flow_authority_inputs)
    assert [one.payload.run_id for one in inputs if isinstance(one, RunFlow)] == [first.run_id, second.run_id]
    changed = MobRun.pending("mob", "flow", flow.model_copy(update=ONE), None)
    assert changed.flow_state.tracked_steps == ("a",)


def test_frames_of_a_definition_begin_alike_but_for_their_ids_and_those_of_a_changed_copy_do_not() -> None:
    spec = FrameSpec(nodes=FrozenDict(TWO.root_frame.nodes))
    seed, other = root_frame_seed(RUN, spec), root_frame_seed("another", spec)
    assert (seed.frame_id, other.frame_id) == (f"{RUN}-root", "another-root")
    assert seed == other.model_copy(update={"run_id": RUN, "frame_id": seed.frame_id})
    nodes = {"nodes": FrozenDict({"a": spec.nodes["a"]})}
    assert root_frame_seed(RUN, spec.model_copy(update=nodes)).tracked_nodes == ("a",)
