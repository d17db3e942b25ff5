"""A process that writes until its standard input ends, and notes what became of each call.

    python -m tests.robustness.writer URL DURABILITY NAME SEED NAMESPACE...

In each namespace it appends events, moves a run of its own by compare-and-swap, and counts in config documents; these
three go on side by side, each with one call under way at a time and with numbers of its own.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import (
    AlreadyExistsError,
    CasConflictError,
    EpochChangedError,
    RedisMobError,
    VersionConflictError,
)
from redis_mob.models import FlowRunState
from redis_mob.models.config import PutIfAbsent, PutIfRevision
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.config_documents import at, revision_of
from redis_mob.testing.samples.new_events import numbered
from redis_mob.testing.samples.states import authority_input, new_run
from tests.robustness.notes import NUMBERS, Call, document_of, now, say

PATIENCE = 30.0
"""Seconds for which a call is tried again."""

_PAUSE = 0.01
"""The longest pause between two calls, in seconds: twelve writers leave room for the servers on two cores."""

_CONFLICTS = (CasConflictError, VersionConflictError, AlreadyExistsError)

STALE = "Stale"
"""What a conflict is called that comes of a state that the storage has said was lost, to another call."""


class Sequence(Protocol):
    """Writes numbers, one after the other, on the state that it believes the store to be in."""

    kind: str

    async def look(self) -> None:
        """Read what the state is."""
        ...

    async def write(self, number: int) -> int:
        """Write a number; returns the cursor of what was written, 0 if it has none."""
        ...


class Events:
    """Appends events."""

    kind = "event"

    def __init__(self, storage: MobStorage, name: str) -> None:
        self._events = storage.events
        self._name = name

    async def look(self) -> None:
        pass

    async def write(self, number: int) -> int:
        return (await self._events.append(numbered(number, mob=self._name))).cursor


class Moves:
    """Moves a run of its own, which no other writer touches; its authority inputs tell which moves were made."""

    kind = "run"

    def __init__(self, storage: MobStorage, name: str) -> None:
        self._runs = storage.runs
        self._name = name
        self._run_id = ""
        self._state: FlowRunState

    async def look(self) -> None:
        runs = await self._runs.list_runs(self._name)
        if not runs:
            runs = [new_run(mob_id=self._name)]
            await self._runs.create_run(runs[0])
        self._run_id, self._state = runs[0].run_id, runs[0].flow_state

    async def write(self, number: int) -> int:
        moved = self._state.model_copy(update={"failure_count": number})
        inputs = [authority_input(number)]
        if not await self._runs.cas_flow_state(self._run_id, expected=self._state, next=moved, authority_inputs=inputs):
            raise CasConflictError(f"the run of {self._name} has changed, though no other writer touches it")
        self._state = moved
        return 0


class Documents:
    """Counts in a document that no other writer touches, and creates one for each number in the same atomic step."""

    kind = "config"

    def __init__(self, storage: MobStorage, name: str) -> None:
        self._config = storage.config
        self._name = name
        self._revision = 0

    async def look(self) -> None:
        self._revision = await revision_of(self._config, self._name, "counters")

    async def write(self, number: int) -> int:
        counter = PutIfRevision("counters", self._name, at(self._revision + 1), self._revision)
        await self._config.apply([counter, PutIfAbsent(NUMBERS, document_of(self._name, number), number)])
        self._revision += 1
        return 0


class Writer:
    """All that one process writes to one namespace."""

    def __init__(self, storage: MobStorage, name: str, pauses: random.Random) -> None:
        self._storage = storage
        self._name = name
        self._pauses = pauses
        self._epochs = 0
        """How often the storage has said that writes were lost: what is believed since before has to be read again."""

    async def write(self, make: Callable[[MobStorage, str], Sequence], stop: asyncio.Event) -> None:
        """Write until told to stop."""
        sequence, number, looked = make(self._storage, self._name), 0, -1
        while not stop.is_set():
            await asyncio.sleep(self._pauses.uniform(0, _PAUSE))
            began = now()
            try:
                if looked != self._epochs:
                    looked = self._epochs
                    await sequence.look()
                    began = now()
                cursor = await sequence.write(number)
            except RedisMobError as error:
                ended, cursor, name, text = now(), 0, self._name_of(error, looked), str(error)
                looked = -1
            else:
                ended, name, text = now(), "", ""
            say(Call(self._storage.namespace, sequence.kind, self._name, number, began, ended, cursor, name, text))
            number += 1

    def _name_of(self, error: RedisMobError, looked: int) -> str:
        """The name under which an error is noted."""
        if isinstance(error, _CONFLICTS) and looked != self._epochs:
            return STALE
        self._epochs += isinstance(error, EpochChangedError)
        return type(error).__name__


async def main(url: str, durability: str, name: str, seed: str, *namespaces: str) -> None:
    stop, patience = asyncio.Event(), RetryPolicy(deadline=PATIENCE)
    async with AsyncExitStack() as stack:
        writers: list[Writer] = []
        for namespace in namespaces:
            opening = MobStorage.open(url, namespace=namespace, durability=durability, retry=patience)
            writers.append(Writer(await stack.enter_async_context(opening), name, random.Random(f"{seed} {name}")))
        reader = asyncio.create_task(asyncio.to_thread(Path("/dev/stdin").read_bytes))
        reader.add_done_callback(lambda _reader: stop.set())
        await asyncio.gather(*(writer.write(make, stop) for writer in writers for make in (Events, Moves, Documents)))
        await reader


if __name__ == "__main__":
    logging.disable()  # of interruptions, which are wanted here
    asyncio.run(main(*sys.argv[1:]))
