"""The frame machine: readiness, branches, seals and seeds."""

from __future__ import annotations

from typing import Any

import pytest

from redis_mob.errors import KernelError
from redis_mob.kernel import frame as frames
from redis_mob.kernel import seeds
from redis_mob.kernel.commands import Frame
from redis_mob.models.authority import FrameCommand, FrameSeed
from redis_mob.models.base import SortedDict
from redis_mob.models.flow import FlowFrameState, FramePhase, NodeKind, NodeStatus
from redis_mob.models.flow_spec import FrameSpec
from tests.kernel.flows import frame, loop, step
from tests.kernel.told import on_node, seal

F = "run-root"


def fresh(spec: FrameSpec) -> FlowFrameState:
    return frames.seeded(seeds.root_frame_seed("run", spec))


def tell(state: FlowFrameState, *commands: tuple[Frame, str]) -> FlowFrameState:
    for command, node in commands:
        state = frames.transition(state, on_node(F, command, node).payload)
    return state


def after(spec: FrameSpec, **results: Frame) -> FlowFrameState:
    """The frame after these nodes were admitted and ended, in this order."""
    state = fresh(spec)
    for node, command in results.items():
        state = tell(state, (Frame.ADMIT_NEXT_READY_NODE, node), (command, node))
    return state


def statuses(state: FlowFrameState) -> dict[str, str]:
    return {node: status.value for node, status in state.node_status.items()}


def test_a_fresh_frame_queues_what_depends_on_nothing() -> None:
    state = fresh(frame(c=step("c", "a"), b=step("b"), a=step("a")))
    assert state.ordered_nodes == ("b", "a", "c")
    assert state.ready_queue == ("b", "a")
    assert statuses(state) == {"a": "Ready", "b": "Ready", "c": "Pending"}


def test_admission_takes_any_node_of_the_queue() -> None:
    state = fresh(frame(a=step("a"), b=step("b")))
    admitted = frames.transition(state, on_node(F, Frame.ADMIT_NEXT_READY_NODE, "b").payload)
    assert statuses(admitted) == {"a": "Ready", "b": "Running"}
    assert (admitted.ready_queue, admitted.last_admitted_node) == (("a",), "b")
    with pytest.raises(KernelError, match="'b' is Running, not in the ready queue"):
        tell(admitted, (Frame.ADMIT_NEXT_READY_NODE, "b"))


@pytest.mark.parametrize(
    ("ending", "dependent"),
    [
        (Frame.COMPLETE_NODE, "Ready"),
        (Frame.FAIL_NODE, "Skipped"),
        (Frame.SKIP_NODE, "Skipped"),
        (Frame.CANCEL_NODE, "Skipped"),
    ],
)
def test_the_end_of_a_node_decides_its_dependents(ending: Frame, dependent: str) -> None:
    state = after(frame(a=step("a"), b=step("b", "a"), c=step("c", "b")), a=ending)
    assert statuses(state)["b"] == dependent
    assert statuses(state)["c"] == ("Pending" if dependent == "Ready" else "Skipped")
    assert state.ready_queue == (("b",) if dependent == "Ready" else ())


@pytest.mark.parametrize("ending", [Frame.COMPLETE_NODE, Frame.FAIL_NODE, Frame.SKIP_NODE, Frame.CANCEL_NODE])
def test_only_running_nodes_end(ending: Frame) -> None:
    with pytest.raises(KernelError, match="needs node 'a' Running; it is Ready"):
        tell(fresh(frame(a=step("a"))), (ending, "a"))
    with pytest.raises(KernelError, match="has no node 'x'"):
        tell(fresh(frame(a=step("a"))), (ending, "x"))


def test_all_dependencies_must_complete() -> None:
    spec = frame(a=step("a"), b=step("b"), c=step("c", "a", "b"))
    assert statuses(after(spec, a=Frame.COMPLETE_NODE))["c"] == "Pending"
    assert statuses(after(spec, a=Frame.COMPLETE_NODE, b=Frame.COMPLETE_NODE))["c"] == "Ready"
    assert statuses(after(spec, a=Frame.FAIL_NODE))["c"] == "Skipped"


