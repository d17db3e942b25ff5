"""The stores and the fleet without async."""

from __future__ import annotations

import asyncio
import inspect
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any, get_type_hints

import pytest

import redis_mob
from redis_mob import InternalError, Mob, MobRun, NotFoundError, StepContext, StorageUnavailableError, ValidationError
from redis_mob.contracts import (
    CheckpointStore,
    ExecutionStore,
    HostStore,
    MobEventStore,
    MobRunStore,
    MobRuntimeMetadataStore,
    MobSpecStore,
    OperationsStore,
    ProgressStore,
    RealmProfileStore,
    RecordStore,
    SteeringStore,
    TransferStore,
    WatchableConfigStore,
)
from redis_mob.flows import step as in_flow
from redis_mob.models import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin as AsyncFleetAdmin
from redis_mob.past import view
from redis_mob.sync import Fleet, FleetAdmin, MobStorage, past, stores
from redis_mob.sync.twins import Twin
from redis_mob.testing.samples.new_events import numbered
from tests.fleet.flows import FLOW, mob, step

TWINS: dict[type, type] = {
    MobEventStore: stores.Events,
    MobRunStore: stores.Runs,
    MobSpecStore: stores.Specs,
    MobRuntimeMetadataStore: stores.RuntimeMetadata,
    RealmProfileStore: stores.RealmProfiles,
    RecordStore: stores.Records,
    WatchableConfigStore: stores.Config,
    CheckpointStore: stores.Checkpoints,
    ExecutionStore: stores.Executions,
    HostStore: stores.Host,
    OperationsStore: stores.Operations,
    ProgressStore: stores.Progress,
    SteeringStore: stores.Steering,
    TransferStore: stores.Transfers,
    redis_mob.Fleet: Fleet,
    AsyncFleetAdmin: FleetAdmin,
    view.PastEvents: past.PastEvents,
    view.PastRuns: past.PastRuns,
}

OF_THE_ENGINE = {"keep_alive", "listen"}
"""What a worker keeps in its event loop, and has no use elsewhere."""


@pytest.fixture(params=["memory", "server"])
def storage(request: pytest.FixtureRequest, namespace: str) -> Iterator[MobStorage]:
    url = "memory:" if request.param == "memory" else request.getfixturevalue("server_url")
    with MobStorage.open(url, namespace=namespace) as opened:
        yield opened


@pytest.fixture
def in_memory(namespace: str) -> Iterator[MobStorage]:
    with MobStorage.open("memory:", namespace=namespace) as opened:
        yield opened


def done(_ctx: StepContext) -> str:
    return "done"


def a_fleet(storage: MobStorage, handler: Callable[[StepContext], Any] = done) -> Fleet:
    return Fleet(storage, mob({"a": step()}), {"*": handler})


def public(kind: type) -> dict[str, Any]:
    """The methods of a class."""
    found = {name: value for name, value in inspect.getmembers(kind) if not name.startswith("_")}
    return {name: value for name, value in found.items() if callable(value) or isinstance(value, Twin)}


@pytest.mark.parametrize("contract", TWINS, ids=lambda contract: contract.__name__)
def test_every_public_method_has_its_twin(contract: type) -> None:
    twins = public(TWINS[contract])
    assert set(public(contract)) - OF_THE_ENGINE == set(twins)
    assert all(inspect.getdoc(method) for method in twins.values())


@pytest.mark.parametrize("name", ["open", "resolve", "at"])
def test_the_doors_take_the_same(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(door, name)) for door in (MobStorage, redis_mob.MobStorage))
    assert ours.parameters == theirs.parameters


def test_a_method_has_the_signature_of_its_twin(in_memory: MobStorage) -> None:
    pairs = [
        (in_memory.runs.list_runs, MobRunStore.list_runs),
        (a_fleet(in_memory).start, redis_mob.Fleet.start),
    ]
    for ours, theirs in pairs:
        assert ["self", *inspect.signature(ours).parameters] == list(inspect.signature(theirs).parameters)
        assert ours.__doc__ == theirs.__doc__


def test_an_operator_lists_runs(storage: MobStorage) -> None:
    fleet, admin = a_fleet(storage), FleetAdmin(storage)
    ids = [fleet.start(FLOW, {"n": number}) for number in range(3)]
    page = admin.runs(limit=2)
    assert [run.run_id for run in page.runs] == [ids[2], ids[1]]
    assert [run.run_id for run in admin.runs(after=page.next).runs] == ids[:1]
    assert [run.run_id for run in admin.all_runs(text='"n":1')] == [ids[1]]
    assert admin.count()[MobRunStatus.PENDING] == len(ids)
    assert admin.find(ids[0]) == ids[0]


