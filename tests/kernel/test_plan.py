"""What is planned when, and what planned actions do to slots, loops and steps."""

from __future__ import annotations

import pytest

from redis_mob.errors import FrameDepthLimitExceededError, KernelError
from redis_mob.kernel.actions import (
    AbortRun,
    CompleteBodyFrame,
    CreateRootFrame,
    EvaluateUntil,
    FinishLoop,
    ProjectStep,
    RegisterReadyFrame,
    RunNode,
    SealFrame,
    StartBodyFrame,
    StartLoop,
    StartRun,
    Terminate,
)
from redis_mob.kernel.commands import Frame, Run
from redis_mob.kernel.draft import Draft
from redis_mob.kernel.machine import FlowMachine, apply
from redis_mob.kernel.plan import next_actions
from redis_mob.kernel.projection import unprojected_steps
from redis_mob.kernel.seeds import loop_seed
from redis_mob.models.authority import CreateFrameSeed, CreateLoopSeed
from redis_mob.models.definition import LimitsSpec
from redis_mob.models.flow import FlowStepStatus, FramePhase, LoopPhase, NodeStatus
from redis_mob.models.flow_spec import RepeatUntilSpec
from redis_mob.models.run_status import MobRunStatus
from tests.kernel.drive import Drive, grant_all, started
from tests.kernel.flows import flow, frame, loop, step
from tests.kernel.told import on_node, on_run


def root_of(drive: Drive) -> str:
    return f"{drive.machine.run_id}-root"


def test_a_flow_of_one_step_from_start_to_end() -> None:
    drive = Drive(flow(frame(a=step("one"))))
    root = root_of(drive)
    for action in (StartRun(), CreateRootFrame(), RegisterReadyFrame(root), RunNode(root, "a", "one")):
        assert drive.actions() == drive.actions_of_stored() == (action,)
        drive.act(action)
    assert drive.actions() == ()
    drive.result(root, "a", "complete")
    ending = (
        SealFrame(root, FramePhase.COMPLETED),
        ProjectStep("one", FlowStepStatus.COMPLETED, root, "a"),
        Terminate(MobRunStatus.COMPLETED),
    )
    for action in ending:
        assert drive.actions() == (action,)
        drive.act(action)
    assert drive.actions() == ()


def test_a_loop_from_start_to_end() -> None:
    drive = started(flow(frame(l=loop("loop", frame(b=step("b")), most=2))))
    root = root_of(drive)
    instance = f"{root}::l"
    assert drive.actions() == (StartLoop(root, "l", "loop"),)
    drive.act(drive.actions()[0])
    for iteration in range(2):
        body = f"{instance}::iter-{iteration}"
        assert drive.actions() == (StartBodyFrame(instance),)
        drive.act(drive.actions()[0])
        assert drive.actions() == (RunNode(body, "b", "b"),)
        drive.act(drive.actions()[0])
        drive.result(body, "b", "complete")
        assert drive.actions() == (SealFrame(body, FramePhase.COMPLETED),)
        drive.act(drive.actions()[0])
        assert drive.actions() == (CompleteBodyFrame(instance),)
        drive.act(drive.actions()[0])
        assert drive.actions() == (EvaluateUntil(instance, iteration),)
        drive.act(drive.actions()[0], met=iteration == 1)
    assert drive.actions() == (SealFrame(root, FramePhase.COMPLETED),)


def test_a_failed_body_finishes_its_loop() -> None:
    drive = started(flow(frame(l=loop("loop", frame(b=step("b"))))))
    drive.act(drive.until(RunNode))
    body = f"{root_of(drive)}::l::iter-0"
    drive.result(body, "b", "fail")
    drive.act(SealFrame(body, FramePhase.FAILED))
    assert drive.actions() == (FinishLoop(f"{root_of(drive)}::l", LoopPhase.FAILED),)
    drive.act(drive.actions()[0])
    assert drive.machine.frame(root_of(drive)).node_status["l"] is NodeStatus.FAILED


