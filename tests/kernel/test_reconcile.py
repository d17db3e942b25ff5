"""Which stored runs contradict themselves, and which of them can be mended."""

from __future__ import annotations

import json
from typing import Any

import pytest

from redis_mob.errors import KernelError
from redis_mob.kernel.actions import EvaluateUntil, RunNode, StartBodyFrame
from redis_mob.kernel.commands import Frame, Run
from redis_mob.kernel.draft import Draft
from redis_mob.kernel.machine import apply
from redis_mob.kernel.reconcile import Difference, reconcile
from redis_mob.kernel.repair import repair, repaired_run
from redis_mob.models.authority import (
    AuthorizeFlowRunReducerCommand,
    CreateFrameSeed,
    CreateLoopSeed,
    FlowAuthorityInput,
    FrameSeed,
    LoopIterationRecord,
    RecordLoopUntilConditionFailed,
)
from redis_mob.models.base import FrozenDict
from redis_mob.models.definition import LimitsSpec
from redis_mob.models.flow import DependencyMode, FrameSnapshot, LoopPhase
from redis_mob.models.flow_spec import FlowSpec, FrameSpec, FrameStepSpec, RepeatUntilSpec
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from tests.kernel.drive import Drive, grant_all, started
from tests.kernel.flows import flow, frame, loop, step
from tests.kernel.told import on_node, on_run
from tests.support.golden import read_jsonl

LOOP = flow(frame(l=loop("loop", frame(b=step("b"))), a=step("a")))
READY = ("ready_frames", "ready_frame_membership")
PENDING = ("pending_body_frame_loops", "pending_body_frame_loop_membership")


def fields(run: MobRun) -> tuple[str, ...]:
    return tuple(difference.field for difference in reconcile(run))


def with_state(run: MobRun, **update: object) -> MobRun:
    return run.model_copy(update={"flow_state": run.flow_state.model_copy(update=update)})


def with_frame(run: MobRun, frame_id: str, **update: object) -> MobRun:
    state = run.frames[frame_id].kernel_state.model_copy(update=update)
    return run.model_copy(update={"frames": run.frames.set((frame_id, FrameSnapshot(kernel_state=state)))})


def without_log(drive: Drive) -> MobRun:
    return drive.stored(log=())


def in_body() -> Drive:
    """A run with a step of a loop's body running, and `a` waiting for a slot."""
    drive = started(LOOP)
    drive.act(drive.until(StartBodyFrame))
    grant_all(drive)
    return drive


def check_mended(run: MobRun, drive: Drive) -> None:
    """The run can be repaired, has to be no second time, and goes on to its end."""
    mended = repaired_run(run, repair(run, drive.flow))
    assert reconcile(mended) == ()
    assert repair(mended, drive.flow).inputs == ()
    drive.resume(mended)
    drive.to_end()


# The recovery matrix: what upstream refuses is named, and mended where it can be (contract: kernel-43, kernel-46).


def test_case_136_drops_stale_ready_frames() -> None:
    drive = started(LOOP)
    grant_all(drive)
    drive.act(drive.actions()[0])
    run = with_state(without_log(drive), ready_frames=("gone",), ready_frame_membership=("gone",))
    assert fields(run) == READY
    check_mended(run, drive)


def test_case_136_adds_missing_ready_frames() -> None:
    drive = started(LOOP)
    run = with_state(without_log(drive), ready_frames=(), ready_frame_membership=())
    assert fields(run) == READY
    check_mended(run, drive)


def test_case_136_invalid_frame_invariant() -> None:
    drive = started(LOOP)
    run = with_frame(without_log(drive), f"{drive.machine.run_id}-root", ready_queue=("l",))
    (difference,) = reconcile(run)
    assert difference == Difference(f"frame {drive.machine.run_id}-root", "ready_queue", ("l", "a"), ("l",))
    with pytest.raises(KernelError, match=r"cannot be repaired: frame .*-root: ready_queue is \('l',\)"):
        repair(run, drive.flow)


def test_case_136_ready_node_without_a_queue() -> None:
    drive = started(LOOP)
    root = f"{drive.machine.run_id}-root"
    run = with_frame(without_log(drive), root, ready_queue=())
    assert fields(run) == ("ready_queue", *READY)


def test_case_136_an_empty_queue_is_valid() -> None:
    drive = in_body()
    assert all(item.kernel_state.ready_queue == () for item in drive.machine.frames.values())
    assert reconcile(without_log(drive)) == ()


def test_case_136_rejects_pre_v3_running_run() -> None:
    run = started(LOOP).stored().model_copy(update={"schema_version": 2})
    (difference,) = reconcile(run)
    assert (difference.field, difference.found) == ("schema_version", 2)
    with pytest.raises(KernelError, match="schema_version is 2"):
        repair(run, LOOP)


