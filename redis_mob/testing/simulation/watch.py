"""What must hold after each call that the storage of a simulation executes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Execution, ExecutionKey, ExecutionStatus
from redis_mob.models.flow_spec import RetrySpec
from redis_mob.models.limits import rates_in
from redis_mob.models.pause import PauseChange
from redis_mob.models.transition import Commit, Transition
from redis_mob.testing.simulation.effects import Effect
from redis_mob.testing.simulation.processes import EPOCH, SimulatedProcess
from redis_mob.testing.simulation.traces import Trace

Place = tuple[str, ExecutionKey]
"""An execution of a run."""


@dataclass
class Watch:
    """Sees each call as the storage executes it. `violations` says what was broken, the first one first."""

    definition: MobDefinition
    clock: Callable[[], float]
    effects: list[Effect]
    trace: Trace
    violations: list[str] = field(default_factory=list[str])
    executions: dict[Place, Execution] = field(default_factory=dict[Place, Execution])
    flows: dict[str, str] = field(default_factory=dict[str, str])
    """The flow of each run of which something was committed."""
    canceled: set[str] = field(default_factory=set[str])
    """Runs whose cancellation the storage has accepted."""
    over: set[str] = field(default_factory=set[str])
    paused: set[str] = field(default_factory=set[str])
    leases: dict[str, float] = field(default_factory=dict[str, float])
    """When the lease of each worker ends, by its id."""
    left: set[str] = field(default_factory=set[str])
    """Workers that have left in an orderly way."""
    handed_on: set[tuple[Place, int]] = field(default_factory=set[tuple[Place, int]])
    """Claims for workers that were let go of before: their executions wait at once, for the same attempt."""
    begun: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """When executions of each step began, at most one entry for an attempt."""

    def executed(self, process: SimulatedProcess, call: str, arguments: tuple[Any, ...], result: Any) -> None:
        """See `Observer`."""
        told = self._seen.get(call, Watch._other)(self, arguments, result)
        self.trace.tell(f"{process.name} {call} {told}")

    def broken(self, what: str) -> None:
        """Something does not hold."""
        self.violations.append(f"at {self.clock():.3f} s {what}")
        self.trace.tell(f"VIOLATION {what}")

    def _other(self, arguments: tuple[Any, ...], result: Any) -> str:
        del arguments
        return str(result) if isinstance(result, bool | int | str | None) else ""

    def _joined(self, arguments: tuple[Any, ...], result: Any) -> str:
        worker, lease = arguments
        if result is not False:
            self.leases[worker.id] = self.clock() + lease.total_seconds()
        return f"{worker.id} {result}"

    def _left(self, arguments: tuple[Any, ...], result: Any) -> str:
        if result and self.leases.pop(arguments[0], 0.0) > self.clock():
            self.left.add(arguments[0])
        return f"{arguments[0]} {result}"

    def _taken(self, arguments: tuple[Any, ...], result: Any) -> str:
        del arguments
        taken = [f"{one.run_id[:4]}/{'/'.join(one.key)} {one.loss and one.loss.how.name}" for one in result.executions]
        return f"runs {[run[:4] for run in result.runs]}, executions {taken}"

    def _cancel(self, arguments: tuple[Any, ...], result: Any) -> str:
        if result:
            self.canceled.add(arguments[0])
        return f"{arguments[0][:4]} {result}"

    def _paused(self, arguments: tuple[Any, ...], result: Any) -> str:
        if result is not PauseChange.OVER:
            self.paused.add(arguments[0])
        return f"{arguments[0][:4]} {result}"

    def _resumed(self, arguments: tuple[Any, ...], result: Any) -> str:
        self.paused.discard(arguments[0])
        return f"{arguments[0][:4]} {result}"

    def _committed(self, arguments: tuple[Any, ...], result: Any) -> str:
        transition: Transition = arguments[0]
        run_id = transition.run.run_id
        if result is Commit.LOST:
            return f"{run_id[:4]} LOST"
        self.flows[run_id] = transition.run.flow_id
        if run_id in self.over:
            self.broken(f"run {run_id} was changed after its end")
        if run_id in self.canceled and not transition.before.cancel_requested:
            self.broken(f"run {run_id} was changed as if its cancellation had not been asked for")
        if transition.run.status.is_terminal:
            self.over.add(run_id)
        told: list[str] = []
        for key, execution in transition.executions.items():
            place = (run_id, key)
            before = self.executions.get(place)
            self._changed(transition, place, before, execution, result)
            self.executions[place] = execution
            told.append(f"{'/'.join(key)} {execution.status} {execution.attempt} {execution.fencing_token}")
        self._check_limits(transition)
        return f"{run_id[:4]} {result.name} {transition.run.status} {told}"

    def _changed(
        self, transition: Transition, place: Place, before: Execution | None, after: Execution, result: Commit
    ) -> None:
        name = f"{after.step_id} ({'/'.join(place[1])}) of run {place[0]}"
        if before is not None and before.is_over:
            self.broken(f"{name} was changed after its end, from {before.status} to {after.status}")
            return
        was_leased = before is not None and before.status is ExecutionStatus.LEASED
        is_done = after.status is ExecutionStatus.COMPLETED or (
            after.status is ExecutionStatus.REPORTED and after.failure is None
        )
        if before is not None and was_leased and is_done:
            self._check_result(name, place, before, after)
        if after.status is ExecutionStatus.LEASED and (before is None or after.fencing_token != before.fencing_token):
            self._claimed(name, place, before, after)
            if result is Commit.HANDED_ON:
                self.handed_on.add((place, after.fencing_token))
            else:
                self.begun[after.step_id].append(self.clock())
        if before is not None and after.status is ExecutionStatus.WAITING and after.attempt > before.attempt:
            self._check_pause(transition, name, after)

    def _check_result(self, name: str, place: Place, before: Execution, after: Execution) -> None:
        given = [one for one in self.effects if (one.run_id, one.key) == place and one.token == before.fencing_token]
        if not any(one.outcome == "succeeded" and one.output == after.output for one in given):
            self.broken(
                f"{name} was given {after.output!r}, which its handler of token {before.fencing_token} did not return"
            )

    def _claimed(self, name: str, place: Place, before: Execution | None, after: Execution) -> None:
        run_id, now = place[0], self.clock()
        if run_id in self.paused:
            self.broken(f"{name} was begun, and its run is paused")
        if before is None:
            return
        if after.fencing_token <= before.fencing_token:
            self.broken(f"{name} was claimed with token {after.fencing_token} after token {before.fencing_token}")
        lease = before.lease
        if before.status is ExecutionStatus.LEASED and lease is not None:
            is_orderly = lease.owner in self.left or (place, before.fencing_token) in self.handed_on
            expected = before.attempt + (not is_orderly)
            if after.attempt != expected:
                self.broken(f"{name} was taken over from {lease.owner} as attempt {after.attempt}, which is {expected}")
            if not is_orderly and self.leases.get(lease.owner, 0.0) > now:
                self.broken(f"{name} was taken from {lease.owner}, which has its lease")
        elif before.due_at > EPOCH + timedelta(seconds=now):
            self.broken(f"{name} began before it was due")

    def _check_pause(self, transition: Transition, name: str, after: Execution) -> None:
        flow = self.definition.flows[transition.run.flow_id]
        retry = flow.steps[after.step_id].retry or RetrySpec()
        failures = max(after.attempts_of_step - 1, 1)
        least = min(retry.first * retry.factor ** (failures - 1), retry.most) * (1 - retry.jitter)
        pause = (after.due_at - transition.before.now).total_seconds()
        if pause < least - 0.001:
            self.broken(f"{name} is to be tried again after {pause:.3f} s, not after {least:.3f} s at least")

    def _check_limits(self, transition: Transition) -> None:
        state = transition.run.flow_state
        if state.max_active_nodes and state.active_node_count > state.max_active_nodes:
            self.broken(f"run {transition.run.run_id} has {state.active_node_count} active nodes")
        if not any(one.status is ExecutionStatus.LEASED for one in transition.executions.values()):
            return
        now, of_role, of_step = self.clock(), defaultdict[str, int](int), defaultdict[tuple[str, str], int](int)
        for (run_id, _), one in self.executions.items():
            if one.status is ExecutionStatus.LEASED and one.lease and self.leases.get(one.lease.owner, 0.0) > now:
                of_role[one.role] += 1
                of_step[self.flows[run_id], one.step_id] += 1
        limits = self.definition.limits
        most = dict[str, int](() if limits is None else limits.max_concurrency or ())
        for role, number in of_role.items():
            if number > most.get(role, number):
                self.broken(f"{number} executions of role {role} are under way, {most[role]} may be")
        for (flow, step_id), number in of_step.items():
            limit = self.definition.flows[flow].steps[step_id].concurrency
            if limit is not None and number > limit.limit:
                self.broken(f"{number} executions of step {step_id} are under way, {limit.limit} may be")
        for one in transition.executions.values():
            self._check_rate(transition.run.flow_id, one.step_id)

    def _check_rate(self, flow_id: str, step_id: str) -> None:
        step = self.definition.flows[flow_id].steps.get(step_id)
        times = self.begun[step_id]
        for rate in rates_in(None if step is None else step.rate):
            late = [at for at in times if at > self.clock() - rate.per_ms / 1000]
            if len(late) > rate.limit:
                self.broken(f"{len(late)} executions of step {step_id} began within {rate.per}")

    _seen: ClassVar[Mapping[str, Callable[[Any, tuple[Any, ...], Any], str]]] = {
        "executions.join_workers": _joined,
        "executions.renew_worker": _joined,
        "executions.leave_workers": _left,
        "executions.take_due": _taken,
        "executions.request_cancel": _cancel,
        "pauses.pause_run": _paused,
        "pauses.resume_run": _resumed,
        "executions.commit": _committed,
    }
