"""One fleet over several namespaces: its runs are spread by key, and operated as if they were in one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from itertools import count
from random import randrange
from typing import Any, TypedDict, Unpack

from redis_mob.codec.arguments import flag, instance, optional_instance, optional_valid_text, text, texts
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import (
    HandlerError,
    OutcomeUnknownError,
    RedisMobError,
    StorageUnavailableError,
    ValidationError,
    WriteFailedError,
    shown,
)
from redis_mob.fleet.fleet import DRAIN_TIMEOUT, Fleet
from redis_mob.fleet.flow_choice import NamedFlow
from redis_mob.fleet.lease import DEFAULT_LEASE
from redis_mob.fleet.step_context import Handler
from redis_mob.fleet.typed.binding import BoundHandler
from redis_mob.fleet.working import at_work
from redis_mob.flows.mob import Mob
from redis_mob.models.budget import Budget
from redis_mob.models.conversation import Conversation, OnBusy
from redis_mob.models.definition import MobDefinition
from redis_mob.models.labels import AttributeValue
from redis_mob.models.mob_retention import MobRetention
from redis_mob.models.prices import Prices
from redis_mob.models.progress import ProgressEntry
from redis_mob.models.run import MobRun
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.payloads.settings import PayloadSettings
from redis_mob.security.sealing import SealKey, SealKeyring
from redis_mob.sharding.failures import NamespacesFailedError
from redis_mob.sharding.member_fleet import FleetTerms, MemberFleet
from redis_mob.sharding.namespaces import Namespaces, Opening, Shard
from redis_mob.sharding.over_all import OverAll
from redis_mob.sharding.slot_pool import SlotPool
from redis_mob.sharding.working import work_in_all


class StartOptions(TypedDict, total=False):
    """What a run may be started with, as `Fleet.start` says."""

    priority: int
    at: datetime | None
    release: str | None
    attributes: Mapping[str, AttributeValue] | None
    summary: str | None
    debounce_key: str | None
    debounce: timedelta | None
    debounce_most: timedelta | None
    conversation: str | Conversation | None
    on_busy: OnBusy | str | None
    budget: Budget | None


class FleetOfNamespaces(OverAll):
    """Runs the flows of one definition in several namespaces; `open` makes it.

    Each run is in one namespace, with all that belongs to it, and all that holds for a fleet holds for it there: its
    workers, its events, its exactly-once. Nothing is atomic over two namespaces, and what a namespace has of its own
    counts there alone: limits, shared budgets, idempotency keys (contract: shards-9).
    """

    def __init__(self, namespaces: Namespaces, terms: FleetTerms, durability: str) -> None:
        super().__init__(namespaces, durability)
        self._terms = terms
        self._fleets: dict[int, Fleet] = {}
        self._turns = count(randrange(len(namespaces)))  # noqa: S311 - spreads runs, guards nothing

    @classmethod
    def open(
        cls,
        definition: MobDefinition | Mob,
        handlers: Mapping[str, Handler | BoundHandler] | None = None,
        *,
        url: str | None = None,
        namespaces: Sequence[str],
        urls: Mapping[str, str] | None = None,
        members: Mapping[str, int] | None = None,
        lease: timedelta = DEFAULT_LEASE,
        release: str | None = None,
        retention: MobRetention | None = None,
        prices: Prices | None = None,
        seal_key: SealKey | SealKeyring | None = None,
        durability: str = "memory",
        retry: RetryPolicy | None = None,
        payloads: PayloadSettings | None = None,
    ) -> AbstractAsyncContextManager[FleetOfNamespaces]:
        """Open a fleet: `async with FleetOfNamespaces.open(mob, url=..., namespaces=[...]) as fleet`.

        The first opening makes a table of the `namespaces` in the first of them. Later ones find it there, in any
        process: they name the first one alone, or more of them in the same order. All are opened that the table has
        (contract: shards-1). `urls` has the addresses of those that are not at the `url`, by their names; a Cluster is
        one address. The other arguments are those of `MobStorage.open` and `Fleet`; in the place of a definition a
        `Mob` is taken, with its handlers, members and retention.

        A namespace that cannot be reached is told in the log, and opened when it can be; the first one has to be there.
        Raises as `MobStorage.open` and `Fleet`, and ValidationError for namespaces that the table does not begin with.
        """
        given = texts("namespaces", namespaces)
        if not given or len(set(given)) != len(given):
            raise ValidationError(f"namespaces must be one or more names, each given once, not {shown(namespaces)}")
        for name in given:
            Keys(name)  # raises for what is no name
        opening = Opening(url, dict(urls or {}), seal_key, durability, retry, payloads)
        if isinstance(definition, Mob):
            retention = definition.retention if retention is None else retention
            handlers = {**definition.handlers, **(handlers or {})}
            members = {**definition.members, **(members or {})}
            definition = definition.definition()
        made_of = instance("definition", definition, MobDefinition)
        terms = FleetTerms(made_of, handlers or {}, members or {}, lease, release, retention, prices)
        return cls._opened(opening, given, terms)

    @classmethod
    @asynccontextmanager
    async def _opened(
        cls, opening: Opening, names: Sequence[str], terms: FleetTerms
    ) -> AsyncGenerator[FleetOfNamespaces]:
        namespaces = Namespaces(opening)
        try:
            await namespaces.open(names)
            fleet = cls(namespaces, terms, opening.durability)
            await fleet.fleet(names[0])  # raises for what is wrong with the definition
            yield fleet
        finally:
            await namespaces.aclose()

    async def fleet(self, namespace: str) -> Fleet:
        """The fleet in one namespace. Raises ValidationError if there is no such one, and as its opening."""
        return await self._fleet(self._namespaces.named(text("namespace", namespace)))

    async def fleet_of_key(self, key: str) -> Fleet:
        """The fleet in the namespace of a key: for its schedules, and all else that belongs together."""
        return await self._fleet(await self._namespaces.of_key(text("key", key)))

    async def add(self, namespace: str) -> None:
        """Add a namespace to the fleet, for runs that are started from now on.

        Runs stay where they are, and so do keys: the new one gets runs without a key, and keys whose slot was never
        used (contract: shards-2). Before it is written into the table it is opened, and gets the pauses of flows and
        mobs, and the policies of retention, that the first namespace has. Other processes know it within five seconds.
        Adding one that is there does nothing. Raises as `MobStorage.open`.
        """
        await self.refresh()
        if text("namespace", namespace) in self.namespaces:
            return
        Keys(namespace)
        first = await self.admin(self.namespaces[0])
        await self._namespaces.add(namespace, lambda new: _alike(first, FleetAdmin(new)))

    async def start(
        self,
        flow: str | NamedFlow,
        params: Any = None,
        idempotency_key: str | None = None,
        *,
        key: str | None = None,
        **options: Unpack[StartOptions],
    ) -> str:
        """Start a run of a flow in the namespace of a key, and return its id; otherwise as `Fleet.start`.

        The key says what belongs together, such as a customer: all runs of it are in one namespace, for ever. Without
        one the conversation is the key, or else the debounce key, or the idempotency key. A run that has none of them
        goes to any namespace, the next one in turn; where that cannot be reached, to another one.

        The same idempotency key always gives the same run, as long as the key is the same, too (contract: shards-4).
        Raises as `Fleet.start`; ReadFailedError if the table has to be asked for the slot of a key, and cannot be;
        NamespacesFailedError if no namespace can be reached.
        """
        place = _place(key, idempotency_key, options)
        if place is not None:
            fleet = await self._fleet(await self._namespaces.of_key(place))
            return await fleet.start(flow, params, idempotency_key, **options)
        failures: dict[str, RedisMobError] = {}
        for shard in self._in_turn():
            try:
                run_id = await (await self._fleet(shard)).start(flow, params, **options)
            except OutcomeUnknownError:
                raise
            except (StorageUnavailableError, WriteFailedError) as failure:  # nothing has happened
                shard.has_failed = True
                failures[shard.namespace] = failure
            else:
                shard.has_failed = False
                return run_id
        raise NamespacesFailedError(failures)

    async def wait(self, run_id: str, timeout: float | timedelta | None = None) -> MobRun:
        """The run, once it is over; as `Fleet.wait`."""

        async def ended(shard: Shard) -> MobRun:
            return await (await self._fleet(shard)).wait(run_id, timeout)

        return await self._at_run(run_id, ended)

    async def cancel(self, run_id: str) -> bool:
        """Ask for the cancellation of a run; as `Fleet.cancel`."""

        async def canceled(shard: Shard) -> bool:
            return await (await self._fleet(shard)).cancel(run_id)

        return await self._at_run(run_id, canceled)

    async def signal(self, run_id: str, name: str, payload: Any = None, *, idempotency_key: str | None = None) -> None:
        """Send a signal to a run; as `Fleet.signal`."""

        async def sent(shard: Shard) -> None:
            await (await self._fleet(shard)).signal(run_id, name, payload, idempotency_key=idempotency_key)

        await self._at_run(run_id, sent)

    async def get(self, run_id: str, key: str, timeout: float | timedelta | None = None) -> Any:
        """What the handlers of a run have published under a key; as `Fleet.get`."""

        async def published(shard: Shard) -> Any:
            return await (await self._fleet(shard)).get(run_id, key, timeout)

        return await self._at_run(run_id, published)

    async def unserved(self, run_id: str) -> list[str]:
        """What of a run waits for a worker that does not exist; as `Fleet.unserved`."""

        async def told(shard: Shard) -> list[str]:
            return await (await self._fleet(shard)).unserved(run_id)

        return await self._at_run(run_id, told)

    @asynccontextmanager
    async def watch(
        self, run_id: str, topic: str | None = None, after: int | None = None
    ) -> AsyncGenerator[AsyncIterator[ProgressEntry]]:
        """Follow what the handlers of a run tell; as `Fleet.watch`."""
        fleet = await self.fleet(await self.namespace_of(run_id))
        async with fleet.watch(run_id, topic, after) as entries:
            yield entries

    async def work(
        self,
        concurrency: int = 16,
        stop: asyncio.Event | None = None,
        name: str | None = None,
        drain_timeout: timedelta | None = DRAIN_TIMEOUT,
        *,
        namespaces: Collection[str] | None = None,
        until_idle: bool = False,
    ) -> None:
        """Be a worker in all namespaces, or in these, until `stop` is set; otherwise as `Fleet.work`.

        `concurrency` is how many handlers it runs at a time in all of them together. Each may use all slots while the
        others have nothing to do, and comes to an equal part when they have (contract: shards-7). Where a namespace
        fails, the worker goes on in the others, and there once it answers. Without `namespaces` it also serves those
        that are added. With `until_idle` it returns when all of them are idle.
        Raises HandlerError as `Fleet.work`, and NamespacesFailedError if no namespace can be used.
        """
        if not self._terms.handlers and any(flow.roles for flow in self._terms.definition.flows.values()):
            raise HandlerError(
                f"this fleet of mob {shown(self._terms.definition.id)} has no handlers, so that it cannot work: give "
                "them to it, as in FleetOfNamespaces.open(definition, handlers, namespaces=[...])"
            )
        stop = optional_instance("stop", stop, asyncio.Event) or asyncio.Event()
        pool, ends = SlotPool(concurrency), flag("until_idle", until_idle)

        async def work(shard: Shard) -> None:
            part = pool.part()
            try:
                fleet = MemberFleet(await shard.storage(), self._terms, shard.number, part)
                await fleet.work(concurrency, stop, name, drain_timeout, until_idle=ends)
            finally:
                pool.leave(part)

        all_of, chosen = namespaces is None, self._namespaces.chosen(namespaces)
        await work_in_all(self._namespaces, chosen, work, stop, all_of=all_of)

    def working(
        self,
        concurrency: int = 16,
        *,
        name: str | None = None,
        drain_timeout: timedelta | None = DRAIN_TIMEOUT,
        namespaces: Collection[str] | None = None,
    ) -> AbstractAsyncContextManager[None]:
        """A worker of this process until the block ends: `async with fleet.working(): ...`; as `Fleet.working`."""
        return at_work(lambda stop: self.work(concurrency, stop, name, drain_timeout, namespaces=namespaces))

    async def _fleet(self, shard: Shard) -> Fleet:
        storage = await shard.storage()
        if shard.number not in self._fleets:
            self._fleets[shard.number] = MemberFleet(storage, self._terms, shard.number)
        return self._fleets[shard.number]

    def _in_turn(self) -> list[Shard]:
        """All namespaces, the next one in turn first; those that could not be reached come last."""
        shards = list(self._namespaces)
        begin = next(self._turns) % len(shards)
        return sorted(shards[begin:] + shards[:begin], key=lambda shard: shard.has_failed)


def _place(key: str | None, idempotency_key: str | None, options: StartOptions) -> str | None:
    """By which text the namespace of a run is chosen; None if it may be any."""
    conversation = options.get("conversation")
    talk = conversation.id if isinstance(conversation, Conversation) else conversation
    for name, place in (
        ("key", key),
        ("conversation", talk),
        ("debounce_key", options.get("debounce_key")),
        ("idempotency_key", idempotency_key),
    ):
        if optional_valid_text(name, place) is not None:
            return place
    return None


async def _alike(old: FleetAdmin, new: FleetAdmin) -> None:
    """Give a new namespace what holds for a namespace as a whole: pauses, and policies of retention."""
    for pause in await old.pauses():
        if pause.flow_id is None:
            await new.pause_mob(pause.mob_id, pause.reason)
        else:
            await new.pause_flow(pause.mob_id, pause.flow_id, pause.reason)
    for group, policy in (await old.retention()).groups.items():
        mob, flow = group if isinstance(group, tuple) else (group, None)
        await new.set_retention(policy, mob, flow)
