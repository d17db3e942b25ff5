"""What handlers tell while they are at work, and what those hear who watch: on a server and in memory."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from redis_mob import (
    Fleet,
    NotFoundError,
    ProgressReport,
    ProgressTrimmedError,
    RunOver,
    StepContext,
    StepFailed,
    StreamChunk,
    StreamEnd,
    StreamReset,
    isolated,
)
from redis_mob.errors import ValidationError, WriteFailedError
from redis_mob.fleet.progress_writer import MOST_KEPT, ProgressWriter
from redis_mob.fleet.sse import last_event_id, server_sent_events
from redis_mob.fleet.step_context import Handler
from redis_mob.fleet.watching import Watcher
from redis_mob.memory import run_progress
from redis_mob.models.conditions import GtCondition
from redis_mob.models.progress import (
    MOST_BYTES,
    NewProgress,
    ProgressEntry,
    ProgressPage,
    ProgressSource,
)
from redis_mob.storage import MobStorage
from redis_mob.stores import progress as on_server
from redis_mob.testing.waiting import LONG
from tests.fleet import isolated_handlers
from tests.fleet.flows import FLOW, loop, mob, node, step
from tests.fleet.working import at_work, run_step

SOURCE = ProgressSource("a", "a", "frame", None, "worker-1", 1, 1)


async def watched(
    storage: MobStorage, run_id: str, topic: str | None = None, after: int | None = None
) -> list[ProgressEntry]:
    """All that a watcher is told, up to the end of the run."""
    fleet = Fleet(storage, mob({"a": step()}), {"*": str})
    async with asyncio.timeout(LONG), fleet.watch(run_id, topic, after) as progress:
        return [entry async for entry in progress]


async def told_by(storage: MobStorage, handler: Handler, *, retries: int = 0) -> list[ProgressEntry]:
    """All that the watcher of a run of one step is told, who comes when it is over."""
    run = await run_step(storage, handler, retries=retries)
    return await watched(storage, run.run_id)


def kinds(entries: Sequence[ProgressEntry]) -> list[str]:
    return [entry.kind for entry in entries]


def chunks(entries: Sequence[ProgressEntry], topic: str = "output") -> list[Any]:
    return [entry.value for entry in entries if isinstance(entry, StreamChunk) and entry.topic == topic]


async def test_a_watcher_is_told_what_a_handler_tells_in_its_order(storage: MobStorage) -> None:
    async def tells(ctx: StepContext) -> int:
        await ctx.report(0.5, "half", {"n": [1]})
        await ctx.stream("one")
        await ctx.stream(2, topic="numbers")
        await ctx.stream("three")
        return 1

    entries = await told_by(storage, tells)
    assert kinds(entries) == ["report", "chunk", "chunk", "chunk", "end", "run_over"]
    assert [entry.offset for entry in entries] == [1, 2, 3, 4, 5, 5]
    report, first, number, last, end, over = entries
    assert isinstance(report, ProgressReport)
    assert (report.fraction, report.message, report.data) == (0.5, "half", {"n": [1]})
    assert isinstance(first, StreamChunk)
    assert (first.step_id, first.node_id, first.member, first.attempt, first.iteration) == (
        "a",
        "a",
        "worker-1",
        1,
        None,
    )
    assert [(one.topic, one.number) for one in (first, number, last) if isinstance(one, StreamChunk)] == [
        ("output", 0),
        ("numbers", 0),
        ("output", 1),
    ]
    assert isinstance(end, StreamEnd)
    assert end.succeeded
    assert isinstance(over, RunOver)
    assert over.status == "completed"


async def test_a_watcher_hears_while_the_handler_is_at_work(storage: MobStorage, other_storage: MobStorage) -> None:
    go_on = asyncio.Event()

    async def tells(ctx: StepContext) -> None:
        await ctx.stream("begun")
        await go_on.wait()
        await ctx.stream("ended")

    fleet = Fleet(storage, mob({"a": step()}), {"*": tells})
    run_id = await fleet.start(FLOW)
    watching = Fleet(other_storage, mob({"a": step()}), {"*": tells})
    async with asyncio.timeout(LONG), watching.watch(run_id) as progress, at_work(storage, {"*": tells}):
        # the watcher was there before the run began
        assert chunks([await anext(progress)]) == ["begun"]
        go_on.set()
        assert [entry.kind async for entry in progress] == ["chunk", "end", "run_over"]


@pytest.mark.parametrize("retries", [1])
async def test_a_retry_makes_void_what_was_told_before(storage: MobStorage, retries: int) -> None:
    async def tells(ctx: StepContext) -> None:
        await ctx.stream(ctx.attempt)
        if ctx.attempt == 1:
            raise StepFailed("once more")

    entries = await told_by(storage, tells, retries=retries)
    assert kinds(entries) == ["chunk", "end", "reset", "chunk", "end", "run_over"]
    _, failed, reset, again, succeeded, _ = entries
    assert isinstance(failed, StreamEnd)
    assert not failed.succeeded
    assert isinstance(reset, StreamReset)
    assert reset.attempt == 2
    assert isinstance(again, StreamChunk)
    assert again.number == 0
    assert isinstance(succeeded, StreamEnd)
    assert succeeded.succeeded


async def test_a_handler_that_tells_nothing_leaves_nothing(storage: MobStorage) -> None:
    assert kinds(await told_by(storage, lambda _ctx: 1)) == ["run_over"]


async def test_a_plain_function_tells_from_its_thread(storage: MobStorage) -> None:
    def tells(ctx: StepContext) -> bool:
        for number in range(2_500):
            ctx.stream(number)
        ctx.report(message="done")
        return threading.current_thread() is threading.main_thread()

    entries = await told_by(storage, tells)
    assert chunks(entries) == list(range(2_500))
    assert kinds(entries)[-3:] == ["report", "end", "run_over"]


async def test_a_coroutine_that_waits_for_room_loses_nothing(storage: MobStorage) -> None:
    async def tells(ctx: StepContext) -> None:
        for number in range(MOST_KEPT + 500):
            await ctx.stream(number)

    assert chunks(await told_by(storage, tells)) == list(range(MOST_KEPT + 500))


async def test_an_isolated_handler_tells_through_its_worker(storage: MobStorage) -> None:
    entries = await told_by(storage, isolated(isolated_handlers.tells))
    assert kinds(entries) == ["chunk", "chunk", "report", "end", "run_over"]
    assert chunks(entries) + chunks(entries, "other") == ["one", {"two": 2}]


async def test_of_fast_reports_the_first_and_the_last_are_told(storage: MobStorage) -> None:
    async def tells(ctx: StepContext) -> None:
        for number in range(1, 1_001):
            await ctx.report(number / 1_000)

    entries = await told_by(storage, tells)
    fractions = [entry.fraction for entry in entries if isinstance(entry, ProgressReport)]
    assert (fractions[0], fractions[-1]) == (0.001, 1.0)
    assert len(fractions) < 100
    assert kinds(entries)[-2:] == ["end", "run_over"]


async def test_iterations_of_a_loop_are_told_apart(storage: MobStorage) -> None:
    async def tells(ctx: StepContext) -> int:
        await ctx.stream(ctx.iteration)
        return ctx.iteration or 0

    definition = mob(
        {"a": step(policy="any")}, root={"l": loop("l", GtCondition(path="steps.a", value=1), 3, a=node("a"))}
    )
    fleet = Fleet(storage, definition, {"*": tells})
    async with at_work(storage, {"*": tells}):
        run = await fleet.wait(await fleet.start(FLOW))
    entries = [entry for entry in await watched(storage, run.run_id) if isinstance(entry, StreamChunk)]
    assert [(entry.iteration, entry.value) for entry in entries] == [(0, 0), (1, 1), (2, 2)]


async def test_a_watcher_goes_on_after_an_offset_and_may_ask_for_one_topic(storage: MobStorage) -> None:
    async def tells(ctx: StepContext) -> None:
        await ctx.report(0.1)
        for number in range(450):  # more than one page
            await ctx.stream(number, topic="even" if number % 2 == 0 else "odd")

    run = await run_step(storage, tells)
    assert chunks(await watched(storage, run.run_id, after=401), "even") == list(range(400, 450, 2))
    odd = await watched(storage, run.run_id, "odd")
    assert chunks(odd, "odd") == list(range(1, 450, 2))
    assert set(kinds(odd)) == {"chunk", "end", "run_over"}
    assert kinds(await watched(storage, run.run_id, "report")) == ["report", "end", "run_over"]
    assert kinds(await watched(storage, run.run_id, after=452)) == ["run_over"]


async def test_entries_that_are_gone_are_told_once(storage: MobStorage) -> None:
    run_id = await Fleet(storage, mob({"a": step()}), {"*": str}).start(FLOW)
    for number in range(110):
        entries = [NewProgress(SOURCE, "chunk", "output", 200 * number + n, value=n) for n in range(200)]
        assert await storage.progress.append(run_id, entries) == 200 * (number + 1)
    fleet = Fleet(storage, mob({"a": step()}), {"*": str})
    async with asyncio.timeout(LONG), fleet.watch(run_id, after=5) as progress:
        with pytest.raises(ProgressTrimmedError, match="told after offset 5 is gone") as raised:
            await anext(progress)
        following = await anext(progress)
        assert following.offset == raised.value.first_available
        assert 11_000 < following.offset <= 12_001
        assert (await anext(progress)).offset == following.offset + 1
    async with asyncio.timeout(LONG), fleet.watch(run_id) as progress:
        assert (await anext(progress)).offset == following.offset  # without an offset nothing is missed


async def test_the_bytes_of_a_run_are_bounded(storage: MobStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract is progress-2. Small entries that are many, and large ones that are few."""
    for module in (run_progress, on_server):
        monkeypatch.setattr(module, "MOST_BYTES_OF_RUN", 50_000)
    run_id = await Fleet(storage, mob({"a": step()}), {"*": str}).start(FLOW)

    async def tell(length: int, number: int) -> int | None:
        return await storage.progress.append(
            run_id, [NewProgress(SOURCE, "chunk", "output", value="x" * length)] * number
        )

    async def kept() -> list[int]:
        read = await storage.progress.read_after(run_id, 0, 10_000)
        return [len(chunk.value) for chunk in read.entries if isinstance(chunk, StreamChunk)]

    await tell(100, 200)
    assert await kept() == [100] * 200
    for _ in range(3):
        await tell(10_000, 1)
    assert len(await kept()) < 203
    await tell(10_000, 1)
    before = await kept()
    assert before[-4:] == [10_000] * 4
    assert 50_000 < sum(before) + 50 * len(before) < 70_000
    assert await tell(16_000, 5) == 209
    assert await kept() == [16_000] * 4
    assert await tell(1, 1) == 210
    assert await kept() == [16_000] * 4 + [1]


