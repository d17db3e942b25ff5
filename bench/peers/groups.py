"""The peers as groups of `redis-mob bench --peers`: the fleet beside those installed here."""

from __future__ import annotations

import sys

from bench.peers.compare import FORMS, MeasurementError, figures_of
from bench.peers.contestants import BASELINES, Contestant, contestants
from redis_mob import RedisMobError
from redis_mob.bench import Group, LeftOutError, Scenario, Taken, Target

SLOTS = 64


class Peer(Scenario):
    """A form of runs that a contestant brings to its end; an operation is a step."""

    def __init__(self, contestant: Contestant, form: str) -> None:
        super().__init__()
        self._contestant = contestant
        self._form = form
        runs, steps = map(int, form.rpartition(":")[2].split("x"))
        self.units = runs * steps
        self.most_calls = 1
        self.name = contestant.name
        self.operation = f"one step of {form}; durable: {contestant.durable}; {contestant.versions}"

    async def set_up(self, target: Target) -> None:
        # tried once, so that one that does not work here is left out instead of ending the whole benchmark
        try:
            await self.operate(0)
        except (MeasurementError, OSError, RedisMobError) as error:
            raise LeftOutError(str(error)) from error

    async def operate(self, agent: int) -> Taken:
        figures = await figures_of(self._contestant, self._form, SLOTS)
        seconds = self.units / figures["steps/s"]
        return Taken([seconds], cpu=figures["cpu ms/step"] / 1000 * self.units, seconds=seconds)


def groups() -> list[Group]:
    """A group for each form: the fleet, and as baselines all peers that are installed here."""
    found, left_out = contestants()
    for reason in left_out:
        print(f"left out: {reason}", file=sys.stderr)
    return [
        Group(
            f"peers-{form.replace(':', '-')}",
            f"the fleet beside its peers, {form}, {SLOTS} slots",
            [Peer(contestant, form) for contestant in found if contestant.name in BASELINES],
            [Peer(contestant, form) for contestant in found if contestant.name not in BASELINES],
            by="mean",
        )
        for form in FORMS
    ]
