"""Writers and a follower as real processes, and what they note."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from redis_mob.storage import MobStorage
from redis_mob.testing.samples.new_events import numbered
from tests.robustness.notes import END, KINDS, NUMBERS, Call, Note, Sighting, Trouble, now, parsed

LONGEST = 90.0
"""Seconds after which what is waited for is not going to happen: three times the patience of a call."""


@dataclass
class Notes:
    """What the processes have noted so far; the notes of each process are in order."""

    calls: list[Call] = field(default_factory=list[Call])
    sightings: list[Sighting] = field(default_factory=list[Sighting])
    troubles: list[Trouble] = field(default_factory=list[Trouble])

    def take(self, note: Note) -> None:
        match note:
            case Call():
                self.calls.append(note)
            case Sighting():
                self.sightings.append(note)
            case Trouble():
                self.troubles.append(note)


class Load:
    """Processes under way on some namespaces; `loaded` makes it.

    A sequence is what one writer writes of one kind to one namespace. Waits fail as soon as one of the processes fails.
    """

    def __init__(self, url: str, namespaces: Sequence[str], writers: Sequence[str]) -> None:
        self.notes = Notes()
        self.namespaces = namespaces
        self.writers = writers
        self._url = url
        self._sequences = [(one, kind, writer) for one in namespaces for kind in KINDS for writer in writers]
        self._acknowledged = Counter[tuple[str, str, str]]()
        self._latest = defaultdict[tuple[str, str, str], float](float)
        """When the newest acknowledged call of each sequence began."""
        self._processes: list[asyncio.subprocess.Process] = []
        self._reading: list[asyncio.Task[None]] = []

    async def start(self, module: str, *arguments: str) -> None:
        """Start one of the processes of this package, the follower first."""
        command = [sys.executable, "-m", f"{__package__}.{module}", self._url, *arguments]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        self._processes.append(process)
        self._reading.append(asyncio.create_task(self._read(process, " ".join(command))))

    async def proceed(self, calls: int) -> None:
        """Wait until so many more calls of each sequence were acknowledged."""
        before = self._acknowledged.copy()
        await self._until(lambda: all(self._acknowledged[one] >= before[one] + calls for one in self._sequences))

    async def recovered(self, since: float) -> None:
        """Wait until a call of each sequence was acknowledged that began after a moment."""
        await self._until(lambda: all(self._latest[one] > since for one in self._sequences))

    async def finish(self) -> bool:
        """Let the writers end, and then the follower; returns whether it has seen the end of each namespace."""
        _follower, *writers = self._processes
        for process in writers:
            assert process.stdin is not None
            process.stdin.close()
        following, *writing = self._reading
        await asyncio.gather(*writing)
        for namespace in self.namespaces:
            async with MobStorage.open(self._url, namespace=namespace) as storage:
                await storage.events.append(numbered(0, mob=END))
                await storage.config.put(NUMBERS, END, 0)
        done, _ = await asyncio.wait([following], timeout=LONGEST)
        for ended in done:
            ended.result()
        return bool(done)

    async def aclose(self) -> None:
        """End all processes that are left."""
        for process in self._processes:
            if process.returncode is None:
                process.kill()
        await asyncio.gather(*self._reading, return_exceptions=True)

    async def _read(self, process: asyncio.subprocess.Process, command: str) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            note = parsed(line)
            self.notes.take(note)
            if isinstance(note, Call) and note.is_acknowledged:
                self._acknowledged[note.namespace, note.kind, note.writer] += 1
                self._latest[note.namespace, note.kind, note.writer] = note.began
        if status := await process.wait():
            raise RuntimeError(f"{command} ended with status {status}")

    async def _until(self, condition: Callable[[], bool]) -> None:
        deadline = now() + LONGEST
        while not condition():
            for reading in self._reading:
                if reading.done():
                    reading.result()
            if now() > deadline:
                raise TimeoutError(f"the writers have not gone on for {LONGEST:g} s")
            await asyncio.sleep(0.01)


@asynccontextmanager
async def loaded(
    url: str, namespaces: Sequence[str], *, processes: int, seed: int, durability: str = "memory"
) -> AsyncGenerator[Load]:
    """So many writer processes, each in all namespaces, and one that follows them, until the block ends."""
    writers = [f"writer{number}" for number in range(processes)]
    load = Load(url, namespaces, writers)
    try:
        await load.start("follower", *namespaces)
        for writer in writers:
            await load.start("writer", durability, writer, str(seed), *namespaces)
        await load.proceed(1)
        yield load
    finally:
        await load.aclose()