@pytest.mark.parametrize(("told", "newest"), [(3, "the newest is 3"), (0, "nothing that the run has told is kept")])
async def test_an_offset_that_was_never_told_is_refused(storage: MobStorage, told: int, newest: str) -> None:
    fleet = Fleet(storage, mob({"a": step()}), {"*": str})
    run_id = await fleet.start(FLOW)
    if told:
        await storage.progress.append(run_id, [NewProgress(SOURCE, "chunk", "output", n) for n in range(told)])
    for after in (told + 1, 1_000_000, 2**70, last_event_id({"Last-Event-ID": "99999999999999999999"})):
        with pytest.raises(ValidationError, match=f"offset {after} was never told; {newest}: give that of"):
            await fleet.watch(run_id, after=after).__aenter__()
    await fleet.cancel(run_id)
    async with at_work(storage, {"*": str}):
        assert kinds(await watched(storage, run_id, after=told)) == ["run_over"]


async def test_a_watcher_whose_stream_has_begun_anew_is_told_once(storage: MobStorage) -> None:
    """It is kept for a day; the new one is so long that its own beginning is gone."""
    fleet = Fleet(storage, mob({"a": step()}), {"*": str})
    run_id = await fleet.start(FLOW)
    entries = [NewProgress(SOURCE, "chunk", "output", n) for n in range(200)]
    await storage.progress.append(run_id, entries)
    first, later = await storage.progress.read_after(run_id, 0, 200), await storage.progress.read_after(run_id, 199, 1)
    left = first._replace(newest=150, entries=first.entries[100:101])
    pages = [later, left._replace(entries=()), left, left]

    class Store:
        async def read_after(self, _run_id: str, _after: int, _limit: int) -> ProgressPage:
            return pages.pop(0)

    store: Any = Store()
    flag: Any = None
    progress = Watcher(store, run_id, flag, None, 199)
    assert (await anext(progress)).offset == 200
    with pytest.raises(ProgressTrimmedError, match=r"offset 200 is gone; the first entry that is left is 101"):
        await anext(progress)
    assert (await anext(progress)).offset == 101


