"""What concurrent clients saw of config documents, records, runs and logs, checked for a serial order.

Real processes of clients (history_client.py) call one server through proxies that lose one request in twenty. What they
were told is checked by `redis_mob.testing.history`, object by object, and with --porcupine by Porcupine too, an
independent checker in Go (porcupine/). Then one result is changed, and both have to refuse the history.

    python -m tests.robustness.histories [--seed 7] [--histories 10] [--operations 2000] [--clients 16] [--porcupine]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import defaultdict
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from redis_mob.stores.storage import RedisStorage
from redis_mob.testing.history import History, NoSerialOrderError, RecordedCall, UndecidedHistoryError, check_parts
from redis_mob.testing.history_files import Operation, frozen, write_history
from redis_mob.testing.samples.new_events import number_of
from redis_mob.testing.serial_models import model_of
from tests.robustness import history_client, porcupine
from tests.robustness.open_namespace import opened
from tests.robustness.report import BrokenError, Report, parser, run_program
from tests.support.servers import redis7_program, server

PROCESSES = 2
NAMESPACES = 2
OBJECTS_OF_A_KIND = 8
"""Documents of a namespace, and records, and runs that are under way at a time."""

SECONDS = 600.0
"""How long one history is checked."""


REFUSED: type[NoSerialOrderError[Operation]] = NoSerialOrderError
"""The error with which a recorded history is refused."""

UNDECIDED: type[UndecidedHistoryError[Operation]] = UndecidedHistoryError


class _Clients:
    """A process of clients, and the calls that it tells."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, **options: Any) -> _Clients:
        """Start a process, and wait until its clients are ready."""
        command = [sys.executable, "-m", history_client.__name__, json.dumps(options)]
        clients = cls(await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE))
        assert clients._process.stdout is not None
        assert await clients._process.stdout.readline() == b"ready\n", "a process of clients ended before it was ready"
        return clients

    async def calls(self) -> list[RecordedCall[Operation]]:
        """Let them begin, and hear all that they tell."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(b"\n")
        calls: list[RecordedCall[Operation]] = []
        async for line in self._process.stdout:
            client, model, key, name, arguments, started, ended, result = json.loads(line)
            operation = Operation(model, key, name, frozen(arguments))
            calls.append(RecordedCall(client, operation, started, ended, frozen(result)))
        if status := await self._process.wait():
            raise RuntimeError(f"a process of clients ended with status {status}")
        return calls

    async def end(self) -> None:
        """Kill the process, if it has not ended."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