def test_grants_come_before_body_frames() -> None:
    drive = started(flow(frame(l=loop("loop", frame(b=step("b"))), a=step("a"))))
    drive.act(drive.actions()[0])
    root = root_of(drive)
    assert drive.actions() == (RunNode(root, "a", "a"), StartBodyFrame(f"{root}::l"))


def test_the_smallest_ready_frame_is_served_first() -> None:
    drive = started(flow(frame(l=loop("loop", frame(b=step("b"))), a=step("a"), c=step("c"))))
    drive.act(drive.actions()[0])
    drive.act(StartBodyFrame(f"{root_of(drive)}::l"))
    root = root_of(drive)
    assert drive.machine.flow_state.ready_frames == (root, f"{root}::l::iter-0")
    assert drive.actions() == (RunNode(root, "a", "a"),)


def test_a_node_cap_holds_back_grants() -> None:
    drive = started(flow(frame(a=step("a"), b=step("b"))), LimitsSpec(max_active_nodes=1))
    drive.act(drive.actions()[0])
    assert drive.actions() == ()
    drive.result(root_of(drive), "a", "complete")
    assert drive.actions() == (RunNode(root_of(drive), "b", "b"),)


def test_a_loop_holds_no_node_slot() -> None:
    """With a single slot the body of a loop runs nevertheless (contract: kernel-14)."""
    spec = flow(frame(l=loop("loop", frame(b=step("b"), i=loop("inner", frame(c=step("c")), "b")))))
    drive = started(spec, LimitsSpec(max_active_nodes=1))
    drive.act(drive.until(StartLoop))
    assert drive.machine.flow_state.active_node_count == 0
    assert drive.to_end(met=lambda iteration: iteration == 1).status is MobRunStatus.COMPLETED


def test_max_active_frames_bounds_outermost_bodies_only() -> None:
    """A nested loop goes on while the loop around it holds the only slot (contract: kernel-12)."""
    inner = loop("inner", frame(c=step("c")), most=1)
    spec = flow(frame(l=loop("one", frame(i=inner)), m=loop("two", frame(d=step("d")))))
    drive = started(spec, LimitsSpec(max_active_frames=1))
    root = root_of(drive)
    for _ in range(2):
        drive.act(drive.until(StartLoop))
    assert drive.actions() == (StartBodyFrame(f"{root}::l"),)
    drive.act(drive.actions()[0])
    with pytest.raises(KernelError, match=r"'.*::m' must wait: all 1 frame slots are taken"):
        apply(
            drive.machine,
            on_run(drive.machine.run_id, Run.PUMP_FRAME_SCHEDULER, loop_instance_id=f"{root}::m"),
        )
    drive.act(drive.until(StartLoop))
    assert drive.actions() == (StartBodyFrame(f"{root}::l::iter-0::i"),)
    with pytest.raises(KernelError, match=r"the waiting loop '.*::i' comes first"):
        apply(
            drive.machine,
            on_run(drive.machine.run_id, Run.PUMP_FRAME_SCHEDULER, loop_instance_id=f"{root}::m"),
        )
    drive.act(drive.actions()[0])
    assert drive.machine.flow_state.active_frame_count == 2
    assert drive.to_end().status is MobRunStatus.COMPLETED


def test_nested_bodies_take_no_slot_from_the_outermost() -> None:
    inner = loop("inner", frame(c=step("c")), most=1)
    spec = flow(frame(l=loop("one", frame(i=inner)), m=loop("two", frame(d=step("d")))))
    drive = started(spec, LimitsSpec(max_active_frames=2))
    root = root_of(drive)
    drive.act(StartLoop(root, "l", "one"))
    drive.act(StartBodyFrame(f"{root}::l"))
    drive.act(StartLoop(root, "m", "two"))
    drive.act(StartLoop(f"{root}::l::iter-0", "i", "inner"))
    drive.act(StartBodyFrame(f"{root}::l::iter-0::i"))
    assert drive.machine.flow_state.active_frame_count == 2
    assert drive.actions()[-1] == StartBodyFrame(f"{root}::m")


NESTED = flow(frame(l=loop("outer", frame(i=loop("inner", frame(c=step("c")))))))


