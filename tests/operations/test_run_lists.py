"""Lists, counts and beginnings of ids, against a model that knows all runs (contract: operations-1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from redis_mob import MobStorage
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import NotFoundError, ValidationError
from redis_mob.models import MobRun, MobRunStatus
from redis_mob.models.run_summary import RunFilter, RunSummary
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.testing.samples.compound import scene
from redis_mob.testing.samples.states import NOON, failure_entry
from tests.operations.older_release import leave_unindexed, place_in_index, set_status
from tests.support.examples import examples

STATUSES = list(MobRunStatus)
OPEN = [MobRunStatus.PENDING, MobRunStatus.RUNNING]
TEXTS = ["alpha", "ÄRGER", 'say "hi"\nthere', "x" * 300]
SEEDS = range(examples(12))


def new_run(random: Random, *, mobs: int = 3, flows: int = 3) -> MobRun:
    failures = [failure_entry("a", "first"), failure_entry("b", "second line\nand more")]
    return scene(
        run_id=str(UUID(int=random.getrandbits(128))),
        mob_id=f"mob-{random.randrange(mobs)}",
        flow_id=f"flow-{random.randrange(flows)}",
        status=random.choice(STATUSES),
        created_at=NOON + timedelta(minutes=random.randrange(60)),
        activation_params={"text": random.choice(TEXTS)},
        failure_ledger=random.choice([[], failures]),
    )


def some_filter(random: Random) -> RunFilter:
    def maybe(value: Any) -> Any:
        return value if random.random() < 0.3 else None

    return RunFilter(
        mob_id=maybe(f"mob-{random.randrange(4)}"),
        flow_id=maybe(f"flow-{random.randrange(4)}"),
        statuses=tuple(random.sample(STATUSES, random.randrange(4))),
        since=maybe(NOON + timedelta(minutes=random.randrange(60))),
        until=maybe(NOON + timedelta(minutes=random.randrange(60))),
        text=maybe(random.choice(["ALPHA", "ärger", 'say "HI"', "hi\nt", "x" * 100, "no such text", ""])),
    )


class Model:
    """All runs in the order of their creation."""

    def __init__(self) -> None:
        self.runs: dict[str, MobRun] = {}

    def asked_for(self, which: RunFilter) -> list[str]:
        return [run.run_id for run in reversed(self.runs.values()) if self._is_asked_for(run, which)]

    @staticmethod
    def _is_asked_for(run: MobRun, which: RunFilter) -> bool:
        return (
            which.mob_id in (None, run.mob_id)
            and which.flow_id in (None, run.flow_id)
            and (not which.statuses or run.status in which.statuses)
            and (which.since is None or run.created_at >= which.since)
            and (which.until is None or run.created_at < which.until)
            and (which.text is None or which.text.casefold() in run.activation_params["text"].casefold())
        )

    def counted(self, which: RunFilter) -> dict[MobRunStatus, int]:
        counts = Counter(self.runs[run_id].status for run_id in self.asked_for(which))
        return {status: counts[status] for status in which.any_of}


async def pages(storage: MobStorage, which: RunFilter, limit: int) -> list[RunSummary]:
    """All pages, of which each but the last one is full, and none is empty behind another."""
    found: list[RunSummary] = []
    after: str | None = None
    while True:
        page = await storage.operations.runs(which, limit=limit, after=after)
        found += page.runs
        if page.next is None:
            assert len(page.runs) <= limit
            assert page.runs or after is None
            return found
        assert len(page.runs) == limit
        after = page.next


async def check(storage: MobStorage, model: Model, random: Random, limits: Sequence[int] = (1, 3, 7, 100)) -> None:
    which = some_filter(random)
    listed = await pages(storage, which, random.choice(limits))
    assert [run.run_id for run in listed] == model.asked_for(which), which
    assert {run.run_id: run.status for run in listed} == {run.run_id: model.runs[run.run_id].status for run in listed}
    assert await storage.operations.count(which) == model.counted(which), which


def steps(random: Random) -> Iterator[str]:
    for _ in range(60):
        yield random.choice(["create", "create", "create", "change", "check", "check"])


@pytest.mark.parametrize("seed", SEEDS)
async def test_lists_and_counts_are_those_of_the_model(storage: MobStorage, seed: int) -> None:
    random, model = Random(seed), Model()
    for step in steps(random):
        await do(step, storage, model, random)
    for _ in range(5):
        await check(storage, model, random)


async def do(step: str, storage: MobStorage, model: Model, random: Random) -> None:
    changeable = [run for run in model.runs.values() if not run.status.is_terminal]
    if step == "create":
        run = new_run(random)
        await storage.runs.create_run(run)
        model.runs[run.run_id] = run
    elif step == "change" and changeable:
        run, status = random.choice(changeable), random.choice(STATUSES)
        assert await storage.runs.cas_run_status(run.run_id, expected=run.status, next=status)
        model.runs[run.run_id] = run.model_copy(update={"status": status})
    elif step == "check":
        await check(storage, model, random)


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_index_completes_itself_where_an_older_release_is_at_work(
    server_url: str, keys: Keys, connection: Client, seed: int
) -> None:
    """Creations by an older release are found at once; what it has changed, too, once `index_runs` was called."""
    random, model = Random(seed), Model()
    async with MobStorage.open(server_url, namespace=keys.namespace) as storage:
        for step in steps(random):
            if step == "check":
                await storage.operations.index_runs()
            await do(step, storage, model, random)
            if step == "create" and random.random() < 0.5:
                await leave_unindexed(connection, keys, list(model.runs)[-1])
            changeable = [run for run in model.runs.values() if not run.status.is_terminal]
            if step == "change" and changeable and random.random() < 0.5:
                run, status = random.choice(changeable), random.choice(STATUSES)
                await set_status(connection, keys, run.run_id, status)
                model.runs[run.run_id] = run.model_copy(update={"status": status})
        await storage.operations.index_runs()
        await check(storage, model, random)
        for run in model.runs.values():
            await place_in_index(connection, keys, run.run_id)
            assert await storage.runs.get_run(run.run_id) is not None


@pytest.mark.parametrize("flows", [3, 80], ids=["few flows", "more flows than are merged"])
async def test_lists_that_take_many_calls(storage: MobStorage, flows: int) -> None:
    random, model = Random(flows), Model()
    for _ in range(700):
        run = new_run(random, flows=flows)
        await storage.runs.create_run(run)
        model.runs[run.run_id] = run
    for which in (RunFilter(), RunFilter(mob_id="mob-1"), RunFilter(statuses=(MobRunStatus.FAILED,))):
        assert [run.run_id for run in await pages(storage, which, 333)] == model.asked_for(which)
    for _ in range(10):
        await check(storage, model, random, limits=(10, 100, 1000))


async def test_runs_that_come_and_change_between_pages_are_not_told_twice(storage: MobStorage) -> None:
    random, admin = Random(1), FleetAdmin(storage)
    first = [new_run(random).model_copy(update={"status": MobRunStatus.PENDING}) for _ in range(10)]
    for run in first:
        await storage.runs.create_run(run)
    told: list[str] = []
    page = await admin.runs(statuses=OPEN, limit=3)
    while True:
        told += [run.run_id for run in page.runs]
        if page.next is None:
            break
        await storage.runs.create_run(new_run(random))
        [run] = [run for run in first if run.run_id == told[-1]]
        await storage.runs.cas_run_status(run.run_id, expected=run.status, next=MobRunStatus.RUNNING)
        page = await admin.runs(statuses=OPEN, limit=3, after=page.next)
    assert told == [run.run_id for run in reversed(first)]


async def test_a_summary_says_why_a_run_failed(storage: MobStorage) -> None:
    run = new_run(Random(0)).model_copy(
        update={"status": MobRunStatus.FAILED, "failure_ledger": (failure_entry("b", "second line\nand more"),)}
    )
    await storage.runs.create_run(run)
    [told] = (await FleetAdmin(storage).runs()).runs
    assert (told.failed_step, told.failure) == ("b", "second line")
    assert (told.mob_id, told.flow_id, told.created_at) == (run.mob_id, run.flow_id, run.created_at)
    assert told.active_nodes == run.flow_state.active_node_count


async def test_all_runs_go_through_all_pages(storage: MobStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redis_mob.operations.run_list.PAGE", 2)
    runs = [new_run(Random(seed)) for seed in range(5)]
    for run in runs:
        await storage.runs.create_run(run)
    admin = FleetAdmin(storage)
    assert [run.run_id async for run in admin.all_runs()] == [run.run_id for run in reversed(runs)]
    with pytest.raises(ValidationError, match="since"):
        _ = [run async for run in admin.all_runs(since=NOON.replace(tzinfo=None))]


@pytest.mark.parametrize("name", ["text", "mob_id", "flow_id"])
async def test_a_text_that_no_run_can_have_is_refused(storage: MobStorage, name: str) -> None:
    which: Any = {name: "\ud800"}
    with pytest.raises(ValidationError, match=rf"{name} '.+' cannot be stored: surrogates not allowed"):
        await FleetAdmin(storage).runs(**which)


@pytest.mark.parametrize("after", ["", "-1", "x", "1" * 20, "１"])
async def test_what_is_no_cursor_is_refused(storage: MobStorage, after: str) -> None:
    with pytest.raises(ValidationError, match="after must be the `next` of a page"):
        await FleetAdmin(storage).runs(after=after)


async def test_a_run_is_found_by_the_beginning_of_its_id(storage: MobStorage) -> None:
    admin = FleetAdmin(storage)
    ids = [f"0191a6a0-0000-4000-8000-{number:012x}" for number in range(15)] + ["abcdef01-2345-4678-9abc-def012345678"]
    for run_id in ids:
        await storage.runs.create_run(scene(run_id=run_id))
    for prefix in (
        "abcd",
        "ABCDEF01",
        "abcdef01-",
        "abcdef012345",
        "abcdef01-2345-4678-9abc-d",
        ids[-1],
        ids[-1].upper(),
    ):
        assert await admin.find(prefix) == ids[-1]
    assert await admin.find(ids[3]) == ids[3]
    with pytest.raises(ValidationError, match=r"several runs have ids that begin with '0191': 0191a6a0.*, and more;"):
        await admin.find("0191")
    for prefix in ("ffff", "abcdef01-2345-4678-9abc-def012345679"):
        with pytest.raises(NotFoundError, match=f"there is no run '{prefix}'"):
            await admin.find(prefix)
    for prefix in ("", "abc", "xyz1", "abcd*", "ab--", "a" * 33):
        with pytest.raises(ValidationError, match="named by its id, or at least the first 4 digits"):
            await admin.find(prefix)
