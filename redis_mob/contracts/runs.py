"""What the store of runs promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
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


@runtime_checkable
class MobRunStore(Protocol):
    """Runs, each one aggregate on which every method is atomic (contract: runs-1).

    Unless a method says otherwise, a run that does not exist raises NotFoundError naming it. Snapshots are compared
    as a whole and by value: the order of lists counts, that of maps and sets does not. `authority_inputs` are
    appended in order when the compare is won, and not at all when it is lost; an input that no log may hold raises
    InternalError before any write (contract: runs-29). So does an output that is no JSON value, or one of more than 128
    levels, and a name that is no UTF-8 text. The compound operations look at no status (contract: runs-16).

    A run is found by any spelling of its UUID. What is no UUID raises ValidationError, and so does every other argument
    of another type; a state or row that could not be read back raises InternalError (contract: store-23, store-24).
    Parts that a write does not look at may be damaged: such a write happens, or raises SerializationError with nothing
    written. All raise OutcomeUnknownError when the connection was lost after the request was sent, WriteFailedError or
    ReadFailedError when the storage cannot be reached, InternalError once the storage is closed.
    """

    async def create_run(self, run: MobRun, /) -> None:
        """Store a run as it is, with any status and content. Raises RunAlreadyExistsError, touching nothing."""
        ...

    async def get_run(self, run_id: str, /) -> MobRun | None:
        """One run as it was at one moment; None if it does not exist.

        Raises SerializationError naming the part that is damaged.
        """
        ...

    async def list_runs(self, mob_id: str, flow_id: str | None = None) -> list[MobRun]:
        """The runs of a mob, or of one of its flows, in the order of their creation (contract: runs-5).

        Raises SerializationError naming the first of these that is damaged.
        """
        ...

    async def cas_run_status(self, run_id: str, *, expected: MobRunStatus, next: MobRunStatus) -> bool:
        """Change the status, unless the current one differs or is terminal; a missing run is a lost compare.

        A terminal `next` sets the time of completion if there is none. The flow state stays (contract: runs-6).
        """
        ...

    async def cas_flow_state(
        self,
        run_id: str,
        *,
        expected: FlowRunState,
        next: FlowRunState,
        authority_inputs: Sequence[FlowAuthorityInput] = (),
    ) -> bool:
        """Change the flow state, also of a terminal run; a missing run is a lost compare (contract: runs-7)."""
        ...

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
        """Change status and flow state together, unless one differs or the status is terminal (contract: runs-8).

        A missing run is a lost compare. A terminal `next_status` sets the time of completion if there is none.
        """
        ...

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
        """Like cas_run_snapshot, and log the terminal event in the same atomic step (contract: runs-9).

        Returns the stored event; None, with nothing written, when the compare is lost or the flow has a terminal
        event already. The run and flow that the event names are not compared with the run. Raises InternalError for
        an event that ends no flow, before any write.
        """
        ...

    async def append_step_entry(self, run_id: str, *, entry: StepLedgerEntry) -> None:
        """Append a row to the step ledger, always, on a terminal run too."""
        ...

    async def append_step_entry_if_absent(self, run_id: str, *, entry: StepLedgerEntry) -> bool:
        """Append a row unless there is one with the same step, agent and status; output and time do not count."""
        ...

    async def put_step_output(self, run_id: str, *, step_id: str, output: Any) -> None:
        """Set the output of the last row of a step, of any member. Raises InternalError if it has no row."""
        ...

    async def append_failure_entry(self, run_id: str, *, entry: FailureLedgerEntry) -> None:
        """Append a row to the failure ledger, always, on a terminal run too."""
        ...

    async def append_failure_entry_if_absent(self, run_id: str, *, entry: FailureLedgerEntry) -> bool:
        """Append a row unless the step has one.

        Returns False if a row of the step says the same, its time aside; raises CasConflictError if it has only rows
        that say something else (contract: runs-13).
        """
        ...

    async def upsert_loop_snapshot(
        self,
        run_id: str,
        *,
        loop_instance_id: str,
        snapshot: LoopSnapshot,
        ledger_entry: LoopIterationLedgerEntry | None = None,
    ) -> None:
        """Overwrite a loop without a compare, and record an iteration row once. Repeating the call is harmless."""
        ...

    async def cas_frame_state(
        self,
        run_id: str,
        *,
        frame_id: str,
        expected: FrameSnapshot | None,
        next: FrameSnapshot,
        authority_inputs: Sequence[FlowAuthorityInput] = (),
    ) -> bool:
        """Change one frame; `expected=None` inserts it and loses if it is there (contract: runs-17)."""
        ...

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
        """Give a ready node of one frame an execution slot: flow state and frame, together (contract: runs-18)."""
        ...

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
        """Complete a step node and record its output; only the frame is compared (contract: runs-19, runs-25).

        `loop_context` is (loop id, iteration) for a step in a loop body: earlier iterations without outputs then read
        as empty. Raises InternalError for an iteration that is not from 0 to 1,000,000, before any write
        (contract: runs-26). A key that is recorded again keeps its position.
        """
        ...

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
        """Start a loop: flow state and parent frame are compared, and the loop must be absent (contract: runs-20)."""
        ...

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
        """Ask for the next body frame of a loop: flow state and loop, together (contract: runs-21)."""
        ...

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
        """Give a loop its body frame, which must be absent, and record the iteration once (contract: runs-22)."""
        ...

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
        """Take a sealed body frame out of its loop: flow state, loop and frame, together (contract: runs-23)."""
        ...

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
        """Finish a loop and the node of its parent frame: flow state, loop and parent, together (contract: runs-24)."""
        ...
