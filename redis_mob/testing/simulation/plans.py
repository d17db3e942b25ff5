"""What a seed decides: a flow, workers, runs, and what happens to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from redis_mob.testing.simulation.decisions import (
    CallFault,
    Cancel,
    Decision,
    Dismiss,
    Disturb,
    Halt,
    Hire,
    Kill,
    PauseFor,
    Send,
    Start,
)
from redis_mob.testing.simulation.subject import Subject

SERVER = "storage"
CLIENT = "client"

LEASES = (2.0, 5.0, 10.0)

MOST_LOST = 3
"""How often workers are lost in one simulation: fewer than it takes to blame an execution for it."""

MOST_DISTURBED = 80
"""Later calls of a process go well, so that each simulation ends."""

KINDS = (CallFault.SLOW, CallFault.SLOW_REPLY, CallFault.LOST, CallFault.LOST_REPLY, CallFault.LATE, CallFault.REPEATED)


@dataclass(frozen=True)
class Plan:
    """All that is decided about a simulation before it begins. `deafness` is the share of wake-ups that are lost."""

    seed: str
    subject: Subject
    decisions: tuple[Decision, ...]
    deafness: float = 0.0

    def without_mishaps(self) -> Plan:
        """The same runs on one worker to which nothing happens."""
        kept = [one for one in self.decisions if isinstance(one, Start | Send)]
        return replace(self, decisions=(Hire("worker-1", 0.0, 8, 10.0, 0.0), *kept), deafness=0.0)

    def only(self, indices: set[int]) -> Plan:
        """The plan with these of its decisions alone."""
        return replace(self, decisions=tuple(one for number, one in enumerate(self.decisions) if number in indices))


def plan_of(subject: Subject, seed: int | str) -> Plan:
    """The plan of a seed for a flow."""
    name = str(seed)
    random = Random(f"plan {name}")
    workers = [f"worker-{number}" for number in range(1, random.randint(1, 3) + 1)]
    hired = [
        Hire(
            worker,
            random.choice((0.0, random.uniform(0, 3))),
            random.choice((1, 2, 4, 8)),
            random.choice(LEASES),
            random.choice((0.0, random.uniform(-120, 120))),
        )
        for worker in workers
    ]
    decisions: list[Decision] = [*hired]
    runs = [f"run-{number}" for number in range(1, random.choice((1, 1, 2)) + 1)]
    decisions += [Start(run, subject.flow_id, random.uniform(0, 2), subject.params) for run in runs]
    decisions += [Send(run, random.uniform(2, 12), *signal) for run in runs for signal in subject.signals]
    decisions += _mishaps(random, {one.worker: one.lease for one in hired})
    decisions += _disturbed(random, [*workers, CLIENT])
    decisions += _steered(random, subject, runs)
    return Plan(name, subject, tuple(decisions), random.choice((0.0, 0.2, 1.0)))


def _mishaps(random: Random, leases: dict[str, float]) -> list[Decision]:
    workers, found = list(leases), list[Decision]()
    for _ in range(random.randint(0, MOST_LOST)):
        worker, turn = random.choice(workers), int(random.triangular(1, 300, 40))
        if random.random() < 0.5:
            found.append(Kill(worker, turn, random.uniform(0, 12)))
        else:
            # mostly a little longer than its lease: it wakes up while another worker does what it was about to end
            seconds = random.choice((0.5, random.uniform(1, 1.8) * leases[worker], random.uniform(3, 30)))
            found.append(Halt(worker, turn, seconds))
    if random.random() < 0.2:
        found.append(Halt(SERVER, random.randint(1, 100), random.uniform(0.5, 12)))
    if random.random() < 0.3:
        drain = random.choice((0.0, 1.0, 25.0))
        found.append(Dismiss(random.choice(workers), random.uniform(0.1, 8), drain, random.uniform(0, 5)))
    return found


def _disturbed(random: Random, processes: list[str]) -> list[Decision]:
    share = random.choice((0.0, 0.03, 0.12))
    return [
        Disturb(process, call, random.choice(KINDS), random.choice((0.05, 0.7, 3.0, 12.0)))
        for process in processes
        for call in range(1, MOST_DISTURBED)
        if random.random() < share
    ]


def _steered(random: Random, subject: Subject, runs: list[str]) -> list[Decision]:
    found: list[Decision] = []
    for run in runs:
        if not subject.is_settled and random.random() < 0.25:
            found.append(Cancel(run, random.uniform(0.5, 10)))
        if random.random() < 0.15:
            found.append(PauseFor(run, random.uniform(0.2, 6), random.uniform(0.5, 15)))
    return found
