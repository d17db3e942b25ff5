"""What `redis-mob show` prints: what is wrong first, within any width, and nothing that a terminal would obey."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from rich.cells import cell_len

from redis_mob.cli.event_text import event_line
from redis_mob.cli.printing import Paper
from redis_mob.cli.run_pages import page
from redis_mob.codec.event_json import event_json
from redis_mob.fleet.fleet import Fleet
from redis_mob.models.conditions import EqCondition
from redis_mob.models.events import MobEvent, OperatorActionRecorded
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.operations.run_description import RunDescription
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.states import NOON
from tests.fleet.flows import FLOW, loop, mob, node, step, wait
from tests.fleet.working import run_flow
from tests.operations.scenes import LATER, OVER_ITEMS, ROUNDS, count_rounds, described, fail, failed_chain, under_way

ANSI = re.compile(r"\x1b\[[0-9;]*m")
PIPE = Paper()
WIDTHS = (60, 80, 200)
TITLES = ("to be tried again: ", "waits: step b")

HOSTILE = "\x1b[2J\u202eevil\r\n\x07[bold]x[/bold] :smile: 漢字漢字"


@pytest.fixture
async def storage(namespace: str) -> AsyncIterator[MobStorage]:
    async with MobStorage.open("memory:", namespace=namespace) as opened:
        yield opened


def printed(run: RunDescription, paper: Paper = PIPE, **asked: bool) -> str:
    """The page; on a terminal no line is wider than it, and nowhere is anything that a terminal would obey."""
    options = {"failures": False, "timeline": False, "all_of_it": False, **asked}
    told = page(run, paper, **options)
    plain = ANSI.sub("", told) if paper.columns is not None else told
    assert all(c.isprintable() or c == "\n" for c in plain)
    if paper.columns is not None:
        assert max(map(cell_len, plain.splitlines())) <= paper.columns
    return plain


def at_each_width(run: RunDescription, **asked: bool) -> None:
    for columns in WIDTHS:
        printed(run, Paper(columns), **asked)


async def test_short_parameters_are_shown_and_long_ones_with_the_outputs(storage: MobStorage) -> None:
    # contract: operations-232
    fleet = Fleet(storage, mob({"a": step()}), {})
    short, longer = {"topic": HOSTILE}, {"topic": "x" * 500}
    for params, told in ((None, ""), (short, "params: {"), (longer, "params: 512 B, which --outputs shows\n")):
        run_id = await fleet.start(FLOW, params)
        lines = printed(await described(storage, run_id))
        assert ("params: " in lines, told in lines) == (params is not None, True)
        with_outputs = await FleetAdmin(storage).describe(run_id, outputs=True)
        assert with_outputs.params == params
        at_each_width(with_outputs)
    assert "x" * 500 in printed(with_outputs)


async def test_the_step_that_failed_and_why_is_on_the_first_lines(storage: MobStorage) -> None:
    run = await described(storage, await failed_chain(storage))
    lines = printed(run).splitlines()
    assert lines[0] == f"run {run.run_id}  flow flow  mob mob"
    assert lines[1].startswith("failed after ")
    assert lines[2] == "steps: 1 completed, 1 failed, 1 skipped"
    place = r", at tests/[\w/]+\.py:\d+ in \w+"
    failed = re.escape(r"failed: step b[judge-1], attempt 3: ValueError: no ink\x1b[31m in attempt 3")
    assert re.fullmatch(failed + place, lines[3])
    assert lines[4:6] == ["", "flow flow"]
    assert re.fullmatch(r"├── a\[worker-1\]  completed  [\d.]+ m?s  output 74 B", lines[6])
    assert lines[7].startswith("├── ✗ b[judge-1]  failed  attempt 3  ")
    assert lines[8] == "└── c  skipped"
    at_each_width(run)


async def test_tracebacks_and_outputs_are_shown_when_they_are_asked_for(storage: MobStorage) -> None:
    run_id = await failed_chain(storage)
    told = printed(await described(storage, run_id, attempts=True), failures=True)
    assert told.count("Traceback (most recent call last):") == 3
    assert "step b[judge-1] failed in attempt 3, " in told
    assert "step b[judge-1] attempt 1 failed, " in told
    assert 'output: {"worker-1":{"text":"xxx' in printed(await described(storage, run_id, outputs=True))
    at_each_width(await described(storage, run_id, outputs=True, attempts=True), failures=True)


async def test_the_timeline_marks_failed_attempts_and_fits(storage: MobStorage) -> None:
    run = await described(storage, await failed_chain(storage), attempts=True)
    lines = printed(run, timeline=True).splitlines()[5:]
    assert lines[0].startswith("timeline")
    assert lines[2].startswith("b ")
    assert "✗" in lines[2]
    assert lines[3].startswith("1 step without a time")
    assert "✗ failed attempt" in lines[4]
    at_each_width(run, timeline=True)
    without = await described(storage, run.run_id)
    assert "single attempts are not known" in printed(without, timeline=True)
    printed(run, Paper(20), timeline=False)


async def test_loops_and_their_iterations(storage: MobStorage) -> None:
    ended = await run_flow(storage, ROUNDS, count_rounds)
    told = printed(await described(storage, ended.run_id))
    assert "loop polishing  completed  3 of at most 5 iterations" in told
    assert told.count("polish[worker-1]  completed") == 3
    assert "attempt 2" in told
    at_each_width(await described(storage, ended.run_id, attempts=True), timeline=True)


async def test_of_many_iterations_and_members_some_are_left_out_unless_all_are_asked_for(storage: MobStorage) -> None:
    never = EqCondition(path="steps.a", value="never")
    many = mob({"a": step()}, {"l": loop("l", never, 30, a=node("a"))})
    ended = await run_flow(storage, many, lambda _: 1, members={"worker": 15})
    run = await described(storage, ended.run_id)
    told = printed(run)
    assert "… 24 completed iterations: --all shows them" in told
    assert "… 5 completed members: --all shows them" in told
    assert "loop l  failed  30 of at most 30 iterations  its condition never held" in told
    assert "…" not in printed(run, all_of_it=True)
    assert printed(run, all_of_it=True).count("[worker-15]") == 30


async def test_a_run_under_way_says_what_it_waits_for(storage: MobStorage) -> None:
    waiting = mob(
        {
            "a": step(retry=LATER),
            "b": wait(signal="go", timeout_ms=3_600_000, schema_ref='{"type": "object"}'),
            "c": step("a", "b"),
            "d": step(role="ghost"),
        }
    )
    async with under_way(
        storage, waiting, {"worker": fail}, lambda view: any(one.attempt == 2 for one in view.executions.values())
    ) as run_id:
        run = await described(storage, run_id)
        told = printed(run)
    again, signals = (next(line for line in told.splitlines() if line.startswith(title)) for title in TITLES)
    assert re.fullmatch(r"to be tried again: step a\[worker-1\], attempt 2 in 16 m \d+ s: ValueError: no ink.*", again)
    assert re.fullmatch(r"waits: step b: signal 'go' that fits {\"type\":\"object\"}, for [\w ]+ at most", signals)
    assert "waits: step 'd' waits for a worker that serves role 'ghost'" in told
    assert "c  waiting  after 'a', 'b'" in told
    assert "d[ghost-1]  waiting" in told
    at_each_width(run)
    at_each_width(run, timeline=True)


async def test_a_step_over_items(storage: MobStorage) -> None:
    def read(ctx: Any) -> None:
        if ctx.index == 1:
            raise ValueError("unreadable")

    ended = await run_flow(storage, OVER_ITEMS, read, params={"items": [1, 2, 3]})
    run = await described(storage, ended.run_id)
    told = printed(run)
    assert "failed: step each[worker-1#1]: ValueError: unreadable" in told
    assert re.search(r"✗ each  failed .* of 3 items completed, 1 failed", told)
    assert "worker-1#1: ValueError: unreadable" in told
    at_each_width(run, timeline=True)


async def test_hostile_texts_and_huge_ones(storage: MobStorage) -> None:
    def break_down(ctx: Any) -> Any:
        if ctx.step_id == "b":
            raise ValueError(HOSTILE * 1000)
        return {HOSTILE: "y" * 300_000}

    ended = await run_flow(storage, mob({"a": step(), "b": step("a")}, limits={"max_step_retries": 0}), break_down)
    run = await described(storage, ended.run_id, outputs=True, attempts=True)
    told = printed(run, failures=True)
    assert "y" * 300_000 in told, "a pipe gets all of it on one line"
    assert r"\x1b[2J\u202eevil" in told
    assert "[bold]x[/bold] :smile: 漢字漢字" in told
    assert max(len(line) for line in printed(run).splitlines()[:6]) < 500
    at_each_width(run, failures=True)
    at_each_width(run, timeline=True)


async def test_many_failures_are_counted_on_the_first_screen(storage: MobStorage) -> None:
    ended = await run_flow(storage, mob({"a": step(for_each="params", policy="any")}), fail, params=[0] * 40)
    lines = printed(await described(storage, ended.run_id)).splitlines()
    assert [line.startswith("failed: step a[worker-") for line in lines[4:9]] == [True] * 5
    assert lines[9] == "and 35 more: --failures"


async def test_a_run_that_has_not_begun(storage: MobStorage) -> None:
    run = await described(storage, await Fleet(storage, mob({"a": step()})).start(FLOW))
    assert "steps: none yet" in printed(run)
    assert "waits: it waits for a worker, and none is alive: start one for mob 'mob'" in printed(run)
    at_each_width(run)
    at_each_width(run, timeline=True)


async def test_events_in_words(storage: MobStorage) -> None:
    run_id = await failed_chain(storage)
    lines = [event_line(event) for event in await storage.events.replay_all()]
    assert re.fullmatch(rf" +1  \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d  {run_id[:8]}  flow flow began", lines[0])
    words = [line.split(run_id[:8])[1].strip() for line in lines]
    assert r"step b[judge-1] failed, to be tried again: ValueError: no ink\x1b[31m in attempt 1" in words
    assert r"step b[judge-1] failed: ValueError: no ink\x1b[31m in attempt 3" in words
    assert "step c skipped: what it depends on did not complete" in words
    assert words[-1].startswith("flow flow failed: step 'b': ValueError")


def test_the_token_of_an_operator_is_not_printed() -> None:
    kind = OperatorActionRecorded(tool_name="spawn\x1b", principal_token="hush")  # noqa: S106 - a secret to look for
    event = MobEvent(cursor=1, timestamp=NOON, mob_id="mob", kind=kind)
    assert "hush" not in event_json(event)
    assert "spawn" in event_json(event)
    assert event_line(event).endswith("--------  operator used spawn\\x1b")


def test_a_page_of_a_thousand_steps_is_drawn_at_once() -> None:
    async def run() -> RunDescription:
        async with MobStorage.open("memory:", namespace="large") as storage:
            many = mob({f"s{number}": step() for number in range(1000)}, limits={"max_active_nodes": 0})
            ended = await run_flow(storage, many, lambda _: "x", concurrency=64)
            return await described(storage, ended.run_id)

    assert printed(asyncio.run(run()), Paper(80)).count("completed") >= 1000
