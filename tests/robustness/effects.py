"""What must hold of runs whose workers were killed: how they ended, and what effects their handlers had."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from redis_mob.kernel.reconcile import reconcile
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import RunView
from tests.fleet.everything import LOOP_OUTPUTS, ROOT_OUTPUTS, STATUSES

ENDS = ("flow_completed", "flow_failed", "flow_canceled")

STEPS_COMPLETED = {"plan": 2, "parts": 2, "polish": 4, **dict.fromkeys(ROOT_OUTPUTS, 1)}
"""How often each step of a run completes."""

LATE = 1.0
"""Seconds after its effect in which a handler and the report of its outcome may still be under way."""


@dataclass(frozen=True)
class Effect:
    """What a handler did to the world: one line in the file of effects."""

    run: str
    step: str
    key: str
    token: int
    attempt: int
    pid: int
    at: float


@dataclass(frozen=True)
class StoredRun:
    """A run that is over, as it is stored, and its events in short."""

    view: RunView
    events: Sequence[str]


@dataclass
class Incidents:
    """When which worker process was killed, and from when to when the server was dead; `lease` is that of workers."""

    lease: float
    killed: dict[int, float] = field(default_factory=dict[int, float])
    outages: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])

    def worker_died_between(self, effect: Effect, following: Effect) -> bool:
        """Whether the worker of the first died after it, while it had still to report it, and before the other."""
        died = self.killed.get(effect.pid)
        return died is not None and effect.at - LATE <= died <= min(following.at, effect.at + self.lease)

    def server_died_during(self, effect: Effect) -> bool:
        """Whether the server was dead when this would have been reported, or leases could not be renewed."""
        return any(down - LATE <= effect.at <= up + self.lease for down, up in self.outages)


def effects_of(lines: Iterable[dict[str, Any]]) -> list[Effect]:
    """The effects that a file of them tells."""
    return [Effect(**line) for line in lines]


def judge(
    runs: Sequence[StoredRun], effects: Sequence[Effect], incidents: Incidents
) -> tuple[dict[str, Any], list[str]]:
    """The figures, and what is broken."""
    by_run: dict[str, dict[str, list[Effect]]] = defaultdict(lambda: defaultdict(list))
    for effect in effects:
        by_run[effect.run][effect.key].append(effect)
    again: Counter[str] = Counter()
    broken: list[str] = []
    for stored in runs:
        run_id = stored.view.run.run_id
        of_run = by_run.pop(run_id, {})
        found = [*_outcome(stored), *_told(stored), *_happened(stored, of_run), *_repeated(of_run, incidents, again)]
        broken += [f"run {run_id}: {text}" for text in found]
    broken += [f"run {run_id} had effects and was not started" for run_id in by_run]
    executions = [one for stored in runs for one in stored.view.executions.values()]
    figures = {
        "runs that completed": sum(one.view.run.status is MobRunStatus.COMPLETED for one in runs),
        "executions": len(executions),
        "handlers called to their effect": len(effects),
        "effects, by idempotency key": len({effect.key for effect in effects}),
        "executions lost with a worker alone": sum(one.lost for one in executions),
        "executions lost with a worker and others": sum(one.lost_with_others for one in executions),
        **{f"called again: {reason}": times for reason, times in sorted(again.items())},
    }
    return figures, broken


def _outcome(stored: StoredRun) -> Iterator[str]:
    run = stored.view.run
    if run.status is not MobRunStatus.COMPLETED:
        reasons = [row.reason for row in run.failure_ledger]
        yield f"it is {run.status}: {reasons}"
        return
    if run.root_step_outputs != ROOT_OUTPUTS or run.loop_iteration_outputs != LOOP_OUTPUTS:
        yield f"wrong outputs: {run.root_step_outputs}, {run.loop_iteration_outputs}"
    if run.flow_state.step_status != STATUSES:
        yield f"wrong statuses: {run.flow_state.step_status}"
    yield from (difference.message for difference in reconcile(run))


def _told(stored: StoredRun) -> Iterator[str]:
    told = Counter(stored.events)
    ends = [event for event in stored.events if event in ENDS]
    if ends != [f"flow_{stored.view.run.status}"] or stored.events[-1:] != ends:
        yield f"it told its end as {ends}"
    if told["flow_started"] != 1:
        yield f"it told its start {told['flow_started']} times"
    completed = {step: told[f"step_completed {step}"] for step in STATUSES if told[f"step_completed {step}"]}
    if completed != STEPS_COMPLETED:
        yield f"it told that these steps completed: {completed}"


def _happened(stored: StoredRun, effects: dict[str, list[Effect]]) -> Iterator[str]:
    """Each execution that came to its end had its effect, under one key; no other had one, but those canceled."""
    executions = stored.view.executions.values()
    over = Counter(
        one.step_id for one in executions if one.status in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED)
    )
    every = Counter(one.step_id for one in executions)
    had = Counter(of_key[0].step for of_key in effects.values())
    for step in every | had:
        if not over[step] <= had[step] <= every[step]:
            yield f"step {step} had {had[step]} effects, of {every[step]} executions {over[step]} came to their end"


def _repeated(effects: dict[str, list[Effect]], incidents: Incidents, again: Counter[str]) -> Iterator[str]:
    """An execution is called again only for a reason; no two calls have the same token."""
    for key, of_key in effects.items():
        in_order = sorted(of_key, key=lambda effect: effect.token)
        if len({effect.token for effect in in_order}) < len(in_order):
            yield f"two owners of execution {key} had the same token"
        for effect, following in pairwise(in_order):
            if incidents.worker_died_between(effect, following):
                again["its worker was killed"] += 1
            elif effect.step == "flaky" and effect.attempt == 1:
                again["its attempt had failed"] += 1
            elif incidents.server_died_during(effect):
                again["the server died"] += 1
            else:
                yield f"execution {key} of step {effect.step} was called again for no reason"
