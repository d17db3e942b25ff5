"""Keeps what is stored of runs at each commit, to compare their past with it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from redis_mob.models.run import MobRun
from redis_mob.models.transition import Commit, Transition
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.past_reading import read_past
from redis_mob.operations.run_description import RunDescription
from redis_mob.past.time_travel import RunMoment
from redis_mob.storage import MobStorage
from tests.operations.past_checks import differences


class Recorder:
    """Keeps what is stored of runs after each commit, by the newest cursor of the log then."""

    def __init__(self, storage: MobStorage, monkeypatch: pytest.MonkeyPatch) -> None:
        self._storage = storage
        self._commit = storage.executions.commit
        # a commit of another run in between would move the log on, and the moment could not be compared
        self._one_at_a_time = asyncio.Lock()
        self.stored: dict[str, dict[int, RunDescription]] = {}
        self.runs: dict[str, dict[int, MobRun]] = {}
        monkeypatch.setattr(storage.executions, "commit", self._recorded)

    async def _recorded(self, transition: Transition) -> Commit:
        run_id = transition.run.run_id
        async with self._one_at_a_time:
            is_committed = await self._commit(transition)
            before = await self._storage.events.latest_cursor()
            described = await FleetAdmin(self._storage).describe(run_id)
            run = await self._storage.runs.get_run(run_id)
            if run is not None and is_committed and await self._storage.events.latest_cursor() == before:
                self.stored.setdefault(run_id, {})[before] = described
                self.runs.setdefault(run_id, {})[before] = run
        return is_committed

    async def check(self, run_id: str, *, least: int = 3, untold: int = 0) -> RunMoment:
        """Each moment of a run is what was stored then, as its states and as a whole; gives the last one.

        Of so many moments at most a part is not known.
        """
        past = (await read_past(self._storage, run_id)).past
        stored = self.stored[run_id]
        assert len(stored) >= least, "too few moments were looked at"
        for cursor, described in stored.items():
            assert differences(past.at(cursor), described) == [], cursor
        for cursor, run in self.runs[run_id].items():
            whole = await self._storage.at(cursor).runs.past_of(run_id)
            assert whole is not None
            if whole.unknown and untold:
                untold -= 1
            else:
                assert (parts(whole.run), whole.unknown) == (parts(run), ()), cursor
        newest = await FleetAdmin(self._storage).state_at(run_id, past.cursors[-1])
        assert differences(newest, await FleetAdmin(self._storage).describe(run_id)) == []
        return newest


def parts(run: MobRun) -> dict[str, Any]:
    """A run by its fields: that which differs is told."""
    return {name: getattr(run, name) for name in MobRun.model_fields}
