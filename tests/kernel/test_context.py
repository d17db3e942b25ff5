"""What a run shows to conditions, templates and handlers: two rules (contract: kernel-31, kernel-32)."""

from __future__ import annotations

import json
from typing import Any

from redis_mob.kernel.conditions import evaluate
from redis_mob.kernel.context import ConditionContext, visible_context
from redis_mob.models.conditions import EqCondition
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_spec import FlowSpec
from redis_mob.models.run import MobRun
from tests.support.golden import read_jsonl

FLOW_STATE = next(line["state"] for line in read_jsonl("wire/kernel_states.jsonl") if line["kind"] == "flow_run")
ROOT = "run-root"


def make_flow() -> FlowSpec:
    """A root with a step and two loops, `outer` and `side`; within `outer` is `inner`, and within that `deep`."""

    def node(step: str) -> str:
        return f'{{ kind = "step", step_id = "{step}", depends_on = [], depends_on_mode = "all" }}'

    def loop(loop_id: str, nodes: str) -> str:
        return (
            f'{{ kind = "repeat_until", loop_id = "{loop_id}", depends_on = [], depends_on_mode = "all", '
            f'max_iterations = 20, until = {{ op = "or", exprs = [] }}, body = {{ nodes = {{ {nodes} }} }} }}'
        )

    deep = loop("deep", f"n_g = {node('dig')}")
    inner = loop("inner", f"n_p = {node('probe')}, n_q = {node('query')}, n_e = {deep}")
    outer = loop("outer", f"n_d = {node('draft')}, n_c = {node('crit')}, n_i = {inner}")
    side = loop("side", f"n_s = {node('scan')}")
    steps = "".join(
        f'[flows.f.steps.{step}]\nrole = "r"\nmessage = "m"\n'
        for step in ("plan", "draft", "crit", "probe", "query", "dig", "scan")
    )
    root = f"plan = {node('plan')}, outer = {outer}, side = {side}"
    return MobDefinition.from_toml(f'[mob]\nid = "x"\n{steps}[flows.f.root]\nnodes = {{ {root} }}\n').flows["f"]


FLOW = make_flow()


def frame(frame_id: str, instance: str, iteration: int, statuses: dict[str, str]) -> tuple[str, Any]:
    state: dict[str, Any] = {
        "phase": "Running",
        "frame_id": frame_id,
        "frame_scope": "Body" if instance else "Root",
        "loop_instance_id": instance,
        "iteration": iteration,
        "last_admitted_node": "",
        "tracked_nodes": list(statuses),
        "ordered_nodes": list(statuses),
        "node_kind": dict.fromkeys(statuses, "Step"),
        "node_dependencies": {name: [] for name in statuses},
        "node_dependency_modes": dict.fromkeys(statuses, "All"),
        "node_branches": dict.fromkeys(statuses),
        "branch_winners": [],
        "node_status": statuses,
        "ready_queue": [],
        "output_recorded": {},
        "node_condition_results": {},
    }
    return frame_id, {"kernel_state": state}


def body(instance: str, iteration: int, **statuses: str) -> tuple[str, Any]:
    return frame(f"{instance}::iter-{iteration}", instance, iteration, statuses)


def loop(
    loop_id: str, parent_frame: str, node: str, *, current: int, stage: str = "BodyFrameActive"
) -> tuple[str, Any]:
    instance = f"{parent_frame}::{node}"
    state = {
        "phase": "Running",
        "loop_instance_id": instance,
        "parent_frame_id": parent_frame,
        "parent_node_id": node,
        "loop_id": loop_id,
        "depth": 1,
        "stage": stage,
        "current_iteration": current,
        "last_completed_iteration": max(current - 1, 0),
        "max_iterations": 20,
        "active_body_frame_id": None,
    }
    return instance, {"kernel_state": state}


def run(
    frames: list[tuple[str, Any]],
    loops: list[tuple[str, Any]],
    outputs: dict[str, list[dict[str, Any]]],
    *,
    root: dict[str, Any] | None = None,
    params: Any = None,
) -> MobRun:
    text = json.dumps(
        {
            "run_id": "00000000-0000-4000-8000-000000000000",
            "mob_id": "x",
            "flow_id": "f",
            "status": "running",
            "flow_state": FLOW_STATE,
            "activation_params": params,
            "created_at": "2026-01-01T00:00:00Z",
            "step_ledger": [],
            "failure_ledger": [],
            "frames": dict([frame(ROOT, "", 0, {}), *frames]),
            "loops": dict(loops),
            "root_step_outputs": root or {},
            "loop_iteration_outputs": outputs,
        }
    )
    return MobRun.model_validate_json(text)


