"""`redis-mob show`, `tail`, `history` and `watch`: what they print, and how they end."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pytest

from redis_mob.fleet.fleet import Fleet
from redis_mob.models.run import MobRun
from redis_mob.storage import MobStorage
from tests.cli.command import Command, redis_mob, wait_until
from tests.fleet.flows import FLOW, mob, step, wait
from tests.fleet.working import run_flow
from tests.operations.scenes import failed_chain

T = TypeVar("T")


@pytest.fixture
def options(server_url: str, namespace: str) -> tuple[str, ...]:
    return ("--url", server_url, "--namespace", namespace)


@pytest.fixture
def within(server_url: str, namespace: str) -> Callable[[Callable[[MobStorage], Awaitable[T]]], T]:
    """Does something with a storage on the namespace of the test."""

    def done(act: Callable[[MobStorage], Awaitable[T]]) -> T:
        async def opened() -> T:
            async with MobStorage.open(server_url, namespace=namespace) as storage:
                return await act(storage)

        return asyncio.run(opened())

    return done


def test_a_failed_run_is_shown(tmp_path: Path, options: tuple[str, ...], within: Any) -> None:
    run_id: str = within(failed_chain)
    shown = redis_mob(tmp_path, "show", run_id, *options)
    assert (shown.status, shown.err) == (0, "")
    assert "failed: step b[judge-1], attempt 3: ValueError: no ink" in shown.out
    assert "\x1b" not in shown.out
    assert redis_mob(tmp_path, "describe", run_id.upper(), *options).out.splitlines()[3:] == shown.out.splitlines()[3:]
    as_json = json.loads(redis_mob(tmp_path, "show", run_id, "--json", "--outputs", *options).out)
    assert as_json["failures"][0]["step_id"] == "b"
    assert as_json["nodes"][0]["output"] == {"worker-1": {"text": "x" * 50}}
    latin = redis_mob(tmp_path, "show", run_id, "--timeline", *options, PYTHONIOENCODING="ascii", FORCE_COLOR="1")
    assert "█" in latin.out
    assert "\x1b" not in latin.out


@pytest.mark.parametrize("command", ["show", "tail", "history", "watch"])
def test_what_is_refused(tmp_path: Path, options: tuple[str, ...], command: str) -> None:
    unknown = str(uuid4())
    cases = (
        ((unknown,), 2, f"error: run {unknown} does not exist"),
        (("nonsense",), 2, "error: a run is named by its id"),
        ((unknown, "--url", "redis://127.0.0.1:1"), 3, "error: "),
        ((unknown, "--url", "memory:"), 3, "memory:"),
    )
    for words, status, message in cases if command == "show" else cases[:1]:
        refused = redis_mob(tmp_path, command, *options, *words)
        assert (refused.status, refused.out) == (status, ""), refused.err
        assert message in refused.err


def test_the_log_is_printed(tmp_path: Path, options: tuple[str, ...], within: Any) -> None:
    first, second = within(failed_chain), within(failed_chain)
    every = redis_mob(tmp_path, "history", *options)
    assert every.status == 0
    lines = every.out.splitlines()
    assert redis_mob(tmp_path, "tail", "--from", "0", "--no-follow", *options).out.splitlines() == lines
    of_second = redis_mob(tmp_path, "tail", second, *options).out.splitlines()
    assert of_second == [line for line in lines if second[:8] in line]
    kinds = ("--kind", "flow_failed", "--kind", "step_failed", "--json")
    as_json = [json.loads(line) for line in redis_mob(tmp_path, "history", first, *kinds, *options).out.splitlines()]
    assert [event["kind"]["type"] for event in as_json] == ["step_failed", "flow_failed"]
    assert redis_mob(tmp_path, "history", "--mob", "other", *options).out == ""
    assert redis_mob(tmp_path, "tail", first, "--from", "now", *options).out == ""
    wrong = redis_mob(tmp_path, "tail", "--from", "later", *options)
    assert (wrong.status, wrong.out) == (2, "")
    assert "--from 'later': give the cursor of an event, 0 for the beginning, or now" in wrong.err
    assert "nearest: 'step_failed'" in redis_mob(tmp_path, "tail", "--kind", "step_faild", *options).err


def test_a_tail_goes_on_until_it_is_interrupted(tmp_path: Path, options: tuple[str, ...], within: Any) -> None:
    within(failed_chain)
    words = ("tail", "--from", "0", *options)
    with (tmp_path / "told").open("wb") as told, Command(tmp_path, *words, stderr=told) as command:
        assert "flow flow began" in command.line_of_stdout()
        command.signal(signal.SIGINT)
        assert command.end().status == 0
    assert (tmp_path / "told").read_bytes() == b""


def test_a_tail_whose_reader_is_gone_ends(tmp_path: Path, options: tuple[str, ...], within: Any) -> None:
    within(failed_chain)
    with Command(tmp_path, "tail", "--from", "0", "--stay", *options) as command:
        assert command.line_of_stdout()
        command.close_stdout()
        within(failed_chain)
        wait_until(lambda: command.has_ended())
        assert command.end().status == 0


def test_a_run_is_watched_to_its_end(tmp_path: Path, options: tuple[str, ...], within: Any) -> None:
    async def tell(ctx: Any) -> str:
        await ctx.report(0.5, message="half\nway\x1b[31m")
        await ctx.stream("a word")
        return "done"

    async def complete(storage: MobStorage) -> MobRun:
        return await run_flow(storage, mob({"a": step()}), tell)

    run_id = within(complete).run_id
    listed = redis_mob(tmp_path, "watch", run_id, "--after", "0", *options)
    assert listed.status == 0
    assert [line.split("  ", 3)[-1] for line in listed.out.splitlines()] == [
        r"50%  half\nway\x1b[31m",
        "output: a word",
        "has returned",
        "run completed",
    ]
    as_json = redis_mob(tmp_path, "watch", run_id, "--json", "--topic", "output", *options)
    assert [json.loads(line)["kind"] for line in as_json.out.splitlines()] == ["chunk", "end", "run_over"]
    shown = redis_mob(tmp_path, "watch", run_id, *options)
    assert shown.status == 0
    assert "step a completed" in shown.out
    assert "completed after" in shown.out
    failed = redis_mob(tmp_path, "watch", within(failed_chain), *options)
    assert failed.status == 1
    assert "failed: step b[judge-1], attempt 3: ValueError: no ink" in failed.out


def test_a_watch_shows_what_comes_and_ends_with_the_run(tmp_path: Path, options: tuple[str, ...], within: Any) -> None:
    two = mob({"a": wait(signal="go")})

    async def start(storage: MobStorage) -> str:
        return await Fleet(storage, two).start(FLOW)

    async def work(storage: MobStorage) -> None:
        fleet = Fleet(storage, two)
        await fleet.signal(run_id, "go")
        await fleet.work(until_idle=True)

    run_id: str = within(start)
    with Command(tmp_path, "watch", run_id, *options) as command:
        assert f"run {run_id} of flow flow" in command.line_of_stdout()
        within(work)
        ended = command.end()
    assert ended.status == 0, ended.err
    assert "step a completed" in ended.out


def test_a_run_is_shown_as_it_was(tmp_path: Path, options: tuple[str, ...], within: Any) -> None:
    run_id: str = within(failed_chain)
    history = redis_mob(tmp_path, "history", run_id, "--json", *options).out.splitlines()
    events = [json.loads(line) for line in history]
    began = next(one["cursor"] for one in events if one["kind"]["type"] == "step_dispatched")
    shown = redis_mob(tmp_path, "show", run_id[:8], "--at", str(began), *options)
    assert (shown.status, shown.err) == (0, "")
    first, *states = shown.out.splitlines()
    assert first.startswith(f"run {run_id}  running behind event {began}, ")
    assert [line.split() for line in states] == [
        ["running", "a", "worker-1", "running"],
        ["waiting", "b"],
        ["waiting", "c"],
    ]
    as_json = json.loads(redis_mob(tmp_path, "show", run_id, "--at", "999999", "--json", *options).out)
    assert (as_json["status"], as_json["nodes"][f"{run_id}-root/c"]["state"]) == ("failed", "skipped")
    at_a_time = redis_mob(tmp_path, "show", run_id, "--at", "9999-01-01", "--json", *options)
    assert json.loads(at_a_time.out) == as_json
    for words, says in (
        (("0",), f"run {run_id} was not there at cursor 0"),
        (("1d",), f"run {run_id} was not there at "),
        (("-1",), "--at is no cursor, and is no time: '-1'"),
        (("1", "--timeline"), "nothing of --timeline: leave that out"),
        (("1", "--all"), "nothing of --all: leave that out"),
    ):
        refused = redis_mob(tmp_path, "show", run_id, "--at", *words, *options)
        assert (refused.status, says in refused.err) == (2, True), refused


def test_what_of_a_run_differs_is_a_line_for_each(tmp_path: Path, options: tuple[str, ...], within: Any) -> None:
    """Contract: past-7."""
    run_id: str = within(failed_chain)
    events = [json.loads(line) for line in redis_mob(tmp_path, "history", run_id, "--json", *options).out.splitlines()]
    began, over = events[1]["cursor"], events[-1]["cursor"]
    shown = redis_mob(tmp_path, "diff", run_id[:8], str(began), str(over), *options)
    assert (shown.status, shown.err) == (0, "")
    first, *lines = shown.out.splitlines()
    told = json.loads(redis_mob(tmp_path, "diff", run_id, str(began), str(over), "--json", *options).out)
    assert first == f"run {run_id}  from event {began} to event {over}: {len(told['changes'])} differ"
    assert lines[0] == "  status: running -> failed"
    assert f"  node {run_id}-root/a: Running -> Completed" in lines
    assert "  step row a[worker-1]: - -> completed" in lines
    assert len(lines) == len(told["changes"])
    same = redis_mob(tmp_path, "diff", run_id, str(over), "9999-01-01", *options)
    assert same.out == f"run {run_id}  from event {over} to event {over}: nothing differs\n"


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (("yesterday", "1"), "A is no cursor, and is no time: 'yesterday'"),
        (("1", "9" * 5000), "B is no cursor, and is no time"),
        (("0", "0"), "was there neither at cursor 0 nor at cursor 0"),
        (("0", "2020-01-01T00:00Z"), "neither at cursor 0 nor at 2020-01-01T00:00:00Z, which is cursor 0"),
    ],
)
def test_what_names_no_event_is_refused(
    tmp_path: Path, options: tuple[str, ...], within: Any, places: tuple[str, str], message: str
) -> None:
    run_id: str = within(failed_chain)
    refused = redis_mob(tmp_path, "diff", run_id, *places, *options)
    assert refused.status == 2
    assert message in " ".join(refused.err.split())
