"""`redis-mob watch --format`: a run as front ends are told of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from redis_mob.fleet.fleet import Fleet
from redis_mob.fleet.step_context import StepContext, StepFailed
from redis_mob.storage import MobStorage
from tests.cli.command import redis_mob
from tests.fleet.flows import FLOW, mob, step
from tests.frontends.test_adapters import check

ONE = mob({"a": step()})


async def asks(ctx: StepContext) -> str:
    await ctx.stream("May I?")
    await ctx.ask("send", {"to": "ann"})
    return "sent"


async def fails(_ctx: StepContext) -> None:
    raise StepFailed("on fire", retryable=False)


@pytest.fixture
def options(server_url: str, namespace: str) -> tuple[str, ...]:
    return ("--url", server_url, "--namespace", namespace)


def worked(server_url: str, namespace: str, handler: Any) -> str:
    """The id of a run, once nothing is left for a worker."""

    async def work() -> str:
        async with MobStorage.open(server_url, namespace=namespace) as storage:
            fleet = Fleet(storage, ONE, {"*": handler})
            run_id = await fleet.start(FLOW)
            await fleet.work(until_idle=True)
            return run_id

    return asyncio.run(work())


def events(printed: str) -> list[Any]:
    """The events on standard output."""
    lines = [line.removeprefix("data: ") for line in printed.splitlines() if line]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def test_a_run_that_waits_for_answers_is_printed_in_either_protocol(
    tmp_path: Path, server_url: str, namespace: str, options: tuple[str, ...]
) -> None:
    run_id = worked(server_url, namespace, asks)
    told = redis_mob(tmp_path, "watch", run_id, "--format", "ag-ui", *options)
    assert (told.status, told.err) == (0, "")
    assert events(told.out)[-1]["outcome"]["interrupts"][0]["message"] == "send"
    parts = redis_mob(tmp_path, "watch", run_id, "--format", "ai-sdk", *options)
    assert (parts.status, parts.err) == (0, "")
    assert parts.out.endswith("data: [DONE]\n\n")
    assert events(parts.out)[-1]["type"] == "finish"
    for event in events(told.out):
        check("ag_ui", event)
    for chunk in events(parts.out):
        check("ai_sdk", chunk)
    later = redis_mob(tmp_path, "watch", run_id, "--format", "ag-ui", "--after", "1", *options)
    assert "TEXT_MESSAGE_CONTENT" not in later.out

    assert "waits for an answer to send" in redis_mob(tmp_path, "ls", *options).out
    queues = redis_mob(tmp_path, "queues", *options).out
    assert queues.splitlines()[-1] == "waits for people: 1, which `redis-mob inbox` lists"
    assert "asks without an answer" in redis_mob(tmp_path, "stats", *options).out
    assert json.loads(redis_mob(tmp_path, "stats", "--json", *options).out)["asks"] == 1
    assert "an answer to 'send'" in redis_mob(tmp_path, "show", run_id, *options).out


def test_a_run_that_failed_ends_with_1(
    tmp_path: Path, server_url: str, namespace: str, options: tuple[str, ...]
) -> None:
    run_id = worked(server_url, namespace, fails)
    told = redis_mob(tmp_path, "watch", run_id, "--format", "ag-ui", *options)
    assert told.status == 1
    assert events(told.out)[-1]["type"] == "RUN_ERROR"
    both = redis_mob(tmp_path, "watch", run_id, "--format", "ag-ui", "--json", *options)
    assert both.status == 2
    assert "--format goes with --after" in both.err
