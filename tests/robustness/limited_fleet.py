"""The track of a fleet with limits: its runs are driven, paused, resumed, and started under a debounce key.

There is no model of it, since which of those that wait goes first is up to the storage. What that holds must agree with
what the workers were told: of nothing is more under way, and nothing begins more often, than its limits say; nothing
begins of what is paused; each attempt begins once, each execution ends once, a debounced run has what it was started
with last; and every run ends.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any, cast

from redis_mob.contracts import ExecutionStore
from redis_mob.errors import RedisMobError
from redis_mob.models.debounce import Debounce
from redis_mob.models.execution import ExecutionStatus
from redis_mob.models.flow_events import StepDispatched
from redis_mob.models.flow_spec import RetrySpec
from redis_mob.models.limits import RateSpec
from redis_mob.models.pause import PauseChange
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.transition import Transition
from redis_mob.testing.samples.driven_runs import pending
from redis_mob.testing.waiting import LONG
from tests.fleet.flows import FLOW, mob
from tests.fleet.limited_floor import KEYED, OF_TENANT, Floor, each, with_limits
from tests.robustness.caller import Caller
from tests.robustness.report import BrokenError

AT_ONCE = 3
PER = timedelta(milliseconds=150)
"""How many executions of a step may begin within which time."""

STARTS = 6
"""Runs that are under way at a time."""

_DELAY = timedelta(milliseconds=20)
_RETRY = RetrySpec(attempts=9, first=0.001, most=0.002)
_TOKENS = RateSpec(limit=250, per="150ms", units=60)
_LIMITED = each(concurrency=KEYED, rate=[RateSpec(limit=AT_ONCE, per="150ms"), _TOKENS], retry=_RETRY)


class Settled:
    """A store of a namespace: each of its calls happens once, however often it was interrupted."""

    def __init__(self, caller: Caller, store: str, counted: Counter[str]) -> None:
        self._caller = caller
        self._store = store
        self._counted = counted

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        async def called(*positional: Any, **named: Any) -> Any:
            self._counted[f"{self._store}.{method}"] += 1
            answer = await self._caller.answer(
                lambda stores: getattr(getattr(stores, self._store), method)(*positional, **named)
            )
            if isinstance(answer, RedisMobError):
                raise answer
            return answer

        return called


class LimitedFleet(Floor):
    """Three workers, an operator who pauses, and starters: `work` lets them make moves, `finish` lets all of it end."""

    definition = with_limits(
        mob({"a": _LIMITED, "b": each(role="other")}, limits={"max_step_retries": 9}), concurrency=OF_TENANT
    )

    def __init__(self, caller: Caller, random: Random, counted: Counter[str]) -> None:
        super().__init__(cast("ExecutionStore", Settled(caller, "executions", counted)), random)
        self._pauses, self._runs, self._events, self._steering = (
            cast("Any", Settled(caller, store, counted)) for store in ("pauses", "runs", "events", "steering")
        )
        self._numbers = count()
        self._all_runs: list[str] = []
        self._begun = Counter[tuple[str, str, str]]()
        """How often each execution has begun, by run, step and target, as the workers were told."""
        self._ended: dict[tuple[str, str, str], Any] = {}
        """What each has given, as they were told."""
        self._pauses_made = 0
        self._pauses_often = 0.25
        """Of which part of the claims the run is paused just before they are committed."""
        self._paused = set[str]()
        """Runs that are paused, the flow and the mob."""
        self._said: dict[str, int] = {}
        """With what each debounced run was started last."""

    @property
    def figures(self) -> Counter[str]:
        """How much has happened."""
        runs = len(self._all_runs) + len(self.runs)
        attempts, pauses = self._begun.total(), self._pauses_made
        return Counter({"runs": runs, "debounced runs": len(self._said), "attempts": attempts, "pauses": pauses})

    async def work(self) -> AsyncGenerator[None]:
        """Moves, for ever."""
        with _noted():
            for _ in range(3):
                await self.hire()
            for number in count():
                for tenant in range(2):
                    await self.start(f"t{tenant}", self._items())
                for _ in range(2):
                    await self._start_debounced(number)
                while await self.statuses() != {MobRunStatus.COMPLETED}:
                    for _ in range(20):
                        await self.move()
                        if self.random.random() < 0.1 and len(self.runs) < STARTS:
                            await self._start_debounced(number)
                        yield
                self._all_runs += self.runs
                self.runs.clear()

    async def finish(self) -> None:
        """Resume all, let it come to its end, and compare what is there with what the workers were told."""
        self._pauses_often = 0.0
        with _noted():
            for paused in sorted(self._paused):
                await self._resume_scope(paused)
            deadline = time.monotonic() + LONG
            while await self.statuses() - {MobRunStatus.COMPLETED}:
                assert time.monotonic() < deadline, f"runs do not end: {await self.statuses()}"
                for worker in self.taken:
                    for move in (self.take, self.claim, self.end):
                        await move(worker)
                await self.check()
            await self._compare()

    async def _compare(self) -> None:
        log = [one for one in await self._events.replay_all() if isinstance(one.kind, StepDispatched)]
        begun = Counter((one.kind.run_id, one.kind.step_id, one.kind.target.identity) for one in log)
        assert begun == self._begun, f"begun: {begun - self._begun} is too much, {self._begun - begun} is missing"
        times = sorted(one.timestamp for one in log if one.kind.step_id == "a")
        assert _most_within(times) <= AT_ONCE, f"{_most_within(times)} began within {PER}, and {AT_ONCE} may"
        for run_id in [*self._all_runs, *self.runs]:
            run = await self._runs.get_run(run_id)
            number = run.activation_params.get("number")
            assert number == self._said.get(run_id), f"run {run_id} has {number}, not what it was started with last"
            given = {step: run.root_step_outputs[step] for step in ("a", "b")}
            told = {step: self._given(run_id, step) for step in given}
            assert {step: sorted(values) for step, values in given.items()} == told, f"{given} is not what was given"
        assert (await self._steering.queues()).queues == (), "something is left in the queues"

    def _given(self, run_id: str, step_id: str) -> list[int]:
        return sorted(value for (of, step, _), value in self._ended.items() if (of, step) == (run_id, step_id))

    async def _won(self, transition: Transition) -> bool:
        """Commit it; now and then its run is paused since it was read, so that it must not begin anything."""
        is_first = self._pauses_often and not self._pauses_made  # so that few moves see a pause too
        if any(transition.begun) and (is_first or self.random.random() < self._pauses_often):
            await self._pause("")
        return await super()._won(transition)

    def won(self, transition: Transition) -> None:
        run_id, paused = transition.run.run_id, self._paused & {transition.run.run_id, FLOW, self.definition.id}
        for key in transition.begun:
            assert not paused, f"{key} begins, and {paused} is paused"
            before = transition.before.executions.get(key)
            # to go on after a throttle is no dispatch of its own
            self._begun[run_id, key.node_id, key.target] += before is None or not before.resumes
        for key, execution in transition.executions.items():
            if execution.status is ExecutionStatus.COMPLETED:
                named = (run_id, key.node_id, key.target)
                assert named not in self._ended, f"{named} ended twice"
                self._ended[named] = execution.output

    def value(self) -> int:
        return next(self._numbers)

    def moves(self) -> list[tuple[Callable[[str], Awaitable[None]], int]]:
        return [*super().moves(), (self._pause, 1), (self._resume, 2)]

    async def _pause(self, _worker: str) -> None:
        paused = self._any_scope()
        if paused not in (FLOW, self.definition.id):
            if await self._pauses.pause_run(paused) is PauseChange.OVER:
                return
        else:
            await self._pauses.pause_flow(self.definition.id, FLOW if paused == FLOW else None)
        self._paused.add(paused)
        self._pauses_made += 1
        after = None
        while paused == FLOW and (after := await self._pauses.set_aside(self.definition.id, FLOW, after)) is not None:
            pass

    async def _resume(self, _worker: str) -> None:
        if self._paused:
            await self._resume_scope(self.random.choice(sorted(self._paused)))

    async def _resume_scope(self, paused: str) -> None:
        if paused in (FLOW, self.definition.id):
            await self._pauses.resume_flow(self.definition.id, FLOW if paused == FLOW else None)
        else:
            await self._pauses.resume_run(paused)
        self._paused.discard(paused)

    def _any_scope(self) -> str:
        return self.random.choice([self.random.choice(self.runs), FLOW, self.definition.id])

    async def _start_debounced(self, number: int) -> None:
        said = next(self._numbers)
        run, launch = pending(self.definition, 1, params={"tenant": "t0", "items": self._items(), "number": said})
        debounce = Debounce(f"key {number}", _DELAY)
        run_id = await self.store.start_debounced(run, launch, self.definition, debounce=debounce)
        self._said[run_id] = said
        if run_id not in self.runs:
            self.runs.append(run_id)

    def _items(self) -> list[str]:
        return [self.random.choice("ab") for _ in range(self.random.randrange(1, 6))]


def _most_within(times: list[datetime]) -> int:
    """How many of these are at most within the time of the rate."""
    return max((bisect_left(times, at + PER) - number for number, at in enumerate(times)), default=0)


@contextmanager
def _noted() -> Any:
    """What is not as it must be breaks a guarantee."""
    try:
        yield
    except (AssertionError, RedisMobError) as error:
        raise BrokenError(repr(error)) from error
