"""What the fleet needs, in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

from redis_mob.codec import ledgers
from redis_mob.codec.arguments import (
    duration,
    flag,
    instance,
    integer,
    optional_instance,
    optional_integer,
    text,
    texts,
)
from redis_mob.codec.definitions import decode_definition
from redis_mob.codec.events import EncodedEvent, encode_new_event
from redis_mob.codec.inputs import copied_inputs
from redis_mob.codec.items import checked_keys
from redis_mob.codec.labels import stored_labels
from redis_mob.codec.schedule import worker_id as checked_worker_id
from redis_mob.codec.transitions import check_transition, require_encodable
from redis_mob.contracts import ExecutionStore, WakeUp
from redis_mob.errors import NotDrivenError, NotFoundError, shortened
from redis_mob.kernel.completeness import drivable
from redis_mob.memory import items
from redis_mob.memory import run_changes as changes
from redis_mob.memory.asks import are_pending, change_asks
from redis_mob.memory.children import MemoryChildren, start
from redis_mob.memory.conversations import end_turn
from redis_mob.memory.debounces import MemoryDebounces, forget_debounce
from redis_mob.memory.labels import MemoryLabels
from redis_mob.memory.namespace import Namespace
from redis_mob.memory.pauses import put_aside
from redis_mob.memory.run_lookup import existing_run, run_key
from redis_mob.memory.schedule import Schedule
from redis_mob.memory.signals import MemorySignals
from redis_mob.memory.turns import let_others_run
from redis_mob.memory.workers import MemoryWorkers
from redis_mob.models import FrameSnapshot, LoopSnapshot, MobDefinition, MobRun, MobRunStatus
from redis_mob.models.due_work import DueWork
from redis_mob.models.execution import EVERYTHING, Execution, ExecutionKey, RunLaunch, Serves
from redis_mob.models.labels import NO_LABELS, Labels
from redis_mob.models.transition import Commit, RunView, Transition
from redis_mob.notifications.run_messages import about, messages_of, run_message
from redis_mob.notifications.wake_up_flag import SWEEP_SECONDS

T = TypeVar("T")
H = TypeVar("H", FrameSnapshot, LoopSnapshot)


class MemoryExecutionStore(MemoryChildren, MemoryDebounces, MemoryLabels, MemorySignals, MemoryWorkers, ExecutionStore):
    """The contract's `ExecutionStore` in memory; its docstrings say what holds."""

    async def start_run(
        self,
        run: MobRun,
        launch: RunLaunch,
        definition: MobDefinition,
        *,
        at: datetime | None = None,
        labels: Labels = NO_LABELS,
    ) -> bool:
        return start(self._access.content, run, launch, definition, at, labels=stored_labels(labels))

    async def load(self, run_id: str) -> RunView | None:
        content, run_id = self._access.content, run_key(run_id)
        run = content.runs.get(run_id)
        if run is None:
            return None
        if run_id not in content.launches:
            raise NotDrivenError(run_id)
        launch, launched_at = content.launches[run_id]
        executions = {key: changes.copied(one) for key, one in content.executions.get(run_id, {}).items()}
        cancel_requested = run_id in content.cancel_requested
        return RunView(
            run=drivable(changes.copied(run.core()), executions, cancel_requested=cancel_requested),
            launch=changes.copied(launch),
            executions=executions,
            cancel_requested=cancel_requested,
            launched_at=launched_at,
            now=content.clock.now(),
            version=content.decisions[run_id],
            reports=content.reports[run_id],
            moves=content.moves[run_id],
            progress=dict(content.item_progress.get(run_id, {})),
            signals={number: changes.copied(one) for number, one in content.mailboxes[run_id].waiting.items()},
            parent=content.parents.get(run_id),
            labels=content.labels.get(run_id, NO_LABELS),
            is_debounced=run_id in content.debounced,
            turn=content.turns.get(run_id),
            pauses=content.pauses_of(run),
        )

    async def items(self, run_id: str, frame_id: str, node_id: str) -> Sequence[Any]:
        return items.items(self._access.content, run_id, (frame_id, node_id))

    async def ended(self, run_id: str, keys: Sequence[ExecutionKey]) -> Sequence[Execution]:
        return items.ended(self._access.content, run_id, checked_keys(keys))

    async def get_definition(self, digest: str) -> MobDefinition:
        encoded = self._access.content.definitions.get(text("digest", digest))
        if encoded is None:
            raise NotFoundError(f"no definition has the digest {shortened(digest)}")
        return decode_definition(digest, encoded)

    async def commit(self, transition: Transition) -> Commit:
        content = self._access.content
        check_transition(transition)
        require_encodable(transition)
        run_id = run_key(transition.run.run_id)
        events, endings = (_encoded(some) for some in (transition.events, transition.terminal_events))
        stored = content.runs.get(run_id)
        if stored is None or not _is_as_read(content, stored, transition):
            return Commit.LOST
        entries = {
            key: Schedule.entry(transition.run, key, execution, transition.before.launch)
            for key, execution in transition.executions.items()
        }
        moved = {entries[key]: execution for key, execution in transition.executions.items()}
        if not content.schedule.may_claim(moved, transition.before.launch.max_concurrency):
            return Commit.LOST
        if content.pauses_of(stored) and any(transition.begun):
            return Commit.LOST
        if not are_pending(content, transition):
            return Commit.LOST
        now = content.clock.now()
        run = _after(stored, transition, now)
        executions = {key: changes.copied(execution) for key, execution in transition.executions.items()}

        content.runs[run_id] = run
        if run.status is not MobRunStatus.PENDING:
            forget_debounce(content, run_id)
        if run.status.is_terminal:
            end_turn(content, run_id)
        items.put(content, run_id, transition, executions)
        change_asks(content, transition)
        for number in transition.taken:
            content.mailboxes[run_id].waiting.pop(number, None)
        if transition.is_decision:
            content.decisions[run_id] += 1
            late = content.reports[run_id] > transition.before.reports and not run.status.is_terminal
            # what was reported since the decision was made takes another one
            _set_time(content.due_runs, run_id, now if late else transition.look_again_at)
            content.runs_in_hand.discard(run_id)
        elif transition.reports:
            content.reports[run_id] += transition.reports
            content.report(run_id)
        is_handed_on = any(map(content.schedule.is_handed_on, executions.values()))
        for key, execution in executions.items():
            used, closed = transition.used.get(key), transition.closes_until(key)
            is_aside = content.is_aside(stored)
            content.schedule.move(entries[key], execution, now, is_aside=is_aside, used=used, closed_until=closed)
        content.log.append([*events, *(event for event in endings if not content.log.has(event))], now)
        at = content.due_runs.get(run_id)
        content.run_wake_ups.send(
            run_message(
                run_id,
                is_due=at is not None and at < now + timedelta(seconds=SWEEP_SECONDS),
                is_over=run.status.is_terminal,
            )
        )
        for message in messages_of(transition):
            content.run_wake_ups.send(message)
        if any(entries[key].gates and one.lease is None for key, one in executions.items()):
            content.run_wake_ups.send()  # a limit may have room again, in any queue
        return Commit.HANDED_ON if is_handed_on else Commit.WON

    async def request_cancel(self, run_id: str) -> bool:
        content = self._access.content
        run = existing_run(content, run_id)
        if run.status.is_terminal:
            return False
        content.cancel_requested.add(run.run_id)
        content.runs_in_hand.discard(run.run_id)
        content.due_runs[run.run_id] = content.clock.now()
        content.run_wake_ups.send(run_message(run.run_id, is_due=True))
        return True

    async def status(self, run_id: str) -> MobRunStatus | None:
        run = self._access.content.runs.get(run_key(run_id))
        return None if run is None else run.status

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
        await let_others_run()
        content = self._access.content
        most_runs, most_executions = integer("max_runs", max_runs), max(integer("max_executions", max_executions), 0)
        most_suspects = optional_integer("max_suspects", max_suspects)
        hidden, serves = duration("keep", keep), instance("serves", serves, Serves)
        now, schedule = content.clock.now(), content.schedule
        if schedule.let_go_of_expired(now):
            content.run_wake_ups.send()
        schedule.queue_due(now)
        led, patient = texts("leads", leads), duration("patience", patience)
        left = {
            run_id: at + patient
            for run_id, at in content.reported_runs.items()
            if at + patient > now and run_id not in led and content.due_runs.get(run_id) == at
        }
        runs = _take(content.due_runs, [one for one in content.due_runs if one not in left], most_runs, now, hidden)
        for run_id in runs:
            content.reported_runs.pop(run_id, None)
        content.runs_in_hand.update(runs)
        suspects = most_executions if most_suspects is None else max(most_suspects, 0)
        executions, more = schedule.take(serves, most_executions, suspects, now, hidden)
        return DueWork(
            runs=runs,
            executions=executions,
            now=now,
            next_run_at=_next_of({**content.due_runs, **left}, now),
            next_execution_at=schedule.next_at(now),
            next_loss_at=min((worker.expires_at for worker in schedule.workers.values()), default=None),
            more=more,
            left=schedule.left_by(serves),
            workers=len(schedule.workers),
        )

    async def put_aside(self, view: RunView, keys: Sequence[ExecutionKey]) -> bool:
        return put_aside(self._access.content, instance("view", view, RunView), checked_keys(keys))

    @asynccontextmanager
    async def listen(
        self,
        run_id: str | None = None,
        *,
        only_end: bool = False,
        serves: Serves | None = None,
        worker_id: str | None = None,
    ) -> AsyncGenerator[WakeUp]:
        run = None if run_id is None else run_key(run_id)
        serves = optional_instance("serves", serves, Serves)
        worker_id = None if worker_id is None else checked_worker_id(worker_id)
        concern = about(run, serves, worker_id, only_end=flag("only_end", only_end))
        with self._access.content.run_wake_ups.listen(concern) as wake_up:
            yield wake_up