def test_case_136_accepts_pre_v3_pending_run() -> None:
    assert reconcile(Drive(LOOP).stored().model_copy(update={"schema_version": 2})) == ()


def test_case_136_empty_run_is_ok() -> None:
    assert reconcile(without_log(Drive(LOOP))) == ()


def test_case_136_adds_missing_pending_body_frame_loops() -> None:
    drive = started(LOOP)
    drive.act(drive.actions()[0])
    run = with_state(without_log(drive), pending_body_frame_loops=(), pending_body_frame_loop_membership=())
    assert fields(run) == PENDING
    check_mended(run, drive)


def test_case_136_drops_stale_pending_body_frame_loops() -> None:
    drive = in_body()
    loops = (f"{drive.machine.run_id}-root::l",)
    run = with_state(without_log(drive), pending_body_frame_loops=loops, pending_body_frame_loop_membership=loops)
    assert fields(run) == PENDING
    check_mended(run, drive)


def test_case_136_active_counts_are_those_of_frames_and_loops() -> None:
    """A running loop node counts for no node slot, a running body step for one, its frame for a frame slot."""
    drive = in_body()
    state = drive.machine.flow_state
    assert (state.active_node_count, state.active_frame_count) == (2, 1)
    assert reconcile(without_log(drive)) == ()
    run = with_state(without_log(drive), active_node_count=3, active_frame_count=0)
    assert fields(run) == ("active_node_count", "active_frame_count")
    check_mended(run, drive)


def test_a_loop_that_awaits_its_until_is_not_waiting_for_a_body() -> None:
    """Judged by stage, unlike upstream (contract: kernel-44)."""
    drive = in_body()
    drive.result(f"{drive.machine.run_id}-root::l::iter-0", "b", "complete")
    drive.until(EvaluateUntil)
    assert reconcile(drive.stored()) == ()


# The log.


def test_case_137_reconcile_log_divergence() -> None:
    drive = in_body()
    run = drive.stored()
    assert reconcile(run) == ()
    failed = run.model_copy(update={"status": MobRunStatus.FAILED})
    assert reconcile(failed) == (Difference("run", "status", MobRunStatus.RUNNING, MobRunStatus.FAILED),)
    with pytest.raises(KernelError, match="cannot be repaired: run: status is"):
        repair(failed, drive.flow)


def test_case_137_every_divergence_is_named() -> None:
    drive = in_body()
    run, root = drive.stored(), f"{drive.machine.run_id}-root"
    body, instance = f"{root}::l::iter-0", f"{root}::l"
    assert fields(with_state(run, failure_count=7)) == ("failure_count",)
    assert reconcile(with_frame(run, root, last_admitted_node="x")) == (
        Difference(f"frame {root}", "last_admitted_node", "a", "x"),
    )
    loops = run.loops.set(
        (
            instance,
            run.loops[instance].model_copy(
                update={"kernel_state": run.loops[instance].kernel_state.model_copy(update={"max_iterations": 9})}
            ),
        )
    )
    assert reconcile(run.model_copy(update={"loops": loops})) == (
        Difference(f"loop {instance}", "max_iterations", 3, 9),
    )
    frames = type(run.frames)({root: run.frames[root]})
    missing = reconcile(run.model_copy(update={"frames": frames}))
    assert Difference(f"frame {body}", "presence", "present", "absent") in missing
    assert reconcile(run.model_copy(update={"loops": type(run.loops)()}))[-1] == Difference(
        f"loop {instance}", "presence", "present", "absent"
    )
    added = run.frames.set(("ghost", run.frames[root]))
    assert Difference("frame ghost", "presence", "absent", "present") in reconcile(
        run.model_copy(update={"frames": added})
    )


def test_case_137_a_log_of_another_run_or_without_a_beginning() -> None:
    run = started(LOOP).stored()
    other = started(LOOP).stored()
    swapped = run.model_copy(update={"flow_authority_inputs": other.flow_authority_inputs})
    assert "run_id" in fields(swapped)
    cut = run.model_copy(update={"flow_authority_inputs": run.flow_authority_inputs[1:]})
    (difference,) = reconcile(cut)
    assert difference.field == "flow_authority_inputs"
    assert "begins with the creation of its run" in str(difference.found)


def test_a_difference_reads_as_a_sentence() -> None:
    difference = Difference("run", "active_node_count", 1, 3)
    assert difference.message == "run: active_node_count is 3, but the rest of the run says 1"