async def record(
    url: str,
    *,
    seed: int,
    operations: int,
    clients: int = 16,
    during: Callable[[], Awaitable[None]] | None = None,
    one_in: int = 0,
    processes: int = PROCESSES,
    namespaces: int = NAMESPACES,
    objects: int = OBJECTS_OF_A_KIND,
    durability: str = "memory",
) -> History[Operation]:
    """What so many clients saw that made about so many calls together, on new namespaces of a server.

    `during` is called when the clients begin, and cancelled when they have made their calls; what it raises is raised.
    With `one_in` a proxy does something bad to one request in so many, which takes a URL of one server. At last each
    object is read once, so the server has to answer then. The seed repeats the calls, and not their timing.

    An append of unknown outcome whose numbers are in a log at last is given the cursors that they have there, and is
    left out if they are not: what it did is known then, and to try all that it may have done takes too many steps.
    """
    names = [f"history-{seed}-{number}" for number in range(namespaces)]
    common: dict[str, Any] = {"operations": -(-operations // clients), "objects": objects, "durability": durability}
    if one_in:
        common["one_in"] = one_in
    shares = [list(range(clients))[first::processes] for first in range(min(processes, clients))]
    started: list[_Clients] = []
    try:
        for numbers in shares:  # one after the other: each takes a second of a processor to begin
            started += [await _Clients.start(url=url, namespaces=names, numbers=numbers, seed=seed, **common)]
        working = asyncio.gather(*(one.calls() for one in started))
        if during is None:
            found = await working
        else:
            found = await _until_done(working, asyncio.ensure_future(during()))
    finally:
        for one in started:
            await one.end()
    history = History[Operation](recorded for calls in found for recorded in calls)
    for name in names:
        async with opened(url, name, durability=durability) as namespace:
            await _read_all(namespace.storage, history)
    return history


async def _until_done(
    working: asyncio.Future[list[list[RecordedCall[Operation]]]], disturbing: asyncio.Future[None]
) -> list[list[RecordedCall[Operation]]]:
    try:
        await asyncio.wait([working, disturbing], return_when=asyncio.FIRST_COMPLETED)
        if disturbing.done():
            disturbing.result()
        return await working
    finally:
        for one in (working, disturbing):
            one.cancel()
        await asyncio.wait([working, disturbing])


async def _read_all(storage: RedisStorage, history: History[Operation]) -> None:
    """Read each object of a namespace that the calls of a history are about, and record that."""
    parts = dict.fromkeys(recorded.call.part for recorded in history.calls)
    for model, key in parts:
        namespace, _, id = key.partition("/")
        if namespace != storage.namespace:
            continue
        started = time.monotonic_ns()
        name, arguments, result = "get", (), None
        match model:
            case "document":
                found = await storage.config.get("n", id)
                result = None if found is None else (found["meta"]["revision"], found["spec"]["number"])
            case "record":
                result = await storage.records.get("c", id)
            case "run":
                run = await storage.runs.get_run(id)
                result = None if run is None else run.status.value
            case _:
                name, arguments = "poll", (0, 2**31)
                entries = [(event.cursor, number_of(event)) for event in await storage.events.replay_all()]
                result = tuple(entries)
                history.calls[:] = settled(history.calls, (model, key), entries, time.monotonic_ns())
        call = Operation(model, key, name, arguments)
        history.calls.append(RecordedCall("last", call, started, time.monotonic_ns(), result))


def settled(
    calls: Sequence[RecordedCall[Operation]], part: tuple[str, str], entries: Sequence[tuple[int, int]], now: int
) -> Iterator[RecordedCall[Operation]]:
    """The calls with what the appends of unknown outcome to one log did, given all its entries as they are now."""
    cursors: dict[int, int] = {}
    for cursor, number in entries:
        cursors.setdefault(number, cursor)
    for recorded in calls:
        call = recorded.call
        if call.part == part and recorded.ended is None and call.name == "append":
            if any(number in cursors for number in call.arguments):
                yield replace(recorded, ended=now, result=tuple(cursors.get(number, 0) for number in call.arguments))
        else:
            yield recorded


async def refusal(history: History[Operation], *, seconds: float = SECONDS) -> NoSerialOrderError[Operation] | None:
    """Why a history has no serial order; None if it has one. Raises UndecidedHistoryError where that takes too long."""
    try:
        await check_parts(history, lambda call: call.part, model_of, seconds=seconds)
    except UNDECIDED:
        raise
    except REFUSED as error:
        return error
    return None


def sabotaged(history: History[Operation], random: Random) -> History[Operation]:
    """The history with one result that no server gives, in any order of the other calls."""
    calls = list(history.calls)
    known = [number for number, one in enumerate(calls) if one.ended is not None and _impossible(one) is not None]
    number = random.choice(known)
    calls[number] = replace(calls[number], result=_impossible(calls[number]))
    return History(calls)


def _impossible(recorded: RecordedCall[Operation]) -> Any:
    """Another result of a call, which holds what was never written; None for calls that tell too little."""
    result: Any = recorded.result
    match recorded.call.model, recorded.call.name:
        case "document", "get" if result is not None:
            return (result[0], -1)
        case "document", "put_if_revision" if result is True:
            return ("is", recorded.call.arguments[0])
        case "record", "get" if result is not None:
            return -1
        case "run", "get" if result is not None:
            return "lost"
        case "log", "append" if result is not None:
            return tuple(cursor + 1_000_000_000 for cursor in result)
        case "log", "poll" if result:
            return (*result[:-1], (result[-1][0], -1))
        case _:
            return None


def _told(error: NoSerialOrderError[Operation]) -> str:
    """What an error says, of the longest order the last calls alone."""
    first, *lines = str(error).splitlines()
    return "\n".join([first, *lines[-20 - len(error.misfits) :]])


@contextmanager
def _server(kind: str) -> Generator[str]:
    with server(program=redis7_program() if kind == "redis" else None) as url:
        yield url


class Program:
    """Records and checks histories, and counts what came of them."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._checker = porcupine.build(folder) if options.porcupine else None
        self.broken: list[str] = []
        self.calls = self.unknown = 0
        self.seconds = defaultdict[str, float](float)

    async def run(self, number: int) -> None:
        """One history."""
        options, seed = self._options, self._options.seed + number
        began = time.monotonic()
        with _server(options.server) as url:
            history = await record(
                url, seed=seed, operations=options.operations, clients=options.clients, one_in=options.one_in
            )
        self.seconds["recording"] += time.monotonic() - began
        self.calls += len(history.calls)
        self.unknown += sum(recorded.ended is None for recorded in history.calls)
        await self._check(f"history {seed}", history, is_honest=True)
        await self._check(f"history {seed}, sabotaged", sabotaged(history, Random(seed)), is_honest=False)

    async def _check(self, name: str, history: History[Operation], *, is_honest: bool) -> None:
        began = time.monotonic()
        try:
            error = await refusal(history)
        except UNDECIDED as undecided:
            self.broken.append(f"{name}: {_told(undecided)}")
            return
        self.seconds["checking"] += time.monotonic() - began
        if (error is None) == (not is_honest):
            self.broken.append(f"{name}: {'it has a serial order' if error is None else _told(error)}")
        if self._checker is not None:
            file = self._folder / "history.jsonl"
            write_history(file, history)
            began = time.monotonic()
            verdict = await asyncio.to_thread(porcupine.verdict, self._checker, file)
            self.seconds["checking by Porcupine"] += time.monotonic() - began
            if verdict.word != ("ok" if is_honest else "violation"):
                self.broken.append(f"{name}: Porcupine says {verdict.word}: {verdict.text}")
        if self._options.keep is not None and is_honest:
            write_history(self._options.keep / f"{name.replace(' ', '-')}.jsonl", history)


async def main(options: argparse.Namespace) -> Report:
    with TemporaryDirectory() as folder:
        try:
            program = Program(options, Path(folder))
        except BrokenError as error:
            return Report("histories", options.seed, broken=[str(error)])
        for number in range(options.histories):
            await program.run(number)
    figures = {
        "histories": options.histories,
        "calls": program.calls,
        "calls of unknown outcome": program.unknown,
        "seconds": {name: round(seconds, 1) for name, seconds in program.seconds.items()},
    }
    return Report("histories", options.seed, figures, program.broken)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--histories", type=int, default=1)
    arguments.add_argument("--operations", type=int, default=10_000, help="of each history")
    arguments.add_argument("--clients", type=int, default=16)
    arguments.add_argument("--one-in", type=int, default=20, help="requests of which one is lost; 0 loses none")
    arguments.add_argument("--server", choices=["valkey", "redis"], default="valkey")
    arguments.add_argument("--porcupine", action="store_true", help="check each by Porcupine too; it needs Go")
    arguments.add_argument("--keep", type=Path, help="a folder that the histories are written to")
    run_program(arguments.parse_args(), main)
