"""The fleet as its users see it: start runs, wait for them, cancel them, and work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Literal, overload

from redis_mob.codec.arguments import duration, flag, instance, optional_instance, optional_valid_text
from redis_mob.codec.definitions import digests_of
from redis_mob.codec.labels import checked_labels
from redis_mob.errors import DefinitionError, HandlerError, shown
from redis_mob.fleet.calls import max_orphaned_turns
from redis_mob.fleet.conversation_start import checked_talk
from redis_mob.fleet.duties import duties_of
from redis_mob.fleet.flow_choice import NamedFlow, chosen_flow
from redis_mob.fleet.handler_stores import handler_stores
from redis_mob.fleet.lease import DEFAULT_LEASE, checked_lease
from redis_mob.fleet.members import named_members, unknown_roles
from redis_mob.fleet.published import published
from redis_mob.fleet.recovery import recover
from redis_mob.fleet.run_start import (
    checked_begin,
    checked_budget,
    checked_gathering,
    checked_priority,
    new_run,
    read_subflows,
    read_terms,
    run_id_of,
)
from redis_mob.fleet.run_wait import unserved_of, wait_for_end
from redis_mob.fleet.schedule_making import make_schedule
from redis_mob.fleet.scores import score
from redis_mob.fleet.signals import Signals
from redis_mob.fleet.slots import Slots
from redis_mob.fleet.starting import require_same, start_gathered, start_made
from redis_mob.fleet.step_context import Handler
from redis_mob.fleet.typed.binding import BoundHandler, bound_handlers
from redis_mob.fleet.watching import watch
from redis_mob.fleet.worker import Worker
from redis_mob.fleet.working import at_work, idle_at, work_until
from redis_mob.kernel.validation import require_valid
from redis_mob.models.budget import Budget
from redis_mob.models.conversation import Conversation, OnBusy
from redis_mob.models.definition import MobDefinition
from redis_mob.models.flow_schedule import CatchUp, Overlap, ScheduleRecord
from redis_mob.models.labels import AttributeValue
from redis_mob.models.mob_retention import MobRetention
from redis_mob.models.prices import Prices
from redis_mob.models.progress import ProgressEntry
from redis_mob.models.run import MobRun
from redis_mob.models.signal import Taken
from redis_mob.models.storable import not_storable
from redis_mob.storage import MobStorage
from redis_mob.telemetry import active

DRAIN_TIMEOUT = timedelta(seconds=25)
"""How long a worker that is to stop lets its executions come to their end: less than orchestrators give a process."""

_log = logging.getLogger(__name__)


class Fleet:
    """Runs the flows of one definition over a storage; any number of processes may have one of the same.

    `handlers` maps roles to handlers, `*` to that of all other roles. A fleet without them starts runs, waits for them
    and cancels them, and leaves the work to others. `members` says how many members a role has, 1 unless given; they
    are named `<role>-1` and so on. Its workers serve the runs of this mob that ask for no release, and those of this
    `release`; runs of another definition of the mob they leave to the workers that have that one, as long as there are
    any. They set the policies of `retention` where the mob, or the flow, has none stored (contract: operations-89).
    `prices` of models go before those of the definition, and into that which runs are started with.

    Raises DefinitionError with every error of the definition, whose warnings are told in the log, and for a policy of a
    flow that it does not have, or that bounds events; ValidationError for a number of members, or a lease, that makes
    no sense.
    """

    _shared_slots: Slots | None = None

    def __init__(
        self,
        storage: MobStorage,
        definition: MobDefinition,
        handlers: Mapping[str, Handler | BoundHandler] | None = None,
        *,
        members: Mapping[str, int] | None = None,
        lease: timedelta = DEFAULT_LEASE,
        release: str | None = None,
        retention: MobRetention | None = None,
        prices: Prices | None = None,
    ) -> None:
        if optional_instance("prices", prices, Prices) is not None:
            definition = instance("definition", definition, MobDefinition).model_copy(update={"prices": prices})
        for warning in require_valid(instance("definition", definition, MobDefinition)):
            _log.warning("mob %s: %s", shown(definition.id), warning)
        if (problem := not_storable(definition)) is not None:
            raise DefinitionError(f"mob {shown(definition.id)}: {problem}")
        self._storage = storage
        self._definition = definition
        optional_instance("handlers", handlers, Mapping)
        optional_instance("members", members, Mapping)
        self._handlers = bound_handlers(handlers or {})
        self._lease = checked_lease(lease)
        self._release = optional_valid_text("release", release)
        self._members = named_members(definition, members or {})
        declared = optional_instance("retention", retention, MobRetention) or MobRetention()
        self._retention = declared.checked(definition.flows)
        self._signals = Signals(storage.executions, storage.namespace)
        active.activate()

    async def start(
        self,
        flow: str | NamedFlow,
        params: Any = None,
        idempotency_key: str | None = None,
        *,
        priority: int = 0,
        at: datetime | None = None,
        release: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        summary: str | None = None,
        debounce_key: str | None = None,
        debounce: timedelta | None = None,
        debounce_most: timedelta | None = None,
        conversation: str | Conversation | None = None,
        on_busy: OnBusy | str | None = None,
        budget: Budget | None = None,
    ) -> str:
        """Start a run of a flow and return its id. The same idempotency key always gives the same run.

        The flow is given by its id, or as `Mob.flow` returns it. `params` are JSON, or what pydantic dumps to it.

        Of steps that wait for a worker, those of the run with the greatest `priority` (-63 to 63) go first. A run that
        begins `at` a later time is pending until then. With a `release`, only workers of that release execute its
        steps. No handler is needed here: `wait` and `unserved` tell of roles that no living worker serves.

        By its `attributes`, at most 32 texts, numbers or truth values, operators find the run; lists show its `summary`
        (contract: operations-140). A run that exists keeps those that it has.

        Of several starts under one `debounce_key` one run begins, with what the last of them gave: `debounce` after
        that, and at the latest `debounce_most` after the first (contract: operations-165).

        In a `conversation` one run is active at a time: while another one is, `on_busy` says what happens to the two:
        "enqueue", which counts unless it is given, "reject", "interrupt" or "rollback" (contract: conversation-2).
        A `budget` bounds what its handlers' calls may use; its fields go before the flow's (contract: budget-1).

        Raises ConversationBusyError, with "reject" if another run of the conversation is active, and if 1,000 wait in
        it; NotFoundError for a flow that the mob does not have; ValidationError for a conversation of another flow, or
        beside a time or a debounce key; for parameters that are no JSON or do not fit the schema that the flow has for
        them, a priority, time or attribute that is none, an idempotency key whose run was started with other
        parameters, or a debounce key beside one, or beside a time; DefinitionError for a schema that cannot be read, or
        does not have what a message names.
        """
        key = optional_valid_text("idempotency_key", idempotency_key)
        of_release = optional_valid_text("release", release)
        flow_id = chosen_flow(flow, self._definition.id, self._definition.flows)
        urgency, begins = checked_priority(priority), checked_begin(at)
        gathering = checked_gathering(debounce_key, debounce, debounce_most, idempotency_key=key, at=begins)
        talk = checked_talk(conversation, on_busy, at=begins, gathering=gathering)
        labels = checked_labels(attributes, summary)
        allowed = checked_budget(budget, self._definition)
        schemas, params = read_terms(flow_id, self._definition.flows[flow_id], params)
        run, launch = new_run(
            self._definition,
            flow_id,
            params,
            schemas=schemas,
            members=self._members,
            run_id=self._run_id(flow_id, key),
            priority=urgency,
            release=of_release,
            subflows=read_subflows(self._definition, flow_id),
            budget=allowed,
        )
        storage, definition = self._storage, self._definition
        if gathering is not None:
            return await start_gathered(storage, run, launch, definition, gathering=gathering, labels=labels)
        # False: the run of this idempotency key exists, and is the one that was asked for, if that was the same.
        if not await start_made(storage, run, launch, definition, at=begins, talk=talk, labels=labels):
            await require_same(storage, run, idempotency_key)
        return run.run_id

    async def schedule(
        self,
        name: str,
        flow: str | NamedFlow,
        params: Any = None,
        *,
        cron: str | None = None,
        every: timedelta | None = None,
        timezone: str = "UTC",
        jitter: timedelta = timedelta(),
        catch_up: CatchUp | str = CatchUp.LAST,
        overlap: Overlap | str = Overlap.ALLOW,
        priority: int = 0,
        release: str | None = None,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        paused: bool = False,
        replace: bool = False,
    ) -> ScheduleRecord:
        """Start a run of a flow again and again, once for each due time, and return the schedule as it is stored.

        It is due by a `cron` text of five fields, as `"0 9 * * MON-FRI"`, in the `timezone`, or `every` so often, from
        one second. Each run begins up to `jitter` later. `catch_up` and `overlap` say what becomes of due times that
        were missed, and of those at which the run before is under way; see `CatchUp` and `Overlap`. No due time lies
        before `starts_at`, or after `ends_at`. Each run gets the `attributes`. A `paused` one waits for
        `FleetAdmin.resume_schedule`. Any worker of the namespace fires it, with the definition that this fleet has now
        (contract: operations-100).

        If there is one of this name that says the same, nothing changes. Raises ValidationError if it says something
        else, unless `replace` is given, which takes the place of one that cannot be read, too; for a cron text that is
        wrong or never due, a time zone that does not exist, and an interval below one second; and what `start` raises.
        """
        return await make_schedule(
            self._storage,
            self._definition,
            self._members,
            name,
            chosen_flow(flow, self._definition.id, self._definition.flows),
            params,
            cron=cron,
            every=every,
            timezone=timezone,
            jitter=jitter,
            catch_up=catch_up,
            overlap=overlap,
            priority=priority,
            release=release,
            starts_at=starts_at,
            ends_at=ends_at,
            attributes=attributes,
            paused=paused,
            replace=replace,
        )

    async def wait(self, run_id: str, timeout: float | timedelta | None = None) -> MobRun:
        """The run, once it is over.

        Why it does not go on by itself is told in the log, as a warning: it is paused, it asks people, or work of it
        waits for a worker that does not exist.
        Raises WaitTimeoutError, which says what the run waits for, if it is not over after `timeout`, in seconds or as
        a timedelta; the run goes on. Raises NotFoundError if it does not exist.
        """
        return await wait_for_end(self._storage, run_id, timeout)

    async def unserved(self, run_id: str) -> list[str]:
        """What of a run waits for a worker that does not exist, and what to do: a sentence for each queue, or none.

        Raises NotFoundError if the run does not exist.
        """
        return await unserved_of(self._storage, run_id)

    def watch(
        self, run_id: str, topic: str | None = None, after: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[ProgressEntry]]:
        """Follow what the handlers of a run tell, as an async iterator, until the run is over (contract: progress-6).

        It begins with the oldest entry that is kept, or with the one after an offset. With a `topic` it gives the
        chunks of that topic, or reports for "report", beside resets and ends. The last entry is a RunOver.
        Raises NotFoundError if the run does not exist; ValidationError for an offset that was never told, and
        ProgressTrimmedError, once, if entries after it are gone: then it goes on with the first that is left
        (contract: progress-7).
        """
        return watch(self._storage.progress, run_id, topic, after)

    async def cancel(self, run_id: str) -> bool:
        """Ask for the cancellation of a run; a worker carries it out. False if the run is over already.

        Raises NotFoundError if it does not exist.
        """
        return await self._storage.executions.request_cancel(run_id)

    @overload
    async def signal(
        self,
        run_id: str,
        name: str,
        payload: Any = None,
        *,
        idempotency_key: str | None = None,
        wait: Literal[False] = False,
    ) -> None: ...

    @overload
    async def signal(
        self, run_id: str, name: str, payload: Any = None, *, idempotency_key: str | None = None, wait: Literal[True]
    ) -> Taken: ...

    async def signal(
        self, run_id: str, name: str, payload: Any = None, *, idempotency_key: str | None = None, wait: bool = False
    ) -> Taken | None:
        """Send a signal to a run, for a step that waits for one of this name, now or later (contract: engine-58).

        It is delivered once, also when replies are lost. Signals of one name are taken in the order in which they were
        sent, each by one step. The same idempotency key sends it once, however often it is called. With `wait` this
        returns the step that took it, once one has.

        Raises NotFoundError for an unknown run, or a name that no step of its flow waits for; ValidationError for a
        payload that is no JSON, is too long or does not fit its schema, and for a key under which another signal was
        sent; CasConflictError for a run that is over, that ends before a step takes it, or that has 10,000 signals
        which no step has taken.
        """
        flag("wait", wait)
        sent = await self._signals.send(run_id, name, payload, idempotency_key=idempotency_key)
        return await self._signals.taken(run_id, sent.number) if wait else None

    async def get(self, run_id: str, key: str, timeout: float | timedelta | None = None) -> Any:
        """What the handlers of a run have published under a key, as `ctx.publish` says; waits until there is something.

        Of several values it is the last one. Raises WaitTimeoutError when there is none after `timeout`, in seconds or
        as a timedelta; NotFoundError for an unknown run, and for one that is over and has published none.
        """
        return await published(self._storage, run_id, key, timeout)

    async def score(self, run_id: str, step: str, name: str, value: float, label: str | None = None) -> None:
        """Tell by OpenTelemetry how good a step of a run was, within the trace of the run (contract: telemetry-8).

        That is the event `gen_ai.evaluation.result`, with the `name` of the score, its `value` and a `label` such as
        "pass". Nothing is stored, and nothing told where the application has set no provider.

        Raises ValidationError for a value that is no finite number, and for texts that are empty or too long;
        NotFoundError for an unknown run, or a step that its flow does not have.
        """
        await score(self._storage, run_id, step, name, value, label)

    async def recover(self) -> list[str]:
        """Mend the runs of this mob that a crash of another engine has left half written, and return their ids.

        When that is done, KernelError names those that cannot be mended; see `recovery.recover`.
        """
        return await recover(self._definition, self._storage.events, self._storage.runs, self._storage.executions)

    async def work(
        self,
        concurrency: int = 16,
        stop: asyncio.Event | None = None,
        name: str | None = None,
        drain_timeout: timedelta | None = DRAIN_TIMEOUT,
        *,
        until_idle: bool = False,
    ) -> None:
        """Be a worker for this mob until `stop` is set; see `Worker`.

        Then what is under way may come to its end within `drain_timeout`, which is 25 seconds unless it is given; the
        rest is handed back to other workers, at once. A handler of a role that the definition does not have is told in
        the log, as a warning. Raises HandlerError if this fleet has no handlers, and a step of its flows needs one.

        With `until_idle` it also returns when no run of the mob is under way that this worker could go on with. A run
        is under way from when it begins until it is over: retries are waited for, as long as their pauses last, and so
        is what other workers execute of the roles served here; a run that begins `at` a later time is not, and neither
        are steps of roles and releases that are not served here. The runs of the mob are read twice for that, also
        those that are over.
        """
        if not self._handlers and any(flow.roles for flow in self._definition.flows.values()):
            raise HandlerError(
                f"this fleet of mob {shown(self._definition.id)} has no handlers, so that it cannot work: give them to "
                "it, as in Fleet(storage, definition, handlers)"
            )
        if (warning := unknown_roles(self._definition, self._handlers)) is not None:
            _log.warning(warning)
        worker = Worker(
            self._storage.executions,
            self._handlers,
            lease=self._lease,
            concurrency=concurrency,
            slots=self._shared_slots,
            max_orphaned_turns=max_orphaned_turns(self._definition),
            name=name,
            mobs=(self._definition.id,),
            release=self._release,
            definitions=digests_of(self._definition),
            duties=duties_of(self._storage, self._retention.of_mob(self._definition.id)),
            **handler_stores(self._storage),
        )
        drain = None if drain_timeout is None else duration("drain_timeout", drain_timeout)
        if not flag("until_idle", until_idle):
            await worker.run(stop, drain)
            return
        stop = optional_instance("stop", stop, asyncio.Event) or asyncio.Event()
        idle = idle_at(self._storage, self._definition.id, worker.serves)
        await work_until(idle, stop, lambda ended: worker.run(ended, drain))

    def working(
        self, concurrency: int = 16, *, name: str | None = None, drain_timeout: timedelta | None = DRAIN_TIMEOUT
    ) -> AbstractAsyncContextManager[None]:
        """A worker of this process until the block ends: `async with fleet.working(): ...`; else as `work`.

        At the end of the block it drains, also if the block raises an error; when the block is cancelled, it hands back
        what it executes at once. What the worker raises ends the block, and is raised there.
        """
        return at_work(lambda stop: self.work(concurrency, stop, name, drain_timeout))

    def _run_id(self, flow_id: str, key: str | None) -> str | None:
        return None if key is None else run_id_of(self._definition.id, flow_id, key)