def test_case_139_loop_run_resumable() -> None:
    drive = Drive(LOOP)
    drive.to_end()
    assert drive.machine.status is MobRunStatus.COMPLETED
    run = MobRun.model_validate_json(drive.stored().model_dump_json())
    assert reconcile(run) == ()
    assert repair(run, drive.flow).inputs == ()


# Crash points as upstream's split writes leave them (contract: kernel-46).


def crashed(drive: Drive, *inputs: FlowAuthorityInput) -> MobRun:
    drive.machine = apply(drive.machine, *inputs)
    drive.log.extend(inputs)
    return drive.stored()


def test_a_root_frame_that_was_not_listed() -> None:
    drive = Drive(LOOP)
    while not drive.machine.frames:
        drive.act(drive.actions()[0])
    assert fields(drive.stored()) == READY
    check_mended(drive.stored(), drive)


def test_a_node_that_ended_without_returning_its_slot() -> None:
    drive = started(flow(frame(a=step("a"), b=step("b", "a"))))
    grant_all(drive)
    run = crashed(drive, on_node(f"{drive.machine.run_id}-root", Frame.COMPLETE_NODE, "a"))
    assert fields(run) == (*READY, "active_node_count")
    check_mended(run, drive)


def test_a_loop_that_kept_its_slot() -> None:
    drive = started(LOOP)
    drive.act(drive.actions()[0])
    drive.log = [told for told in drive.log if "NodeExecutionReleased" not in told.model_dump_json()]
    state = drive.machine.flow_state.model_copy(update={"active_node_count": 1})
    run = drive.stored().model_copy(update={"flow_state": state})
    assert fields(run) == ("active_node_count",)
    draft = repair(run, drive.flow)
    (told,) = draft.inputs
    assert isinstance(told, AuthorizeFlowRunReducerCommand)
    assert told.payload.command == Run.NODE_EXECUTION_RELEASED
    check_mended(run, drive)


def test_a_body_that_was_requested_but_not_listed() -> None:
    drive = in_body()
    drive.result(f"{drive.machine.run_id}-root::l::iter-0", "b", "complete")
    until = drive.until(EvaluateUntil)
    assert isinstance(until, EvaluateUntil)
    record = LoopIterationRecord(loop_instance_id=until.loop_instance_id, iteration=until.iteration)
    run = crashed(drive, RecordLoopUntilConditionFailed(payload=record))
    assert fields(run) == PENDING
    check_mended(run, drive)


@pytest.mark.parametrize("cap", [0, 1], ids=["slots_free", "slots_taken"])
def test_stale_entries_are_dropped(cap: int) -> None:
    drive = started(LOOP, LimitsSpec(max_active_nodes=cap, max_active_frames=cap))
    run_id, root = drive.machine.run_id, f"{drive.machine.run_id}-root"
    drive.act(drive.until(StartBodyFrame))
    drive.act(RunNode(root, "a", "a"))
    state = drive.machine.flow_state
    assert (state.active_node_count, state.active_frame_count) == (1, 1)
    assert state.ready_frames == (f"{root}::l::iter-0",)
    run = crashed(
        drive,
        on_run(run_id, Run.REGISTER_READY_FRAME, frame_id=root),
        on_run(run_id, Run.REGISTER_PENDING_BODY_FRAME, loop_instance_id=f"{root}::l"),
    )
    assert fields(run) == (*READY, *PENDING)
    check_mended(run, drive)


def test_counts_that_are_too_low_are_raised() -> None:
    drive = in_body()
    run_id, root = drive.machine.run_id, f"{drive.machine.run_id}-root"
    run = crashed(
        drive,
        on_run(run_id, Run.NODE_EXECUTION_RELEASED, frame_id=root),
        on_run(run_id, Run.FRAME_TERMINATED, frame_id=root),
    )
    assert fields(run) == ("active_node_count", "active_frame_count")
    check_mended(run, drive)


def test_counts_that_are_too_high_are_lowered() -> None:
    drive = in_body()
    run_id, instance = drive.machine.run_id, f"{drive.machine.run_id}-root::l"
    run = crashed(
        drive,
        on_run(run_id, Run.REGISTER_PENDING_BODY_FRAME, loop_instance_id=instance),
        on_run(run_id, Run.PUMP_FRAME_SCHEDULER, loop_instance_id=instance),
    )
    assert fields(run) == ("active_frame_count",)
    check_mended(run, drive)


def test_branch_winners_are_filled_in() -> None:
    drive = started(flow(frame(a=step("a", branch="x"), b=step("b", branch="x"))))
    grant_all(drive)
    root = f"{drive.machine.run_id}-root"
    drive.result(root, "a", "complete")
    run = with_frame(drive.stored(), root, branch_winners=())
    assert reconcile(run) == (Difference(f"frame {root}", "branch_winners", ("x",), ()),)
    check_mended(run, drive)


