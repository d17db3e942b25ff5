"""Runs on Redis: each method encodes, calls one script, and reads its reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from redis_mob.codec import ledgers
from redis_mob.codec.arguments import member, text
from redis_mob.codec.changes import change_of_frame, change_of_loop, change_of_run, counted, overwriting_loop
from redis_mob.codec.inputs import encode_inputs
from redis_mob.codec.run_heads import place_prefix, run_id_of_place
from redis_mob.codec.runs import decode_run, encode_run, run_parts
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply, won
from redis_mob.connection.calls.run_keys import RunKeys
from redis_mob.contracts import MobRunStore
from redis_mob.errors import SerializationError, shown
from redis_mob.models import (
    FailureLedgerEntry,
    FlowAuthorityInput,
    FlowRunState,
    FrameSnapshot,
    LoopIterationLedgerEntry,
    LoopSnapshot,
    MobRun,
    MobRunStatus,
    StepLedgerEntry,
)
from redis_mob.models.base import canonical_run_id
from redis_mob.stores.event_arguments import event_arguments, log_keys, stored_event
from redis_mob.stores.readable import readable

if TYPE_CHECKING:
    from redis_mob.models.events import MobEvent, NewMobEvent


@readable
class RedisRunStore(MobRunStore):
    """The contract's `MobRunStore` on Redis; its docstrings say what holds."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def create_run(self, run: MobRun, /) -> None:
        parts = encode_run(run)
        keys = self._keys.run(run.run_id)
        reply = await self._client.call(
            "runs/create_run",
            [*keys.parts, keys.index, self._keys.meta, self._keys.runs, self._keys.runs_by_status],
            {
                "run_id": run.run_id,
                "prefix": place_prefix(run.mob_id, run.flow_id),
                "parts": [counted(part) for part in parts],
            },
        )
        won(reply, run.run_id, self._keys.namespace)

    async def get_run(self, run_id: str, /) -> MobRun | None:
        keys = self._keys.run(run_id)
        reply = await self._client.read("runs/get_run", [*keys.parts, keys.index], [])
        return None if reply is None else decode_run(canonical_run_id(run_id), run_parts(reply))

    async def list_runs(self, mob_id: str, flow_id: str | None = None) -> list[MobRun]:
        places = await self._client.read(
            "runs/list_runs", [self._keys.meta, self._keys.runs], [place_prefix(mob_id, flow_id)]
        )
        runs: list[MobRun] = []
        for _, run_id in sorted(run_id_of_place(place, self._keys.runs) for place in places):
            if (run := await self.get_run(run_id)) is None:  # runs are never deleted
                raise SerializationError(f"run {run_id} is listed, and its keys are gone")
            runs.append(run)
        return runs

    async def cas_run_status(self, run_id: str, *, expected: MobRunStatus, next: MobRunStatus) -> bool:
        keys = self._keys.run(run_id)
        arguments = [member("expected", expected, MobRunStatus), member("next", next, MobRunStatus)]
        reply = await self._client.call(
            "runs/cas_run_status", [keys.run, keys.index, self._keys.runs_by_status], arguments
        )
        return await self._won(reply, run_id)

    async def cas_flow_state(
        self,
        run_id: str,
        *,
        expected: FlowRunState,
        next: FlowRunState,
        authority_inputs: Sequence[FlowAuthorityInput] = (),
    ) -> bool:
        change = change_of_run(expected, next)
        return await self._swap(
            "runs/cas_flow_state", run_id, lambda keys: [keys.index], authority_inputs, run_change=change
        )

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
        return await self._swap(
            "runs/cas_run_snapshot",
            run_id,
            lambda keys: [keys.index, self._keys.runs_by_status],
            authority_inputs,
            expected_status=member("expected_status", expected_status, MobRunStatus),
            next_status=member("next_status", next_status, MobRunStatus),
            run_change=change_of_run(expected_flow_state, next_flow_state),
        )

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
        from redis_mob.codec.events import require_terminal

        require_terminal(event)
        keys = self._keys.run(run_id)
        reply = await self._client.call(
            "runs/cas_run_snapshot_and_append_terminal_event",
            [keys.run, keys.index, keys.authority, *log_keys(self._keys), self._keys.runs_by_status],
            {
                "expected_status": member("expected_status", expected_status, MobRunStatus),
                "next_status": member("next_status", next_status, MobRunStatus),
                "run_change": change_of_run(expected_flow_state, next_flow_state),
                "new_inputs": encode_inputs(keys.run_id, authority_inputs),
                "event": event_arguments(event),
            },
        )
        return None if reply == Reply.LOST else stored_event(event, reply)

    async def append_step_entry(self, run_id: str, *, entry: StepLedgerEntry) -> None:
        await self._won(await self._append_step("runs/append_step_entry", run_id, entry), run_id)

    async def append_step_entry_if_absent(self, run_id: str, *, entry: StepLedgerEntry) -> bool:
        return await self._won(await self._append_step("runs/append_step_entry_if_absent", run_id, entry), run_id)

    async def _append_step(self, script: str, run_id: str, entry: StepLedgerEntry) -> Any:
        keys = self._keys.run(run_id)
        return await self._client.call(
            script,
            [keys.run, keys.steps, keys.step_outputs, keys.index],
            {"entry": ledgers.step_arguments(entry)},
        )

    async def put_step_output(self, run_id: str, *, step_id: str, output: Any) -> None:
        keys, step = self._keys.run(run_id), text("step_id", step_id)
        reply = await self._client.call(
            "runs/put_step_output",
            [keys.run, keys.steps, keys.step_outputs, keys.index],
            [ledgers.step_field(step), ledgers.stored_value(ledgers.step_output_named(step), output)],
        )
        await self._won(reply, run_id, f"step {shown(step)} has no row in the step ledger; append one first")

    async def append_failure_entry(self, run_id: str, *, entry: FailureLedgerEntry) -> None:
        await self._won(await self._append_failure("runs/append_failure_entry", run_id, entry), run_id)

    async def append_failure_entry_if_absent(self, run_id: str, *, entry: FailureLedgerEntry) -> bool:
        reply = await self._append_failure("runs/append_failure_entry_if_absent", run_id, entry)
        return await self._won(reply, run_id, f"step {shown(entry.step_id)} has another failure already")

    async def _append_failure(self, script: str, run_id: str, entry: FailureLedgerEntry) -> Any:
        keys = self._keys.run(run_id)
        return await self._client.call(
            script, [keys.run, keys.failures, keys.index], {"entry": ledgers.failure_arguments(entry)}
        )

    async def upsert_loop_snapshot(
        self,
        run_id: str,
        *,
        loop_instance_id: str,
        snapshot: LoopSnapshot,
        ledger_entry: LoopIterationLedgerEntry | None = None,
    ) -> None:
        keys = self._keys.run(run_id)
        reply = await self._client.call(
            "runs/upsert_loop_snapshot",
            [keys.run, keys.loops, keys.iterations, keys.index],
            {
                **overwriting_loop(loop_instance_id, snapshot),
                "entry": (b"", b"") if ledger_entry is None else ledgers.iteration_arguments(ledger_entry),
            },
        )
        await self._won(reply, run_id)

    async def _swap(
        self,
        script: str,
        run_id: str,
        keys_of: Callable[[RunKeys], Sequence[str]],
        authority_inputs: Sequence[FlowAuthorityInput],
        **arguments: Any,
    ) -> bool:
        """Compare and change parts of a run, and append the inputs. `keys_of` gives the keys of the other parts."""
        keys = self._keys.run(run_id)
        reply = await self._client.call(
            script,
            [keys.run, *keys_of(keys), keys.authority],
            {**arguments, "new_inputs": encode_inputs(keys.run_id, authority_inputs)},
        )
        return await self._won(reply, run_id)

    async def _won(self, reply: Any, run_id: str, detail: str = "") -> bool:
        """What a reply says, as `won`. Raises SerializationError for a run of which the head alone is gone."""
        if reply == Reply.NOT_FOUND:
            await self.get_run(run_id)
        return won(reply, run_id, self._keys.namespace, detail)

    async def cas_frame_state(
        self,
        run_id: str,
        *,
        frame_id: str,
        expected: FrameSnapshot | None,
        next: FrameSnapshot,
        authority_inputs: Sequence[FlowAuthorityInput] = (),
    ) -> bool:
        return await self._swap(
            "runs/cas_frame_state",
            run_id,
            lambda keys: [keys.frames],
            authority_inputs,
            frame_change=change_of_frame(frame_id, expected, next),
        )

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
        return await self._swap(
            "runs/cas_grant_node_slot",
            run_id,
            lambda keys: [keys.frames],
            authority_inputs,
            run_change=change_of_run(expected_run_state, next_run_state),
            frame_change=change_of_frame(frame_id, expected_frame, next_frame),
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
        output = ledgers.encode_value(ledgers.step_output_named(step_output_key), step_output)
        return await self._swap(
            "runs/cas_complete_step_and_record_output",
            run_id,
            lambda keys: [keys.frames, keys.outputs],
            authority_inputs,
            frame_change=change_of_frame(frame_id, expected_frame, next_frame),
            output=ledgers.output_arguments(step_output_key, output, loop_context),
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
        return await self._swap(
            "runs/cas_start_loop",
            run_id,
            lambda keys: [keys.frames, keys.loops],
            authority_inputs,
            run_change=change_of_run(expected_run_state, next_run_state),
            frame_change=change_of_frame(frame_id, expected_frame, next_frame),
            loop_change=change_of_loop(loop_instance_id, None, initial_loop),
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
        return await self._swap(
            "runs/cas_loop_request_body_frame",
            run_id,
            lambda keys: [keys.loops],
            authority_inputs,
            run_change=change_of_run(expected_run_state, next_run_state),
            loop_change=change_of_loop(loop_instance_id, expected_loop, next_loop),
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
        return await self._swap(
            "runs/cas_grant_body_frame_start",
            run_id,
            lambda keys: [keys.loops, keys.frames, keys.iterations, keys.index],
            authority_inputs,
            run_change=change_of_run(expected_run_state, next_run_state),
            loop_change=change_of_loop(loop_instance_id, expected_loop, next_loop),
            frame_change=change_of_frame(frame_id, None, initial_frame),
            entry=ledgers.iteration_arguments(ledger_entry),
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
        return await self._swap(
            "runs/cas_complete_body_frame",
            run_id,
            lambda keys: [keys.loops, keys.frames],
            authority_inputs,
            run_change=change_of_run(expected_run_state, next_run_state),
            loop_change=change_of_loop(loop_instance_id, expected_loop, next_loop),
            frame_change=change_of_frame(frame_id, expected_frame, next_frame),
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
        return await self._swap(
            "runs/cas_complete_loop",
            run_id,
            lambda keys: [keys.loops, keys.frames],
            authority_inputs,
            run_change=change_of_run(expected_run_state, next_run_state),
            loop_change=change_of_loop(loop_instance_id, expected_loop, next_loop),
            frame_change=change_of_frame(frame_id, expected_frame, next_frame),
        )
