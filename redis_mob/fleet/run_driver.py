"""Drives one run in one process: claims and reports that arrive together become one transition.

All that happens to a run in a process goes through one task, and what arrives while a commit is under way is folded
into the next one. So a worker with many slots makes few commits, and never loses one to itself. The run is read once:
a commit that wins leaves the driver with what is stored (decision 0020).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from redis_mob.codec.schedule import queue_of
from redis_mob.errors import DurabilityError, EpochChangedError, ReadFailedError, WriteFailedError
from redis_mob.fleet.absent_values import log_absent
from redis_mob.fleet.begun import Begun, BegunExecutions
from redis_mob.fleet.children import Children
from redis_mob.fleet.doubtful_claims import DoubtfulClaims
from redis_mob.fleet.driver_services import Services
from redis_mob.fleet.engine import Claimant, Decision, FailedAttempt, Report, decide, give_back, note, put_off
from redis_mob.fleet.execution_index import ExecutionIndex
from redis_mob.fleet.failure_log import log_failure
from redis_mob.fleet.items import ItemsUnreadError
from redis_mob.fleet.late_claims import limited_claims, without_late
from redis_mob.fleet.outage import OutageLimit
from redis_mob.fleet.pausing import held_back
from redis_mob.fleet.reports import Reports
from redis_mob.fleet.traced_attempts import TracedAttempts
from redis_mob.fleet.traced_commits import tell_committed, tell_lost
from redis_mob.kernel.machine import FlowMachine
from redis_mob.models.definition import MobDefinition
from redis_mob.models.execution import Claim, Execution, ExecutionKey
from redis_mob.models.transition import Commit, NodeKey, RunView, Transition
from redis_mob.telemetry.attempts import Attempt

SHARED = timedelta(seconds=10)
"""How long other workers are taken to be at the run after one was seen: they get their part by the schedule."""

_OUTAGES = (ReadFailedError, WriteFailedError, DurabilityError, EpochChangedError)
"""What the storage raises while it cannot be used, so that the same may succeed later."""

RETRY_SECONDS = 0.2
"""How long a driver waits before it tries a failed transition again."""


class RunDriver:
    """Reads, decides and commits for one run in this process.

    `begin` is called for each execution that was claimed; its slot is taken then, and given back by who executes it.
    """

    def __init__(self, run_id: str, services: Services, begin: Callable[[Begun], None]) -> None:
        self._run_id = run_id
        self._services = services
        self._children = Children(services.store, services.definitions)
        self._begin = begin
        self._look_again = False
        self._goes_on = False
        """The last decision has left a part to the next one."""
        self._claims: list[Claim] = []
        self._reports = Reports()
        self._traced = TracedAttempts(services.presence)
        self._begun = BegunExecutions(run_id, services, self._traced)
        self._view: RunView | None = None
        self._machine: FlowMachine | None = None
        self._index: ExecutionIndex | None = None
        self._leads = False
        """Whether this worker leads the run: it was the last that was asked to look at it, and has lost no decision
        since, as far as it knows. Several may think so; the compare decides between them (decision 0020)."""
        self._shared_until: datetime | None = None
        self._items: dict[NodeKey, Sequence[Any]] = {}
        """The items that were asked for, of steps that have not begun all of them."""
        self._ended: dict[ExecutionKey, Execution] = {}
        """Executions of items that the next decision needs."""
        self._unread: ItemsUnreadError | None = None
        self._doubts = DoubtfulClaims()
        self._limited: frozenset[ExecutionKey] = frozenset()
        """Claims of executions that have limits."""
        self._failed: dict[tuple[ExecutionKey, int], FailedAttempt] = {}
        """Failures to be logged, each once, however often its commit is tried."""

    def look_again(self) -> None:
        """Something may have happened to the run outside of this process."""
        self._look_again = True

    def claim(self, claim: Claim) -> None:
        """Claim an execution that the worker has taken from the schedule; its slot is taken already."""
        self._claims.append(claim)

    def report(self, report: Report, traced: Attempt | None = None) -> None:
        """Take the outcome of an execution, and what telemetry tells of its attempt, if that is on."""
        self._traced.reported(report, traced)
        self._reports.add(report)

    @property
    def has_news(self) -> bool:
        """Whether there is something to decide."""
        return bool(self._look_again or self._goes_on or self._claims or self._reports)

    @property
    def leads(self) -> bool:
        """Whether this worker leads the run, which is not over, as far as it knows."""
        return self._leads and self.is_under_way

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
        Then the error is raised, and what was to be told waits for the next attempt: the worker holds these executions
        as long as it lives, and no other one would ever end them.
        """
        services = self._services
        outage = OutageLimit(services.presence.name)
        reports: list[Report] = []
        claims: list[Claim] = []
        begun: list[Begun] = []
        lost, waits = 0, False
        try:
            while True:
                reports += self._reports.take(reports)
                claims, self._claims = claims + self._claims, []
                try:
                    if await self._commit_once(reports, claims, begun):
                        break
                    outage.end()
                    lost += 1
                    claims = self._without_late(claims, begun, lost)
                except ItemsUnreadError as unread:
                    self._unread = unread
                except _OUTAGES as error:
                    # An OutcomeUnknownError is a WriteFailedError too, and needs no other treatment: if the commit did
                    # happen, a read shows it, and the decision finds nothing to do; what it claims is kept as a doubt.
                    self._view = None
                    self._traced.doubt()
                    outage.bear(error)
                    await asyncio.sleep(RETRY_SECONDS)
                except Exception as error:  # noqa: BLE001
                    self._view = None
                    reports = self._reports.without_the_unsettled(reports, error)
        except Exception as error:
            if waits := isinstance(error, _OUTAGES):
                claims = self._put_back(reports, claims, begun)
            for one in begun:
                self._begin(one)
            raise
        finally:
            # each claim came with a slot, and the others took theirs when they were decided
            with_slots = {claim.key for claim in claims}
            services.slots.give_back(len(claims) - sum(one.held.key in with_slots for one in begun))
            if not waits:
                self._traced.forget()
            failed, self._failed = self._failed, {}
            for attempt in failed.values():
                log_failure(services.presence.name, self._run_id, attempt)
        for one in begun:
            self._begin(one)

    def _put_back(self, reports: list[Report], claims: list[Claim], begun: Sequence[Begun]) -> list[Claim]:
        """Let what was not committed wait for the next attempt; returns the claims of executions that begin."""
        has_begun = {one.held.key for one in begun}
        self._reports.put_back(reports)
        self._claims[:0] = [one for one in claims if one.key not in has_begun]
        self._goes_on = True
        return [one for one in claims if one.key in has_begun]

    async def _claimed_after_all(self, view: RunView, claims: list[Claim]) -> list[ExecutionKey]:
        """What was claimed by a commit whose outcome was not known, and is still held by this worker.

        What it has lost again is left to the schedule, which gives it out with how it was lost.
        """
        claimed = self._doubts.happened(view)
        if claimed:
            held = await self._services.store.held(self._services.presence.id)
            lost = {key for key in claimed if (self._run_id, key) not in held}
            kept = self._doubts.without_stale(claims, lost)
            self._services.slots.give_back(len(claims) - len(kept))
            claims[:] = kept
            claimed -= lost
        self._doubts.forget_settled(view)  # not before the storage has answered: if it fails, it is asked again
        return sorted(claimed)

    def _without_late(self, claims: list[Claim], begun: Sequence[Begun], lost: int) -> list[Claim]:
        """The claims to go on with after `lost` commits were lost."""
        kept = without_late(claims, self._limited.difference(one.held.key for one in begun), lost)
        self._services.slots.give_back(len(claims) - len(kept))
        return kept

    async def _commit_once(self, reports: list[Report], claims: list[Claim], begun: list[Begun]) -> bool:
        """Whether all that was told is decided or written down; False if the run has changed: it is read again."""
        services = self._services
        if self._unread is not None:
            unread, self._unread = self._unread, None
            await self._read_items(unread)
        looks, self._goes_on = self._look_again, False
        if looks:
            self._look_again, self._view = False, None
        if self._doubts or (self._view is not None and self._view.pauses):
            # A commit in doubt may have happened since. So may the end of a pause; and a paused run has little to do.
            self._view = None
        is_fresh = self._view is None
        view = await self._read() if self._view is None else replace(self._view, now=services.clock.now())
        if view is None:
            self._traced.concluded(None, reports)
            return True
        definition = await services.definitions.of(view)
        if is_fresh:
            await self._children.look_after(view, definition)
        self._view = view
        if claims:
            self._limited = limited_claims(view, claims)
        claimed = await self._claimed_after_all(view, claims)
        services.slots.take(len(set(claimed).difference(claim.key for claim in claims)))
        begun += self._begun.of(view, definition, claimed)
        if view.pauses and not await self._put_aside(view, claims):
            self._view, self._look_again = None, looks
            return False
        if view.waits_for_turn:
            # its turn may have come since it was read
            if await self._takes_turn():
                self._view, self._look_again = None, looks
                return False
            return True
        if view.waits_to_begin:
            return not looks or await self._committed(put_off(view), (), claims, definition, begun)
        self._leads |= looks
        if view.moves:
            # what was taken before the run was given to another release is left to that
            served = [one for one in claims if self._is_served(view, one.key)]
            if len(served) < len(claims) and not is_fresh:
                self._view = None
                return False
            claims = served
        only_notes = not self._leads and bool(reports or claims)
        decision = self._concluded(view, definition, reports, claims, is_fact=True) if only_notes else None
        if decision is None or (decision.passed_over and is_fresh):
            decision = self._concluded(view, definition, reports, claims, is_fact=False)
        self._index = decision.execution_index
        self._failed |= {(one.key, one.execution.attempt): one for one in decision.failed}
        transition = decision.transition
        if decision.passed_over and not is_fresh:
            self._view = None
            return False
        if transition is None and looks:
            transition = give_back(view)
        committed = True
        if transition is not None:
            committed = await self._committed(transition, decision.claimed, claims, definition, begun)
        if committed:
            self._traced.concluded(view, reports)
        if transition is None:
            return True
        self._machine = decision.machine if committed else None
        self._goes_on = committed and decision.is_unfinished
        return committed

    async def _committed(
        self,
        transition: Transition,
        claimed: Sequence[ExecutionKey],
        claims: Sequence[Claim],
        definition: MobDefinition,
        begun: list[Begun],
    ) -> bool:
        """Whether a transition has happened; then its executions are among those to begin."""
        # A lost compare means that the decision was made on a run that has changed. It is never sent again as it was:
        # the run is read and decided anew, and often nothing is left to do.
        services = self._services
        extra = len(set(claimed).difference(claim.key for claim in claims))  # of the others the slots are taken already
        services.slots.take(extra)
        doubt = self._doubts.begin({key: transition.executions[key] for key in claimed}, claims)
        committed, worker_id = Commit.LOST, services.presence.id
        try:
            # It is made of what was read, of what was accepted from handlers, and of models that were validated.
            await self._children.before(transition, definition)
            committed = await services.store.commit(transition.vouched(by=worker_id))
            self._doubts.end(doubt)
        finally:
            if not committed:
                services.slots.give_back(extra)
        if not committed:
            tell_lost(transition)
            self._view = None
            self._leads = False
            self._shared_until = services.clock.now() + SHARED
            return False
        log_absent(services.presence.name, transition)
        tell_committed(transition)
        self._view = after = transition.after()
        if self._index is not None:
            self._index.follow(after.executions, transition.executions)
        self._items, self._ended = dict(after.items), {}
        if committed is Commit.HANDED_ON:
            services.presence.let_go(worker_id)
            services.slots.give_back(extra)
        else:
            begun += self._begun.of(after, definition, claimed)
        await self._children.after(transition, after, definition)
        return True

    async def _put_aside(self, view: RunView, claims: list[Claim]) -> bool:
        """Put aside what a paused run may not begin, and give its slots back; False if it is paused no more."""
        held = held_back(view, claims)
        if held and not await self._services.store.put_aside(view, held):
            return False
        self._services.slots.give_back(len(held))
        claims[:] = [claim for claim in claims if claim.key not in held]
        return True

    async def _takes_turn(self) -> bool:
        """Whether a run that has waited for its turn in its conversation begins now; else it is not due any more."""
        store = self._services.conversations
        return store is not None and await store.take_turn(self._run_id)

    @property
    def _is_shared(self) -> bool:
        """Whether other workers may be at the run."""
        was_shared = self._shared_until is not None and self._services.clock.now() < self._shared_until
        return was_shared or self._services.presence.has_company

    def _is_served(self, view: RunView, key: ExecutionKey) -> bool:
        execution = view.executions.get(key)
        return execution is None or self._services.serves(queue_of(view.run.mob_id, execution.role, view.launch))

    def _claimant(self, view: RunView) -> Claimant:
        services, run = self._services, view.run
        return Claimant(
            services.presence.id,
            services.slots.free,
            not self._is_shared,
            lambda role: services.serves(queue_of(run.mob_id, role, view.launch)),
            self._traced.claim,
        )

    def _concluded(
        self,
        view: RunView,
        definition: MobDefinition,
        reports: Sequence[Report],
        claims: Sequence[Claim],
        *,
        is_fact: bool,
    ) -> Decision:
        """What this worker decides, or only notes."""
        conclude = note if is_fact else decide
        return conclude(
            view,
            definition,
            reports=reports,
            claims=claims,
            claimant=self._claimant(view),
            random=self._services.random,
            machine=self._machine_of(view),
            index=self._index,
        )

    def _machine_of(self, view: RunView) -> FlowMachine | None:
        """The machine that the last decision led to, if this is the run that it left."""
        machine = self._machine
        return machine if machine is not None and machine.frames is view.run.frames else None

    async def _read(self) -> RunView | None:
        services = self._services
        view = await services.store.load(self._run_id)
        if view is not None:
            services.clock.observe(view.now)
            if any(
                one.lease is not None and one.lease.owner != services.presence.id for one in view.executions.values()
            ):
                self._shared_until = view.now + SHARED
            self._items = {node: items for node, items in self._items.items() if node in view.progress}
            view = replace(view, items=self._items, ended=self._ended)
        return view

    async def _read_items(self, unread: ItemsUnreadError) -> None:
        """Read what a decision needs of the items of a node. It never changes: any later decision may use it."""
        store = self._services.store
        if unread.ended:
            self._ended.update(zip(unread.ended, await store.ended(self._run_id, unread.ended), strict=True))
        else:
            self._items[unread.node] = await store.items(self._run_id, *unread.node)
        if self._view is not None:
            self._view = replace(self._view, items=self._items, ended=self._ended)