def seen(*args: Any, **kwargs: Any) -> ConditionContext:
    return visible_context(run(*args, **kwargs), FLOW)


OUTER = f"{ROOT}::outer"
SIDE = f"{ROOT}::side"
DONE = {"n_d": "Completed", "n_c": "Completed"}


def test_a_fresh_run_shows_its_params_only() -> None:
    assert seen([], [], {}, params={"p": 1}) == ConditionContext(params={"p": 1}, steps={}, loops={})


def test_a_flow_without_frames_shows_the_outputs_of_its_steps() -> None:
    flat = FlowSpec(steps=FLOW.steps)
    assert visible_context(run([], [], {}, root={"plan": 1}), flat).steps == {"plan": 1}


def test_values_of_the_iteration_before_do_not_vanish() -> None:
    context = seen(
        [body(OUTER, 0, **DONE), body(OUTER, 1, n_d="Completed", n_c="Running")],
        [loop("outer", ROOT, "outer", current=1)],
        {"outer": [{"draft": 0, "crit": "a"}, {"draft": 1}]},
        root={"plan": "p"},
    )
    assert context.steps == {"plan": "p", "draft": 1, "crit": "a"}
    assert context.loops == {"outer": ({"draft": 0, "crit": "a"}, {"draft": 1})}


def test_a_step_that_was_skipped_keeps_its_last_value() -> None:
    context = seen(
        [body(OUTER, 0, **DONE), body(OUTER, 1, n_d="Skipped", n_c="Skipped")],
        [loop("outer", ROOT, "outer", current=2, stage="AwaitingUntilEvaluation")],
        {"outer": [{"draft": 0, "crit": 0}]},
    )
    assert context.steps == {"draft": 0, "crit": 0}
    assert context.loops == {"outer": ({"draft": 0, "crit": 0}, {})}


def test_an_until_condition_sees_the_iteration_that_just_ended() -> None:
    stored = run(
        [body(OUTER, 0, **DONE), body(OUTER, 1, **DONE)],
        [loop("outer", ROOT, "outer", current=2, stage="AwaitingUntilEvaluation")],
        {"outer": [{"draft": 0, "crit": False}, {"draft": 1, "crit": True}]},
    )
    context = visible_context(stored, FLOW)
    assert evaluate(EqCondition(path="steps.crit", value=True), context)
    assert evaluate(EqCondition(path="loops.outer.iterations.0.steps.crit", value=False), context)
    assert not evaluate(EqCondition(path="loops.outer.iterations.2.steps.crit", value=True), context)


def nested(outer_iteration: int) -> str:
    return f"{OUTER}::iter-{outer_iteration}::n_i"


def two_inner_instances(**second_body: str) -> ConditionContext:
    """The inner loop ran three times in outer iteration 0, and is in its first iteration in outer iteration 1."""
    both = {"n_p": "Completed", "n_q": "Completed"}
    return seen(
        [
            body(OUTER, 0, **DONE, n_i="Completed"),
            body(OUTER, 1, n_d="Completed", n_c="Pending", n_i="Running"),
            *(body(nested(0), iteration, **both) for iteration in range(3)),
            body(nested(1), 0, **second_body),
        ],
        [
            loop("outer", ROOT, "outer", current=1),
            loop("inner", f"{OUTER}::iter-0", "n_i", current=3, stage="AwaitingUntilEvaluation"),
            loop("inner", f"{OUTER}::iter-1", "n_i", current=0),
        ],
        {
            "inner": [{"probe": "new", "query": "old 0"}, {"probe": "old 1", "query": "old 1"}, {"probe": "old 2"}],
            "outer": [{"draft": 0, "crit": 0}, {"draft": 1}],
        },
    )


def test_a_nested_loop_starts_afresh() -> None:
    context = two_inner_instances(n_p="Completed", n_q="Running")
    assert context.loops["inner"] == ({"probe": "new"},)
    assert context.steps == {"draft": 1, "crit": 0, "probe": "new"}