def test_case_140_frame_depth_limit() -> None:
    drive = started(NESTED, LimitsSpec(max_frame_depth=1))
    abort = drive.until(AbortRun)
    assert isinstance(abort, AbortRun)
    assert abort.frame_id == f"{root_of(drive)}::l::iter-0"
    assert "would nest 2 deep; the limit max_frame_depth is 1" in abort.reason
    with pytest.raises(FrameDepthLimitExceededError, match="would nest 2 deep; the limit is 1"):
        drive.act(StartLoop(abort.frame_id, abort.node_id, "inner"))
    drive.act(abort)
    assert drive.machine.status is MobRunStatus.FAILED
    assert drive.machine.frame(root_of(drive)).phase is FramePhase.FAILED
    assert drive.machine.frame(abort.frame_id).node_status == {"i": NodeStatus.FAILED}


@pytest.mark.parametrize("limit", [0, 2])
def test_case_140_frame_depth_within_the_limit(limit: int) -> None:
    assert Drive(NESTED, LimitsSpec(max_frame_depth=limit)).to_end().status is MobRunStatus.COMPLETED


def test_a_skipped_loop_skips_its_body_steps() -> None:
    """Upstream such a run never ends (contract: kernel-40)."""
    inner = loop("inner", frame(c=step("c")))
    machine = Drive(flow(frame(a=step("a"), l=loop("outer", frame(b=step("b"), i=inner), "a")))).to_end(
        lambda _: "skip"
    )
    assert machine.status is MobRunStatus.COMPLETED
    assert machine.flow_state.step_status == {"a": "Skipped", "b": "Skipped", "c": "Skipped"}


def test_a_skipped_loop_skips_its_body_steps_in_a_failed_run_too() -> None:
    spec = flow(frame(a=step("a"), l=loop("loop", frame(b=step("b")), "a")))
    machine = Drive(spec).to_end(lambda _step: "fail")
    assert machine.status is MobRunStatus.FAILED
    assert machine.flow_state.step_status == {"a": "Failed", "b": "Skipped"}


def test_completed_steps_stay_completed_in_a_failed_run() -> None:
    """And every failed step counts, as upstream counts them (contract: kernel-39)."""
    spec = flow(frame(f=step("f"), a=step("a"), g=step("g"), d=step("d", "f")))
    drive = Drive(spec)
    machine = drive.to_end(lambda step_id: "fail" if step_id in ("f", "g") else "complete")
    assert machine.status is MobRunStatus.FAILED
    assert machine.flow_state.step_status == {"a": "Completed", "d": "Skipped", "f": "Failed", "g": "Failed"}
    assert (machine.flow_state.failure_count, machine.flow_state.consecutive_failure_count) == (2, 2)


def test_a_failed_branch_member_beside_a_winner_does_not_fail_the_run() -> None:
    """The winner counts (contract: kernel-23)."""
    spec = flow(
        frame(a=step("a", branch="x"), b=step("b", branch="x"), j=step("j", "a", "b", any_of=True), k=step("k", "a"))
    )
    machine = Drive(spec).to_end(lambda step_id: "fail" if step_id == "a" else "complete")
    assert machine.status is MobRunStatus.COMPLETED
    assert machine.flow_state.step_status == {"a": "Failed", "b": "Completed", "j": "Completed", "k": "Skipped"}


def test_the_best_of_several_iterations_counts() -> None:
    body = frame(a=step("a"), b=step("b"))
    drive = Drive(flow(frame(l=loop("loop", body, most=2))))
    seen: list[str] = []

    def results(step_id: str) -> str:
        seen.append(step_id)
        return "skip" if step_id == "a" and seen.count("a") == 2 else "complete"

    machine = drive.to_end(results, met=lambda iteration: iteration == 1)
    assert seen == ["a", "b", "a", "b"]
    assert machine.flow_state.step_status == {"a": "Completed", "b": "Completed"}


def test_steps_are_projected_in_the_order_of_the_run() -> None:
    spec = flow(frame(a=step("a"), b=step("b", "a"), c=step("c")))
    drive = started(spec)
    while drive.machine.frame(root_of(drive)).phase is FramePhase.RUNNING:
        if drive.actions():
            drive.act(drive.actions()[0])
        else:
            frame_id, node = drive.running()[0]
            drive.result(frame_id, node, "skip" if node == "a" else "complete")
    assert [action.step_id for action in drive.actions() if isinstance(action, ProjectStep)] == ["a", "b", "c"]