def test_runs_and_events_as_they_were(storage: MobStorage) -> None:
    fleet = a_fleet(storage)
    with fleet.working():
        run: MobRun = fleet.wait(fleet.start(FLOW))
    end = storage.events.latest_cursor()
    began = storage.at(1)
    assert (began.cursor, repr(began), began.events.latest_cursor()) == (1, "sync.PastStorage(1)", 1)
    then = began.runs.get_run(run.run_id)
    assert then is not None and then.status is MobRunStatus.RUNNING
    assert storage.at(end).runs.list_runs("mob") == [run]
    assert FleetAdmin(storage).diff(run.run_id, 1, end).changes[0].after == "completed"


def test_a_flow_runs_with_a_worker_in_the_background(storage: MobStorage) -> None:
    fleet = a_fleet(storage)
    with fleet.working():
        run: MobRun = fleet.wait(fleet.start(FLOW, {"n": 1}))
    assert (run.status, run.root_step_outputs["a"]) == ("completed", {"worker-1": "done"})
    assert storage.runs.get_run(run.run_id) == run
    assert storage.executions.workers() == ()
    assert fleet.unserved(run.run_id) == fleet.recover() == []
    assert fleet.cancel(run.run_id) is False
    admin = FleetAdmin(storage)
    assert (admin.cancel(run.run_id), admin.terminate(run.run_id), admin.queues()) == (False, False, ())
    forked = admin.fork(run.run_id, "a", idempotency_key="k")
    assert admin.fork(run.run_id, "a", idempotency_key="k") == forked != run.run_id
    admin.delete(forked, cancel=True)
    admin.delete(run.run_id)
    assert storage.runs.get_run(run.run_id) is None


def test_a_mob_brings_its_handlers_and_members(in_memory: MobStorage) -> None:
    reviews = Mob("reviews")

    @reviews.handler(members=2)
    def review(ctx: StepContext) -> str:
        return ctx.member

    reviews.flow("review", [in_flow("review")])

    def other(ctx: StepContext) -> str:
        return f"not {ctx.member}"

    for fleet, members in [
        (Fleet(in_memory, reviews), ["review-1", "review-2"]),
        (Fleet(in_memory, reviews, {"review": other}, members={"review": 1}), ["not review-1"]),
    ]:
        with fleet.working():
            run = fleet.wait(fleet.start("review"))
        assert sorted(run.outputs("review").values()) == members


def test_a_storage_of_the_other_kind_is_refused_by_its_name(in_memory: MobStorage) -> None:
    synchronous: Any = in_memory
    with pytest.raises(ValidationError, match=r"must be a MobStorage, not a value of type redis_mob\.sync\.storage\."):
        Mob("reviews").fleet(synchronous)
    asynchronous: Any = in_memory.loop.value
    with pytest.raises(ValidationError, match=r"must be a MobStorage, not a value of type redis_mob\.storage\."):
        Fleet(asynchronous, mob({"a": step()}))


def test_what_handlers_tell_is_followed_to_the_end_of_the_run(storage: MobStorage) -> None:
    def telling(ctx: StepContext) -> None:
        ctx.stream("token")

    fleet = a_fleet(storage, telling)
    with fleet.working():
        run_id = fleet.start(FLOW)
        told = list(fleet.watch(run_id, "output"))
    assert [type(entry).__name__ for entry in told] == ["StreamChunk", "StreamEnd", "RunOver"]
    assert storage.progress.read_after(run_id, 0, 1).entries


def test_a_worker_returns_when_it_is_idle(storage: MobStorage) -> None:
    fleet = a_fleet(storage)
    run_id = fleet.start(FLOW)
    fleet.work(until_idle=True)
    assert storage.executions.status(run_id) == "completed"


def test_a_plain_handler_uses_the_storage_that_it_is_called_from(storage: MobStorage) -> None:
    storage.config.put("prompts", "greeting", "Hello")
    fleet = a_fleet(storage, lambda _: storage.config.get("prompts", "greeting"))
    with fleet.working():
        assert fleet.wait(fleet.start(FLOW)).root_step_outputs["a"] == {"worker-1": "Hello"}


def test_a_call_in_the_loop_of_the_storage_is_refused(in_memory: MobStorage) -> None:
    async def handler(_ctx: StepContext) -> Any:
        return in_memory.config.get("prompts", "greeting")

    fleet = a_fleet(in_memory, handler)
    with fleet.working():
        run = fleet.wait(fleet.start(FLOW))
    assert "this call would wait for itself" in run.failure_ledger[0].reason


