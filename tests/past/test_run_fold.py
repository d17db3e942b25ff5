"""Runs as they were behind each of their events: what was stored when each commit was made (contract: past-2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from redis_mob.models.base import SortedDict
from redis_mob.models.definition import MobDefinition
from redis_mob.models.events import MobEvent
from redis_mob.models.run import MobRun
from redis_mob.past.run_fold import PastRun, RunFold
from tests.fleet.interleaving import Interleaving, Move, moody
from tests.fleet.strategies import EVERYTHING, WAITS, mobs
from tests.operations.test_time_travel import RANDOM, telling
from tests.support.examples import examples
from tests.support.health_checks import ALL_HEALTH_CHECKS

MANY = settings(max_examples=examples(40), deadline=None, suppress_health_check=ALL_HEALTH_CHECKS)


@dataclass
class Recording(Interleaving):
    """Keeps what is stored at each commit by the newest event then, and when each event was stored."""

    stored: dict[int, MobRun] = field(default_factory=dict[int, MobRun])
    commits: int = 0
    times: list[datetime] = field(default_factory=list[datetime])

    def _commit(self, move: Move) -> None:
        super()._commit(move)
        self.commits += 1
        at = self.store.now + timedelta(microseconds=self.commits)
        self.times += [at] * (len(self.store.events) - len(self.times))
        self.stored[len(self.store.events)] = self.store.view.run

    def log(self) -> list[MobEvent]:
        """The events as a log has them: those of one commit have one time, and no other commit has it."""
        mob_id = self.store.view.run.mob_id
        return [
            MobEvent.unchecked(cursor=number, timestamp=at, mob_id=mob_id, kind=kind)
            for number, (at, kind) in enumerate(zip(self.times, self.store.events, strict=True), start=1)
        ]

    def check(self) -> None:
        """Compare all of them, also with a run that has gone on since its events were read."""
        log = self.log()
        fold = RunFold(self.store.view.run, self.definition, log)
        for number, stored in self.stored.items():
            self._compare(fold.at(number), stored, number)
        number, known = self.random.choice(list(self.stored.items()))
        later = RunFold(known, self.definition, log[:number], log[number:])
        for earlier, stored in self.stored.items():
            if earlier <= number:
                self._compare(later.at(earlier), stored, earlier)

    def _compare(self, was: PastRun, stored: MobRun, number: int) -> None:
        """What was replaced since is not there, and named."""
        if was.unknown:
            assert dict(was.run.loop_iteration_outputs) != dict(stored.loop_iteration_outputs), self.sim.story()
            was, stored = PastRun(without_outputs(was.run)), without_outputs(stored)
        for name in MobRun.model_fields:
            assert getattr(was.run, name) == getattr(stored, name), (number, name, self.sim.story())


def without_outputs(run: MobRun) -> MobRun:
    return run.model_copy(update={"loop_iteration_outputs": SortedDict()})


@MANY
@given(mobs(EVERYTHING), st.integers(0, 10), RANDOM, st.integers(0, 2), st.booleans(), st.integers(0, 1))
def test_each_state_is_what_was_stored(
    definition: MobDefinition, seed: int, random: Random, mishaps: int, cancel: bool, asks: int
) -> None:
    crowd = Recording(
        definition, telling(moody(seed)), random, mishaps=mishaps, cancel=cancel, asks=asks, signals=2, noted=1 / 3
    )
    crowd.to_end()
    crowd.check()


@MANY
@given(mobs(WAITS), st.integers(0, 10), RANDOM, st.booleans())
def test_flows_that_wait_for_signals(definition: MobDefinition, seed: int, random: Random, cancel: bool) -> None:
    crowd = Recording(definition, telling(moody(seed)), random, cancel=cancel, signals=3)
    crowd.to_end()
    crowd.check()
