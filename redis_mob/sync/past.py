"""Runs and events as they were behind an event of the log, without async."""

from __future__ import annotations

from typing import Any

from redis_mob.past import view as asynchronous
from redis_mob.sync.loop_thread import LoopThread
from redis_mob.sync.twins import Facade, twin


class PastEvents(Facade[asynchronous.PastEvents]):
    """Twins of the methods of `past.view.PastEvents`."""

    poll = twin(asynchronous.PastEvents.poll)
    replay_all = twin(asynchronous.PastEvents.replay_all)
    latest_cursor = twin(asynchronous.PastEvents.latest_cursor)


class PastRuns(Facade[asynchronous.PastRuns]):
    """Twins of the methods of `past.view.PastRuns`."""

    get_run = twin(asynchronous.PastRuns.get_run)
    list_runs = twin(asynchronous.PastRuns.list_runs)
    past_of = twin(asynchronous.PastRuns.past_of)
    pasts_of = twin(asynchronous.PastRuns.pasts_of)


class PastStorage:
    """`events` and `runs` as they were; see `redis_mob.MobStorage.at`."""

    def __init__(self, loop: LoopThread[Any], past: asynchronous.PastStorage) -> None:
        self.cursor = past.cursor
        self.events = PastEvents(loop, past.events)
        self.runs = PastRuns(loop, past.runs)
        self._past = past

    def __repr__(self) -> str:
        return f"sync.{self._past!r}"