def test_a_nested_loop_that_has_put_out_nothing_yet_shows_nothing() -> None:
    context = two_inner_instances(n_p="Running", n_q="Pending")
    assert context.loops["inner"] == ({},)
    assert context.steps == {"draft": 1, "crit": 0}


def test_a_step_that_failed_shows_nothing() -> None:
    context = two_inner_instances(n_p="Completed", n_q="Failed")
    assert "query" not in context.steps


def test_a_nested_loop_shows_its_last_instance_until_the_next_one_starts() -> None:
    context = seen(
        [
            body(OUTER, 0, **DONE),
            body(OUTER, 1, n_d="Running", n_i="Pending"),
            body(nested(0), 0, n_p="Completed", n_q="Completed"),
        ],
        [
            loop("outer", ROOT, "outer", current=1),
            loop("inner", f"{OUTER}::iter-0", "n_i", current=1, stage="AwaitingUntilEvaluation"),
        ],
        {"inner": [{"probe": 5, "query": 6}], "outer": [{"draft": 0, "crit": 0}]},
    )
    assert context.steps == {"draft": 0, "crit": 0, "probe": 5, "query": 6}


def test_instances_are_ordered_by_number_not_by_text() -> None:
    context = seen(
        [
            *(body(OUTER, iteration, **DONE) for iteration in range(11)),
            body(nested(9), 0, n_p="Completed", n_q="Completed"),
            body(nested(10), 0, n_p="Completed", n_q="Running"),
        ],
        [
            loop("outer", ROOT, "outer", current=10),
            loop("inner", f"{OUTER}::iter-9", "n_i", current=1, stage="AwaitingUntilEvaluation"),
            loop("inner", f"{OUTER}::iter-10", "n_i", current=0),
        ],
        {"inner": [{"probe": 10, "query": 9}]},
    )
    assert context.steps == {"probe": 10}


def test_the_outermost_iteration_counts_most() -> None:
    earlier, later = f"{nested(0)}::iter-1", f"{nested(1)}::iter-0"
    context = seen(
        [
            body(OUTER, 0, **DONE),
            body(OUTER, 1),
            body(nested(0), 0),
            body(nested(0), 1),
            body(nested(1), 0),
            body(f"{earlier}::n_e", 0, n_g="Completed"),
            body(f"{earlier}::n_e", 1, n_g="Completed"),
            body(f"{later}::n_e", 0, n_g="Completed"),
        ],
        [
            loop("outer", ROOT, "outer", current=1),
            loop("inner", f"{OUTER}::iter-0", "n_i", current=2, stage="AwaitingUntilEvaluation"),
            loop("inner", f"{OUTER}::iter-1", "n_i", current=0),
            loop("deep", earlier, "n_e", current=2, stage="AwaitingUntilEvaluation"),
            loop("deep", later, "n_e", current=1, stage="AwaitingUntilEvaluation"),
        ],
        {"deep": [{"dig": "new"}, {"dig": "old"}]},
    )
    assert context.loops["deep"] == ({"dig": "new"},)
    assert context.steps == {"dig": "new"}


def test_loops_beside_each_other_are_both_seen() -> None:
    context = seen(
        [body(OUTER, 0, **DONE), body(SIDE, 0, n_s="Completed"), body(SIDE, 1, n_s="Running")],
        [
            loop("outer", ROOT, "outer", current=1, stage="AwaitingUntilEvaluation"),
            loop("side", ROOT, "side", current=1),
        ],
        {"outer": [{"draft": 1, "crit": 2}], "side": [{"scan": 3}]},
    )
    assert context.steps == {"draft": 1, "crit": 2, "scan": 3}
    assert context.loops == {"outer": ({"draft": 1, "crit": 2},), "side": ({"scan": 3}, {})}


def test_outputs_of_a_loop_that_never_started_are_invisible() -> None:
    assert seen([], [], {"side": [{"scan": 1}]}) == ConditionContext(params=None, steps={}, loops={})


def test_frames_that_contain_each_other_do_not_hang() -> None:
    inner = "frame::n"
    context = seen([frame("frame", inner, 0, {})], [loop("inner", "frame", "n", current=0)], {})
    assert context.loops == {"inner": ({},)}
