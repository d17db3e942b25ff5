"""Watchers of the event log and of the config feed, whose connections are cut: each guarantee of a watch is validated.

Writers append events one by one and in batches, and write config documents of several scopes, alone and together.
Watchers follow both behind proxies that cut their connections and lose requests; they leave now and then, and come back
with their bookmark. A part of the log is pruned meanwhile. At last `redis_mob.testing.watching` compares what they
noted with what the log held.

    python -m tests.robustness.watching [--seed 7] [--calls 4000] [--watchers 6]
"""

from __future__ import annotations

import argparse
import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from random import Random
from typing import Any

from redis_mob.codec.config import decode_change
from redis_mob.codec.hashes import as_mapping
from redis_mob.connection.calls.client import connect
from redis_mob.connection.embedded.server import EmbeddedServer
from redis_mob.connection.retry import RetryPolicy
from redis_mob.contracts.config import ConfigSubscription
from redis_mob.errors import (
    ChangeFeedTruncatedError,
    EventsTrimmedError,
    MobStoreError,
    ReadFailedError,
    WriteFailedError,
)
from redis_mob.models.config import Put
from redis_mob.storage import MobStorage
from redis_mob.stores.streams import cursor_of
from redis_mob.testing.faults import Fault, FaultProxy, at_random, fault_proxy
from redis_mob.testing.samples.new_events import number_of, numbered
from redis_mob.testing.waiting import until
from redis_mob.testing.watching import Bookmark, Delivered, Gone, Note, Opened, validated
from tests.robustness.report import Report, parser, run_program

NAMESPACE = "watching"
WRITERS = 4
PEACE = 0.2
"""Seconds at most for which no connection of a watcher is cut."""

LOOKS = 4
"""A watcher looks what the log has with one entry in so many."""

STAYS = 40
"""Entries after which a watcher leaves and comes back, at most."""

SCOPES = ("", "a", "b")
"""Those that documents are written in, and watched from; the first one is all of them."""

_RETRY = RetryPolicy(deadline=30, base=0.002, cap=0.05, reply_timeout=0.5)
_CUTS = (Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.CUT_WITHIN, Fault.TRUNCATED)

Change = tuple[str, str, str]
"""(namespace, id, kind) of a change, as those see it that watch all scopes."""


class Written:
    """What the writers have asked for, and what the log held: each entry is another one."""

    def __init__(self) -> None:
        self.events: list[list[int]] = []
        self.changes: list[list[Change]] = []
        self.held_events: dict[int, int] = {}
        self.held_changes: dict[int, Change] = {}

    async def write(self, storage: MobStorage, writer: int, random: Random, calls: int) -> None:
        """Make so many calls, of which some do not happen, or have an outcome that is unknown."""
        for call in range(calls):
            names = [writer * 1_000_000 + call * 10 + number for number in range(random.choice((1, 1, 2, 3, 5)))]
            with suppress(WriteFailedError):  # the log tells whether it has happened
                await (self._append(storage, names) if random.random() < 0.5 else self._put(storage, names, random))

    async def _append(self, storage: MobStorage, numbers: list[int]) -> None:
        self.events.append(numbers)
        if len(numbers) == 1:
            await storage.events.append(numbered(numbers[0]))
        else:
            await storage.events.append_batch([numbered(number) for number in numbers])

    async def _put(self, storage: MobStorage, numbers: list[int], random: Random) -> None:
        scope = random.choice(SCOPES)
        config = storage.config.scoped(scope) if scope else storage.config
        self.changes.append([(_full_name(scope), str(number), "put") for number in numbers])
        await config.apply([Put("n", str(number), number) for number in numbers])

    async def prune(self, storage: MobStorage) -> None:
        """Delete all events but the last one that there is now, after they were read."""
        events = await storage.events.replay_all()
        self.held_events.update((event.cursor, number_of(event)) for event in events)
        if events:
            await storage.events.prune(events[-1].timestamp)

    async def read(self, url: str, storage: MobStorage) -> None:
        """Read what the log and the feed hold, the feed as the server has it: a subscription may be at fault."""
        self.held_events.update((event.cursor, number_of(event)) for event in await storage.events.replay_all())
        connection = await connect(url, NAMESPACE)
        try:
            keys = await connection.open_namespace(NAMESPACE)
            entries: Any = await connection.router.request("XRANGE", keys.config_feed, "-", "+")
        finally:
            await connection.aclose()
        for id, fields in entries:
            cursor = cursor_of(id)
            change = decode_change("", cursor, as_mapping(fields))
            assert change is not None, "without a scope every change is seen"
            self.held_changes[cursor] = (change.namespace, change.id, change.kind.value)