def _encoded(events: Sequence[Any]) -> list[EncodedEvent]:
    return list(map(encode_new_event, events))


def _changed(before: Mapping[str, T], after: Mapping[str, T]) -> dict[str, T]:
    """The values that a transition writes instead of those it had read."""
    return {name: part for name, part in after.items() if before.get(name) is not part}


def _is_as_read(content: Namespace, stored: MobRun, transition: Transition) -> bool:
    before, run_id = transition.before, transition.run.run_id
    executions = content.executions.get(run_id, {})
    return (
        changes.may_change(stored, before.run.status)
        and (run_id in content.cancel_requested, content.moves[run_id]) == (before.cancel_requested, before.moves)
        and (not transition.is_decision or content.decisions[run_id] == before.version)
        and (not transition.is_decision or changes.are_equal(stored.flow_state, before.run.flow_state))
        and all(
            changes.are_equal(stored.frames.get(name), before.run.frames.get(name))
            for name in _changed(before.run.frames, transition.run.frames)
        )
        and all(
            changes.are_equal(stored.loops.get(name), before.run.loops.get(name))
            for name in _changed(before.run.loops, transition.run.loops)
        )
        and all(_same(executions.get(key), before.executions.get(key)) for key in transition.executions)
        and all(
            content.item_progress.get(run_id, {}).get(node) == before.progress.get(node) for node in transition.progress
        )
    )


