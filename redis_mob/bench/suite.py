"""All groups that `redis-mob bench` measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from redis_mob.bench.baselines.blobs import Locked, Watched
from redis_mob.bench.baselines.messages import Published
from redis_mob.bench.baselines.postgres import Postgres
from redis_mob.bench.baselines.scripts import BareSet, BareXadd, NothingOwnWire, NothingRedisPy, TwoFields
from redis_mob.bench.baselines.sqlite import Sqlite
from redis_mob.bench.scenario import Group
from redis_mob.bench.scenarios.documents import GetDocument, ListDocuments, ListRuns, PutDocument, WatchDocument
from redis_mob.bench.scenarios.events import (
    Append,
    Batch,
    ConcurrentAppend,
    Delivery,
    Poll,
    Prune,
    TerminalAppend,
)
from redis_mob.bench.scenarios.fleet import IdealSlots, Idle, Kept, LongHandlers, Runs, StepLatency, StreamLatency
from redis_mob.bench.scenarios.memory import JsonOfRun, KeysOfRun
from redis_mob.bench.scenarios.runs import (
    AGENTS,
    FEW_AGENTS,
    OPERATIONS,
    Compound,
    GetRun,
    OneFrame,
    OneRun,
    OwnRuns,
    WithoutSession,
)
from redis_mob.errors import ValidationError

LARGE = 1_000_000


@dataclass(frozen=True)
class Sizes:
    """How much of everything the groups have."""

    steps: Sequence[int] = (5, 50, 500, 5000)
    blob_steps: Sequence[int] = (5, 50, 500)
    """Where a run is one document, whose cost grows with it, so that more would take too long."""
    usual_steps: int = 50
    """Steps of a run where only one size is measured."""
    filled: Sequence[int] = (1_000, 10_000, 100_000)
    """Events in a log, and documents."""
    runs: Sequence[int] = (1_000, 10_000)
    forms: Sequence[str] = ("20x10", "1x100", "1x1000", "chain:20x10", "loop:1x200")
    processes: int = 8
    """That share an SQLite database."""
    members: int = 200
    slots: int = 100
    workers: int = 100
    executions: int = 1000
    settle: float = 20.0
    """Seconds until workers that have nothing to do look as seldom as they ever do."""

    def large(self) -> Sizes:
        """With logs and documents by the million."""
        return replace(self, filled=(*self.filled, LARGE))


def suite(sizes: Sizes | None = None) -> list[Group]:
    """The groups, with new scenarios."""
    have = sizes or Sizes()
    usual = have.usual_steps
    long = LongHandlers(have.members, have.slots)
    return [
        Group(
            "calls",
            f"compare-and-swap operations on a run of {usual} steps, which take turns with every call",
            [*(Compound(name, usual) for name in OPERATIONS), GetRun(usual)],
            [NothingRedisPy(), NothingOwnWire(), TwoFields()],
            alternate=True,
        ),
        Group(
            "transitions",
            "compare-and-swap operations on a run, and reading it, in a loop of each, by the steps of the run",
            [*(Compound(name, steps) for steps in have.steps for name in OPERATIONS), *map(GetRun, have.steps)],
            [
                NothingRedisPy(),
                NothingOwnWire(),
                TwoFields(),
                *(kind(steps) for kind in (Watched, Locked, Postgres) for steps in have.blob_steps),
            ],
        ),
        Group(
            "agents",
            f"{AGENTS} agents of one process",
            [OwnRuns(usual), OneRun(usual)],
            [
                NothingRedisPy(),
                NothingRedisPy(agents=AGENTS),
                Watched(usual, AGENTS),
                Locked(usual, AGENTS),
                Sqlite(usual, "NORMAL", have.processes),
                Sqlite(usual, "FULL", have.processes),
                Postgres(usual, AGENTS),
            ],
            by="mean",
        ),
        Group(
            "contention",
            f"{FEW_AGENTS} agents of one process that change the same part of the same run",
            [OneFrame(usual)],
            [Watched(usual, FEW_AGENTS, shared=True), Locked(usual, FEW_AGENTS, shared=True)],
            by="mean",
        ),
        Group(
            "session",
            "what it costs that a call whose reply is lost can be sent again",
            [Compound("cas_grant_node_slot", usual)],
            [WithoutSession(usual)],
            alternate=True,
        ),
        Group(
            "events",
            "the event log",
            [Append(), ConcurrentAppend(), Batch()],
            [NothingRedisPy(), BareXadd()],
            by="mean",
        ),
        Group(
            "delivery",
            "how soon another process hears of an event",
            [Delivery()],
            [Published()],
            alternate=True,
        ),
        Group(
            "log",
            "the event log by its length",
            [kind(size) for size in have.filled for kind in (Append, TerminalAppend, Poll, Prune)],
            [NothingRedisPy()],
        ),
        Group(
            "config",
            "config documents",
            [PutDocument(), GetDocument(), WatchDocument(), *map(ListDocuments, have.filled)],
            [NothingRedisPy(), BareSet()],
        ),
        Group("lists", "lists of runs by the number of all runs", [*map(ListRuns, have.runs)], [NothingRedisPy()]),
        Group(
            "fleet",
            "steps whose handlers do nothing, on one worker",
            [*map(Runs, have.forms)],
            [NothingRedisPy()],
            by="mean",
        ),
        Group(
            "steps",
            "how soon steps begin, and their streams are seen",
            [StepLatency(first=True), StepLatency(first=False), StreamLatency()],
            [NothingRedisPy()],
        ),
        Group("slots", "whether slots are ever free while work waits", [long], [IdealSlots(long)]),
        Group(
            "idle",
            "what is asked of the server while nothing happens",
            [Idle(have.workers, settle=have.settle), Kept(have.executions)],
        ),
        *(
            Group(f"memory-{kind}", f"memory of {what}", [KeysOfRun(kind, usual)], [JsonOfRun(kind, usual)], by="kept")
            for kind, what in (
                ("new", "a run that was created"),
                ("finished", "a finished run whose steps gave numbers"),
                ("texts", "a finished run whose steps gave texts"),
            )
        ),
    ]


def chosen(groups: Sequence[Group], names: Sequence[str]) -> list[Group]:
    """The groups of these names, and of scenarios of these names their groups with these scenarios alone.

    A name of a scenario may have its size, as in `get_run[50]`. Without names, all groups. Raises ValidationError for
    a name that is none, with those that are.
    """
    left = set(names)
    found: list[Group] = []
    for group in groups:
        if not names or group.name in names:
            found.append(group)
            left.discard(group.name)
            continue
        scenarios = [scenario for scenario in group.scenarios if {scenario.name, scenario.key} & set(names)]
        if scenarios:
            left -= {name for scenario in scenarios for name in (scenario.name, scenario.key)}
            sizes = {0, *(scenario.size for scenario in scenarios)}
            baselines = [baseline for baseline in group.baselines if baseline.size in sizes]
            found.append(Group(group.name, group.about, scenarios, baselines, group.by, group.alternate))
    if left:
        known = "; ".join(
            f"{group.name} ({', '.join(dict.fromkeys(scenario.name for scenario in group.scenarios))})"
            for group in groups
        )
        raise ValidationError(
            f"no scenario is called {', '.join(map(repr, sorted(left)))}; groups and scenarios: {known}"
        )
    return found
