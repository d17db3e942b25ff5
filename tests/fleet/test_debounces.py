"""Starts under a debounce key give one run, by what was given last: over processes, deaths, races and moved clocks."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.models.flow_events import StepDispatched
from redis_mob.models.run_status import MobRunStatus
from redis_mob.models.run_summary import RunFilter
from redis_mob.models.transition import Commit, Transition
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing import virtual_time
from redis_mob.testing.waiting import LONG
from tests.fleet.debounced_starts import ONE
from tests.fleet.flows import FLOW
from tests.fleet.working import at_work

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


async def start(storage: MobStorage, n: Any = 0, key: str = "key", after: timedelta = HOUR, **more: Any) -> str:
    return await Fleet(storage, ONE, {}).start(FLOW, {"n": n}, debounce_key=key, debounce=after, **more)


async def params_of(storage: MobStorage, run_id: str) -> Any:
    run = await storage.runs.get_run(run_id)
    assert run is not None
    return run.activation_params["n"]


async def output(storage: MobStorage, run_id: str) -> Any:
    """What the run gives, once it is over: the parameter that it was started with last."""
    return (await Fleet(storage, ONE, {}).wait(run_id, LONG)).root_step_outputs["a"]["worker-1"]


async def echo(ctx: Any) -> Any:
    return ctx.params["n"]


async def test_one_run_begins_with_what_the_last_start_gave(storage: MobStorage, other_storage: MobStorage) -> None:
    ids = [await start(stores, n, after=SECOND / 2) for n, stores in enumerate((storage, other_storage) * 3)]
    assert len(set(ids)) == 1
    async with at_work(storage, {"*": echo}):
        assert await output(storage, ids[0]) == 5
    assert len(await storage.runs.list_runs("mob")) == 1
    assert await start(storage) != ids[0]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"debounce_key": "k"}, "debounce_key needs debounce"),
        ({"debounce": SECOND}, "debounce needs a debounce_key"),
        ({"debounce_most": SECOND}, "debounce needs a debounce_key"),
        ({"debounce_key": "k", "debounce": SECOND, "idempotency_key": "k"}, "not both: by the one all starts"),
        ({"debounce_key": "k", "debounce": SECOND, "at": datetime.now(UTC)}, "give at or debounce, not both"),
        ({"debounce_key": "k", "debounce": timedelta()}, "debounce must be at least a millisecond"),
        ({"debounce_key": "k", "debounce": -SECOND}, "debounce must be a timedelta from 0"),
        ({"debounce_key": "k", "debounce": timedelta.max}, "debounce must be a timedelta from 0"),
        ({"debounce_key": "k", "debounce": 5}, "debounce must be a timedelta"),
        ({"debounce_key": 5, "debounce": SECOND}, "debounce_key must be a text"),
        ({"debounce_key": "\ud800", "debounce": SECOND}, "without lone surrogates"),
        ({"debounce_key": "k", "debounce": HOUR, "debounce_most": SECOND}, "must not be shorter than debounce"),
        ({"debounce_key": "k", "debounce": HOUR, "debounce_most": "1h"}, "debounce_most must be a timedelta"),
    ],
)
async def test_what_cannot_be_meant_is_refused(storage: MobStorage, given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as raised:
        await Fleet(storage, ONE, {}).start(FLOW, {}, **given)
    assert told in str(raised.value)
    assert not await storage.runs.list_runs("mob")


async def test_attributes_follow_the_last_start(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)

    async def found(**attributes: Any) -> int:
        return len((await admin.runs(attributes=attributes)).runs)

    other = await Fleet(storage, ONE, {}).start(FLOW, {}, attributes={"tenant": "a"})
    run_id = await start(storage, attributes={"tenant": "a", "old": 1}, summary="first")
    assert (await found(tenant="a"), await found(old=1)) == (2, 1)
    await start(storage, attributes={"tenant": "b"})
    assert (await found(tenant="a"), await found(old=1), await found(tenant="b")) == (1, 0, 1)
    [one] = (await storage.operations.runs(RunFilter(mob_id="mob", text='"n":0'))).runs
    assert (one.run_id, one.summary) == (run_id, None)
    for each in (run_id, other):
        await admin.delete(each, cancel=True)
    assert await found(tenant="b") == 0


async def test_operators_free_the_key(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    ids = [await start(storage, 0)]

    async def freed() -> None:
        ids.append(await start(storage, len(ids)))
        assert await start(storage, len(ids) - 1) == ids[-1]

    await admin.cancel(ids[-1])
    await freed()
    await admin.terminate(ids[-1])
    await freed()
    await admin.delete(ids[-1], cancel=True)
    await freed()
    assert len(set(ids)) == 4
    assert await params_of(storage, ids[-1]) == 3


async def test_a_paused_run_is_gathered_and_stays_paused(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    run_id = await start(storage, 1, after=SECOND / 10)
    await admin.pause(run_id)
    assert await start(storage, 2, after=SECOND / 10) == run_id
    view = await storage.executions.load(run_id)
    assert view is not None
    assert len(view.pauses) == 1
    await admin.resume(run_id)
    async with at_work(storage, {"*": echo}):
        assert await output(storage, run_id) == 2


async def test_a_run_that_was_moved_is_gathered_further(storage: MobStorage) -> None:
    run_id = await start(storage, 1)
    assert await storage.steering.move_run(run_id, "r2")
    assert await start(storage, 2, release="r3") == run_id
    view = await storage.executions.load(run_id)
    assert view is not None
    assert (view.launch.release, view.run.activation_params["n"]) == ("r3", 2)


async def test_what_is_stored_agrees_with_its_inputs_and_with_its_counts(storage: MobStorage) -> None:
    run_id = await start(storage, 1)
    await start(storage, 2, after=SECOND / 10)
    async with at_work(storage, {"*": echo}):
        await output(storage, run_id)
    assert (await FleetAdmin(storage).verify(run_id)).differences == ()


async def test_a_start_in_the_middle_of_a_decision_puts_it_off(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker has taken the run, and read it, when it is started again: it neither begins it nor begins it early."""
    run_id = await start(storage, "first", after=timedelta(milliseconds=20))
    commits, begun = storage.executions.commit, asyncio.Event()

    async def commit(transition: Transition) -> Commit:
        if transition.run.run_id == run_id and not begun.is_set():
            begun.set()
            assert await start(storage, "last", after=SECOND) == run_id
        return await commits(transition)

    monkeypatch.setattr(storage.executions, "commit", commit)
    async with at_work(storage, {"*": echo}):
        assert await output(storage, run_id) == "last"
    assert begun.is_set()
    view = await storage.executions.load(run_id)
    assert view is not None
    [dispatched] = [one for one in await storage.events.replay_all() if isinstance(one.kind, StepDispatched)]
    assert dispatched.timestamp >= view.launched_at


