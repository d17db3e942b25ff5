"""Drives one run in one process: claims and reports that arrive together become one transition.

All that happens to a run in a process goes through one task, and what arrives while a commit is under way is folded
into the next one. So a worker with many slots makes few commits, and never loses one to itself. The run is read once:
a commit that wins leaves the driver with what is stored (decision 0020).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from random import Random

from redis_mob.contracts import ExecutionStore
from redis_mob.errors import DurabilityError, EpochChangedError, ReadFailedError, WriteFailedError
from redis_mob.fleet.definitions import Definitions
from redis_mob.fleet.engine import Claimant, Decision, Report, decide
from redis_mob.fleet.lease import LeasedExecution
from redis_mob.fleet.outage import OutageLimit
from redis_mob.fleet.slots import Slots
from redis_mob.fleet.storage_clock import StorageClock
from redis_mob.kernel.context import ConditionContext, visible_context
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Execution, ExecutionKey, Lease
from redis_mob.models.run import MobRun
from redis_mob.models.transition import RunView

SHARED = timedelta(seconds=10)
"""How long after a lost compare other workers are taken to be at the run too: they get their part by the schedule."""

RETRY_SECONDS = 0.2
"""How long a driver waits before it tries a failed transition again."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the drivers of one worker share."""

    store: ExecutionStore
    definitions: Definitions
    clock: StorageClock
    slots: Slots
    name: str
    lease: timedelta
    serves: Callable[[str], bool]
    random: Random


@dataclass(frozen=True, slots=True)
class Begun:
    """An execution that the worker has claimed and is to execute, and the run as it was when it was claimed."""

    held: LeasedExecution
    run: MobRun
    visible: ConditionContext


class RunDriver:
    """Reads, decides and commits for one run in this process.

    `begin` is called for each execution that was claimed; its slot is taken then, and given back by who executes it.
    """

    def __init__(self, run_id: str, services: Services, begin: Callable[[Begun], None]) -> None:
        self._run_id = run_id
        self._services = services
        self._begin = begin
        self._look_again = False
        self._claims: list[ExecutionKey] = []
        self._reports: list[Report] = []
        self._view: RunView | None = None
        self._shared_until: datetime | None = None
        self._unsure: dict[ExecutionKey, Execution] = {}
        """What a commit was to claim whose outcome is not known."""
        # held while the run is decided, and while a lease in it is renewed: each would make the other lose its compare
        self._lock = asyncio.Lock()

    def look_again(self) -> None:
        """Something may have happened to the run outside of this process."""
        self._look_again = True

    def claim(self, key: ExecutionKey) -> None:
        """Claim an execution that the worker has taken from the schedule; its slot is taken already."""
        self._claims.append(key)

    def report(self, report: Report) -> None:
        """Take the outcome of an execution."""
        self._reports.append(report)

    @property
    def has_news(self) -> bool:
        """Whether there is something to decide."""
        return bool(self._look_again or self._claims or self._reports)

    @property
    def is_under_way(self) -> bool:
        """Whether the run is known here, and not over: then it is worth to be remembered."""
        return self._view is not None and not self._view.run.status.is_terminal

    async def drive(self) -> None:
        """Commit what follows from all that has arrived, until nothing is left."""
        while self.has_news:
            await self._commit()

    async def _commit(self) -> None:
        """Read, decide, commit; again after a lost compare.

        A storage that fails is tried again for 15 seconds, so that the result of a long execution survives a failover.
        """
        services = self._services
        outage = OutageLimit(services.name)
        reports: list[Report] = []
        claims: list[ExecutionKey] = []
        begun: list[Begun] = []
        try:
            while True:
                reports, self._reports = reports + self._reports, []
                claims, self._claims = claims + self._claims, []
                try:
                    async with self._lock:
                        if await self._commit_once(reports, claims, begun):
                            break
                    outage.end()
                except (ReadFailedError, WriteFailedError, DurabilityError, EpochChangedError) as error:
                    # An OutcomeUnknownError is a WriteFailedError too, and needs no other treatment: if the commit did
                    # happen, the next read shows it, and the decision finds nothing to do.
                    self._view = None
                    outage.bear(error)
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            # each claim came with a slot, and the others took theirs when they were decided
            with_slots = set(claims)
            services.slots.give_back(len(claims) - sum(one.held.key in with_slots for one in begun))
        for one in begun:
            self._begin(one)

    async def _commit_once(self, reports: Sequence[Report], claims: Sequence[ExecutionKey], begun: list[Begun]) -> bool:
        """Whether all is decided; False if the run is to be read again, for it has changed."""
        services = self._services
        if self._look_again:
            self._look_again, self._view = False, None
        is_fresh = self._view is None
        view = await self._read() if self._view is None else replace(self._view, now=services.clock.now())
        if view is None:
            return True
        definition = await services.definitions.of(view)
        self._view = view
        unsure, self._unsure = self._unsure, {}
        claimed = [key for key, execution in unsure.items() if view.executions.get(key) == execution]
        services.slots.take(len(set(claimed).difference(claims)))
        begun += self._begun(view, definition, claimed)
        decision = self._decide(view, definition, reports, claims)
        if decision.passed_over and not is_fresh:
            self._view = None
            return False
        if decision.transition is None:
            return True
        # A lost compare means that the decision was made on a run that has changed. It is never sent again as it was:
        # the run is read and decided anew, and often nothing is left to do.
        extra = len(set(decision.claimed).difference(claims))  # of the others the slots are taken already
        services.slots.take(extra)
        self._unsure = {key: decision.transition.executions[key] for key in decision.claimed}
        committed = False
        try:
            committed = await services.store.commit(decision.transition)
            self._unsure = {}
        finally:
            if not committed:
                services.slots.give_back(extra)
        if not committed:
            self._view = None
            self._shared_until = services.clock.now() + SHARED
            return False
        self._view = after = decision.transition.after()
        begun += self._begun(after, definition, decision.claimed)
        return True

    def _decide(
        self, view: RunView, definition: MobDefinition, reports: Sequence[Report], claims: Sequence[ExecutionKey]
    ) -> Decision:
        services = self._services
        alone = services.clock.now() >= self._shared_until if self._shared_until else True
        claimant = Claimant(services.name, services.lease, services.slots.free, alone, services.serves)
        return decide(view, definition, reports=reports, claims=claims, claimant=claimant, random=services.random)

    async def _read(self) -> RunView | None:
        view = await self._services.store.load(self._run_id)
        if view is not None:
            self._services.clock.observe(view.now)
        return view

    def _begun(self, view: RunView, definition: MobDefinition, claimed: Sequence[ExecutionKey]) -> list[Begun]:
        if not claimed:
            return []
        # One view of the run for all that begin together; they see what was decided in the same transition.
        visible = visible_context(view.run, definition.flows[view.run.flow_id])
        executions = [(key, view.executions[key]) for key in claimed]
        return [
            Begun(self._held(view, key, execution, execution.lease), view.run, visible)
            for key, execution in executions
            if execution.lease is not None
        ]

    def _held(self, view: RunView, key: ExecutionKey, execution: Execution, lease: Lease) -> LeasedExecution:
        services = self._services
        return LeasedExecution(
            services.store,
            self._run_id,
            key,
            execution,
            lease,
            services.lease,
            view.now,
            self._lock,
            partial(self._renewed, key),
        )

    def _renewed(self, key: ExecutionKey, execution: Execution) -> None:
        if self._view is not None and key in self._view.executions:
            self._view = replace(self._view, executions={**self._view.executions, key: execution})
