"""Runs in memory: each method checks, then replaces the run by its next state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from redis_mob.codec.arguments import member, optional_text, text
from redis_mob.codec.events import encode_new_event, require_terminal
from redis_mob.codec.inputs import copied_inputs
from redis_mob.codec.ledgers import checked_place, step_output_named
from redis_mob.codec.runs import encode_run
from redis_mob.contracts import MobRunStore
from redis_mob.errors import CasConflictError, InternalError, RunAlreadyExistsError, shown
from redis_mob.memory import run_changes as changes
from redis_mob.memory.namespace import Access
from redis_mob.memory.run_lookup import existing_run, run_key
from redis_mob.models import (
    FailureLedgerEntry,
    FlowAuthorityInput,
    FlowRunState,
    FrameSnapshot,
    LoopIterationLedgerEntry,
    LoopSnapshot,
    MobEvent,
    MobRun,
    MobRunStatus,
    NewMobEvent,
    StepLedgerEntry,
)

S = TypeVar("S", FrameSnapshot, LoopSnapshot)


class Swap(NamedTuple, Generic[S]):
    """A frame or loop is to become `next`, if it is `expected`; expected None means that it must be absent."""

    name: str
    expected: S | None
    next: S


class MemoryRunStore(MobRunStore):
    """The contract's `MobRunStore` in memory; its docstrings say what holds."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def _find(self, run_id: str) -> MobRun | None:
        return self._access.content.runs.get(run_key(run_id))

    def _existing(self, run_id: str) -> MobRun:
        return existing_run(self._access.content, run_id)

    def _replace(self, run: MobRun) -> None:
        self._access.content.runs[run.run_id] = run

    async def create_run(self, run: MobRun, /) -> None:
        encode_run(run)
        if self._find(run.run_id) is not None:
            raise RunAlreadyExistsError(run.run_id)
        self._access.content.add_run(changes.copied(run))

    async def get_run(self, run_id: str, /) -> MobRun | None:
        run = self._find(run_id)
        return None if run is None else changes.copied(run)

    async def list_runs(self, mob_id: str, flow_id: str | None = None) -> list[MobRun]:
        mob, flow = text("mob_id", mob_id), optional_text("flow_id", flow_id)
        return [
            changes.copied(run)
            for run in self._access.content.runs.values()
            if run.mob_id == mob and flow in (None, run.flow_id)
        ]

    async def cas_run_status(self, run_id: str, *, expected: MobRunStatus, next: MobRunStatus) -> bool:
        run = self._find(run_id)
        before, after = member("expected", expected, MobRunStatus), member("next", next, MobRunStatus)
        if run is None or not changes.may_change(run, before):
            return False
        self._replace(changes.with_status(run, after, self._access.content.clock.now()))
        return True

    async def cas_flow_state(
        self,
        run_id: str,
        *,
        expected: FlowRunState,
        next: FlowRunState,
        authority_inputs: Sequence[FlowAuthorityInput] = (),
    ) -> bool:
        run, following = self._find(run_id), changes.next_flow_state(expected, next)
        inputs = copied_inputs(authority_inputs)
        if run is None or not changes.are_equal(run.flow_state, expected):
            return False
        self._replace(changes.with_inputs(run.model_copy(update={"flow_state": following}), inputs))
        return True

    async def cas_run_snapshot(
        self,
        run_id: str,
        *,
        expected_status: MobRunStatus,
        expected_flow_state: FlowRunState,
        next_status: MobRunStatus,
        next_flow_state: FlowRunState,
        authority_inputs: Sequence[FlowAuthorityInput] = (),
    ) -> bool:
        now = self._access.content.clock.now()
        following = self._next_snapshot(
            run_id, expected_status, expected_flow_state, next_status, next_flow_state, authority_inputs, now
        )
        if following is None:
            return False
        self._replace(following)
        return True

    def _next_snapshot(
        self,
        run_id: str,
        expected_status: MobRunStatus,
        expected_flow_state: FlowRunState,
        next_status: MobRunStatus,
        next_flow_state: FlowRunState,
        authority_inputs: Sequence[FlowAuthorityInput],
        now: datetime,
    ) -> MobRun | None:
        """The run with its next status and flow state; None when the compare is lost."""
        run = self._find(run_id)
        before = member("expected_status", expected_status, MobRunStatus)
        after = member("next_status", next_status, MobRunStatus)
        state = changes.next_flow_state(expected_flow_state, next_flow_state)
        inputs = copied_inputs(authority_inputs)
        if run is None or not changes.may_change(run, before):
            return None
        if not changes.are_equal(run.flow_state, expected_flow_state):
            return None
        following = changes.with_status(run, after, now).model_copy(update={"flow_state": state})
        return changes.with_inputs(following, inputs)

    async def cas_run_snapshot_and_append_terminal_event(
        self,
        run_id: str,
        *,
        expected_status: MobRunStatus,
        expected_flow_state: FlowRunState,
        next_status: MobRunStatus,
        next_flow_state: FlowRunState,
        event: NewMobEvent,
        authority_inputs: Sequence[FlowAuthorityInput] = (),
    ) -> MobEvent | None:
        require_terminal(event)
        content, encoded = self._access.content, encode_new_event(event)
        now = content.clock.now()
        following = self._next_snapshot(
            run_id, expected_status, expected_flow_state, next_status, next_flow_state, authority_inputs, now
        )
        if following is None or content.log.has_ended(encoded):
            return None
        self._replace(following)
        return content.log.append([encoded], now)[0]

    async def append_step_entry(self, run_id: str, *, entry: StepLedgerEntry) -> None:
        row = changes.checked_step_entry(entry)
        self._replace(changes.with_step_row(self._existing(run_id), row))

    async def append_step_entry_if_absent(self, run_id: str, *, entry: StepLedgerEntry) -> bool:
        row, run = changes.checked_step_entry(entry), self._existing(run_id)
        if changes.has_step_row(run, row):
            return False
        self._replace(changes.with_step_row(run, row))
        return True

    async def put_step_output(self, run_id: str, *, step_id: str, output: Any) -> None:
        step = text("step_id", step_id)
        output = changes.copied_json(step_output_named(step), output)
        following = changes.with_step_output(self._existing(run_id), step, output)
        if following is None:
            raise InternalError(f"run {run_id}: step {shown(step)} has no row in the step ledger; append one first")
        self._replace(following)

    async def append_failure_entry(self, run_id: str, *, entry: FailureLedgerEntry) -> None:
        row = changes.checked_failure_entry(entry)
        self._replace(changes.with_failure(self._existing(run_id), row))

    async def append_failure_entry_if_absent(self, run_id: str, *, entry: FailureLedgerEntry) -> bool:
        failure, run = changes.checked_failure_entry(entry), self._existing(run_id)
        known = changes.failures_of(run, failure.step_id)
        if any(changes.says_the_same(failure, row) for row in known):
            return False
        if known:
            raise CasConflictError(f"run {run_id}: step {shown(failure.step_id)} has another failure already")
        self._replace(changes.with_failure(run, failure))
        return True

    async def upsert_loop_snapshot(
        self,
        run_id: str,
        *,
        loop_instance_id: str,
        snapshot: LoopSnapshot,
        ledger_entry: LoopIterationLedgerEntry | None = None,
    ) -> None:
        loop = changes.first_loop(loop_instance_id, snapshot)
        row = None if ledger_entry is None else changes.checked_iteration(ledger_entry)
        run = self._existing(run_id)
        following = run.model_copy(update={"loops": run.loops.set((loop_instance_id, loop))})
        self._replace(following if row is None else changes.with_iteration(following, row))

    def _swap(
        self,
        run_id: str,
        authority_inputs: Sequence[FlowAuthorityInput],
        *,
        run: tuple[FlowRunState, FlowRunState] | None = None,
        frame: Swap[FrameSnapshot] | None = None,
        loop: Swap[LoopSnapshot] | None = None,
        also: Callable[[MobRun], MobRun] | None = None,
    ) -> bool:
        """Compare all parts that are given, then write all of them, what happens `also`, and the inputs."""
        update: dict[str, Any] = {}
        next_run = changes.next_flow_state(*run) if run else None
        next_frame = changes.next_frame(frame.name, frame.expected, frame.next) if frame else None
        next_loop = changes.next_loop(loop.name, loop.expected, loop.next) if loop else None
        inputs, stored = copied_inputs(authority_inputs), self._existing(run_id)
        if run is not None:
            if not changes.are_equal(stored.flow_state, run[0]):
                return False
            update["flow_state"] = next_run
        if frame is not None and next_frame is not None:
            if not changes.are_equal(stored.frames.get(frame.name), frame.expected):
                return False
            update["frames"] = stored.frames.set((frame.name, next_frame))
        if loop is not None and next_loop is not None:
            if not changes.are_equal(stored.loops.get(loop.name), loop.expected):
                return False
            update["loops"] = stored.loops.set((loop.name, next_loop))
        following = stored.model_copy(update=update)
        self._replace(changes.with_inputs(also(following) if also else following, inputs))
        return True

    async def cas_frame_state(
        self,
        run_id: str,
        *,
        frame_id: str,
        expected: FrameSnapshot | None,
        next: FrameSnapshot,
        authority_inputs: Sequence[FlowAuthorityInput] = (),
    ) -> bool:
        return self._swap(run_id, authority_inputs, frame=Swap(frame_id, expected, next))

    async def cas_grant_node_slot(
        self,
        run_id: str,
        *,
        expected_run_state: FlowRunState,
        next_run_state: FlowRunState,
        frame_id: str,
        expected_frame: FrameSnapshot,
        next_frame: FrameSnapshot,
        authority_inputs: Sequence[FlowAuthorityInput] = (),
    ) -> bool:
        return self._swap(
            run_id,
            authority_inputs,
            run=(expected_run_state, next_run_state),
            frame=Swap(frame_id, expected_frame, next_frame),
        )

    async def cas_complete_step_and_record_output(
        self,
        run_id: str,
        *,
        frame_id: str,
        expected_frame: FrameSnapshot,
        next_frame: FrameSnapshot,
        step_output_key: str,
        step_output: Any,
        loop_context: tuple[str, int] | None = None,
        authority_inputs: Sequence[FlowAuthorityInput] = (),
    ) -> bool:
        output = changes.copied_json(step_output_named(step_output_key), step_output)
        step, context = checked_place(step_output_key, loop_context)
        return self._swap(
            run_id,
            authority_inputs,
            frame=Swap(frame_id, expected_frame, next_frame),
            also=lambda run: run.with_output(step, output, context),
        )

    async def cas_start_loop(
        self,
        run_id: str,
        *,
        loop_instance_id: str,
        expected_run_state: FlowRunState,
        next_run_state: FlowRunState,
        frame_id: str,
        expected_frame: FrameSnapshot,
        next_frame: FrameSnapshot,
        initial_loop: LoopSnapshot,
        authority_inputs: Sequence[FlowAuthorityInput] = (),
    ) -> bool:
        return self._swap(
            run_id,
            authority_inputs,
            run=(expected_run_state, next_run_state),
            frame=Swap(frame_id, expected_frame, next_frame),
            loop=Swap(loop_instance_id, None, initial_loop),
        )

    async def cas_loop_request_body_frame(
        self,
        run_id: str,
        *,
        loop_instance_id: str,
        expected_loop: LoopSnapshot,
        next_loop: LoopSnapshot,
        expected_run_state: FlowRunState,
        next_run_state: FlowRunState,
        authority_inputs: Sequence[FlowAuthorityInput] = (),
    ) -> bool:
        return self._swap(
            run_id,
            authority_inputs,
            run=(expected_run_state, next_run_state),
            loop=Swap(loop_instance_id, expected_loop, next_loop),
        )

    async def cas_grant_body_frame_start(
        self,
        run_id: str,
        *,
        loop_instance_id: str,
        expected_loop: LoopSnapshot,
        next_loop: LoopSnapshot,
        frame_id: str,
        initial_frame: FrameSnapshot,
        ledger_entry: LoopIterationLedgerEntry,
        expected_run_state: FlowRunState,
        next_run_state: FlowRunState,
        authority_inputs: Sequence[FlowAuthorityInput] = (),
    ) -> bool:
        row = changes.checked_iteration(ledger_entry)
        return self._swap(
            run_id,
            authority_inputs,
            run=(expected_run_state, next_run_state),
            loop=Swap(loop_instance_id, expected_loop, next_loop),
            frame=Swap(frame_id, None, initial_frame),
            also=lambda run: changes.with_iteration(run, row),
        )

    async def cas_complete_body_frame(
        self,
        run_id: str,
        *,
        loop_instance_id: str,
        expected_loop: LoopSnapshot,
        next_loop: LoopSnapshot,
        frame_id: str,
        expected_frame: FrameSnapshot,
        next_frame: FrameSnapshot,
        expected_run_state: FlowRunState,
        next_run_state: FlowRunState,
        authority_inputs: Sequence[FlowAuthorityInput] = (),
    ) -> bool:
        return self._swap(
            run_id,
            authority_inputs,
            run=(expected_run_state, next_run_state),
            loop=Swap(loop_instance_id, expected_loop, next_loop),
            frame=Swap(frame_id, expected_frame, next_frame),
        )

    async def cas_complete_loop(
        self,
        run_id: str,
        *,
        loop_instance_id: str,
        expected_loop: LoopSnapshot,
        next_loop: LoopSnapshot,
        frame_id: str,
        expected_frame: FrameSnapshot,
        next_frame: FrameSnapshot,
        expected_run_state: FlowRunState,
        next_run_state: FlowRunState,
        authority_inputs: Sequence[FlowAuthorityInput] = (),
    ) -> bool:
        return self._swap(
            run_id,
            authority_inputs,
            run=(expected_run_state, next_run_state),
            loop=Swap(loop_instance_id, expected_loop, next_loop),
            frame=Swap(frame_id, expected_frame, next_frame),
        )
