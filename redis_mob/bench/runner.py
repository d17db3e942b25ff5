"""Measures groups of scenarios: in rounds, each scenario and baseline of a group in turn."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass, field
from statistics import median

from redis.exceptions import RedisError

from redis_mob.bench.awake import cores_awake
from redis_mob.bench.machine import machine
from redis_mob.bench.meters import ServerMeter, cpu_seconds
from redis_mob.bench.results import GroupReport, Report, result_of
from redis_mob.bench.scenario import Group, Scenario, Taken
from redis_mob.bench.target import LeftOutError, Place, place
from redis_mob.errors import StorageUnavailableError

SECONDS = 1.0
"""How long each scenario is measured unless it is said, all rounds together."""

ROUNDS = 10
"""How often each scenario has its turn: the least number for which the spread of the rounds says something."""

Told = Callable[[str], None]


async def measure(
    url: str | None,
    groups: Sequence[Group],
    *,
    seconds: float = SECONDS,
    rounds: int = ROUNDS,
    durability: str = "memory",
    awake: bool = True,
    told: Told = lambda _line: None,
) -> Report:
    """Measure these groups one after the other on the server of a URL, each scenario for so many seconds.

    All of it happens in namespaces of its own, which are removed in the end, also after an error or a cancellation.
    `told` gets a line about what comes next. What cannot be measured here is left out, and the report says why. With
    `awake`, processes of the lowest priority keep the cores from being halted meanwhile.
    Raises as MobStorage.open and as the stores do; StorageUnavailableError if the server is lost.
    """
    async with place(url, durability) as made:
        report = Report(made.server, durability, seconds, machine())
        with cores_awake() if awake else nullcontext():
            for group in groups:
                told(f"{group.name}: {group.about}")
                report.groups.append(await _measured(made, group, seconds / rounds, rounds, report.left_out))
                await made.clear()
        return report


@dataclass
class _Turns:
    """A scenario that is set up, and what its turns have found."""

    scenario: Scenario
    is_baseline: bool
    meter: ServerMeter | None
    calls: int = 1
    """How many calls of `operate` each agent does in a turn."""
    seconds_of_a_call: float = 0.0
    latencies: list[float] = field(default_factory=list[float])
    """Microseconds of all operations."""
    rounds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    async def warm_up(self, seconds: float) -> None:
        """Find out how many calls fill a turn of so many seconds, by trying more and more of them."""
        most = self.scenario.most_calls
        while True:
            await self._prepare()
            taken = await self._turn()
            if taken.elapsed >= seconds / 2 or self.calls >= most:
                break
            self.calls = min(most, self.calls * 2)
        self.seconds_of_a_call = taken.elapsed / self.calls
        self.calls = min(most, max(1, round(seconds / self.seconds_of_a_call)))

    async def measure(self, *, latencies: bool) -> None:
        """One turn, and what it found; its latencies are only kept if they are wanted."""
        await self._prepare()
        before = await self.meter.read() if self.meter else None
        turn = await self._turn()
        after = await self.meter.read() if self.meter else None
        operations = len(turn.latencies) * self.scenario.units
        if latencies:
            self.keep(turn.latencies)
        found = {"mean": turn.elapsed * 1e6 / operations, "client_cpu": turn.cpu * 1e6 / operations}
        if before is not None and after is not None:
            found |= {
                "server_cpu": (after.cpu - before.cpu) * 1e6 / operations,
                "received": (after.received - before.received) / operations,
                "sent": (after.sent - before.sent) / operations,
                "commands": (after.commands - before.commands) / operations,
            }
        if turn.kept:
            found["kept"] = turn.kept / operations
        for name, value in found.items():
            self.rounds[name].append(value)

    def keep(self, latencies: list[float]) -> None:
        """The latencies of one round, in seconds of a call."""
        found = [latency * 1e6 / self.scenario.units for latency in latencies]
        self.latencies += found
        self.rounds["p50"].append(median(found))

    async def _prepare(self) -> None:
        await self.scenario.prepare(self.calls * self.scenario.agents)

    async def _turn(self) -> _Turn:
        scenario, turn = self.scenario, _Turn()
        used, began = cpu_seconds(), time.perf_counter()
        await turn.calls_of_all(scenario, self.calls)
        turn.elapsed, turn.cpu = time.perf_counter() - began, cpu_seconds() - used + turn.cpu
        if turn.elsewhere is not None:
            turn.elapsed, turn.cpu = turn.elsewhere, turn.cpu_elsewhere
        return turn


@dataclass
class _Turn:
    """What one turn has found: seconds of each call or operation, of all of it, and of CPU, and bytes."""

    latencies: list[float] = field(default_factory=list[float])
    elapsed: float = 0.0
    cpu: float = 0.0
    kept: float = 0.0
    elsewhere: float | None = None
    """Seconds that all of it took in other processes, if it happened there alone."""
    cpu_elsewhere: float = 0.0

    async def calls_of_all(self, scenario: Scenario, calls: int) -> None:
        """So many calls of each agent."""
        if scenario.agents == 1:
            await self.calls_of(scenario, 0, calls)
        else:
            await asyncio.gather(*(self.calls_of(scenario, agent, calls) for agent in range(scenario.agents)))

    async def calls_of(self, scenario: Scenario, agent: int, calls: int) -> None:
        operate, clock, keep = scenario.operate, time.perf_counter, self.latencies.append
        task = asyncio.current_task()
        for _ in range(calls):
            began = clock()
            taken = await operate(agent)
            ended = clock()
            # asked for, because redis-py, which reconnects and sends again, ends as if it had not been cancelled
            if task is not None and task.cancelling():
                raise asyncio.CancelledError
            if taken is None:
                keep(ended - began)
            else:
                self._take(taken)

    def _take(self, taken: Taken) -> None:
        self.latencies += taken.latencies
        self.cpu += taken.cpu
        self.kept += taken.kept
        if taken.seconds is not None:
            self.elsewhere = (self.elsewhere or 0.0) + taken.seconds
            self.cpu_elsewhere += taken.cpu


async def _measured(made: Place, group: Group, seconds: float, rounds: int, left_out: dict[str, str]) -> GroupReport:
    """All rounds of one group."""
    report = GroupReport(group.name, group.about, group.by)
    async with AsyncExitStack() as resources:
        try:
            turns = await _set_up(made, group, resources, left_out)
            # what was set up is not looked at by the garbage collector meanwhile: a client does not hold as much
            gc.collect()
            gc.freeze()
            resources.callback(gc.unfreeze)
            for each in turns:
                await each.warm_up(seconds / 2 if group.alternate else seconds)
            for number in range(rounds):
                # the other way round in every second round, so that none always comes after the same one
                ordered = turns if number % 2 == 0 else turns[::-1]
                if group.alternate and turns:
                    await _alternate(ordered, seconds / 2)
                for each in ordered:
                    await each.measure(latencies=not group.alternate)
        except RedisError as error:
            raise StorageUnavailableError(f"a baseline of {group.name} lost the server: {error}") from error
    report.results = [
        result_of(group.name, each.scenario, is_baseline=each.is_baseline, latencies=each.latencies, rounds=each.rounds)
        for each in turns
    ]
    return report


async def _alternate(turns: list[_Turns], seconds: float) -> None:
    """One call of each, again and again, for so many seconds each.

    In a loop of the same call all that it needs stays in the caches of the processor. The less it does, the more it
    gains: half of the time of a script that does nothing. Programs do other things between two calls, as this does.
    """
    cycles = max(1, round(seconds * len(turns) / sum(each.seconds_of_a_call for each in turns)))
    counts = [min(cycles, each.scenario.most_calls) for each in turns]
    found = [_Turn() for _ in turns]
    for each, count in zip(turns, counts, strict=True):
        await each.scenario.prepare(count * each.scenario.agents)
    for cycle in range(cycles):
        for each, count, turn in zip(turns, counts, found, strict=True):
            if cycle < count:
                await turn.calls_of_all(each.scenario, 1)
    for each, turn in zip(turns, found, strict=True):
        each.keep(turn.latencies)


async def _set_up(made: Place, group: Group, resources: AsyncExitStack, left_out: dict[str, str]) -> list[_Turns]:
    """The baselines and scenarios of a group that can be measured here, ready."""
    turns: list[_Turns] = []
    for is_baseline, scenarios in ((True, group.baselines), (False, group.scenarios)):
        for scenario in scenarios:
            async with AsyncExitStack() as own:
                target = await own.enter_async_context(made.target())
                own.push_async_callback(scenario.clean_up)
                try:
                    await scenario.set_up(target)
                except LeftOutError as error:
                    left_out[scenario.key] = str(error)
                    continue
                resources.push_async_exit(own.pop_all())
            meter = None if target.connection is None else ServerMeter(target.connection)
            turns.append(_Turns(scenario, is_baseline, meter))
    return turns
