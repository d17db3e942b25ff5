"""Workers and clients of one release, as processes that are told to begin and to end.

    python -P upgrade_member.py SOCKET

It is run with this release and with the one before: it uses what both have, and imports nothing of the tests. For each
line `worker|client URL NAMESPACE NAME` of its input it forks a process, so that the library is imported once. That one
connects to the socket, and ends when that is closed for writing: a worker works until then. A client starts runs, sends
signals, counts in a config document and follows the log until then, and waits for what it has under way. Both tell
JSON, an object a line: `name` and `pid` first, then what was seen, and `ended` last.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Awaitable
from contextlib import suppress
from datetime import timedelta
from typing import IO, Any, cast

import redis_mob
from redis_mob import Fleet, MobDefinition, MobStorage, StepContext, VersionConflictError, extract_meta_revision

LEASE = timedelta(seconds=10)
MEMBERS = {"clerk": 2, "judge": 1}
LONG_TEXT = "a long output is packed, and a short one is not. " * 40

DEFINITION = """
[mob]
id = "office"

[profiles]
clerk = { model = "none" }
judge = { model = "none" }

[limits]
max_step_retries = 20

[flows.work.steps.gather]
role = "clerk"
message = "Gather for {{ params.number }}"

[flows.work.steps.go]
depends_on = ["gather"]

[flows.work.steps.go.wait_for]
signal = "go"

[flows.work.steps.list]
role = "judge"
message = "List them"
depends_on = ["go"]
dispatch_mode = "one_to_one"
collection_policy = { type = "any" }

[flows.work.steps.each]
role = "clerk"
message = "Do {{ item }}"
depends_on = ["list"]
dispatch_mode = "one_to_one"
for_each = "steps.list"
max_parallel = 2

[flows.work.steps.below]
flow = "check"
depends_on = ["go"]
params = { number = "{{ params.number }}" }

[flows.work.steps.polish]
role = "judge"
message = "Make it better"
dispatch_mode = "one_to_one"
collection_policy = { type = "any" }

[flows.work.steps.end]
role = "judge"
message = "End {{ steps.polish }}"
dispatch_mode = "one_to_one"
collection_policy = { type = "any" }

[flows.work.root.nodes.gather]
kind = "step"
step_id = "gather"
depends_on = []
depends_on_mode = "all"

[flows.work.root.nodes.go]
kind = "step"
step_id = "go"
depends_on = ["gather"]
depends_on_mode = "all"

[flows.work.root.nodes.list]
kind = "step"
step_id = "list"
depends_on = ["go"]
depends_on_mode = "all"

[flows.work.root.nodes.each]
kind = "step"
step_id = "each"
depends_on = ["list"]
depends_on_mode = "all"

[flows.work.root.nodes.below]
kind = "step"
step_id = "below"
depends_on = ["go"]
depends_on_mode = "all"

[flows.work.root.nodes.polishing]
kind = "repeat_until"
loop_id = "polishing"
depends_on = ["each", "below"]
depends_on_mode = "all"
max_iterations = 3
until = { op = "eq", path = "steps.polish", value = 2 }

[flows.work.root.nodes.polishing.body.nodes.polish]
kind = "step"
step_id = "polish"
depends_on = []
depends_on_mode = "all"

[flows.work.root.nodes.end]
kind = "step"
step_id = "end"
depends_on = ["polishing"]
depends_on_mode = "all"

[flows.check.steps.check]
role = "judge"
message = "Check {{ params.number }}"
dispatch_mode = "one_to_one"
collection_policy = { type = "any" }