def _full_name(scope: str) -> str:
    """The namespace `n` of a scope, as it is called without a scope."""
    return f"scope:{len(scope)}:{scope}:n" if scope else "n"


class Watcher(ABC):
    """Follows one of the two logs, and notes what it is told. `position` is up to where it has come."""

    def __init__(self, storage: MobStorage, random: Random) -> None:
        self.notes: list[Note] = []
        self.unexpected: list[str] = []
        self._storage = storage
        self._random = random
        self._cursor = 0

    @property
    def position(self) -> int:
        return self._cursor

    async def watch(self) -> None:
        """Subscribe, leave after some entries, and come back with the bookmark, for ever."""
        while True:
            self.notes.append(Opened(self._cursor))
            async with self._subscribed() as following:
                for _ in range(self._random.randint(1, STAYS)):
                    await self._next(following)
            self.notes.append(Bookmark(self._cursor))

    async def _next(self, following: Any) -> None:
        """One entry, or what is told in its place; some waits are cancelled, of which nothing may be noticed."""
        try:
            async with asyncio.timeout(self._random.choice((0.001, 60))):
                entry = await anext(following)
        except (TimeoutError, ReadFailedError):
            return
        except (EventsTrimmedError, ChangeFeedTruncatedError) as error:
            self.notes.append(Gone(error.after, error.first_available))
            self._cursor = error.first_available - 1
            return
        except MobStoreError as error:
            self.unexpected.append(repr(error))
            return
        self._take(entry, following, None if self._random.randrange(LOOKS) else await self._newest())

    async def _newest(self) -> int | None:
        try:
            return await self._look()
        except ReadFailedError:
            return None

    @abstractmethod
    def _subscribed(self) -> AbstractAsyncContextManager[Any]: ...

    @abstractmethod
    async def _look(self) -> int:
        """A cursor that the log has now."""

    @abstractmethod
    def _take(self, entry: Any, following: Any, newest: int | None) -> None: ...

    @abstractmethod
    def broken(self, written: Written) -> dict[str, list[str]]:
        """What is wrong with what it was told."""


class EventWatcher(Watcher):
    """Follows the event log; the cursor of an event is its bookmark."""

    def _subscribed(self) -> AbstractAsyncContextManager[Any]:
        return self._storage.events.subscribe(self._cursor)

    async def _look(self) -> int:
        return await self._storage.events.latest_cursor()

    def _take(self, entry: Any, following: Any, newest: int | None) -> None:
        self.notes.append(Delivered(entry.cursor, number_of(entry), newest))
        self._cursor = entry.cursor

    def broken(self, written: Written) -> dict[str, list[str]]:
        return validated(self.notes, written.held_events, calls=written.events)


class ChangeWatcher(Watcher):
    """Follows the changes of a scope; the cursor of the subscription is its bookmark.

    A change does not tell its cursor, which is found in what the feed held: the subscription may tell a wrong one.
    """

    def __init__(self, storage: MobStorage, random: Random, scope: str) -> None:
        super().__init__(storage, random)
        self._config = storage.config.scoped(scope) if scope else storage.config
        self._prefix = _full_name(scope).removesuffix("n")
        self._following: ConfigSubscription | None = None

    @property
    def position(self) -> int:
        return self._cursor if self._following is None else self._following.cursor

    @asynccontextmanager
    async def _subscribed(self) -> AsyncGenerator[ConfigSubscription]:
        async with self._config.subscribe(self._cursor) as self._following:
            yield self._following
            self._cursor = self._following.cursor

    async def _look(self) -> int:
        return (await self._config.snapshot([])).cursor

    def _take(self, entry: Any, following: Any, newest: int | None) -> None:
        change = (self._prefix + entry.namespace, entry.id, entry.kind.value)
        self.notes += [Delivered(0, change, newest), Bookmark(following.cursor)]
        self._cursor = following.cursor

    def broken(self, written: Written) -> dict[str, list[str]]:
        cursors: dict[Any, int] = {change: cursor for cursor, change in written.held_changes.items()}
        notes = [
            note._replace(cursor=cursors.get(note.entry, 0)) if isinstance(note, Delivered) else note
            for note in self.notes
        ]

        def concerns(entry: Any) -> bool:
            return entry[0].startswith(self._prefix)

        return validated(notes, written.held_changes, calls=written.changes, concerns=concerns)


