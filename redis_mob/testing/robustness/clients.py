"""Clients that call a storage at the same time, and note what they were told: the traffic of a history.

Each client has a storage of its own, and one call under way at a time. It calls about objects, of which there are a few
at a time (objects.py), and appends to the log and reads it (log.py). What a client does not know about a write it asks
with `resolve`, now and then.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any, Self, TypeAlias

from redis_mob.errors import (
    DurabilityError,
    EpochChangedError,
    MobStoreError,
    OutcomeUnknownError,
    ReadFailedError,
    StorageUnavailableError,
    WriteFailedError,
)
from redis_mob.testing.history import RecordedCall
from redis_mob.testing.robustness.log import Append, Page, Watcher
from redis_mob.testing.robustness.objects import KINDS, Beliefs, Call, State, Stores, read_state
from redis_mob.testing.samples.new_events import number_of, numbered

Opening: TypeAlias = Callable[[], AbstractAsyncContextManager[Stores]]
"""Opens the storage once more, as another client."""

LIVE_OBJECTS = 6
"""Objects that are called about at a time: few, so that calls meet."""

CALLS_OF_AN_OBJECT = 80
"""Calls about one object before another takes its place: a short history can be searched through."""

_PAUSE = 0.01
"""Seconds between a failure and the next call."""


@dataclass
class Part:
    """What was done since the last time at which the storage may have gone back, and what it held at that time."""

    before: dict[str, State] = field(default_factory=dict[str, State])
    calls: list[RecordedCall[Call]] = field(default_factory=list[RecordedCall[Call]])
    appends: list[Append] = field(default_factory=list[Append])
    pages: list[Page] = field(default_factory=list[Page])
    cut: int | None = None
    """When the storage may have gone back, in the nanoseconds of calls; None for the last part."""
    told: set[int] = field(default_factory=set[int])
    """The clients that were told, before or with their next write, that it has."""
    held: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """(cursor, number) of all events that the log held behind this part."""
    found: dict[str, State] = field(default_factory=dict[str, State])
    """What the objects of this part held behind it."""


class Traffic:
    """All clients of one history; `running` makes it.

    `parts` are what they have done and were told, `answered` is when the last call was answered. `outcomes` counts how
    calls ended, `odd` has a sentence for each error that no storage may raise.
    """

    def __init__(self, opening: Opening, *, seed: int, clients: int, operations: int) -> None:
        self.parts = [Part()]
        self.outcomes: Counter[str] = Counter()
        self.odd: list[str] = []
        self.watcher = Watcher()
        self.started = 0
        self.answered = 0
        self._opening = opening
        self._clients = clients
        self._random = Random(seed)
        self._numbers = count(1)
        self._names: list[tuple[str, str, int]] = []
        self._open = asyncio.Event()
        self._open.set()
        self._under_way: set[asyncio.Task[None]] = set()
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._writes_first: set[int] = set()
        self._ended = asyncio.Event()
        self._operations = operations
        self._awaited = 0
        """How many wait for an answer: then calls are made, also when there were enough."""

    async def __aenter__(self) -> Self:
        for number in range(self._clients):
            self._under_way.add(asyncio.create_task(self._client(number, Random(self._random.random()))))
        self._under_way.add(asyncio.create_task(self._watch()))
        return self

    async def __aexit__(self, *_exc: object) -> None:
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    @property
    def acknowledged(self) -> int:
        """How many calls were answered."""
        return self.outcomes["answered"]

    async def proceed(self, calls: int) -> None:
        """Wait until `calls` further calls were answered, or a client has ended."""
        wanted = self.acknowledged + calls
        await self._answer(lambda: self.acknowledged >= wanted)

    async def recovered(self, since: int) -> None:
        """Wait until a call was answered after this time."""
        await self._answer(lambda: self.answered > since)

    async def _answer(self, condition: Callable[[], bool]) -> None:
        """Wait for something that clients are told, or until all of them have ended."""
        self._awaited += 1
        await _true(lambda: condition() or self._failed())
        self._awaited -= 1

    async def finish(self) -> None:
        """Let the clients go on until there were enough calls, and end; then read what the storage holds."""
        await _true(lambda: self.started >= self._operations or self._failed())
        await self.hold()
        self._ended.set()
        await self._read_what_is_there()
        await self._watched()

    async def hold(self) -> None:
        """Let no further call begin; returns when none is under way."""
        self._open.clear()
        await self._idle.wait()

    def begin_no_calls(self) -> None:
        """Let no further call begin, since the storage goes back in time now; those that are under way go on."""
        self.parts[-1].cut = time.monotonic_ns()
        self._open.clear()

    async def may_have_gone_back(self) -> None:
        """The storage may have gone back since `begin_no_calls`: another part begins.

        The first write of each client says whether it is told.
        """
        await self.hold()
        before = self.parts[-1]
        await self._read_what_is_there()
        part = Part({name: before.found[name] for _, name, _ in self._names if name in before.found})
        self.parts.append(part)
        self._writes_first = set(range(self._clients)) - before.told
        self._open.set()
        await _true(lambda: not self._writes_first or self._failed())

    async def _read_what_is_there(self) -> None:
        part = self.parts[-1]
        async with self._opening() as storage:
            log = await _patiently(storage.events.replay_all)
            part.held = [(event.cursor, number_of(event)) for event in log]
            for kind, name in {(one.call.kind, one.call.object) for one in part.calls} | {
                (kind, name) for kind, name, _ in self._names
            }:
                started = time.monotonic_ns()
                state = await _patiently(lambda kind=kind, name=name: read_state(storage, kind, name))
                part.found[name] = state
                if part.cut is None:
                    call = Call(kind, name, "get")
                    part.calls.append(RecordedCall(-1, call, started, time.monotonic_ns(), state))
        self.answered = time.monotonic_ns()

    def _failed(self) -> bool:
        """Whether a client has ended by an error; it is raised."""
        for task in self._under_way:
            if task.done() and not task.cancelled():
                task.result()
        return all(task.done() for task in self._under_way)

    async def _client(self, number: int, random: Random) -> None:
        beliefs = Beliefs(random)
        async with self._opening() as storage:
            while not self._ended.is_set():
                await self._open.wait()
                if self.started >= self._operations and not (self._writes_first or self._awaited):
                    await asyncio.sleep(_PAUSE)
                    continue
                self._busy += 1
                self._idle.clear()
                self.started += 1
                try:
                    await self._call(number, storage, beliefs, random)
                finally:
                    self._busy -= 1
                    if not self._busy:
                        self._idle.set()
                await asyncio.sleep(0)

    async def _call(self, client: int, storage: Stores, beliefs: Beliefs, random: Random) -> None:
        part, choice = self.parts[-1], random.random()
        if client in self._writes_first or choice < 0.3:
            await self._append(part, client, storage, 3 if choice < 0.03 else 1)
        elif choice < 0.35:
            await self._read_page(part, storage, random)
        else:
            kind, name = self._an_object(random)
            call = beliefs.draw(kind, name, next(self._numbers))
            started = time.monotonic_ns()
            known, result = await self._noted(client, storage, lambda: KINDS[kind].perform(storage, call), random)
            if known:
                ended = time.monotonic_ns()
                part.calls.append(RecordedCall(client, call, started, ended, result))
                beliefs.learn(call, result)
            else:
                beliefs.forget()
                if known is None and not call.is_read:
                    part.calls.append(RecordedCall(client, call, started))

    async def _append(self, part: Part, client: int, storage: Stores, events: int) -> None:
        numbers = [next(self._numbers) for _ in range(events)]
        new, started = [numbered(number) for number in numbers], time.monotonic_ns()
        if events == 1:
            known, result = await self._noted(client, storage, lambda: _as_list(storage.events.append(new[0])), None)
        else:
            known, result = await self._noted(client, storage, lambda: storage.events.append_batch(new), None)
        if known:
            cursors = tuple(event.cursor for event in result)
            part.appends.append(Append(client, numbers, started, time.monotonic_ns(), cursors))
        elif known is None:
            part.appends.append(Append(client, numbers, started))

    async def _read_page(self, part: Part, storage: Stores, random: Random) -> None:
        newest = max((one.cursors[-1] for one in part.appends[-20:] if one.cursors), default=0)
        after, started = max(0, newest - random.randrange(20)), time.monotonic_ns()
        known, result = await self._noted(-1, storage, lambda: storage.events.poll(after, 50), None)
        if known:
            page = [(event.cursor, number_of(event)) for event in result]
            part.pages.append(Page(after, 50, page, started, time.monotonic_ns()))

    async def _noted(
        self, client: int, storage: Stores, perform: Callable[[], Awaitable[Any]], random: Random | None
    ) -> tuple[bool | None, Any]:
        """(True, the answer) of a call; (False, None) if it has not happened; (None, None) if that is not known."""
        try:
            result = await perform()
        except EpochChangedError:
            # its part, since a client that is told before the others are is told once
            self.parts[-2 if client in self._writes_first else -1].told.add(client)
            self._writes_first.discard(client)
            self.outcomes["told of a loss"] += 1
            return False, None
        except OutcomeUnknownError as error:
            self.outcomes["unknown"] += 1
            if random is not None and random.random() < 0.5:
                return await self._resolved(storage, error.token), None
            await asyncio.sleep(_PAUSE)
            return None, None
        except DurabilityError:
            self.outcomes["done, and not as safe as asked"] += 1
            return None, None
        except (WriteFailedError, ReadFailedError) as error:
            self.outcomes[type(error).__name__] += 1
            await asyncio.sleep(_PAUSE)
            return False, None
        except MobStoreError as error:
            self.odd.append(f"{type(error).__name__} at client {client}: {error}")
            return None, None
        self.outcomes["answered"] += 1
        self.answered = time.monotonic_ns()
        self._writes_first.discard(client)
        return True, result

    async def _resolved(self, storage: Stores, token: str) -> bool | None:
        try:
            outcome = await storage.resolve(token)
        except MobStoreError:
            return None
        self.outcomes["resolved"] += 1
        return None if outcome.executed else False

    def _an_object(self, random: Random) -> tuple[str, str]:
        while len(self._names) < LIVE_OBJECTS:
            kind = self._random.choice(list(KINDS))
            self._names.append((kind, _name_of(kind, self._random), 0))
        place = random.randrange(LIVE_OBJECTS)
        kind, name, calls = self._names[place]
        if calls < CALLS_OF_AN_OBJECT:
            self._names[place] = kind, name, calls + 1
        else:
            del self._names[place]
        return kind, name

    async def _watch(self) -> None:
        """Follow the log for ever, with the errors that the subscription tells."""
        async with self._opening() as storage, storage.events.subscribe(0) as following:
            while True:
                try:
                    event = await anext(following)
                    self.watcher.see(event.cursor, number_of(event))
                except EpochChangedError as error:
                    self.watcher.go_back(error.kept)
                except (ReadFailedError, StorageUnavailableError):
                    await asyncio.sleep(_PAUSE)
                except MobStoreError as error:
                    self.watcher.odd.append(f"{type(error).__name__}: {error}")

    async def _watched(self) -> None:
        """Wait until the watcher has come to the end of the log, or is not going to."""
        held = self.parts[-1].held
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST):
                await _true(lambda: self.watcher.has_come_to(held))


_LONGEST = 20.0
"""Seconds after which a watcher that has not seen the end of the log is not going to."""


async def _true(condition: Callable[[], object]) -> None:
    """Wait until this holds; what it is about changes in this loop, at any call."""
    while not condition():  # noqa: ASYNC110  # an event for each condition would be set by every call
        await asyncio.sleep(0.001)


async def _as_list(one: Awaitable[Any]) -> list[Any]:
    return [await one]


async def _patiently(read: Callable[[], Awaitable[Any]]) -> Any:
    """Read, again and again while the storage does not answer."""
    until = time.monotonic() + 60
    while True:
        try:
            return await read()
        except (ReadFailedError, StorageUnavailableError):
            if time.monotonic() > until:
                raise
            await asyncio.sleep(_PAUSE)


def _name_of(kind: str, random: Random) -> str:
    name = f"{random.getrandbits(128):032x}"
    if kind == "run":
        return f"{name[:8]}-{name[8:12]}-4{name[13:16]}-8{name[17:20]}-{name[20:]}"
    return name


@asynccontextmanager
async def running(opening: Opening, *, seed: int, clients: int, operations: int) -> AsyncGenerator[Traffic]:
    """Clients at work until the block ends; after `operations` calls they make only those that are waited for."""
    async with Traffic(opening, seed=seed, clients=clients, operations=operations) as traffic:
        yield traffic