def test_events_are_followed_by_a_plain_iterator(storage: MobStorage) -> None:
    storage.events.append_batch([numbered(1), numbered(2)])
    with storage.events.subscribe(after=0) as following:
        assert [next(following).cursor for _ in range(2)] == [1, 2]
        storage.events.append(numbered(3))
        assert next(iter(following)).cursor == 3
    for event in storage.events.subscribe(after=2):
        assert event.cursor == 3
        break


def test_a_subscription_is_open_when_it_is_made(storage: MobStorage) -> None:
    following = storage.events.subscribe()
    storage.events.append(numbered(1))
    assert next(following).cursor == 1
    following.close()


def test_config_documents_are_followed_walked_and_scoped(storage: MobStorage) -> None:
    with storage.config.subscribe() as changes:
        storage.config.put("prompts", "greeting", "Hello")
        assert changes.next().id == "greeting"
        assert changes.cursor == 1
    assert list(storage.config.walk("prompts")) == [("greeting", "Hello")]
    scoped = storage.config.scoped("tenant")
    assert scoped.list("prompts") == []
    scoped.feed_length = 7
    assert scoped.feed_length == 7


def test_it_works_where_a_loop_runs_already(namespace: str) -> None:
    async def cell() -> str:
        with MobStorage.open("memory:", namespace=namespace) as storage:
            fleet = a_fleet(storage)
            with fleet.working():
                return fleet.wait(fleet.start(FLOW)).status

    assert asyncio.run(cell()) == "completed"


def test_several_threads_share_a_storage(storage: MobStorage) -> None:
    def write(number: int) -> int:
        return storage.events.append(numbered(number)).cursor

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(write, range(100))) == list(range(1, 101))


def test_an_error_is_that_of_the_twin(in_memory: MobStorage) -> None:
    with pytest.raises(NotFoundError, match="has no flow 'other'"):
        a_fleet(in_memory).start("other")
    wrong: Any = 7
    with pytest.raises(ValidationError, match="concurrency"), a_fleet(in_memory).working(concurrency=0):
        a_fleet(in_memory).wait(a_fleet(in_memory).start(FLOW), timeout=0.05)
    with pytest.raises(ValidationError):
        in_memory.config.get(wrong, "id")


def test_what_a_worker_raises_ends_a_wait(in_memory: MobStorage) -> None:
    fleet = a_fleet(in_memory)
    run_id = fleet.start(FLOW)
    with pytest.raises(ValidationError, match="concurrency"), fleet.working(concurrency=0):
        fleet.wait(run_id)


@pytest.mark.parametrize("timeout", [0.01, timedelta(milliseconds=10)])
def test_a_wait_ends_at_its_timeout(in_memory: MobStorage, timeout: float | timedelta) -> None:
    fleet = a_fleet(in_memory)
    with pytest.raises(TimeoutError):
        fleet.wait(fleet.start(FLOW), timeout)


def test_use_after_close_says_so(namespace: str) -> None:
    storage = MobStorage.open("memory:", namespace=namespace)
    fleet = a_fleet(storage)
    following = storage.events.subscribe()
    storage.close()
    storage.close()
    uses: list[Callable[[], object]] = [
        lambda: storage.events.latest_cursor(),
        lambda: storage.events.subscribe(),
        lambda: fleet.start(FLOW),
        lambda: next(following),
        lambda: storage.resolve("token"),
    ]
    for use in uses:
        with pytest.raises(InternalError, match="this storage was closed; open a new one"):
            use()


def test_closing_ends_calls_of_other_threads_and_the_thread(storage: MobStorage) -> None:
    fleet = a_fleet(storage)
    run_id = fleet.start(FLOW)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(fleet.wait, run_id)
        while not waiting.running():
            time.sleep(0.001)
        storage.close()
        with pytest.raises(InternalError, match="closed"):
            waiting.result()
    assert not [thread for thread in threading.enumerate() if thread.name == "redis-mob-sync"]


def test_an_opening_that_fails_leaves_no_thread() -> None:
    before = threading.active_count()
    with pytest.raises(StorageUnavailableError):
        MobStorage.open("unix:///no/such/socket")
    assert threading.active_count() == before


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_is_told_to_open_one_of_its_own(in_memory: MobStorage) -> None:
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def child() -> None:
        with suppress(InternalError), in_memory:
            try:
                in_memory.events.latest_cursor()
            except InternalError as error:
                sender.send(str(error))

    process = context.Process(target=child)
    process.start()
    assert receiver.recv() == (
        f"this storage was opened by process {os.getpid()} before a fork, and has no thread here; "
        "open one in each process, after the fork"
    )
    process.join()
    assert process.exitcode == 0
    assert in_memory.events.latest_cursor() == 0


def test_annotations_can_be_read() -> None:
    assert get_type_hints(Fleet.wait)["return"] is MobRun