def test_case_128_any_dependency_all_failed_skips() -> None:
    spec = frame(a=step("a"), b=step("b"), c=step("c", "a", "b", any_of=True))
    assert statuses(after(spec, a=Frame.FAIL_NODE))["c"] == "Pending"
    assert statuses(after(spec, a=Frame.FAIL_NODE, b=Frame.SKIP_NODE))["c"] == "Skipped"


def test_case_129_any_dependency_one_completed_readies() -> None:
    spec = frame(a=step("a"), b=step("b"), c=step("c", "a", "b", any_of=True))
    assert statuses(after(spec, a=Frame.COMPLETE_NODE))["c"] == "Ready"
    assert statuses(after(spec, a=Frame.FAIL_NODE, b=Frame.COMPLETE_NODE))["c"] == "Ready"


BRANCH = frame(a=step("a", branch="x"), b=step("b", branch="x"), join=step("join", "a", "b", any_of=True))


def test_admission_sends_the_rivals_of_a_branch_back() -> None:
    state = tell(fresh(BRANCH), (Frame.ADMIT_NEXT_READY_NODE, "a"))
    assert statuses(state) == {"a": "Running", "b": "Pending", "join": "Pending"}
    assert state.ready_queue == ()


def test_case_130_branch_winner_skips_siblings() -> None:
    state = after(BRANCH, a=Frame.COMPLETE_NODE)
    assert statuses(state) == {"a": "Completed", "b": "Skipped", "join": "Ready"}
    assert state.branch_winners == ("x",)


def test_case_131_branch_loser_failure_falls_back() -> None:
    state = after(BRANCH, a=Frame.FAIL_NODE)
    assert statuses(state) == {"a": "Failed", "b": "Ready", "join": "Pending"}
    assert state.branch_winners == ()
    assert state.ready_queue == ("b",)


def test_an_unrelated_end_readies_a_rival_again() -> None:
    state = tell(
        fresh(frame(a=step("a", branch="x"), b=step("b", branch="x"), c=step("c"))),
        (Frame.ADMIT_NEXT_READY_NODE, "a"),
        (Frame.ADMIT_NEXT_READY_NODE, "c"),
        (Frame.COMPLETE_NODE, "c"),
    )
    assert statuses(state) == {"a": "Running", "b": "Ready", "c": "Completed"}
    won = tell(state, (Frame.COMPLETE_NODE, "a"))
    assert statuses(won)["b"] == "Skipped"
    assert won.ready_queue == ()


def test_a_running_rival_goes_on_when_another_wins() -> None:
    state = tell(
        fresh(frame(a=step("a", branch="x"), b=step("b", branch="x"), c=step("c"))),
        (Frame.ADMIT_NEXT_READY_NODE, "a"),
        (Frame.ADMIT_NEXT_READY_NODE, "c"),
        (Frame.COMPLETE_NODE, "c"),
        (Frame.ADMIT_NEXT_READY_NODE, "b"),
        (Frame.COMPLETE_NODE, "b"),
    )
    assert statuses(state) == {"a": "Running", "b": "Completed", "c": "Completed"}


@pytest.mark.parametrize(
    ("results", "phase"),
    [
        pytest.param("fail cancel complete", FramePhase.FAILED, id="failed"),
        pytest.param("skip cancel complete", FramePhase.CANCELED, id="canceled"),
        pytest.param("skip complete skip", FramePhase.COMPLETED, id="completed"),
        pytest.param("skip skip skip", FramePhase.COMPLETED, id="all_skipped"),
    ],
)
def test_case_132_seal_class(results: str, phase: FramePhase) -> None:
    ends = [Frame[f"{result.upper()}_NODE"] for result in results.split()]
    state = after(frame(a=step("a"), b=step("b"), c=step("c")), **dict(zip("abc", ends, strict=True)))
    assert frames.outcome(state) is phase
    for other in FramePhase:
        if other is not phase:
            with pytest.raises(KernelError, match=f"ends {phase}, not {other}"):
                frames.transition(state, seal(F, other).payload)
    sealed = frames.transition(state, seal(F, phase).payload)
    assert sealed.phase is phase