def test_empty_frames_are_sealed_at_once() -> None:
    assert Drive(flow(frame())).to_end().status is MobRunStatus.COMPLETED
    machine = Drive(flow(frame(l=loop("loop", frame(), most=2)))).to_end(met=lambda iteration: iteration == 1)
    assert machine.status is MobRunStatus.COMPLETED
    assert len(machine.frames) == 3


RIVALS = frame(a=step("a", branch="x"), b=step("b", branch="x"), c=step("c"))


def test_a_queue_emptied_by_a_winner_leaves_the_list() -> None:
    """The frame is listed although nothing of it is ready any more; with others before it on the list, too."""
    spec = flow(frame(l=loop("one", frame(p=step("p"))), m=loop("two", RIVALS)))
    drive = started(spec)
    root = root_of(drive)
    for _ in range(2):
        drive.act(StartLoop(root, *(("l", "one") if "l" in drive.machine.frame(root).ready_queue else ("m", "two"))))
    drive.act(StartBodyFrame(f"{root}::l"))
    drive.act(StartBodyFrame(f"{root}::m"))
    earlier, rivals = f"{root}::l::iter-0", f"{root}::m::iter-0"
    drive.act(RunNode(earlier, "p", "p"))
    drive.act(RunNode(rivals, "a", "a"))
    drive.act(RunNode(rivals, "c", "c"))
    drive.result(rivals, "c", "complete")
    drive.result(earlier, "p", "complete")
    drive.act(SealFrame(earlier, FramePhase.COMPLETED))
    drive.act(CompleteBodyFrame(f"{root}::l"))
    drive.act(EvaluateUntil(f"{root}::l", 0), met=False)
    drive.act(StartBodyFrame(f"{root}::l"))
    again = f"{root}::l::iter-1"
    assert drive.machine.flow_state.ready_frames == (again, rivals)
    drive.result(rivals, "a", "complete")
    assert drive.machine.frame(rivals).ready_queue == ()
    assert drive.machine.flow_state.ready_frames == (again,)
    assert drive.machine.flow_state.active_node_count == 0


def test_a_stale_plan_is_refused() -> None:
    drive = started(flow(frame(a=step("a"))))
    grant = drive.actions()[0]
    drive.act(grant)
    before = drive.machine
    with pytest.raises(KernelError):
        drive.act(grant)
    assert drive.machine is before


def test_loop_nodes_take_no_results() -> None:
    drive = started(flow(frame(l=loop("loop", frame(b=step("b"))))))
    drive.act(drive.actions()[0])
    with pytest.raises(KernelError, match=r"'l' of frame '.*' runs no step; only its loop can end it"):
        drive.result(root_of(drive), "l", "complete")


def test_a_run_of_another_flow_is_named() -> None:
    drive = started(flow(frame(l=loop("loop", frame(b=step("b"))))))
    drive.act(drive.actions()[0])
    drive.act(drive.actions()[0])
    with pytest.raises(KernelError, match=r"no loop at node 'l' of frame '.*-root'; the run belongs to another"):
        FlowMachine.from_run(drive.stored(), flow(frame(x=step("x"))))
    orphan = drive.stored().model_copy(update={"loops": type(drive.machine.loops)()})
    with pytest.raises(KernelError, match="or the loop it belongs to, is missing"):
        FlowMachine.from_run(orphan, drive.flow)


