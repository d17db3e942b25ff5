"""What the fleet needs, on Redis: each method encodes, calls one script, and reads its reply."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from redis_mob.codec import executions as codec
from redis_mob.codec import ledgers
from redis_mob.codec.arguments import (
    duration,
    flag,
    instance,
    integer,
    optional_instance,
    optional_integer,
    storable,
    text,
    texts,
)
from redis_mob.codec.asks import ask_changes
from redis_mob.codec.changes import change_of_frame, change_of_loop, change_of_run
from redis_mob.codec.children import decode_parent
from redis_mob.codec.conversations import decode_turn
from redis_mob.codec.definitions import decode_definition
from redis_mob.codec.documents import decode_decimal, decode_time
from redis_mob.codec.hashes import as_mapping
from redis_mob.codec.inputs import encode_inputs
from redis_mob.codec.items import checked_keys, decode_progress, execution_changes
from redis_mob.codec.labels import decode_labels, stored_labels
from redis_mob.codec.packing import Argument
from redis_mob.codec.pauses import decode_pause_of_run, decode_pauses, pauses_of, scopes_of
from redis_mob.codec.run_heads import check_count
from redis_mob.codec.runs import core_parts, decode_core
from redis_mob.codec.schedule import decode_due, decode_worker
from redis_mob.codec.schedule import worker_id as checked_worker_id
from redis_mob.codec.signals import decode_signals
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.headers import NamedArguments
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.calls.replies import Reply, won
from redis_mob.contracts import ExecutionStore, WakeUp
from redis_mob.errors import NotDrivenError, NotFoundError, shortened
from redis_mob.kernel.completeness import drivable
from redis_mob.models.base import canonical_run_id, changed_keys
from redis_mob.models.definition import MobDefinition
from redis_mob.models.due_work import DueWork
from redis_mob.models.execution import EVERYTHING, Execution, ExecutionKey, Left, RunLaunch, Serves
from redis_mob.models.labels import NO_LABELS, Labels
from redis_mob.models.run import MobRun
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import Commit, RunView, Transition
from redis_mob.notifications.run_messages import about, messages_of
from redis_mob.notifications.wakeups import WakeUps
from redis_mob.stores import items
from redis_mob.stores.children import RedisChildren, start_arguments
from redis_mob.stores.conversations import keys_of
from redis_mob.stores.debounces import RedisDebounces
from redis_mob.stores.event_arguments import event_arguments, log_keys
from redis_mob.stores.labels import RedisLabels
from redis_mob.stores.readable import readable
from redis_mob.stores.schedule import aside_of, moves_of, service
from redis_mob.stores.signals import RedisSignals
from redis_mob.stores.workers import RedisWorkers

_LOOKED_AT = 1000
"""How many entries of a schedule lua/executions/take_due looks at."""


@readable
class RedisExecutionStore(RedisChildren, RedisDebounces, RedisLabels, RedisSignals, RedisWorkers, ExecutionStore):
    """The contract's `ExecutionStore` on Redis; its docstrings say what holds."""

    def __init__(self, client: Client, keys: Keys, wake_ups: WakeUps) -> None:
        super().__init__(client, keys)
        self._wake_ups = wake_ups
        self._known_workers = b""
        self._workers: tuple[Serves, ...] = ()

    async def start_run(
        self,
        run: MobRun,
        launch: RunLaunch,
        definition: MobDefinition,
        *,
        at: datetime | None = None,
        labels: Labels = NO_LABELS,
    ) -> bool:
        keys, arguments = start_arguments(self._keys, run, launch, definition, at, stored_labels(labels))
        return await self._client.call("executions/start_run", keys, arguments) == Reply.WON

    async def load(self, run_id: str) -> RunView | None:
        keys = self._keys.run(run_id)
        reply = await self._client.read(
            "executions/load", [*keys.core, keys.index, keys.executions, self._keys.meta, self._keys.pauses], []
        )
        if reply is None:
            return None
        run_id = canonical_run_id(run_id)
        parts = core_parts(reply[1])
        run, executions = decode_core(run_id, parts), as_mapping(reply[2])
        check_count(run_id, parts.head, "executions", len(executions))
        launch = parts.head.get(b"launch")
        if launch is None:
            raise NotDrivenError(run_id)
        decoded, cancel_requested = codec.decode_executions(run_id, executions), b"cancel_requested_at" in parts.head
        of_flow = pauses_of(decode_pauses(as_mapping(reply[3])), run.mob_id, run.flow_id)
        own = parts.head.get(b"paused")
        of_run = () if own is None else (decode_pause_of_run(run.mob_id, run.flow_id, run_id, own),)
        return RunView(
            run=drivable(run, decoded, cancel_requested=cancel_requested),
            launch=codec.decode_launch(run_id, launch),
            executions=decoded,
            cancel_requested=cancel_requested,
            launched_at=decode_time(f"run {run_id}", "launched_at", parts.head.get(b"launched_at", b"")),
            now=ledgers.moment(int(reply[0])),
            version=decode_decimal(f"run {run_id}", "version", parts.head.get(b"version", b"0")),
            reports=decode_decimal(f"run {run_id}", "reports", parts.head.get(b"reports", b"0")),
            moves=decode_decimal(f"run {run_id}", "moves", parts.head.get(b"moves", b"0")),
            progress=decode_progress(run_id, executions),
            signals=decode_signals(run_id, executions),
            parent=decode_parent(run_id, parts.head.get(b"parent")),
            labels=decode_labels(run_id, parts.head),
            is_debounced=b"debounce" in parts.head,
            turn=decode_turn(run_id, parts.head.get(b"conversation")),
            pauses=() if run.status.is_terminal else of_run + of_flow,
        )

    async def items(self, run_id: str, frame_id: str, node_id: str) -> Sequence[Any]:
        return await items.items(self._client, self._keys, run_id, (frame_id, node_id))

    async def ended(self, run_id: str, keys: Sequence[ExecutionKey]) -> Sequence[Execution]:
        return await items.ended(self._client, self._keys, run_id, checked_keys(keys))

    async def get_definition(self, digest: str) -> MobDefinition:
        keys = [self._keys.meta, self._keys.definitions]
        data = await self._client.read("executions/get_definition", keys, [text("digest", digest)])
        if data is None:
            raise NotFoundError(f"no definition has the digest {shortened(digest)}")
        return decode_definition(digest, data)

    async def commit(self, transition: Transition) -> Commit:
        from redis_mob.codec.transitions import check_transition  # with the models of events

        check_transition(transition)
        arguments = storable("the transition", lambda: _arguments(transition))
        keys = self._keys.run(transition.run.run_id)
        reply = await self._client.call(
            "executions/commit",
            [
                keys.run,
                keys.frames,
                keys.loops,
                keys.executions,
                keys.authority,
                keys.outputs,
                keys.steps,
                keys.step_outputs,
                keys.failures,
                keys.iterations,
                keys.index,
                self._keys.due,
                self._keys.ready,
                self._keys.queued,
                self._keys.lost,
                *log_keys(self._keys),
                self._keys.wake_runs,
                keys.cursors,
                self._keys.runs_by_status,
                self._keys.gated,
                self._keys.gate_times,
                self._keys.limits,
                self._keys.pauses,
                self._keys.debounces,
                self._keys.asks,
                *([] if transition.before.turn is None else keys_of(self._keys, transition.before.turn.id)),
            ],
            arguments,
        )
        return Commit(reply)

    async def request_cancel(self, run_id: str) -> bool:
        keys = self._keys.run(run_id)
        reply = await self._client.call(
            "executions/request_cancel",
            [keys.run, keys.index, self._keys.meta, self._keys.due, self._keys.wake_runs],
            [codec.due_run(canonical_run_id(run_id))],
        )
        return won(reply, run_id, self._keys.namespace)

    async def status(self, run_id: str) -> MobRunStatus | None:
        keys = self._keys.run(run_id)
        status = await self._client.read("executions/status", [keys.run, keys.index], [])
        return None if status is None else codec.decode_status(canonical_run_id(run_id), status)

    async def take_due(
        self,
        *,
        max_runs: int,
        max_executions: int,
        keep: timedelta,
        serves: Serves = EVERYTHING,
        max_suspects: int | None = None,
        leads: Collection[str] = (),
        patience: timedelta = timedelta(),
    ) -> DueWork:
        most_runs = _within(integer("max_runs", max_runs))
        most_executions = _within(integer("max_executions", max_executions))
        most_suspects = optional_integer("max_suspects", max_suspects)
        hidden = duration("keep", keep) // timedelta(milliseconds=1)
        led, patient = texts("leads", leads), duration("patience", patience) // timedelta(milliseconds=1)
        serves = instance("serves", serves, Serves)
        keys = [
            self._keys.meta,
            self._keys.due,
            self._keys.ready,
            self._keys.queued,
            self._keys.workers,
            self._keys.lost,
            self._keys.turns,
            self._keys.limits,
            self._keys.gated,
            self._keys.gate_times,
            self._keys.wake_runs,
            self._keys.pauses,
        ]
        while True:
            reply = await self._client.call(
                "executions/take_due",
                keys,
                {
                    "max_runs": most_runs,
                    "led": led,
                    "patience": patient,
                    "max_executions": most_executions,
                    "max_suspects": most_executions if most_suspects is None else _within(most_suspects),
                    "keep": hidden,
                    "known_workers": self._known_workers,
                    **service(serves, self._left_by(serves)),
                },
            )
            if len(reply) > len(("change", "workers")):
                break
            # Workers have come or gone, so that other definitions are left to them; nothing was taken.
            self._known_workers = bytes(reply[0])
            self._workers = tuple(decode_worker(bytes(worker)).serves for worker in reply[1])
        now, next_run, next_execution, next_loss, runs, entries, losses, more = reply
        return DueWork(
            runs=tuple(bytes(run).decode() for run in runs),
            executions=tuple(map(decode_due, map(bytes, entries), map(bytes, losses))),
            now=codec.moment_of_milliseconds(now),
            next_run_at=_time(next_run),
            next_execution_at=_time(next_execution),
            next_loss_at=_time(next_loss),
            more=bool(more),
            left=self._left_by(serves),
            workers=len(self._workers),
        )

    def _left_by(self, serves: Serves) -> frozenset[Left]:
        return serves.left_to(self._workers)

    async def put_aside(self, view: RunView, keys: Sequence[ExecutionKey]) -> bool:
        run_id, arguments = aside_of(instance("view", view, RunView), checked_keys(keys))
        of_run = self._keys.run(run_id)
        keys_of_call = [of_run.run, of_run.index, of_run.executions, self._keys.meta, self._keys.pauses]
        keys_of_call += [self._keys.ready, self._keys.queued, self._keys.lost, self._keys.gated, self._keys.wake_runs]
        return won(
            await self._client.call("executions/put_aside", keys_of_call, arguments), run_id, self._keys.namespace
        )

    def listen(
        self,
        run_id: str | None = None,
        *,
        only_end: bool = False,
        serves: Serves | None = None,
        worker_id: str | None = None,
    ) -> AbstractAsyncContextManager[WakeUp]:
        if run_id is not None:
            self._keys.run(run_id)  # refuses what is no id
            run_id = canonical_run_id(run_id)
        serves = optional_instance("serves", serves, Serves)
        worker_id = None if worker_id is None else checked_worker_id(worker_id)
        return self._wake_ups.listen(
            self._keys.wake_runs, about(run_id, serves, worker_id, only_end=flag("only_end", only_end))
        )