MOMENTS = st.lists(
    st.tuples(st.floats(0.01, 30), st.floats(1, 20), st.sampled_from((None, 20, 40))), min_size=1, max_size=8
)
"""Starts: how long after the one before, how long the run waits for the next one, and at most."""


@settings(deadline=None)
@given(MOMENTS)
def test_runs_begin_when_their_starts_say(starts: Sequence[tuple[float, float, int | None]]) -> None:
    asyncio.run(_begin_when_they_say(starts))


async def _begin_when_they_say(starts: Sequence[tuple[float, float, int | None]]) -> None:
    begun: list[tuple[float, int]] = []
    with virtual_time() as clock:
        origin = clock.now()

        def at() -> float:
            return (clock.now() - origin).total_seconds()

        async def note(ctx: Any) -> None:
            begun.append((at(), ctx.params["n"]))

        wanted: list[tuple[float, int]] = []
        first = due = -1.0
        async with MobStorage.open("memory:", namespace=str(uuid4())) as storage, at_work(storage, {"*": note}):
            for n, (pause, after, most) in enumerate(starts):
                await asyncio.sleep(pause)
                now = at()
                if abs(due - now) < 0.5:
                    return  # too near to say which came first
                if due < now:
                    wanted += [(due, n - 1)] if n else []
                    first = now
                latest = None if most is None else max(most, after)
                due = now + after if latest is None else max(now, min(now + after, first + latest))
                await start(
                    storage, n, after=timedelta(seconds=after), debounce_most=latest and timedelta(seconds=latest)
                )
            await asyncio.sleep(60)
            wanted.append((due, len(starts) - 1))
    assert [n for _, n in begun] == [n for _, n in wanted]
    for (came, _), (planned, _) in zip(begun, wanted, strict=True):
        assert -0.01 <= came - planned < 2