def test_an_until_decided_twice_is_refused() -> None:
    drive = in_body()
    drive.result(f"{drive.machine.run_id}-root::l::iter-0", "b", "complete")
    until = drive.until(EvaluateUntil)
    assert isinstance(until, EvaluateUntil)
    drive.act(until)
    assert drive.machine.loop(until.loop_instance_id).phase is LoopPhase.COMPLETED
    with pytest.raises(KernelError, match="is over: it is Completed"):
        until.decide(Draft(drive.machine), met=True)


# What the crate says of its own runs, and what we say.

DEPARTURES = {
    # The slots that its loops keep are named while the run goes on, and can be mended; a run that is over holds none.
    **dict.fromkeys(
        (
            "running_nested_loops_1",
            "running_loop_1",
            "running_loop_2",
            "running_nested_loops_2",
            "running_body_active_1",
            "running_body_active_2",
            "running_frames_1",
            "running_frames_2",
        ),
        ("active_node_count",),
    ),
    **dict.fromkeys(
        (
            "completed_with_loops_1",
            "canceled_1",
            "failed_with_loops_1",
            "failed_with_loops_2",
            "canceled_2",
            "completed_with_loops_2",
            "twelve_steps_all_ledgers",
        ),
        (),
    ),
    # The crate takes a loop that awaits its until for one that waits for a body; only its leaked slots are wrong.
    "running_until_evaluation_1": ("active_node_count",),
    "running_until_evaluation_2": ("active_node_count",),
    # Named by both; the rest is what we add to the crate's first difference.
    "machine_root_frame": READY,
    "branch_winners_empty": ("branch_winners",),
    "all_authority_variants": ("active_node_count", "flow_authority_inputs"),
    "odd_ids_and_extremes": (*READY, "pending_body_frame_loops", "active_node_count"),
}

JUDGED = [line for line in read_jsonl("wire/runs.jsonl") if "reconcile" in line]


@pytest.mark.parametrize("line", [pytest.param(line, id=line["name"]) for line in JUDGED])
def test_verdicts_on_the_crates_runs(line: Any) -> None:
    run = MobRun.model_validate_json(json.dumps(line["run"]))
    assert fields(run) == (() if line["reconcile"] == "ok" else DEPARTURES[line["name"]])


def flow_of(run: MobRun) -> FlowSpec:
    """The flow that a log tells of; the bodies of loops that never started are unknown, and empty here."""
    made = [told.payload for told in run.flow_authority_inputs if isinstance(told, CreateFrameSeed)]
    loops = {
        told.payload.loop_instance_id: told.payload
        for told in run.flow_authority_inputs
        if isinstance(told, CreateLoopSeed)
    }
    bodies = {seed.loop_instance_id: seed for seed in made}

    def spec(seed: FrameSeed) -> FrameSpec:
        return FrameSpec(nodes=FrozenDict((node, node_spec(seed, node)) for node in seed.ordered_nodes))

    def node_spec(seed: FrameSeed, node: str) -> FrameStepSpec | RepeatUntilSpec:
        needs = seed.node_dependencies[node]
        any_of = seed.node_dependency_modes[node] is DependencyMode.ANY
        if node in seed.node_step_ids:
            return step(seed.node_step_ids[node], *needs, any_of=any_of, branch=seed.node_branches[node])
        instance = f"{seed.frame_id}::{node}"
        body = spec(bodies[instance]) if instance in bodies else frame()
        most = loops[instance].max_iterations if instance in loops else 1
        return loop(seed.node_loop_ids[node], body, *needs, most=most, any_of=any_of)

    return flow(spec(bodies[None]))


@pytest.mark.parametrize(
    "line",
    [pytest.param(line, id=line["name"]) for line in JUDGED if line["name"].startswith(("running_", "machine_root"))],
)
def test_running_runs_of_the_crate_can_go_on(line: Any) -> None:
    """Mended by the return of leaked slots and the like, they run to their end (contract: kernel-46)."""
    run = MobRun.model_validate_json(json.dumps(line["run"]))
    check_mended(run, Drive(flow_of(run)))


def test_branch_winners_of_the_crates_runs_are_mended() -> None:
    (run,) = (
        MobRun.model_validate_json(json.dumps(line["run"])) for line in JUDGED if line["name"] == "branch_winners_empty"
    )
    draft = repair(run, flow_of(run))
    assert draft.inputs == ()
    assert reconcile(repaired_run(run, draft)) == ()
