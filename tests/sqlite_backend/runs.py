"""Runs on sqlite3: one JSON document each, which every write replaces as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from redis_mob.contracts import MobRunStore
from redis_mob.errors import NotFoundError, RunAlreadyExistsError, ValidationError
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
from redis_mob.models.base import canonical_run_id
from tests.sqlite_backend import event_log
from tests.sqlite_backend import run_changes as changes
from tests.sqlite_backend.database import Database, Sql
from tests.sqlite_backend.documents import decode, encode
from tests.sqlite_backend.run_changes import Change, Fields, Part, frame, loop, state

TABLES = (
    """
    CREATE TABLE IF NOT EXISTS runs (
        creation INTEGER PRIMARY KEY, run_id TEXT UNIQUE, mob_id TEXT, flow_id TEXT, document BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX IF NOT EXISTS runs_by_mob ON runs (mob_id, flow_id)",
)


class SqliteRunStore(MobRunStore):
    """The contract's `MobRunStore` on sqlite3; its docstrings say what holds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_run(self, run: MobRun, /) -> None:
        row = (run.run_id, run.mob_id, run.flow_id, encode(_what(run.run_id), run))

        def create(sql: Sql) -> None:
            if sql.execute("SELECT 1 FROM runs WHERE run_id = ?", (run.run_id,)).fetchone():
                raise RunAlreadyExistsError(run.run_id)
            sql.execute("INSERT INTO runs (run_id, mob_id, flow_id, document) VALUES (?, ?, ?, ?)", row)

        await self._database.write(create)

    async def get_run(self, run_id: str, /) -> MobRun | None:
        key = _key(run_id)
        return await self._database.read(lambda sql: _find(sql, key))

    async def list_runs(self, mob_id: str, flow_id: str | None = None) -> list[MobRun]:
        query = """
            SELECT run_id, document FROM runs WHERE mob_id = :mob AND coalesce(:flow, flow_id) = flow_id
            ORDER BY creation
        """
        wanted = {"mob": changes.checked_text(mob_id), "flow": flow_id and changes.checked_text(flow_id)}
        rows = await self._database.read(lambda sql: sql.execute(query, wanted).fetchall())
        return [decode(_what(run_id), MobRun, document) for run_id, document in rows]

    async def _change(self, run_id: str, change: Change, *, missing_loses: bool = False) -> bool:
        """Read a run, change it, write it; False, with nothing written, when the compare is lost.

        Raises NotFoundError for a missing run, unless it loses the compare.
        """
        key = _key(run_id)

        def read_and_write(sql: Sql) -> bool:
            run = _find(sql, key)
            if run is None and not missing_loses:
                raise NotFoundError(f"run {run_id} does not exist")
            fields = None if run is None else change(run)
            if run is None or fields is None:
                return False
            _replace(sql, key, run.model_copy(update=fields))
            return True

        return await self._database.write(read_and_write)

    async def _swap(
        self,
        run_id: str,
        inputs: Sequence[FlowAuthorityInput],
        *parts: Part,
        also: Callable[[MobRun], Fields] | None = None,
        missing_loses: bool = False,
    ) -> bool:
        """Compare all parts, then write all of them, what changes `also`, and the inputs."""
        changes.checked_inputs(inputs)

        def swap(run: MobRun) -> Fields | None:
            fields = changes.swap(run, parts)
            if fields is None:
                return None
            return {**fields, **(also(run) if also else {}), **changes.inputs_appended(run, inputs)}

        return await self._change(run_id, swap, missing_loses=missing_loses)

    async def cas_run_status(self, run_id: str, *, expected: MobRunStatus, next: MobRunStatus) -> bool:
        def change(run: MobRun) -> Fields | None:
            return changes.status(run, expected, next, datetime.now(UTC))

        return await self._change(run_id, change, missing_loses=True)

    async def cas_flow_state(
        self,
        run_id: str,
        *,
        expected: FlowRunState,
        next: FlowRunState,
        authority_inputs: Sequence[FlowAuthorityInput] = (),
    ) -> bool:
        return await self._swap(run_id, authority_inputs, state(expected, next), missing_loses=True)

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
        part = state(expected_flow_state, next_flow_state)
        changes.checked_inputs(authority_inputs)

        def change(run: MobRun) -> Fields | None:
            return _snapshot(run, expected_status, next_status, part, authority_inputs, datetime.now(UTC))

        return await self._change(run_id, change, missing_loses=True)

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
        event_log.check_ends_flow(event)
        changes.checked_inputs(authority_inputs)
        key, part = _key(run_id), state(expected_flow_state, next_flow_state)

        def commit(sql: Sql) -> MobEvent | None:
            run, now = _find(sql, key), datetime.now(UTC)
            if run is None or event_log.has_ended(sql, event):
                return None
            fields = _snapshot(run, expected_status, next_status, part, authority_inputs, now)
            if fields is None:
                return None
            _replace(sql, key, run.model_copy(update=fields))
            return event_log.append(sql, [event], now)[0]

        return await self._database.write(commit)

    async def append_step_entry(self, run_id: str, *, entry: StepLedgerEntry) -> None:
        await self._change(run_id, lambda run: changes.step_row(run, entry))

    async def append_step_entry_if_absent(self, run_id: str, *, entry: StepLedgerEntry) -> bool:
        return await self._change(run_id, lambda run: changes.step_row_if_absent(run, entry))

    async def put_step_output(self, run_id: str, *, step_id: str, output: Any) -> None:
        changes.checked_text(step_id)
        value = changes.copied_json(f"output of step {step_id!r}", output)
        await self._change(run_id, lambda run: changes.step_output(run, step_id, value))

    async def append_failure_entry(self, run_id: str, *, entry: FailureLedgerEntry) -> None:
        await self._change(run_id, lambda run: changes.failure(run, entry))

    async def append_failure_entry_if_absent(self, run_id: str, *, entry: FailureLedgerEntry) -> bool:
        return await self._change(run_id, lambda run: changes.failure_if_absent(run, entry))

    async def upsert_loop_snapshot(
        self,
        run_id: str,
        *,
        loop_instance_id: str,
        snapshot: LoopSnapshot,
        ledger_entry: LoopIterationLedgerEntry | None = None,
    ) -> None:
        changes.checked_text(loop_instance_id)

        def upsert(run: MobRun) -> Fields:
            recorded = {} if ledger_entry is None else changes.iteration(run, ledger_entry)
            return {"loops": run.loops.set((loop_instance_id, snapshot)), **recorded}

        await self._change(run_id, upsert)

    async def cas_frame_state(
        self,
        run_id: str,
        *,
        frame_id: str,
        expected: FrameSnapshot | None,
        next: FrameSnapshot,
        authority_inputs: Sequence[FlowAuthorityInput] = (),
    ) -> bool:
        return await self._swap(run_id, authority_inputs, frame(frame_id, expected, next))

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
            run_id,
            authority_inputs,
            state(expected_run_state, next_run_state),
            frame(frame_id, expected_frame, next_frame),
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
        context = changes.checked_context(loop_context)
        changes.checked_text(step_output_key)
        value = changes.copied_json(f"output of step {step_output_key!r}", step_output)
        return await self._swap(
            run_id,
            authority_inputs,
            frame(frame_id, expected_frame, next_frame),
            also=lambda run: changes.output(run, step_output_key, value, context),
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
            run_id,
            authority_inputs,
            state(expected_run_state, next_run_state),
            frame(frame_id, expected_frame, next_frame),
            loop(loop_instance_id, None, initial_loop),
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
            run_id,
            authority_inputs,
            state(expected_run_state, next_run_state),
            loop(loop_instance_id, expected_loop, next_loop),
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
            run_id,
            authority_inputs,
            state(expected_run_state, next_run_state),
            loop(loop_instance_id, expected_loop, next_loop),
            frame(frame_id, None, initial_frame),
            also=lambda run: changes.iteration(run, ledger_entry),
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
            run_id,
            authority_inputs,
            state(expected_run_state, next_run_state),
            loop(loop_instance_id, expected_loop, next_loop),
            frame(frame_id, expected_frame, next_frame),
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
            run_id,
            authority_inputs,
            state(expected_run_state, next_run_state),
            loop(loop_instance_id, expected_loop, next_loop),
            frame(frame_id, expected_frame, next_frame),
        )


def _key(run_id: str) -> str:
    """The one spelling of a run's id. Raises ValidationError for what is no id."""
    try:
        return canonical_run_id(run_id)
    except ValueError as error:
        raise ValidationError(f"a run is named by its id: {error}") from None


def _what(run_id: str) -> str:
    return f"run {run_id}"


def _find(sql: Sql, run_id: str) -> MobRun | None:
    row = sql.execute("SELECT document FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    return None if row is None else decode(_what(run_id), MobRun, row[0])


def _replace(sql: Sql, run_id: str, run: MobRun) -> None:
    sql.execute("UPDATE runs SET document = ? WHERE run_id = ?", (encode(_what(run_id), run), run_id))


def _snapshot(
    run: MobRun,
    expected: MobRunStatus,
    next: MobRunStatus,
    part: Part,
    inputs: Sequence[FlowAuthorityInput],
    now: datetime,
) -> Fields | None:
    """Status, flow state and inputs as they become; None if status or flow state are not as expected."""
    status, swapped = changes.status(run, expected, next, now), changes.swap(run, [part])
    if status is None or swapped is None:
        return None
    return {**status, **swapped, **changes.inputs_appended(run, inputs)}