class Watchers:
    """All watchers, behind proxies of their own."""

    def __init__(self) -> None:
        self.all: list[Watcher] = []
        self.proxies: list[FaultProxy] = []
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, url: str, seed: int, watchers: int) -> None:
        """Start so many of the log, and as many of the feed, in the scopes in turn."""
        for number in range(watchers):
            proxy = await self._stack.enter_async_context(fault_proxy(url))
            opening = MobStorage.open(proxy.url, namespace=NAMESPACE, retry=_RETRY)
            storage = await self._stack.enter_async_context(opening)
            self.proxies.append(proxy)
            self.all.append(EventWatcher(storage, Random(f"{seed}/events/{number}")))
            scope = SCOPES[number % len(SCOPES)]
            self.all.append(ChangeWatcher(storage, Random(f"{seed}/changes/{number}"), scope))
            proxy.plan = at_random(seed=seed + number, one_in=20, faults=_CUTS)
        self._tasks = [asyncio.create_task(watcher.watch()) for watcher in self.all]

    async def cut(self, random: Random) -> None:
        """Cut all connections of one of them again and again."""
        while True:
            await asyncio.sleep(random.uniform(0, PEACE))
            random.choice(self.proxies).cut_all()

    async def come_to_the_end(self, written: Written) -> bool:
        """Wait until all have passed the last entries; whether they have."""
        last = max(written.held_events, default=0), max(written.held_changes, default=0)

        def are_there() -> bool:
            for task in self._tasks:
                if task.done():
                    task.result()
            return all(watcher.position >= last[number % 2] for number, watcher in enumerate(self.all))

        try:
            await until(are_there)
        except AssertionError:
            return False
        return True

    async def aclose(self) -> None:
        """End all of them, and what they have opened."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()


async def run(*, seed: int, calls: int, watchers: int) -> Report:
    """Run the program on a server of its own."""
    server, written, following = await EmbeddedServer.start(), Written(), Watchers()
    report = Report("watching", seed)
    try:
        async with (
            fault_proxy(server.url) as proxy,
            MobStorage.open(proxy.url, namespace=NAMESPACE, retry=_RETRY) as storage,
            MobStorage.open(server.url, namespace=NAMESPACE) as direct,
        ):
            await following.start(server.url, seed, watchers)
            cutting = asyncio.create_task(following.cut(Random(seed)))
            proxy.plan = at_random(seed=seed, one_in=20, faults=_CUTS)
            for half in range(2):
                if half:
                    await written.prune(direct)
                await asyncio.gather(
                    *(
                        written.write(
                            storage, half * WRITERS + writer, Random(f"{seed}/{half}/{writer}"), calls // WRITERS // 2
                        )
                        for writer in range(WRITERS)
                    )
                )
            cutting.cancel()
            await written.read(server.url, direct)
            if not await following.come_to_the_end(written):
                report.broken.append("some watchers have not come to the end of what they follow")
    finally:
        await following.aclose()
        await server.aclose()
    for number, watcher in enumerate(following.all):
        name = f"{type(watcher).__name__} {number // 2}"
        report.broken += [f"{name} was told {text}" for text in watcher.unexpected]
        report.broken += [
            f"{guarantee}: {name}: {text}" for guarantee, wrong in watcher.broken(written).items() for text in wrong
        ]
    notes = Counter(type(note).__name__ for watcher in following.all for note in watcher.notes)
    report.figures = {
        "calls": len(written.events) + len(written.changes),
        "events": len(written.held_events),
        "changes": len(written.held_changes),
        "watchers": len(following.all),
        "connections of watchers": sum(proxy.connections for proxy in following.proxies),
        "notes of watchers": dict(notes),
    }
    return report


async def main(options: argparse.Namespace) -> Report:
    return await run(seed=options.seed, calls=options.calls, watchers=options.watchers)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--calls", type=int, default=4_000)
    arguments.add_argument("--watchers", type=int, default=6, help="of the log, and as many of the feed")
    run_program(arguments.parse_args(), main)