def _within(limit: int) -> int:
    """A greatest number as the script takes it: none for a negative one, and no more than it looks at in one go."""
    return min(max(limit, 0), _LOOKED_AT)


def _time(score: bytes) -> datetime | None:
    return codec.moment_of_milliseconds(float(score)) if score else None


def _arguments(transition: Transition) -> NamedArguments:
    before, run, is_vouched = transition.before.run, transition.run, transition.is_vouched
    arguments_of = partial(event_arguments, is_vouched=is_vouched)
    frames = [
        change_of_frame(frame_id, before.frames.get(frame_id), run.frames[frame_id])
        for frame_id in changed_keys(before.frames, run.frames)
    ]
    loops = [
        change_of_loop(loop_id, before.loops.get(loop_id), run.loops[loop_id])
        for loop_id in changed_keys(before.loops, run.loops)
    ]
    look_again_at, executions = transition.look_again_at, execution_changes(transition)
    moves = list(moves_of(transition))
    return {
        "expected_status": before.status,
        "next_status": run.status,
        "cancel_requested": f"{int(transition.before.cancel_requested)}{transition.before.moves or ''}",
        "version": transition.before.version if transition.is_decision else b"",
        "reports_seen": transition.before.reports,
        "new_reports": transition.reports,
        "run_change": _change_of_run(transition),
        "frame_changes": frames,
        "loop_changes": loops,
        "execution_changes": executions,
        "moves": moves,
        "ask_changes": list(ask_changes(transition)),
        "scopes": scopes_of(run.mob_id, run.flow_id) if moves else [],
        "messages": messages_of(transition),
        "new_inputs": encode_inputs(run.run_id, transition.inputs, is_vouched=is_vouched),
        "new_outputs": list(map(ledgers.encode_recorded, transition.outputs)),
        "step_rows": ledgers.step_arguments_of_all(transition.step_rows),
        "step_rows_once": list(map(ledgers.step_arguments, transition.step_rows_once)),
        "failure_rows": list(map(ledgers.failure_arguments, transition.failure_rows)),
        "iteration_rows": list(map(ledgers.iteration_arguments, transition.iteration_rows)),
        "run_time": [codec.due_run(run.run_id), b"" if look_again_at is None else codec.milliseconds(look_again_at)],
        "new_events": list(map(arguments_of, transition.events)),
        "terminal_events": list(map(arguments_of, transition.terminal_events)),
    }


def _change_of_run(transition: Transition) -> list[list[Argument]]:
    change = change_of_run(transition.before.run.flow_state, transition.run.flow_state)
    return [change] if transition.is_decision else []
