"""How much memory of the server a run takes, all its keys together, beside the length of its JSON."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path

from redis_mob.bench.scenario import Taken
from redis_mob.bench.scenarios.fleet import Worked, definition_of
from redis_mob.bench.scenarios.runs import run_of
from redis_mob.bench.target import LeftOutError, Target
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.failures import TransportError
from redis_mob.contracts import runs as prose
from redis_mob.errors import InternalError
from redis_mob.fleet.step_context import StepContext

TEXT = 300
"""Letters in the output of a step that gives a text."""

_KINDS = {
    "new": "a run that was created, with a frame and a loop, and which nothing has happened to",
    "finished": "a run whose parallel steps a worker has ended, each with a number as its output",
    "texts": f"a run whose parallel steps a worker has ended, each with {TEXT} letters of English as its output",
}


async def bytes_of_key(connection: Client, key: str) -> int:
    """What a key takes, its name included, all of it counted; 0 if there is none."""
    return await connection.router.request("MEMORY", "USAGE", key, "SAMPLES", 0) or 0


async def bytes_of_run(connection: Client, keys: Keys, run_id: str) -> dict[str, int]:
    """What each key of a run takes, by what it holds. Its share of the keys that all runs have is not among them."""
    run = keys.run(run_id)
    return {
        key.removeprefix(run.run).removeprefix(":") or "run": await bytes_of_key(connection, key)
        for key in (*run.parts, run.index, run.executions)
    }


class _Made(Worked):
    """Makes a run of one of the kinds with each call, and tells how many bytes of something it has."""

    unit = "steps"
    most_calls = 20
    """What a run takes does not depend on how many there are."""

    def __init__(self, kind: str, size: int) -> None:
        super().__init__(size)
        self._kind = kind

    async def set_up(self, target: Target) -> None:
        if target.connection is None:
            raise LeftOutError("memory: has no server whose memory is used")
        self._storage, self._connection, self._keys = target.storage, target.connection, Keys(target.namespace)
        try:
            await bytes_of_key(target.connection, self._keys.meta)
        except TransportError as error:
            raise LeftOutError(f"it needs a server and a user who may ask it for MEMORY USAGE: {error}") from error
        if self._kind != "new":
            await self._work(target, definition_of("", self.size), _numbers if self._kind == "finished" else _texts())

    async def _make(self) -> str:
        if self._kind == "new":
            run = run_of(self.size)
            await self._storage.runs.create_run(run)
            return run.run_id
        run_id = await self._fleet.start("flow")
        await self._fleet.wait(run_id)
        return run_id


class KeysOfRun(_Made):
    """What the keys of a run take."""

    def __init__(self, kind: str, size: int) -> None:
        super().__init__(kind, size)
        self.name = f"{kind}-run"
        self.operation = f"{_KINDS[kind]}: the memory of all its keys"

    async def operate(self, agent: int) -> Taken:
        began = time.perf_counter()
        run_id = await self._make()
        taken = time.perf_counter() - began
        kept = sum((await bytes_of_run(self._connection, self._keys, run_id)).values())
        return Taken([taken], kept=kept)


class JsonOfRun(_Made):
    """How long the compact JSON of such a run is, in which it would be one value."""

    def __init__(self, kind: str, size: int) -> None:
        super().__init__(kind, size)
        self.name = f"json-of-{kind}-run"
        self.operation = "the length of the compact JSON of such a run"

    async def operate(self, agent: int) -> Taken:
        began = time.perf_counter()
        run_id = await self._make()
        taken = time.perf_counter() - began
        if (run := await self._storage.runs.get_run(run_id)) is None:
            raise InternalError(f"run {run_id} was removed by another client: this benchmark is alone with it")
        return Taken([taken], kept=len(run.model_dump_json().encode()))


async def _numbers(_ctx: StepContext) -> int:
    return 1


def _texts() -> Callable[[StepContext], Awaitable[dict[str, str]]]:
    """A handler that gives another piece of English each time: that of the contract of runs."""
    text = Path(prose.__file__).read_text(encoding="utf-8")
    # a step through the text that is no divisor of its length, so that pieces repeat late
    starts = (number * 6151 % (len(text) - TEXT) for number in count())

    async def answer(_ctx: StepContext) -> dict[str, str]:
        start = next(starts)
        return {"summary": text[start : start + TEXT]}

    return answer