def test_a_loop_that_ended_without_its_node_is_finished() -> None:
    """A writer that splits the end of a loop in two can stop in between."""
    drive = started(flow(frame(l=loop("loop", frame(b=step("b"))))))
    drive.act(drive.until(RunNode))
    root = root_of(drive)
    drive.result(f"{root}::l::iter-0", "b", "complete")
    until = drive.until(EvaluateUntil)
    assert isinstance(until, EvaluateUntil)
    loop_state = drive.machine.loop(f"{root}::l")
    ended = loop_state.model_copy(update={"phase": LoopPhase.COMPLETED})
    snapshot = drive.machine.loops[f"{root}::l"].model_copy(update={"kernel_state": ended})
    run = drive.stored().model_copy(update={"loops": drive.machine.loops.set((f"{root}::l", snapshot))})
    machine = FlowMachine.from_run(run, drive.flow)
    assert next_actions(machine, drive.flow) == (FinishLoop(f"{root}::l", LoopPhase.COMPLETED),)
    draft = Draft(machine)
    FinishLoop(f"{root}::l", LoopPhase.COMPLETED).apply(draft, drive.flow)
    assert draft.machine.frame(root).node_status["l"] is NodeStatus.COMPLETED


def test_a_listed_frame_without_ready_nodes_is_not_granted() -> None:
    drive = started(flow(frame(a=step("a"))))
    grant_all(drive)
    listed = on_run(drive.machine.run_id, Run.REGISTER_READY_FRAME, frame_id=root_of(drive))
    assert next_actions(apply(drive.machine, listed), drive.flow) == ()


def test_frames_and_loops_are_created_once_and_in_their_place() -> None:
    drive = started(flow(frame(l=loop("loop", frame(b=step("b"))), a=step("a"))))
    root = root_of(drive)
    machine = drive.machine
    created = [told for told in drive.log if isinstance(told, CreateFrameSeed)]
    with pytest.raises(KernelError, match="exists already"):
        apply(machine, *created)
    with pytest.raises(KernelError, match="is of run other"):
        apply(machine, CreateFrameSeed(payload=created[0].payload.model_copy(update={"run_id": "other"})))
    spec = drive.flow.root_frame.nodes["l"]
    assert isinstance(spec, RepeatUntilSpec)
    seed = loop_seed(root, "l", spec, 1)
    with pytest.raises(KernelError, match=r"'l' of frame '.*' is no running loop node"):
        apply(machine, CreateLoopSeed(payload=seed))
    drive.act(drive.actions()[0])
    with pytest.raises(KernelError, match="exists already"):
        apply(drive.machine, CreateLoopSeed(payload=seed))
    drive.act(StartBodyFrame(f"{root}::l"))
    body = next(
        told.payload
        for told in drive.log
        if isinstance(told, CreateFrameSeed) and told.payload.loop_instance_id is not None
    )
    second = body.model_copy(update={"frame_id": "second"})
    with pytest.raises(KernelError, match="is BodyFrameActive; this needs it AwaitingBodyFrame"):
        apply(drive.machine, CreateFrameSeed(payload=second))
    with pytest.raises(KernelError, match="needs the id of its loop"):
        apply(drive.machine, CreateFrameSeed(payload=second.model_copy(update={"loop_instance_id": None})))
    with pytest.raises(KernelError, match="cannot be created again"):
        apply(drive.machine, drive.log[0])
    assert drive.machine.step_of("nowhere", "a") is None


def test_projection_needs_the_step_of_the_node() -> None:
    drive = started(flow(frame(a=step("a"), b=step("b"))))
    root = root_of(drive)
    projection = ProjectStep("a", FlowStepStatus.COMPLETED, root, "b")
    with pytest.raises(KernelError, match=r"node 'b' of frame '.*' does not run step 'a'"):
        projection.apply(Draft(_done(drive)), drive.flow)


def _done(drive: Drive) -> FlowMachine:
    machine = drive.machine
    for node in ("a", "b"):
        machine = apply(
            machine,
            on_node(root_of(drive), Frame.ADMIT_NEXT_READY_NODE, node),
            on_node(root_of(drive), Frame.COMPLETE_NODE, node),
        )
    return machine


def test_steps_that_are_under_way_go_with_the_run() -> None:
    drive = started(flow(frame(a=step("a"), b=step("b", "a"))))
    grant_all(drive)
    steps = unprojected_steps(drive.machine, drive.flow, MobRunStatus.CANCELED)
    assert steps == (
        ProjectStep("a", FlowStepStatus.CANCELED, None, None),
        ProjectStep("b", FlowStepStatus.CANCELED, None, None),
    )
