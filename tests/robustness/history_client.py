"""Clients in a process of their own that make random calls of four stores, and note each with its time and its result.

It gets what to do as JSON, writes a line when its clients are ready, and waits for one. Then it writes a line of JSON
for each call: client, model, key, name, arguments, start, end and result; the end is null where the outcome is unknown.
What certainly did not happen is not written. The models are those of redis_mob/testing/serial_models.py.

Clients of even numbers learn the outcome of each call from its receipt, so that a call of theirs ends when it is known;
those of odd numbers are told that an outcome is unknown, and go on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import (
    AlreadyExistsError,
    CasConflictError,
    EpochChangedError,
    OutcomeUnknownError,
    ReadFailedError,
    RedisMobError,
    RunAlreadyExistsError,
    VersionConflictError,
    WriteFailedError,
)
from redis_mob.models import MobRunStatus
from redis_mob.models.revision import extract_meta_revision
from redis_mob.testing.faults import at_random, fault_proxy, in_order
from redis_mob.testing.history_files import Operation, frozen
from redis_mob.testing.samples.config_documents import at
from redis_mob.testing.samples.new_events import number_of, numbered
from redis_mob.testing.samples.states import new_run
from tests.differential.said import outcome
from tests.robustness.open_namespace import OpenNamespace, opened
from tests.robustness.report import BrokenError
from tests.support.opening import entered

PATIENT = RetryPolicy(deadline=30, base=0.002, cap=0.1, reply_timeout=0.5)
IMPATIENT = RetryPolicy(deadline=0.3, base=0.005, cap=0.02, reply_timeout=0.2)
PAUSE = 0.01
"""Seconds after a call that did not happen, so that a server that is down is not asked all the time."""

CHANGES_OF_A_RUN = 40
"""Calls of one client after which it goes on to another run."""

_FAILED = (WriteFailedError, ReadFailedError, EpochChangedError)
"""What says that a call did not happen; a WriteFailedError may be an OutcomeUnknownError, which does not."""

Perform: TypeAlias = Callable[[Any], Awaitable[Any]]
"""A call of the stores of a storage, with its result as a model gives it."""


class HistoryClient:
    """One client. What it believes of each object is what it saw last, so that many of its compares win."""

    def __init__(self, opened: OpenNamespace, number: int, seed: int, objects: int) -> None:
        self._storage = opened.storage
        self._caller = opened.caller() if number % 2 == 0 else None
        self._random = Random(f"{seed}/{number}")
        self._number = number
        self._seed = seed
        self._namespace = opened.storage.namespace
        self._objects = objects
        self._written = 0
        self._calls = 0
        self._losses = 0
        self._seen: dict[str, Any] = {}

    async def work(self, operations: int) -> None:
        """Make so many calls that happened, or may have happened."""
        kinds = (self._document, self._record, self._run, self._log)
        while self._calls < operations:
            operation, perform = self._random.choice(kinds)()
            started = time.monotonic_ns()
            try:
                result = await self._answer(perform)
            except _FAILED as error:
                if isinstance(error, OutcomeUnknownError):
                    self._tell(operation, started)
                await asyncio.sleep(PAUSE)
            except (RedisMobError, BrokenError):
                self._tell(operation, started)  # it may have happened, and is not safe, or lost later
                await asyncio.sleep(PAUSE)
            else:
                self._tell(operation, started, time.monotonic_ns(), result)
                self._learn(operation, frozen(result))

    async def _answer(self, perform: Perform) -> Any:
        if self._caller is None:
            return await perform(self._storage)
        answer = await self._caller.answer(perform)
        if isinstance(answer, RedisMobError):
            raise answer
        return answer

    def _tell(self, operation: Operation, started: int, ended: int | None = None, result: Any = None) -> None:
        self._calls += 1
        # a client whose call may still be under way has another name from then on
        name = f"{self._number}.{self._losses}"
        self._losses += ended is None
        print(json.dumps([name, *operation, started, ended, result]), flush=self._calls % 64 == 0)

    def _learn(self, operation: Operation, result: Any) -> None:
        seen = self._seen
        match operation.model, operation.name, result:
            case "document" | "record" | "run", "get", _:
                seen[operation.key] = result
            case "document", _, ("is", _):
                seen[operation.key] = result[1:]
            case "document", "put_if_revision", True:
                seen[operation.key] = (operation.arguments[0] + 1, operation.arguments[1])
            case "log", "append", (*_, last):
                seen[operation.key] = last
            case _:
                pass

    def _fresh(self) -> int:
        """A number that no other call writes."""
        self._written += 1
        return self._number * 10_000_000 + self._written

    def _document(self) -> tuple[Operation, Perform]:
        id = f"doc-{self._random.randrange(self._objects)}"
        key, kind, number = f"{self._namespace}/{id}", self._random.random(), self._fresh()
        revision = (self._seen.get(key) or (0,))[0]
        if kind < 0.4:
            return Operation("document", key, "get"), lambda s: _document_of(s.config.get("n", id))
        if kind < 0.85:
            document = at(revision + 1, number=number)
            return Operation("document", key, "put_if_revision", (revision, number)), lambda s: _revised(
                s.config.put_if_revision("n", id, document, revision)
            )
        if kind < 0.95:
            return Operation("document", key, "put_if_absent", (number,)), lambda s: _won_unless(
                AlreadyExistsError, s.config.put_if_absent("n", id, at(1, number=number))
            )
        return Operation("document", key, "delete_if_revision", (revision,)), lambda s: _revised(
            s.config.delete_if_revision("n", id, revision)
        )

    def _record(self) -> tuple[Operation, Perform]:
        id = f"record-{self._random.randrange(self._objects)}"
        key, kind, number = f"{self._namespace}/{id}", self._random.random(), self._fresh()
        expected = self._seen.get(key)
        if kind < 0.4:
            return Operation("record", key, "get"), lambda s: s.records.get("c", id)
        if kind < 0.5:
            return Operation("record", key, "insert", (number,)), lambda s: _inserted(s.records.insert("c", id, number))
        if kind < 0.9:
            return Operation("record", key, "compare_and_put", (expected, number)), lambda s: s.records.compare_and_put(
                "c", id, expected, number
            )
        return Operation("record", key, "compare_and_delete", (expected,)), lambda s: s.records.compare_and_delete(
            "c", id, expected
        )

    def _run(self) -> tuple[Operation, Perform]:
        number = self._calls // CHANGES_OF_A_RUN * self._objects + self._random.randrange(self._objects)
        run_id = str(UUID(int=Random(f"{self._seed}/{number}").getrandbits(128), version=4))
        key, kind = f"{self._namespace}/{run_id}", self._random.random()
        if kind < 0.35:
            return Operation("run", key, "get"), lambda s: _status_of(s.runs.get_run(run_id))
        expected = self._seen.get(key)
        if expected is None or kind < 0.4:
            run = new_run(run_id=run_id, status=MobRunStatus.PENDING)
            return Operation("run", key, "create"), lambda s: _won_unless(RunAlreadyExistsError, s.runs.create_run(run))
        ends = ["completed", "failed"] if kind > 0.95 else ["pending", "running"]
        status = self._random.choice(ends)
        return Operation("run", key, "swap", (expected, status)), lambda s: s.runs.cas_run_status(
            run_id, expected=MobRunStatus(expected), next=MobRunStatus(status)
        )

    def _log(self) -> tuple[Operation, Perform]:
        key, kind = f"{self._namespace}/log", self._random.random()
        last: int = self._seen.get(key, 0)
        if kind < 0.45:
            number = self._fresh()
            return Operation("log", key, "append", (number,)), lambda s: _cursor_of(s.events.append(numbered(number)))
        if kind < 0.6:
            numbers = tuple(self._fresh() for _ in range(self._random.randint(2, 3)))
            batch = [numbered(number) for number in numbers]
            return Operation("log", key, "append", numbers), lambda s: _cursors_of(s.events.append_batch(batch))
        if kind < 0.65:
            return Operation("log", key, "latest"), lambda s: s.events.latest_cursor()
        after, limit = max(0, last - self._random.randrange(4)), self._random.randint(1, 4)
        return Operation("log", key, "poll", (after, limit)), lambda s: _entries_of(s.events.poll(after, limit))


async def _document_of(found: Awaitable[Any]) -> Any:
    document = await found
    return None if document is None else [extract_meta_revision(document), document["spec"]["number"]]


async def _revised(call: Awaitable[None]) -> Any:
    match await outcome(call):
        case None:
            return True
        case VersionConflictError() as error:
            return ["is", error.actual]
        case error:
            raise error


async def _won_unless(refusal: type[RedisMobError], call: Awaitable[None]) -> bool:
    answer = await outcome(call)
    if answer is not None and not isinstance(answer, refusal):
        raise answer
    return answer is None


async def _inserted(call: Awaitable[bool]) -> str:
    match await outcome(call):
        case True:
            return "stored"
        case False:
            return "equal"
        case CasConflictError():
            return "conflict"
        case error:
            raise error


async def _status_of(found: Awaitable[Any]) -> str | None:
    run = await found
    return None if run is None else run.status.value


async def _cursor_of(appended: Awaitable[Any]) -> list[int]:
    return [(await appended).cursor]


async def _cursors_of(appended: Awaitable[Any]) -> list[int]:
    return [event.cursor for event in await appended]


async def _entries_of(found: Awaitable[Any]) -> list[list[int]]:
    return [[event.cursor, number_of(event)] for event in await found]


async def work(
    url: str, namespaces: list[str], numbers: list[int], *, seed: int, operations: int, objects: int, **settings: Any
) -> None:
    """Let clients of these numbers make so many calls each, in turns in these namespaces."""
    async with AsyncExitStack() as stack:
        clients: list[HistoryClient] = []
        for number in numbers:
            namespace = namespaces[number // 2 % len(namespaces)]
            opening = partial(opened, url, namespace, retry=IMPATIENT if number % 2 else PATIENT, **settings)
            clients.append(HistoryClient(await entered(stack, opening), number, seed, objects))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await asyncio.gather(*(client.work(operations) for client in clients))


async def behind_faults(url: str, *, one_in: int, seed: int, numbers: list[int], **options: Any) -> None:
    """The same behind a proxy of their own, which does something bad to one request in so many."""
    async with fault_proxy(url) as proxy:
        working = asyncio.create_task(work(proxy.url, seed=seed, numbers=numbers, **options))
        proxy.plan = at_random(seed=seed + numbers[0], one_in=one_in)
        await working
        proxy.plan = in_order(())
        await proxy.all_arrived()


def main() -> None:
    logging.disable()  # of interruptions, which are wanted here
    options = json.loads(sys.argv[1])
    asyncio.run(behind_faults(**options) if "one_in" in options else work(**options))


if __name__ == "__main__":
    main()