async def launched_process(url: str, namespace: str, number: int, times: int) -> asyncio.subprocess.Process:
    arguments = ("-m", "tests.fleet.debounced_starts", url, namespace, str(number), str(times))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


async def starting(url: str, namespace: str, processes: int, times: int) -> list[asyncio.subprocess.Process]:
    found = await asyncio.gather(*(launched_process(url, namespace, number, times) for number in range(processes)))
    for process in found:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        await process.stdin.drain()
    return found


async def test_eight_processes_start_one_run(server_url: str, namespace: str) -> None:
    processes = await starting(server_url, namespace, 8, 10)
    told = [(await process.communicate())[0].decode().split() for process in processes]
    assert [process.returncode for process in processes] == [0] * 8
    ids = {run_id for some in told for run_id in some}
    assert len(ids) == 1
    assert sum(map(len, told)) == 80
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        [run] = await storage.runs.list_runs("mob")
        view = await storage.executions.load(run.run_id)
        assert view is not None
        # each start after the first one counts once as a decision, and the last one of some process is the last of all
        assert view.moves == view.version == 79
        assert view.run.activation_params["turn"] == 9


async def test_starters_that_are_killed_leave_one_run(server_url: str, namespace: str) -> None:
    processes = await starting(server_url, namespace, 4, 1000)
    assert processes[0].stdout is not None
    assert await processes[0].stdout.readline()  # a run is there
    for process in random.sample(processes, 4):
        await asyncio.sleep(random.uniform(0.05, 0.3))
        process.send_signal(signal.SIGKILL)
    for process in processes:
        await process.wait()
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        [run] = await storage.runs.list_runs("mob")
        assert await start(storage, "after", after=SECOND / 10) == run.run_id
        async with at_work(storage, {"*": echo}):
            assert await output(storage, run.run_id) == "after"


async def test_nothing_is_left_of_a_key(server_url: str, namespace: str, connection: Client) -> None:
    keys = Keys(namespace)

    async def entries() -> int:
        return await connection.router.request("HLEN", keys.debounces)

    async with MobStorage.open(server_url, namespace=namespace) as storage:
        ids = [await start(storage, n, f"key {n}", after=SECOND / 10) for n in range(6)]
        assert await entries() == 6
        await FleetAdmin(storage).terminate(ids[0])
        await storage.runs.cas_run_status(ids[1], expected=MobRunStatus.PENDING, next=MobRunStatus.CANCELED)
        assert await entries() == 5
        await FleetAdmin(storage).delete(ids[1])
        assert await entries() == 4
        async with at_work(storage, {"*": echo}):
            for run_id in ids[2:]:
                await Fleet(storage, ONE, {}).wait(run_id, LONG)
        assert await entries() == 0
        fields = [await connection.router.request("HGET", keys.run(run_id).run, "debounce") for run_id in ids[2:]]
        assert fields == [None] * 4


async def test_an_older_release_that_begins_a_run_frees_its_key(server_url: str, namespace: str) -> None:
    """It leaves the entry; the next start sees that the run has begun."""
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        one = await start(storage, 1)
        await storage.runs.cas_run_status(one, expected=MobRunStatus.PENDING, next=MobRunStatus.RUNNING)
        other = await start(storage, 2)
        assert other != one
        assert await start(storage, 3) == other
        assert await params_of(storage, one) == 1
