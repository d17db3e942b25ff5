"""Attributes and summaries of runs, and lists by them, against a model of all runs (contract: operations-140)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from redis_mob import MobStorage
from redis_mob.codec.labels import checked_labels, encode_attribute
from redis_mob.connection.calls.client import Client
from redis_mob.connection.calls.keys import Keys
from redis_mob.errors import CasConflictError, NotFoundError, SerializationError, ValidationError
from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.isolation import isolated
from redis_mob.fleet.lease import LeaseLostError
from redis_mob.fleet.step_context import StepContext
from redis_mob.models import MobRunStatus
from redis_mob.models.base import SortedDict
from redis_mob.models.execution import HowLost, Loss
from redis_mob.models.labels import AttributeValue, LabelChange, Labels, attribute_text
from redis_mob.models.run_summary import RunFilter
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.testing import step_context
from redis_mob.testing.samples.driven_runs import ONE_STEP, keys_of, pending, waiting
from redis_mob.testing.waiting import LONG
from tests.fleet import isolated_handlers
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import at_work, run_step
from tests.operations.older_release import leave_unindexed
from tests.support.examples import examples

SEEDS = range(examples(12))
LONG_INTERVAL = timedelta(hours=1)

NAMES = ["a", "aa", "a\0", "a:b", "{x}", "ä" * 128, "\n", "customer", "custom", " ", "\x7f", "名前"]
VALUES: list[AttributeValue] = [
    *("", "a", "aa", "\0", "a\0b", "=", "a=b", "x" * 256, "é" * 128, "€" * 85, "1", "true", "False", "\u2028"),
    *(1, 1.0, -1, 0, -0.0, 1.5, 2**63, -(2**63), 1e300, True, False),
]


@dataclass
class Model:
    """All runs in the order of their creation, with their labels and statuses."""

    labels: dict[str, Labels] = field(default_factory=dict[str, Labels])
    statuses: dict[str, MobRunStatus] = field(default_factory=dict[str, MobRunStatus])

    def asked_for(self, attributes: dict[str, AttributeValue], statuses: Sequence[MobRunStatus]) -> list[str]:
        return [
            run_id
            for run_id, labels in reversed(self.labels.items())
            if all(
                name in labels.attributes and attribute_text(labels.attributes[name]) == attribute_text(value)
                for name, value in attributes.items()
            )
            and (not statuses or self.statuses[run_id] in statuses)
        ]


def some_attributes(random: Random, most: int) -> dict[str, AttributeValue]:
    return {random.choice(NAMES): random.choice(VALUES) for _ in range(random.randrange(most + 1))}


async def do(action: str, storage: MobStorage, model: Model, random: Random) -> None:
    admin = FleetAdmin(storage)
    run_id = random.choice(list(model.labels)) if model.labels else None
    if action == "start":
        run, launch = pending(ONE_STEP, run_id=str(UUID(int=random.getrandbits(128))))
        labels = checked_labels(some_attributes(random, 4), random.choice([None, "", "what it does"]))
        assert await storage.executions.start_run(run, launch, ONE_STEP, labels=labels)
        model.labels[run.run_id], model.statuses[run.run_id] = labels, MobRunStatus.PENDING
    elif run_id is None:
        return
    elif action == "set":
        before = model.labels[run_id].attributes
        removed = random.sample(NAMES, random.randrange(4))
        change = {**some_attributes(random, 4), **dict.fromkeys(removed)}
        await admin.set_attributes(run_id, change)
        after = {name: value for name, value in {**before, **change}.items() if value is not None}
        model.labels[run_id] = checked_labels(after, model.labels[run_id].summary)
    elif action == "summary":
        said = random.choice([None, "", "other", "x" * 1000])
        await admin.set_summary(run_id, said)
        model.labels[run_id] = checked_labels(model.labels[run_id].attributes, said)
    elif action == "end" and not model.statuses[run_id].is_terminal:
        await admin.terminate(run_id)
        model.statuses[run_id] = MobRunStatus.CANCELED
    elif action == "delete":
        await admin.delete(run_id, cancel=True)
        del model.labels[run_id], model.statuses[run_id]


async def check(storage: MobStorage, model: Model, random: Random) -> None:
    wanted = some_attributes(random, 2)
    if model.labels and random.random() < 0.5:  # what some run has
        own = dict(random.choice(list(model.labels.values())).attributes)
        wanted = {name: own[name] for name in random.sample(list(own), min(len(own), random.randrange(1, 3)))}
    statuses = random.choice([(), (), (MobRunStatus.PENDING,), (MobRunStatus.CANCELED,)])
    mob_id = random.choice([None, ONE_STEP.id])
    expected = model.asked_for(wanted, statuses)
    found = [run async for run in FleetAdmin(storage).all_runs(attributes=wanted, statuses=statuses, mob_id=mob_id)]
    assert [run.run_id for run in found] == expected, wanted
    for run in found:
        labels = model.labels[run.run_id]
        assert repr(dict(run.attributes)) == repr(dict(labels.attributes))
        assert run.summary == labels.summary
    counted = Counter(model.statuses[run_id] for run_id in expected)
    number = await FleetAdmin(storage).count(attributes=wanted, statuses=statuses, mob_id=mob_id)
    assert {status: count for status, count in number.items() if count} == counted


ACTIONS = ("start", "start", "start", "set", "set", "summary", "end", "delete", "check", "check")


@pytest.mark.parametrize("seed", SEEDS)
async def test_runs_are_found_by_what_they_have(
    storage: MobStorage, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("redis_mob.operations.run_list.PAGE", 3)
    random, model = Random(seed), Model()
    for _ in range(80):
        action = random.choice(ACTIONS)
        await (check(storage, model, random) if action == "check" else do(action, storage, model, random))
    for _ in range(10):
        await check(storage, model, random)


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_index_has_what_the_runs_have_and_nothing_else(
    server_url: str, keys: Keys, connection: Client, seed: int
) -> None:
    random, model = Random(seed), Model()
    async with MobStorage.open(server_url, namespace=keys.namespace) as storage:
        for _ in range(60):
            action = random.choice([action for action in ACTIONS if action != "check"])
            await do(action, storage, model, random)
            places = await connection.router.request("ZCARD", keys.by_attribute)
            assert places == sum(len(labels.attributes) for labels in model.labels.values())
            assert int(await connection.router.request("HGET", keys.meta, "attributed") or 0) == places
        for run_id in model.labels:
            await FleetAdmin(storage).delete(run_id, cancel=True)
    assert await connection.router.request("EXISTS", keys.by_attribute) == 0


async def test_a_lost_index_is_made_anew(server_url: str, keys: Keys, connection: Client) -> None:
    random, model = Random(3), Model()
    async with MobStorage.open(server_url, namespace=keys.namespace) as storage:
        for _ in range(30):
            await do("start", storage, model, random)
        places = await connection.router.request("ZRANGE", keys.by_attribute, 0, -1)
        for lost in (places, places[:1], places[5:20]):
            await connection.router.request("ZREM", keys.by_attribute, *lost)
            await check_all(storage, model)
            assert await connection.router.request("ZRANGE", keys.by_attribute, 0, -1) == places
        for damaged in ("0", "x", "999", "10000000000000000000000"):
            await connection.router.request("HSET", keys.meta, "attributed", damaged)
            await check_all(storage, model)
            assert int(await connection.router.request("HGET", keys.meta, "attributed") or 0) == len(places)


async def check_all(storage: MobStorage, model: Model) -> None:
    for labels in list(model.labels.values()):
        for name, value in labels.attributes.items():
            found = [run.run_id async for run in FleetAdmin(storage).all_runs(attributes={name: value})]
            assert found == model.asked_for({name: value}, ())


async def test_what_an_older_release_has_deleted_is_forgotten(server_url: str, keys: Keys, connection: Client) -> None:
    async with MobStorage.open(server_url, namespace=keys.namespace) as storage:
        runs = [await started(storage, {"customer": "acme"}) for _ in range(3)]
        _ = [await started(storage) for _ in range(3)]  # or the list of all runs is the shorter one
        await FleetAdmin(storage).terminate(runs[1])
        attributes = await connection.router.request("HGET", keys.run(runs[1]).run, "attributes")
        await connection.router.request("HDEL", keys.run(runs[1]).run, "attributes")
        await FleetAdmin(storage).delete(runs[1])
        assert attributes is not None
        assert await connection.router.request("ZCARD", keys.by_attribute) == 3
        page = await FleetAdmin(storage).runs(attributes={"customer": "acme"})
        assert [run.run_id for run in page.runs] == [runs[2], runs[0]]
        assert await connection.router.request("ZCARD", keys.by_attribute) == 2
        assert await connection.router.request("HGET", keys.meta, "attributed") == b"2"


async def test_a_run_of_an_older_release_gets_attributes(server_url: str, keys: Keys, connection: Client) -> None:
    async with MobStorage.open(server_url, namespace=keys.namespace) as storage:
        runs = [await started(storage) for _ in range(3)]
        await leave_unindexed(connection, keys, runs[1])
        admin = FleetAdmin(storage)
        assert (await admin.describe(runs[1])).attributes == {}
        await admin.set_attributes(runs[1], {"customer": None})
        await admin.set_summary(runs[1], "old")
        await admin.set_attributes(runs[1], {"customer": "acme"})
        [found] = (await admin.runs(attributes={"customer": "acme"})).runs
        assert (found.run_id, found.summary) == (runs[1], "old")


async def test_damaged_attributes_are_told(server_url: str, keys: Keys, connection: Client) -> None:
    async with MobStorage.open(server_url, namespace=keys.namespace) as storage:
        run_id = await started(storage, {"customer": "acme", "b": 1}, "said")
        admin, run = FleetAdmin(storage), keys.run(run_id).run
        stored = await connection.router.request("HGET", run, "attributes")
        last = len(encode_attribute("customer", "acme"))
        for damage in (
            *(b"", stored[:1], stored[:2], stored[:-1], stored[:-last], stored + b"x", b"03" + stored[2:]),
            *(b"\xff" * len(stored), stored[:26] + b"9999" + stored[30:], stored + stored[-last:]),
        ):
            await connection.router.request("HSET", run, "attributes", damage)
            with pytest.raises(SerializationError, match="attributes"):
                await admin.set_attributes(run_id, {"c": 1})
            with pytest.raises(SerializationError, match=f"run {run_id}: attributes cannot be read"):
                await admin.runs()
        await connection.router.request("HDEL", run, "attributes")
        with pytest.raises(SerializationError):
            await admin.set_attributes(run_id, {"c": 1})


async def started(
    storage: MobStorage, attributes: dict[str, AttributeValue] | None = None, summary: str | None = None
) -> str:
    run, launch = pending(ONE_STEP)
    assert await storage.executions.start_run(run, launch, ONE_STEP, labels=checked_labels(attributes, summary))
    return run.run_id


BAD_ATTRIBUTES: list[tuple[Any, str]] = [
    ({"": 1}, "the name of an attribute must not be empty"),
    ({"a=b": 1}, "attribute 'a=b': a name has no '='"),
    ({"n" * 257: 1}, "the name of an attribute, 'nn.*, has 257 bytes in UTF-8, more than 256"),
    ({"ä" * 129: 1}, "258 bytes"),
    ({"a": "x" * 257}, "attribute 'a', 'xx.*, has 257 bytes in UTF-8, more than 256"),
    ({"a": "\ud800"}, "attribute 'a', .* has a lone surrogate"),
    ({"\ud800": 1}, "the name of an attribute, .* has a lone surrogate"),
    ({"a": [1]}, r"attribute 'a' must be a text, a number or a truth value, not \[1\]"),
    ({"a": float("nan")}, "attribute 'a' has nan, which is no number of JSON"),
    ({"a": float("inf")}, "attribute 'a' has inf"),
    ({"a": 2**64}, "more than 64 bits"),
    ({1: "a"}, "the name of an attribute must be a text, not 1"),
    (["a"], r"attributes must be a mapping from names to values, not \['a'\]"),
    ("a", "attributes must be a mapping"),
    ({str(number): 1 for number in range(33)}, "a run may have 32 attributes, and"),
]


@pytest.mark.parametrize(("attributes", "message"), BAD_ATTRIBUTES, ids=[text for _, text in BAD_ATTRIBUTES])
async def test_what_is_no_attribute_is_refused(storage: MobStorage, attributes: Any, message: str) -> None:
    fleet, admin = Fleet(storage, mob({"a": step()})), FleetAdmin(storage)
    run_id = await fleet.start(FLOW)
    ctx = step_context()
    calls: list[Callable[[], Any]] = [
        lambda: fleet.start(FLOW, attributes=attributes),
        lambda: fleet.schedule("s", FLOW, every=LONG_INTERVAL, attributes=attributes),
        lambda: admin.set_attributes(run_id, attributes),
        lambda: admin.runs(attributes=attributes),
        lambda: admin.count(attributes=attributes),
        lambda: storage.executions.set_labels(run_id, LabelChange(attributes)),
    ]
    for call in calls:
        with pytest.raises(ValidationError, match=message):
            await call()
    with pytest.raises(ValidationError, match=message):
        ctx.set_attributes(attributes)
    assert (await admin.runs()).runs[0].attributes == {}
    assert len((await admin.runs()).runs) == 1


async def test_what_is_no_summary_is_refused(storage: MobStorage) -> None:
    fleet, admin = Fleet(storage, mob({"a": step()})), FleetAdmin(storage)
    run_id = await fleet.start(FLOW, summary="x" * 1000)
    values: list[tuple[Any, str]] = [
        ("x" * 1001, "summary has 1,001 characters, more than 1,000"),
        (1, "summary must be a text"),
        ("\ud800", "summary has a lone surrogate"),
    ]
    for value, message in values:
        with pytest.raises(ValidationError, match=message):
            await fleet.start(FLOW, summary=value)
        with pytest.raises(ValidationError, match=message):
            await admin.set_summary(run_id, value)
        with pytest.raises(ValidationError, match=message):
            step_context().set_summary(value)
    with pytest.raises(ValidationError, match="attribute 'a' is None: a new run has none to be removed"):
        none: Any = {"a": None}
        await fleet.start(FLOW, attributes=none)


async def test_a_run_has_at_most_32_attributes(storage: MobStorage) -> None:
    admin, run_id = FleetAdmin(storage), await started(storage)
    many: dict[str, AttributeValue] = {f"n{number}": "v" * 256 for number in range(32)}
    await admin.set_attributes(run_id, many)
    with pytest.raises(CasConflictError, match="a run may have 32 attributes, and would have more then"):
        await admin.set_attributes(run_id, {"n0": 1, "one more": 1})
    assert dict((await admin.describe(run_id)).attributes) == many
    await admin.set_attributes(run_id, {"n0": None, "one more": 1})
    assert len((await admin.describe(run_id)).attributes) == 32
    with pytest.raises(NotFoundError, match="0191a6a0-0000-4000-8000-0000000000ff"):
        await admin.set_attributes("0191a6a0-0000-4000-8000-0000000000ff", {"a": 1})


async def test_many_who_set_at_once_lose_nothing(storage: MobStorage, other_storage: MobStorage) -> None:
    run_id = await started(storage)
    admins = FleetAdmin(storage), FleetAdmin(other_storage)
    await asyncio.gather(*(admins[number % 2].set_attributes(run_id, {f"n{number}": number}) for number in range(32)))
    assert dict((await admins[0].describe(run_id)).attributes) == {f"n{number}": number for number in range(32)}


async def test_a_worker_that_was_overtaken_sets_nothing(storage: MobStorage) -> None:
    run = await waiting(storage.executions, ONE_STEP)
    view = await run.view()
    key = keys_of(view)[0]
    change = LabelChange({"a": 1}, "said", True)
    await run.claim(key, owner="one")
    held = (await run.view()).executions[key]
    await run.claim(key, owner="two", loss=Loss(HowLost.HANDED_BACK, "one", "host", view.now))
    set_labels = storage.executions.set_labels
    assert await set_labels(run.run_id, change, key=key, execution=held) is False
    assert (await run.view()).labels == Labels()
    newest = (await run.view()).executions[key]
    assert await set_labels(run.run_id, change, key=key, execution=newest) is True
    assert (await run.view()).labels == checked_labels({"a": 1}, "said")
    await run.settle(key)
    assert await set_labels(run.run_id, LabelChange({"a": None}), key=key, execution=newest) is False
    assert await set_labels(run.run_id, LabelChange({"a": None})) is True
    assert (await run.view()).labels == checked_labels({}, "said")
    with pytest.raises(ValidationError, match="give both the key and the execution, or none of them"):
        await set_labels(run.run_id, change, key=key)


async def coroutine_handler(ctx: StepContext) -> None:
    await ctx.set_attributes({"customer": "acme", "tries": 3})
    await ctx.set_attributes({"tries": None, "paid": True})
    await ctx.set_summary("for acme")


def plain_handler(ctx: StepContext) -> None:
    ctx.set_attributes({"customer": "acme", "tries": 3})
    ctx.set_attributes({"tries": None, "paid": True})
    ctx.set_summary("for acme")


def looping_handler(ctx: StepContext) -> None:
    asyncio.run(coroutine_handler(ctx))


HANDLERS: dict[str, Any] = {
    "a coroutine": coroutine_handler,
    "a plain function": plain_handler,
    "an event loop of its own": looping_handler,
    "an isolated coroutine": isolated(isolated_handlers.label),
    "an isolated function": isolated(isolated_handlers.label_plainly),
}


@pytest.mark.parametrize("kind", HANDLERS)
async def test_a_handler_sets_what_its_run_is_found_by(storage: MobStorage, kind: str) -> None:
    run = await run_step(storage, HANDLERS[kind])
    assert run.status == "completed", run.failure_ledger
    [found] = (await FleetAdmin(storage).runs(attributes={"customer": "acme", "paid": "true"})).runs
    assert (found.run_id, dict(found.attributes), found.summary) == (
        run.run_id,
        {"customer": "acme", "paid": True},
        "for acme",
    )


@pytest.mark.parametrize("kind", ["coroutine", "function"])
async def test_a_handler_whose_execution_was_canceled_is_told(storage: MobStorage, kind: str) -> None:
    begun, told = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def handler(ctx: StepContext) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            with pytest.raises(LeaseLostError, match="nothing was set"):
                await ctx.set_attributes({"a": 1})
            told.set()

    def function(ctx: StepContext) -> None:
        loop.call_soon_threadsafe(begun.set)
        while not ctx.cancelled.is_set():
            pass
        with pytest.raises(LeaseLostError, match="nothing was set"):
            ctx.set_summary("too late")
        loop.call_soon_threadsafe(told.set)

    handlers = {"*": handler if kind == "coroutine" else function}
    fleet = Fleet(storage, mob({"a": step()}), handlers)
    async with asyncio.timeout(LONG), at_work(storage, handlers):
        run_id = await fleet.start(FLOW)
        await begun.wait()
        await fleet.cancel(run_id)
        await told.wait()
    described = await FleetAdmin(storage).describe(run_id)
    assert (dict(described.attributes), described.summary) == ({}, None)


async def test_a_context_of_a_test_gives_what_is_set() -> None:
    changes: list[LabelChange] = []

    async def take(change: LabelChange) -> None:
        changes.append(change)

    await coroutine_handler(step_context(label=take))
    assert changes == [
        LabelChange({"customer": "acme", "tries": 3}),
        LabelChange({"tries": None, "paid": True}),
        LabelChange({}, "for acme", True),
    ]
    plain_handler(step_context())
    await coroutine_handler(step_context())


async def test_a_repeated_start_keeps_what_the_run_has(storage: MobStorage) -> None:
    fleet, admin = Fleet(storage, mob({"a": step()})), FleetAdmin(storage)
    run_id = await fleet.start(FLOW, idempotency_key="k", attributes={"a": 1}, summary="first")
    assert await fleet.start(FLOW, idempotency_key="k", attributes={"b": 2}) == run_id
    described = await admin.describe(run_id)
    assert (dict(described.attributes), described.summary) == ({"a": 1}, "first")


async def test_a_fork_takes_labels_along_unless_others_are_given(storage: MobStorage) -> None:
    fleet, admin = Fleet(storage, mob({"a": step()})), FleetAdmin(storage)
    run_id = await fleet.start(FLOW, attributes={"a": 1, "b": "x"}, summary="first")
    await admin.terminate(run_id)
    same = await admin.describe(await admin.fork(run_id))
    assert (dict(same.attributes), same.summary) == ({"a": 1, "b": "x"}, "first")
    other = await admin.describe(await admin.fork(run_id, attributes={"c": 2}, summary=None))
    assert (dict(other.attributes), other.summary) == ({"c": 2}, None)
    assert len((await admin.runs(attributes={"a": 1})).runs) == 2


async def test_the_runs_of_a_schedule_have_its_attributes(storage: MobStorage) -> None:
    fleet, admin = Fleet(storage, mob({"a": step()}), {"*": lambda _ctx: None}), FleetAdmin(storage)
    made = await fleet.schedule("s", FLOW, every=LONG_INTERVAL / 3600, attributes={"kind": "nightly"})
    assert dict(made.schedule.attributes) == {"kind": "nightly"}
    async with asyncio.timeout(LONG), admin.tail(after=0, until_over=False) as events, fleet.working():
        await anext(aiter(events))  # a run has begun
        assert (await admin.runs(attributes={"kind": "nightly"})).runs


async def test_a_filter_that_no_run_can_match_is_refused(storage: MobStorage) -> None:
    with pytest.raises(ValidationError, match="the name of an attribute must not be empty"):
        await storage.operations.runs(RunFilter(attributes=SortedDict({"": 1})))
