"""All groups that `redis-mob bench` measures."""

from __future__ import annotations

from collections.abc import Sequence

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
from redis_mob.bench.scenarios.fleet import IdealSlots, Idle, Kept, LongHandlers, Runs, StepLatency
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

STEPS = (5, 50, 500, 5000)
USUAL = 50
"""Steps of a run where only one size is measured."""

FILLED = (1_000, 10_000, 100_000)
LARGE = 1_000_000
FORMS = ("20x10", "1x100", "1x1000", "chain:20x10", "loop:1x200")


def suite(*, large: bool = False) -> list[Group]:
    """The groups, with new scenarios; with `large`, logs and documents also come by the million."""
    filled = (*FILLED, LARGE) if large else FILLED
    long = LongHandlers()
    return [
        Group(
            "calls",
            f"compare-and-swap operations on a run of {USUAL} steps, which take turns with every call",
            [*(Compound(name, USUAL) for name in OPERATIONS), GetRun(USUAL)],
            [NothingRedisPy(), NothingOwnWire(), TwoFields()],
            alternate=True,
        ),
        Group(
            "transitions",
            "compare-and-swap operations on a run, and reading it, in a loop of each, by the steps of the run",
            [*(Compound(name, steps) for steps in STEPS for name in OPERATIONS), *map(GetRun, STEPS)],
            [
                NothingRedisPy(),
                NothingOwnWire(),
                TwoFields(),
                *(kind(steps) for kind in (Watched, Locked, Postgres) for steps in (5, USUAL, 500)),
            ],
        ),
        Group(
            "agents",
            f"{AGENTS} agents of one process",
            [OwnRuns(USUAL), OneRun(USUAL)],
            [
                NothingRedisPy(),
                NothingRedisPy(agents=AGENTS),
                Watched(USUAL, AGENTS),
                Locked(USUAL, AGENTS),
                Sqlite(USUAL, "NORMAL"),
                Sqlite(USUAL, "FULL"),
                Postgres(USUAL, AGENTS),
            ],
            by="mean",
        ),
        Group(
            "contention",
            f"{FEW_AGENTS} agents of one process that change the same part of the same run",
            [OneFrame(USUAL)],
            [Watched(USUAL, FEW_AGENTS, shared=True), Locked(USUAL, FEW_AGENTS, shared=True)],
            by="mean",
        ),
        Group(
            "session",
            "what it costs that a call whose reply is lost can be sent again",
            [Compound("cas_grant_node_slot", USUAL)],
            [WithoutSession("cas_grant_node_slot", USUAL)],
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
            [kind(size) for size in filled for kind in (Append, TerminalAppend, Poll, Prune)],
            [NothingRedisPy()],
        ),
        Group(
            "config",
            "config documents",
            [PutDocument(), GetDocument(), WatchDocument(), *map(ListDocuments, filled)],
            [NothingRedisPy(), BareSet()],
        ),
        Group("lists", "lists of runs by the number of all runs", [*map(ListRuns, FILLED[:2])], [NothingRedisPy()]),
        Group(
            "fleet",
            "steps whose handlers do nothing, on one worker",
            [*map(Runs, FORMS)],
            [NothingRedisPy()],
            by="mean",
        ),
        Group(
            "steps",
            "how soon steps begin",
            [StepLatency(first=True), StepLatency(first=False)],
            [NothingRedisPy()],
        ),
        Group("slots", "whether slots are ever free while work waits", [long], [IdealSlots(long)]),
        Group("idle", "what is asked of the server while nothing happens", [Idle(100), Kept(1000)]),
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