async def test_what_an_overtaken_attempt_tells_late_is_skipped(storage: MobStorage) -> None:
    fleet = Fleet(storage, mob({"a": step()}), {"*": str})
    run_id = await fleet.start(FLOW)
    later = SOURCE._replace(attempt=2, fencing_token=2)
    told = [
        NewProgress(SOURCE, "chunk", "output", value="old"),
        NewProgress(later, "reset"),
        NewProgress(SOURCE, "chunk", "output", value="late"),
        NewProgress(later, "chunk", "output", value="new"),
    ]
    await storage.progress.append(run_id, told)
    async with asyncio.timeout(LONG), fleet.watch(run_id) as progress:
        entries = [await anext(progress) for _ in range(3)]
    assert kinds(entries) == ["chunk", "reset", "chunk"]
    assert chunks(entries) == ["old", "new"]


async def test_nothing_is_added_to_a_run_that_is_over_or_unknown(storage: MobStorage) -> None:
    run = await run_step(storage, lambda _ctx: 1)
    assert await storage.progress.append(run.run_id, [NewProgress(SOURCE, "reset")]) is None
    unknown = "0191a6a0-0000-4000-8000-00000000dead"
    with pytest.raises(NotFoundError, match="does not exist"):
        await storage.progress.append(unknown, [NewProgress(SOURCE, "reset")])
    with pytest.raises(NotFoundError, match="does not exist"):
        await watched(storage, unknown)