[flows.tick.steps.tick]
role = "clerk"
message = "Tick"
dispatch_mode = "one_to_one"
collection_policy = { type = "any" }
"""

UNDER_WAY = 2
"""Runs that a client has under way at a time."""

PATIENCE = 60.0
"""Seconds after which a subscriber is not going to see more."""

COUNTER = ("rolling", "counter")

IMPORTED = ("stores.storage", "stores.events", "stores.executions", "stores.runs", "stores.config", "fleet.worker")
"""What a process would import late, and has from the one that it is forked from."""


_told: list[IO[str]] = []


def say(**words: Any) -> None:
    """Tell the program that has started this process; one that was killed has told whole lines."""
    _told[0].write(json.dumps(words) + "\n")
    _told[0].flush()


async def handle(ctx: StepContext) -> Any:
    """What the handlers of both releases return; each tells its effect."""
    say(effect=ctx.idempotency_key)
    await asyncio.sleep(0.002)
    match ctx.step_id:
        case "gather":
            return {"by": ctx.member, "text": LONG_TEXT}
        case "list":
            return [1, 2, 3]
        case "each":
            return ctx.item * 10
        case "polish":
            assert ctx.iteration is not None
            return ctx.iteration + 1
        case other:
            return f"{other} of {ctx.params.get('number')}"


def expected_of(number: str) -> dict[str, Any]:
    """The outputs of the steps of a run of `work`, but for those of its loop, its signal and its child."""
    return {
        "gather": {f"clerk-{n}": {"by": f"clerk-{n}", "text": LONG_TEXT} for n in (1, 2)},
        "list": [1, 2, 3],
        "each": [10, 20, 30],
        "end": f"end of {number}",
    }


def payload_of(taken: Any) -> Any:
    """What the signal said that a step has taken."""
    return cast("dict[str, Any]", taken).get("payload") if isinstance(taken, dict) else None


class Client:
    """Does what callers of a fleet do, and tells of each thing that is not as it must be."""

    def __init__(self, storage: MobStorage, name: str, stop: asyncio.Event) -> None:
        self._storage, self._name, self._stop = storage, name, stop
        self._fleet = Fleet(storage, MobDefinition.from_toml(DEFINITION), members=MEMBERS)
        self._numbers = itertools.count()
        self._seen, self._last = 0, sys.maxsize
        self._has_seen_all = asyncio.Event()

    async def live(self) -> None:
        """Call until told to stop; the subscriber stops when it has seen what was there by then."""
        following = asyncio.create_task(self._told(self._follow()))
        calling = [self._told(self._run_runs()) for _ in range(UNDER_WAY)]
        await asyncio.gather(*calling, self._told(self._count()))
        self._last = await self._storage.events.latest_cursor()
        say(last=self._last)
        if self._seen >= self._last:
            self._has_seen_all.set()
        ending = asyncio.create_task(self._has_seen_all.wait())
        await asyncio.wait([ending, following], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        say(followed=self._seen)
        ending.cancel()
        following.cancel()

    async def _told(self, doing: Awaitable[None]) -> None:
        try:
            await doing
        except Exception as error:  # noqa: BLE001 - each is told, and judged there
            say(error=f"{type(error).__name__}: {error}", where=traceback.format_exc())

    async def _run_runs(self) -> None:
        while not self._stop.is_set():
            number = f"{self._name}-{next(self._numbers)}"
            run_id = await self._fleet.start("work", {"number": number}, number)
            again = await self._fleet.start("work", {"number": number}, number)
            if again != run_id:
                say(error=f"start once: {number} is run {run_id}, and run {again}")
            await self._fleet.signal(run_id, "go", {"number": number}, idempotency_key=f"go {number}")
            run = await self._fleet.wait(run_id, timeout=60)
            found = {step: output for step, output in run.root_step_outputs.items() if step not in ("go", "below")}
            taken = run.root_step_outputs.get("go")
            loops = run.loop_iteration_outputs
            if (
                str(run.status) != "completed"
                or found != expected_of(number)
                or payload_of(taken) != {"number": number}
                or [one["polish"] for one in loops.get("polishing", ())] != [1, 2]
                or f"check of {number}" not in json.dumps(run.root_step_outputs.get("below"))
            ):
                say(error=f"run {run_id} is {run.status}", where=repr((run.root_step_outputs, loops)))
            say(run=run_id, number=number)

    async def _count(self) -> None:
        """Count up; of two clients that read the same number one wins."""
        config = self._storage.config
        while not self._stop.is_set():
            value = await config.get(*COUNTER)
            revision = extract_meta_revision(value) or 0
            with suppress(VersionConflictError):
                await config.put_if_revision(
                    *COUNTER, {"spec": {"by": self._name}, "meta": {"revision": revision + 1}}, revision
                )
                say(counted=revision + 1)
            await asyncio.sleep(0.02)

    async def _follow(self) -> None:
        """Follow the log from its beginning; a cursor that is left out, or comes twice, is told."""
        async with self._storage.events.subscribe(0) as following:
            async for event in following:
                if event.cursor != self._seen + 1:
                    say(error=f"the subscription went from cursor {self._seen} to {event.cursor}")
                self._seen = event.cursor
                if self._seen >= self._last:
                    self._has_seen_all.set()


async def live(connection: socket.socket, what: str, url: str, namespace: str, name: str) -> None:
    """Be a worker or a client until the connection is closed for writing."""
    stop = asyncio.Event()
    reader = asyncio.create_task(asyncio.to_thread(connection.recv, 1))
    reader.add_done_callback(lambda _reader: stop.set())
    async with MobStorage.open(url, namespace=namespace) as storage:
        say(name=name, pid=os.getpid(), package=redis_mob.__file__)
        if what == "client":
            await Client(storage, name, stop).live()
        else:
            definition = MobDefinition.from_toml(DEFINITION)
            await Fleet(storage, definition, {"*": handle}, members=MEMBERS, lease=LEASE).work(stop=stop)
    await reader
    say(ended=True)


def forked(path: str, line: str) -> None:
    """Begin a process, and come back in the one that begins others."""
    if os.fork():
        return
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        _told.append(connection.makefile("w"))
        asyncio.run(live(connection, *line.split()))
        status = 0
    except BaseException:  # noqa: BLE001 - a forked process ends here
        traceback.print_exc()
    finally:
        os._exit(status)


def main(path: str) -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR)
    for module in IMPORTED:
        with suppress(ModuleNotFoundError):
            importlib.import_module(f"redis_mob.{module}")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended processes need not be waited for
    while line := sys.stdin.readline():
        forked(path, line)


if __name__ == "__main__":
    main(sys.argv[1])
