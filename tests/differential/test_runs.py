"""Runs on a server and in memory."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, multiple, precondition, rule

from redis_mob.errors import InternalError, ValidationError
from redis_mob.models import (
    FailureLedgerEntry,
    FlowFrameState,
    FlowRunState,
    FrameSnapshot,
    LoopIterationLedgerEntry,
    LoopIterationState,
    LoopSnapshot,
    MobRun,
    MobRunStatus,
    NewMobEvent,
    StepLedgerEntry,
)
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import FRAME, LOOP, scene
from redis_mob.testing.samples.states import step_entry
from tests.differential import run_parts as parts
from tests.differential.driver import Twins, check_twins
from tests.differential.run_parts import Change, NewRun, Wrong, changed
from tests.differential.strategies import DOCUMENTS, NO_UTF8, either

Inputs: TypeAlias = list[str]
Context: TypeAlias = tuple[str, int] | None

EXAMPLE = scene()


class OfRun(NamedTuple):
    """A change of a flow state that was read before; `known` is None for the state that is stored now."""

    known: FlowRunState | None
    change: Change


class OfFrame(NamedTuple):
    """A change of a frame that was read before; `known` is None for the frame that is stored now."""

    name: str
    known: FrameSnapshot | None
    change: Change


class OfLoop(NamedTuple):
    """A change of a loop that was read before; `known` is None for the loop that is stored now."""

    name: str
    known: LoopSnapshot | None
    change: Change


class Runs(Twins):
    """Workers read, and change what is stored now, or what they read some time ago."""

    flow_states, frames, loops = Bundle("flow_states"), Bundle("frames"), Bundle("loops")

    ID, INPUTS = parts.RUN_IDS, parts.INPUT_NAMES
    STORED = st.none()
    OF_RUN = st.builds(OfRun, STORED | STORED | STORED | flow_states, parts.CHANGES[FlowRunState])
    OF_FRAME = st.builds(OfFrame, parts.FRAMES, STORED | STORED | STORED | frames, parts.CHANGES[FlowFrameState])
    OF_LOOP = st.builds(OfLoop, parts.LOOPS, STORED | STORED | STORED | loops, parts.CHANGES[LoopIterationState])

    def __init__(self) -> None:
        super().__init__()
        self.stored: dict[str, MobRun] = {}
        self.touched = parts.RUNS[0]

    def on_run(self, method: str, run_id: str, *, inputs: Inputs | None = None, **arguments: Any) -> None:
        self.touched = run_id
        if inputs is not None:
            arguments["authority_inputs"] = [parts.INPUTS[name] for name in inputs]
        self.both(lambda storage: getattr(storage.runs, method)(run_id, **arguments))

    def run(self, run_id: str) -> MobRun:
        """What is stored, or what could be."""
        return self.stored.get(run_id.lower(), EXAMPLE)

    def of_run(self, run_id: str, part: OfRun) -> dict[str, Any]:
        expected = part.known or self.run(run_id).flow_state
        return {"expected_run_state": expected, "next_run_state": changed(expected, part.change)}

    def of_frame(self, run_id: str, part: OfFrame) -> dict[str, Any]:
        expected = part.known or self.run(run_id).frames.get(part.name, FRAME)
        following = FrameSnapshot(kernel_state=changed(expected.kernel_state, part.change))
        return {"frame_id": part.name, "expected_frame": expected, "next_frame": following}

    def of_loop(self, run_id: str, part: OfLoop) -> dict[str, Any]:
        expected = part.known or self.run(run_id).loops.get(part.name, LOOP)
        following = LoopSnapshot(kernel_state=changed(expected.kernel_state, part.change))
        return {"loop_instance_id": part.name, "expected_loop": expected, "next_loop": following}

    @initialize(completed_at=st.sampled_from([None, parts.LATER]))
    def create_the_first(self, completed_at: datetime | None) -> None:
        run = scene(run_id=parts.RUNS[0], completed_at=completed_at, step_ledger=[step_entry()])
        self.both(lambda storage: storage.runs.create_run(run))

    @precondition(lambda self: len(self.stored) < len(parts.RUNS))
    @rule(new=parts.NEW_RUNS)
    def create_run(self, new: NewRun) -> None:
        self.touched = new.run_id
        self.both(lambda storage: storage.runs.create_run(new.run))

    @rule(run_id=ID)
    def get_run(self, run_id: str) -> None:
        self.both(lambda storage: storage.runs.get_run(run_id))

    @rule(mob_id=either(parts.MOBS, [NO_UTF8]), flow_id=st.none() | st.sampled_from(parts.FLOWS))
    def list_runs(self, mob_id: str, flow_id: str | None) -> None:
        self.both(lambda storage: storage.runs.list_runs(mob_id, flow_id))

    @rule(target=flow_states, run_id=ID)
    def read_flow_state(self, run_id: str) -> FlowRunState:
        return self.run(run_id).flow_state

    @rule(target=frames, run_id=ID)
    def read_frames(self, run_id: str) -> Any:
        return multiple(*self.run(run_id).frames.values())

    @rule(target=loops, run_id=ID)
    def read_loops(self, run_id: str) -> Any:
        return multiple(*self.run(run_id).loops.values())

    @rule(run_id=ID, status=STORED | parts.STATUSES, following=parts.STATUSES)
    def cas_run_status(self, run_id: str, status: MobRunStatus | None, following: MobRunStatus) -> None:
        self.on_run("cas_run_status", run_id, expected=status or self.run(run_id).status, next=following)

    @rule(run_id=ID, part=OF_RUN, inputs=INPUTS)
    def cas_flow_state(self, run_id: str, part: OfRun, inputs: Inputs) -> None:
        expected, following = self.of_run(run_id, part).values()
        self.on_run("cas_flow_state", run_id, expected=expected, next=following, inputs=inputs)

    @rule(run_id=ID, status=STORED | parts.STATUSES, following=parts.STATUSES, part=OF_RUN, inputs=INPUTS)
    def cas_run_snapshot(
        self, run_id: str, status: MobRunStatus | None, following: MobRunStatus, part: OfRun, inputs: Inputs
    ) -> None:
        self._cas_run_snapshot("cas_run_snapshot", run_id, status, following, part, inputs=inputs)

    @rule(
        run_id=ID,
        status=STORED | parts.STATUSES,
        following=parts.STATUSES,
        part=OF_RUN,
        inputs=INPUTS,
        event=parts.ENDS,
    )
    def cas_run_snapshot_and_append_terminal_event(
        self,
        run_id: str,
        status: MobRunStatus | None,
        following: MobRunStatus,
        part: OfRun,
        inputs: Inputs,
        event: NewMobEvent,
    ) -> None:
        method = "cas_run_snapshot_and_append_terminal_event"
        self._cas_run_snapshot(method, run_id, status, following, part, inputs=inputs, event=event)

    @rule(event=parts.ENDS, once=st.booleans())
    def append_an_end(self, event: NewMobEvent, once: bool) -> None:
        """As a recovery does that finds a run at its end without a terminal event."""
        method = "append_terminal_event_if_absent" if once else "append"
        self.both(lambda storage: getattr(storage.events, method)(event))

    def _cas_run_snapshot(
        self, method: str, run_id: str, status: MobRunStatus | None, following: MobRunStatus, part: OfRun, **more: Any
    ) -> None:
        expected_state, next_state = self.of_run(run_id, part).values()
        self.on_run(
            method,
            run_id,
            expected_status=status or self.run(run_id).status,
            expected_flow_state=expected_state,
            next_status=following,
            next_flow_state=next_state,
            **more,
        )

    @rule(run_id=ID, once=st.booleans(), rows=st.lists(parts.STEP_ROWS, max_size=3))
    def append_step_entries(self, run_id: str, once: bool, rows: list[StepLedgerEntry]) -> None:
        for row in rows:
            self.on_run("append_step_entry_if_absent" if once else "append_step_entry", run_id, entry=row)

    @rule(run_id=ID, once=st.booleans(), rows=st.lists(parts.FAILURES, max_size=3))
    def append_failure_entries(self, run_id: str, once: bool, rows: list[FailureLedgerEntry]) -> None:
        for row in rows:
            self.on_run("append_failure_entry_if_absent" if once else "append_failure_entry", run_id, entry=row)

    @rule(run_id=ID, step_id=parts.STEPS, output=DOCUMENTS)
    def put_step_output(self, run_id: str, step_id: str, output: Any) -> None:
        self.on_run("put_step_output", run_id, step_id=step_id, output=output)

    @rule(run_id=ID, part=OF_LOOP, entry=st.none() | parts.ITERATIONS)
    def upsert_loop_snapshot(self, run_id: str, part: OfLoop, entry: LoopIterationLedgerEntry | None) -> None:
        name, _, following = self.of_loop(run_id, part).values()
        self.on_run("upsert_loop_snapshot", run_id, loop_instance_id=name, snapshot=following, ledger_entry=entry)

    @rule(run_id=ID, part=OF_FRAME, absent=st.booleans(), inputs=INPUTS)
    def cas_frame_state(self, run_id: str, part: OfFrame, absent: bool, inputs: Inputs) -> None:
        name, expected, following = self.of_frame(run_id, part).values()
        self.on_run(
            "cas_frame_state",
            run_id,
            frame_id=name,
            expected=None if absent else expected,
            next=following,
            inputs=inputs,
        )

    @rule(run_id=ID, run=OF_RUN, frame=OF_FRAME, inputs=INPUTS)
    def cas_grant_node_slot(self, run_id: str, run: OfRun, frame: OfFrame, inputs: Inputs) -> None:
        compared = self.of_run(run_id, run) | self.of_frame(run_id, frame)
        self.on_run("cas_grant_node_slot", run_id, **compared, inputs=inputs)

    @rule(run_id=ID, frame=OF_FRAME, step_id=parts.STEPS, output=DOCUMENTS, context=parts.CONTEXTS, inputs=INPUTS)
    def cas_complete_step_and_record_output(
        self, run_id: str, frame: OfFrame, step_id: str, output: Any, context: Context, inputs: Inputs
    ) -> None:
        self.on_run(
            "cas_complete_step_and_record_output",
            run_id,
            **self.of_frame(run_id, frame),
            step_output_key=step_id,
            step_output=output,
            loop_context=context,
            inputs=inputs,
        )

    @rule(run_id=ID, run=OF_RUN, frame=OF_FRAME, loop=OF_LOOP, inputs=INPUTS)
    def cas_start_loop(self, run_id: str, run: OfRun, frame: OfFrame, loop: OfLoop, inputs: Inputs) -> None:
        compared = self.of_run(run_id, run) | self.of_frame(run_id, frame)
        name, _, initial = self.of_loop(run_id, loop).values()
        self.on_run("cas_start_loop", run_id, **compared, loop_instance_id=name, initial_loop=initial, inputs=inputs)

    @rule(run_id=ID, run=OF_RUN, loop=OF_LOOP, inputs=INPUTS)
    def cas_loop_request_body_frame(self, run_id: str, run: OfRun, loop: OfLoop, inputs: Inputs) -> None:
        compared = self.of_run(run_id, run) | self.of_loop(run_id, loop)
        self.on_run("cas_loop_request_body_frame", run_id, **compared, inputs=inputs)

    @rule(run_id=ID, run=OF_RUN, loop=OF_LOOP, frame=OF_FRAME, entry=parts.ITERATIONS, inputs=INPUTS)
    def cas_grant_body_frame_start(
        self,
        run_id: str,
        run: OfRun,
        loop: OfLoop,
        frame: OfFrame,
        entry: LoopIterationLedgerEntry,
        inputs: Inputs,
    ) -> None:
        compared = self.of_run(run_id, run) | self.of_loop(run_id, loop)
        name, _, initial = self.of_frame(run_id, frame).values()
        self.on_run(
            "cas_grant_body_frame_start",
            run_id,
            **compared,
            frame_id=name,
            initial_frame=initial,
            ledger_entry=entry,
            inputs=inputs,
        )

    @rule(run_id=ID, ends=st.booleans(), run=OF_RUN, loop=OF_LOOP, frame=OF_FRAME, inputs=INPUTS)
    def cas_complete(self, run_id: str, ends: bool, run: OfRun, loop: OfLoop, frame: OfFrame, inputs: Inputs) -> None:
        """Of a body frame, or of a loop that ends."""
        compared = self.of_run(run_id, run) | self.of_loop(run_id, loop) | self.of_frame(run_id, frame)
        method = "cas_complete_loop" if ends else "cas_complete_body_frame"
        self.on_run(method, run_id, **compared, inputs=inputs)

    @rule(run_id=ID, wrong=parts.WRONGS)
    def ask_for_the_impossible(self, run_id: str, wrong: Wrong) -> None:
        self.touched = run_id
        answer = self.both(lambda storage: getattr(storage.runs, wrong.operation)(**wrong.arguments(run_id)))
        assert isinstance(answer, InternalError | ValidationError)

    @invariant()
    def same_content(self) -> None:
        run, _ = self.both(lambda storage: content(storage, self.touched))
        if run is not None:
            self.stored[run.run_id] = run


async def content(storage: MobStorage, run_id: str) -> tuple[MobRun | None, int]:
    return await asyncio.gather(storage.runs.get_run(run_id), storage.events.latest_cursor())


def test_runs(server_url: str) -> None:
    check_twins(Runs, server_url)