def test_a_branch_with_a_winner_does_not_fail_the_frame() -> None:
    """Logs of the original machine, which seals Failed, are accepted as well (contract: kernel-23)."""
    state = after(BRANCH, a=Frame.FAIL_NODE, b=Frame.COMPLETE_NODE, join=Frame.COMPLETE_NODE)
    assert frames.outcome(state) is FramePhase.COMPLETED
    assert frames.transition(state, seal(F, FramePhase.COMPLETED).payload).phase is FramePhase.COMPLETED
    assert frames.transition(state, seal(F, FramePhase.FAILED).payload).phase is FramePhase.FAILED
    failed = after(BRANCH, a=Frame.FAIL_NODE, b=Frame.FAIL_NODE)
    assert frames.outcome(failed) is FramePhase.FAILED


def test_a_frame_with_open_nodes_is_not_sealed() -> None:
    state = after(frame(a=step("a"), b=step("b", "a")), a=Frame.COMPLETE_NODE)
    with pytest.raises(KernelError, match="not over yet: b"):
        frames.transition(state, seal(F, FramePhase.COMPLETED).payload)


def test_an_empty_frame_is_over_at_once() -> None:
    state = fresh(frame())
    assert frames.all_ended(state)
    assert frames.outcome(state) is FramePhase.COMPLETED


def test_a_sealed_frame_takes_no_command() -> None:
    state = after(frame(a=step("a")), a=Frame.COMPLETE_NODE)
    sealed = frames.transition(state, seal(F, FramePhase.COMPLETED).payload)
    for told in (seal(F, FramePhase.COMPLETED), on_node(F, Frame.RECORD_NODE_OUTPUT, "a")):
        with pytest.raises(KernelError, match="is Completed; "):
            frames.transition(sealed, told.payload)


def test_outputs_are_recorded_and_unknown_commands_refused() -> None:
    state = fresh(frame(a=step("a"), b=step("b")))
    assert tell(state, (Frame.RECORD_NODE_OUTPUT, "b")).output_recorded == {"a": False, "b": True}
    with pytest.raises(KernelError, match="'StartRootFrame' is no command"):
        frames.transition(state, FrameCommand(frame_id=F, command="StartRootFrame"))


def test_a_transition_leaves_unchanged_fields_the_same_objects() -> None:
    state = tell(fresh(frame(a=step("a"), b=step("b"))), (Frame.ADMIT_NEXT_READY_NODE, "a"))
    done = tell(state, (Frame.COMPLETE_NODE, "a"))
    changed = {name for name in FlowFrameState.model_fields if getattr(done, name) is not getattr(state, name)}
    assert changed == {"node_status"}


SEED = seeds.root_frame_seed("run", frame(a=step("a"), b=loop("l", frame(c=step("c")), "a")))


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ({"ordered_nodes": ("a",)}, "is not one of the nodes"),
        ({"node_kind": SortedDict({"a": NodeKind.STEP})}, "nodes and kinds do not match: b"),
        (
            {"node_status": SortedDict({"a": NodeStatus.READY, "b": NodeStatus.PENDING, "c": NodeStatus.PENDING})},
            "nodes and statuses do not match: c",
        ),
        ({"node_dependencies": SortedDict({"b": ("x",)})}, "unknown dependencies"),
        (
            {"node_status": SortedDict({"a": NodeStatus.READY, "b": NodeStatus.READY})},
            r"a new node with dependencies \('a',\) is Pending",
        ),
        (
            {"node_status": SortedDict({"a": NodeStatus.PENDING, "b": NodeStatus.PENDING})},
            r"a new node with dependencies \(\) is Ready",
        ),
        ({"node_loop_ids": SortedDict[str]()}, "a Loop node has a loop id and no other"),
        ({"node_step_ids": SortedDict({"a": "a", "b": "b"})}, "a Loop node has a loop id and no other"),
        ({"node_step_ids": SortedDict[str]()}, "a Step node has a step id and no other"),
        ({"ready_queue": ()}, r"the ready queue is \(\), not \('a',\)"),
    ],
)
def test_seeds_that_describe_no_frame_are_refused(update: dict[str, Any], message: str) -> None:
    assert frames.seeded(SEED).ready_queue == ("a",)
    broken: FrameSeed = SEED.model_copy(update=update)
    with pytest.raises(KernelError, match=message):
        frames.seeded(broken)