async def test_a_handler_goes_on_while_the_storage_takes_nothing(storage: MobStorage) -> None:
    taken: list[NewProgress] = []
    is_away = True

    class AwayForAWhile:
        async def append(self, run_id: str, entries: Sequence[NewProgress]) -> int | None:
            del run_id
            if is_away:
                raise WriteFailedError("away")
            taken.extend(entries)
            return len(taken)

        async def read_after(self, run_id: str, after: int, limit: int) -> ProgressPage:
            raise NotImplementedError

        def listen(self, run_id: str) -> Any:
            raise NotImplementedError

    writer = ProgressWriter(AwayForAWhile())
    teller = writer.attempt("run", SOURCE)
    await teller.stream("output", "lost")
    await writer.sent("run")
    is_away = False
    await teller.stream("output", "kept")
    await teller.end(succeeded=True)
    assert [(entry.kind, entry.number, entry.lost, entry.value) for entry in taken] == [
        ("chunk", 1, 1, "kept"),
        ("end", 0, 0, None),
    ]
    await teller.stream("output", "after the end")
    await writer.sent("run")
    assert len(taken) == 2


CALLS: dict[str, tuple[Callable[[StepContext], Awaitable[None]], str]] = {
    "fraction-above-one": (lambda ctx: ctx.report(1.5), r"fraction must be from 0 to 1, not 1\.5"),
    "fraction-nan": (lambda ctx: ctx.report(math.nan), "fraction must be from 0 to 1"),
    "chunk-that-is-no-json": (lambda ctx: ctx.stream(object()), "the chunk is no JSON"),
    "chunk-that-is-too-long": (lambda ctx: ctx.stream("x" * MOST_BYTES), "16,386 bytes of JSON, more than 16,384"),
    "data-that-is-no-json": (lambda ctx: ctx.report(data={(1, 2): 2}), "the report is no JSON"),
    "topic-of-reports": (lambda ctx: ctx.stream(1, topic="report"), "topic must be a text of 1 to 128 characters"),
    "topic-that-is-empty": (lambda ctx: ctx.stream(1, topic=""), "topic must be a text of 1 to 128 characters"),
}


