"""Servers that refuse writes: no client is told of a loss that did not happen, and each is told of one that did.

Clients append numbered events, lose compares and write documents, while the server is full, read-only, without
replicas, and cannot save, in turn, and their network cuts a connection now and then. Then the namespace goes back to an
earlier state, in each of these states of the server.

    python -m tests.robustness.refusals [--seed 7] [--calls 10000] [--one-in 30] [--rollbacks 8]
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from random import Random
from typing import Any

from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import (
    AlreadyExistsError,
    EpochChangedError,
    OutcomeUnknownError,
    ReadFailedError,
    RedisMobError,
    VersionConflictError,
    WriteFailedError,
)
from redis_mob.models import MobRunStatus
from redis_mob.storage import MobStorage
from redis_mob.testing.faults import Fault, at_random, fault_proxy, in_order
from redis_mob.testing.samples.new_events import number_of, numbered
from tests.robustness.report import Report, parser, run_program
from tests.support.opening import entered
from tests.support.refusing import STATES, RefusingServer, refusing_server

NAMESPACE = "refusals"
NO_RUN = "00000000-0000-4000-8000-000000000000"
CLIENTS = 4
TASKS = 5
"""Calls that each client has under way at a time."""

CALLS_OF_A_STATE = 100
"""Calls that end before the server changes its state."""

ASKED = 100
"""How often the outcome of a call is asked for."""

HELD = 0.5
"""Seconds for which the server stays in a state at most."""

QUICK = RetryPolicy(deadline=0.02, base=0.002, cap=0.01)
CUTS = (Fault.CUT_BEFORE, Fault.CUT_WITHIN, Fault.CUT_AFTER, Fault.TRUNCATED)

Saboteur = Callable[[RefusingServer], Awaitable[None]]


class Caller:
    """One client: what it was told of the events that it appended, and of losses."""

    def __init__(self, storage: MobStorage, random: Random, numbers: Counter[str]) -> None:
        self.storage = storage
        self.told = 0
        self.acknowledged: set[int] = set()
        self.denied: set[int] = set()
        self.broken: list[str] = []
        self._random = random
        self._counted = numbers

    async def call(self, number: int) -> None:
        """Make one call of a random kind; an event has this number."""
        kinds = ("append", "append", "compare", "put", "put_if_absent", "put_if_revision", "delete")
        await self._do(self._random.choice(kinds), number)

    async def append_and_learn(self, number: int) -> None:
        """Append the event of this number, and learn what became of it."""
        await self._do("append", number)

    async def _do(self, kind: str, number: int) -> None:
        outcome = "answered"
        try:
            if kind == "append":
                await self.storage.events.append(numbered(number))
                self.acknowledged.add(number)
            else:
                await self._write(kind)
        except EpochChangedError:
            self.told += 1
            outcome = "told of a loss"
        except OutcomeUnknownError as error:
            outcome = "unknown"
            await self._learn(error, number if kind == "append" else None)
        except (AlreadyExistsError, VersionConflictError):
            outcome = "answered"
        except (WriteFailedError, ReadFailedError):
            outcome = "refused"
            if kind == "append":
                self.denied.add(number)
        except RedisMobError as error:
            self.broken.append(f"{kind} raised {error!r}")
        self._counted[outcome] += 1

    async def _write(self, kind: str) -> None:
        config, id = self.storage.config, self._random.choice("abc")
        match kind:
            case "compare":
                runs = self.storage.runs
                assert not await runs.cas_run_status(NO_RUN, expected=MobRunStatus.PENDING, next=MobRunStatus.RUNNING)
            case "put":
                await config.put("n", id, 1)
            case "put_if_absent":
                await config.put_if_absent("n", id, 1)
            case "put_if_revision":
                await config.put_if_revision("n", id, 1, 99)
            case _:
                await config.delete("n", id)

    async def _learn(self, error: OutcomeUnknownError, number: int | None) -> None:
        """Ask until it is known what became of a call; a server that refuses writes may not let it be fenced.

        It cannot be known of the first call of a session that never came to be: the server has no such session.
        """
        for _ in range(ASKED):
            try:
                executed = (await self.storage.resolve(error.token)).executed
            except OutcomeUnknownError as unknown:
                if "its session is over" in str(unknown):
                    break
                await asyncio.sleep(2 * HELD / ASKED)
                continue
            if number is not None:
                (self.acknowledged if executed else self.denied).add(number)
            return
        self._counted["unknown for ever"] += 1


class Refusals:
    """The server, its clients, and what they found to be broken."""

    def __init__(self, server: RefusingServer, seed: int, one_in: int) -> None:
        self.server = server
        self.counted: Counter[str] = Counter()
        self.broken: list[str] = []
        self._random = Random(seed)
        self._seed = seed
        self._one_in = one_in
        self._callers: list[Caller] = []
        self._numbers = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Refusals:
        self._proxy = await self._stack.enter_async_context(fault_proxy(self.server.url))
        for number in range(CLIENTS):
            opening = partial(MobStorage.open, self._proxy.url, namespace=NAMESPACE, retry=QUICK)
            storage = await entered(self._stack, opening)
            self._callers.append(Caller(storage, Random(f"{self._seed}/{number}"), self.counted))
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._stack.aclose()

    @property
    def calls(self) -> int:
        """How many calls have ended while the server refused writes."""
        return sum(self.counted[f"calls while {state}"] for state in STATES)

    async def refuse_in_turn(self, calls: int) -> None:
        """Let the clients call while the server goes through its states, until so many calls have ended."""
        while self.calls < calls:
            for state in STATES:
                self.server.serve()
                await self._call_on("serving", CALLS_OF_A_STATE // 5)
                await self._call_while(state, CALLS_OF_A_STATE)
        self._judge_told("false", expected=False)

    async def go_back(self, state: str) -> None:
        """Lose what every client has acknowledged, in a server that refuses writes, and then takes them again."""
        self.server.serve()
        self._proxy.plan = in_order([])
        await self._acknowledge_once_each()
        names = self.server.admin.keys(f"{{rm:{NAMESPACE}}}:*")
        content = {name: self.server.admin.dump(name) for name in names}
        await self._acknowledge_once_each()
        for name in self.server.admin.keys(f"{{rm:{NAMESPACE}}}:*"):
            self.server.admin.delete(name)
        for name, dump in content.items():
            self.server.admin.restore(name, 600_000 if b":session:" in name else 0, dump)
        for caller in self._callers:
            caller.told = 0
        await self._call_while(state, CLIENTS * TASKS)
        await self._acknowledge_once_each(required=False)
        self._judge_told(f"a loss while {state}", expected=True)
        self.counted["losses"] += 1
        await self._forget_lost()

    async def check(self) -> None:
        """Compare the log with what the clients were told."""
        self.server.serve()
        async with MobStorage.open(self.server.url, namespace=NAMESPACE) as storage:
            log = Counter(number_of(event) for event in await storage.events.replay_all())
        self.broken += [f"event {number} is there {times} times" for number, times in log.items() if times > 1]
        for caller in self._callers:
            self.broken += caller.broken
            self.broken += [f"event {number} was acknowledged and is gone" for number in caller.acknowledged - set(log)]
            self.broken += [f"event {number} was denied and is there" for number in caller.denied & set(log)]

    async def _call_while(self, state: str, calls: int) -> None:
        """Let all clients make calls, some of which are under way when the state begins and when it ends.

        It ends before calls of unknown outcome are settled: a server that takes no writes cannot fence them.
        """
        working = asyncio.create_task(self._call_on(state, calls))
        await asyncio.sleep(0)
        self.server.refuse(state)
        await asyncio.wait([working], timeout=HELD)
        self.server.serve()
        await working

    async def _call_on(self, state: str, calls: int) -> None:
        """Let all clients make calls together, so many in all; one in ten of them is cancelled."""
        self._proxy.plan = at_random(seed=self._random.randrange(10**6), one_in=self._one_in, faults=CUTS)
        left = calls

        async def work(caller: Caller) -> None:
            nonlocal left
            while left > 0:
                left -= 1
                self._numbers += 1
                call = asyncio.create_task(caller.call(self._numbers))
                if self._random.randrange(10) == 0:
                    await asyncio.sleep(self._random.choice((0, 0.0005)))
                    call.cancel()
                    self.counted["cancelled"] += 1
                    await asyncio.wait([call])
                else:
                    await call
                self.counted[f"calls while {state}"] += 1

        await asyncio.gather(*(work(caller) for caller in self._callers for _ in range(TASKS)))

    async def _acknowledge_once_each(self, *, required: bool = True) -> None:
        """Let every client have something to lose, in all its slots; or, after a loss, learn of it."""
        for caller in self._callers:
            told = caller.told
            for _ in range(2):
                await asyncio.gather(*(caller.call(self._next()) for _ in range(TASKS)))
                await asyncio.gather(*(self._acknowledge_one(caller, required) for _ in range(TASKS)))
            if required and caller.told > told:
                self.broken.append("a client was told of a loss when nothing was lost")

    async def _acknowledge_one(self, caller: Caller, required: bool) -> None:
        """Let a client append one event; if that is required, as often as it takes until one is acknowledged."""
        while True:
            number = self._next()
            await caller.append_and_learn(number)
            if not required or number in caller.acknowledged:
                return

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    def _judge_told(self, what: str, *, expected: bool) -> None:
        for number, caller in enumerate(self._callers):
            if expected and not caller.told:
                self.broken.append(f"client {number} was not told of {what}")
            if not expected:
                self.counted["false reports of a loss"] += caller.told
                if caller.told:
                    self.broken.append(f"client {number} was told {caller.told} times of a loss that did not happen")
            caller.told = 0

    async def _forget_lost(self) -> None:
        """What is gone was lost, and its clients know."""
        async with MobStorage.open(self.server.url, namespace=NAMESPACE) as storage:
            log = {number_of(event) for event in await storage.events.replay_all()}
        for caller in self._callers:
            caller.acknowledged &= log


async def run(
    *, seed: int, calls: int, one_in: int = 30, rollbacks: int = 4, saboteur: Saboteur | None = None
) -> Report:
    """Run the program on a server of its own; a saboteur damages that server until the comparison at the end."""
    with refusing_server() as server:
        async with Refusals(server, seed, one_in) as refusals:
            sabotage = None if saboteur is None else asyncio.ensure_future(saboteur(server))
            try:
                await refusals.refuse_in_turn(calls)
                for number in range(rollbacks):
                    await refusals.go_back(STATES[number % len(STATES)])
            finally:
                if sabotage is not None:
                    sabotage.cancel()
                    await asyncio.wait([sabotage])
            await refusals.check()
    figures: dict[str, Any] = {"calls while the server refused writes": refusals.calls, **refusals.counted}
    return Report("refusals", seed, dict(sorted(figures.items())), refusals.broken)


async def main(options: argparse.Namespace) -> Report:
    return await run(seed=options.seed, calls=options.calls, one_in=options.one_in, rollbacks=options.rollbacks)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--calls", type=int, default=10_000)
    arguments.add_argument("--one-in", type=int, default=30)
    arguments.add_argument("--rollbacks", type=int, default=8)
    run_program(arguments.parse_args(), main)