def _after(stored: MobRun, transition: Transition, now: datetime) -> MobRun:
    """The run with everything that a transition changes and records."""
    before, after = transition.before.run, transition.run
    run = stored.model_copy(
        update={
            "flow_state": changes.kept(after.flow_state) if transition.is_decision else stored.flow_state,
            "frames": stored.frames.set(*_kept(_changed(before.frames, after.frames))),
            "loops": stored.loops.set(*_kept(_changed(before.loops, after.loops))),
        }
    )
    if after.status != before.status:
        run = changes.with_status(run, after.status, now)
    run = changes.with_inputs(run, copied_inputs(transition.inputs))
    for recorded in transition.outputs:
        output = changes.copied_json(ledgers.step_output_named(recorded.step_id), recorded.output)
        run = run.with_output(recorded.step_id, output, recorded.loop_context)
    for row in transition.step_rows:
        run = changes.with_step_row(run, row)
    for row in transition.step_rows_once:
        run = run if changes.has_step_row(run, row) else changes.with_step_row(run, row)
    for failure in transition.failure_rows:
        run = changes.with_failure(run, failure)
    for iteration in transition.iteration_rows:
        run = changes.with_iteration(run, iteration)
    return run


def _kept(parts: Mapping[str, H]) -> list[tuple[str, H]]:
    return [(name, changes.kept(part)) for name, part in parts.items()]


def _same(one: Execution | None, other: Execution | None) -> bool:
    """Whether two executions are equal to the last detail of their outputs: 1 is not 1.0 (contract: store-6)."""
    if one is None or other is None:
        return one is other
    return one.model_dump_json() == other.model_dump_json()


def _set_time(times: dict[T, datetime], item: T, at: datetime | None) -> None:
    """None takes the item out."""
    if at is None:
        times.pop(item, None)
    else:
        times[item] = at


def _take(times: dict[T, datetime], items: Sequence[T], limit: int, now: datetime, keep: timedelta) -> tuple[T, ...]:
    """The first of these items that are due, which are due again only after a while."""
    due = sorted((item for item in items if times[item] <= now), key=times.__getitem__)
    taken = tuple(due[: max(limit, 0)])
    for item in taken:
        times[item] = now + keep
    return taken


def _next_of(times: Mapping[T, datetime], now: datetime) -> datetime | None:
    """When the next item becomes due; one that is due already and was not taken is for others."""
    return min((at for at in times.values() if at > now), default=None)