@pytest.mark.parametrize("wrong", CALLS)
async def test_what_cannot_be_told_fails_the_call_and_says_why(storage: MobStorage, wrong: str) -> None:
    call, message = CALLS[wrong]
    seen: list[str] = []

    async def tells(ctx: StepContext) -> None:
        with pytest.raises(ValidationError, match=message):
            await call(ctx)
        seen.append(ctx.step_id)

    assert kinds(await told_by(storage, tells)) == ["run_over"]
    assert seen == ["a"]


async def test_server_sent_events_carry_offset_name_and_json(storage: MobStorage) -> None:
    async def tells(ctx: StepContext) -> None:
        await ctx.stream("one\ntwo", topic="the\nwords")
        await ctx.report(1)

    run = await run_step(storage, tells)
    fleet = Fleet(storage, mob({"a": step()}), {"*": tells})
    async with fleet.watch(run.run_id, after=last_event_id({"Last-Event-ID": "1"})) as progress:
        events = [event.decode() async for event in server_sent_events(progress)]
    assert [event.splitlines()[:2] for event in events] == [
        ["id: 2", "event: report"],
        ["id: 3", "event: end"],
        ["id: 3", "event: run_over"],
    ]
    async with fleet.watch(run.run_id) as progress:
        first = await anext(server_sent_events(progress))
    assert first.startswith(b"id: 1\nevent: the words\ndata: {")
    assert first.endswith(b"\n\n")
    assert first.count(b"\n") == 4


async def test_no_event_is_sent_after_an_id_that_no_event_had(storage: MobStorage) -> None:
    run = await run_step(storage, lambda _ctx: 1)
    fleet = Fleet(storage, mob({"a": step()}), {"*": str})

    async def events(after: int | None) -> list[bytes]:
        async with fleet.watch(run.run_id, after=after) as progress:
            return [event async for event in server_sent_events(progress)]

    assert len(await events(last_event_id({"Last-Event-ID": "0"}))) == 1
    with pytest.raises(ValidationError, match="offset 17 was never told"):
        await events(last_event_id({"Last-Event-ID": "17"}))


async def test_a_silent_stream_of_events_is_kept_open(storage: MobStorage) -> None:
    fleet = Fleet(storage, mob({"a": step()}), {"*": str})
    run_id = await fleet.start(FLOW)
    async with asyncio.timeout(LONG), fleet.watch(run_id) as progress:
        events = server_sent_events(progress, heartbeat=0.01)
        assert await anext(events) == b": nothing new\n\n"
        await storage.progress.append(run_id, [NewProgress(SOURCE, "chunk", "output", value=1)])
        while (event := await anext(events)).startswith(b":"):
            pass
        assert event.startswith(b"id: 1\n")


def test_the_id_of_the_last_event_is_an_offset() -> None:
    assert last_event_id({}) is None
    assert last_event_id({"last-event-id": " 17 "}) == 17
    with pytest.raises(ValidationError, match="Last-Event-ID must be the id of an event, not '1-x'"):
        last_event_id({"Last-Event-ID": "1-x"})


async def test_a_cancelled_run_ends_for_its_watcher(storage: MobStorage) -> None:
    begun = asyncio.Event()

    async def hangs(ctx: StepContext) -> None:
        await ctx.stream("begun")
        begun.set()
        await ctx.cancelled.wait()

    fleet = Fleet(storage, mob({"a": step()}), {"*": hangs})
    async with at_work(storage, {"*": hangs}):
        run_id = await fleet.start(FLOW)
        await begun.wait()
        async with asyncio.timeout(LONG), fleet.watch(run_id) as progress:
            assert chunks([await anext(progress)]) == ["begun"]
            await fleet.cancel(run_id)
            entries = [entry async for entry in progress]
    assert isinstance(entries[-1], RunOver)
    assert entries[-1].status == "canceled"
