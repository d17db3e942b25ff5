"""`redis-mob signal`: what it sends, what it prints, and how it ends."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from redis_mob.fleet.fleet import Fleet
from redis_mob.models.transition import RunView
from redis_mob.storage import MobStorage
from tests.cli.command import redis_mob
from tests.fleet.flows import FLOW, mob, wait
from tests.fleet.working import loaded

UNKNOWN = "00000000-0000-4000-8000-000000000000"

TWO = mob({"a": wait(schema_ref='{"type": "object"}'), "b": wait(signal="stop")})


@pytest.fixture
def run_id(server_url: str, namespace: str) -> str:
    """A run that waits, once a worker looks at it."""

    async def start() -> str:
        async with MobStorage.open(server_url, namespace=namespace) as storage:
            return await Fleet(storage, TWO, {}).start(FLOW)

    return asyncio.run(start())


def view_of(server_url: str, namespace: str, run_id: str) -> RunView:
    async def load() -> RunView:
        async with MobStorage.open(server_url, namespace=namespace) as storage:
            return await loaded(storage, run_id)

    return asyncio.run(load())


def test_a_signal_is_sent(tmp_path: Path, server_url: str, namespace: str, run_id: str) -> None:
    options = ("--url", server_url, "--namespace", namespace)
    sent = redis_mob(tmp_path, "signal", run_id, "go", "--payload", '{"ok": true}', "--idempotency-key", "k", *options)
    assert (sent.status, sent.out, sent.err) == (0, "", "sent\n")
    assert redis_mob(tmp_path, "signal", run_id, "stop", *options).status == 0
    [first, second] = view_of(server_url, namespace, run_id).signals.values()
    assert (first.name, first.payload, second.name, second.payload) == ("go", {"ok": True}, "stop", None)


def test_what_is_refused(tmp_path: Path, server_url: str, namespace: str, run_id: str) -> None:
    options = ("--url", server_url, "--namespace", namespace)
    for words, message in (
        ((run_id, "og"), "error: no step of flow 'flow' waits for a signal 'og'; nearest: 'go', 'stop'"),
        ((run_id, "go", "--payload", "1"), "is refused: it does not fit its schema"),
        ((run_id, "go", "--payload", "{"), "error: --payload is no JSON"),
        (("nonsense", "go"), "error: a run is named by its id"),
        ((UNKNOWN, "go"), f"error: run {UNKNOWN} does not exist in namespace '{namespace}'"),
    ):
        refused = redis_mob(tmp_path, "signal", *words, *options)
        assert refused.status == 2, refused.err
        assert message in refused.err
    assert not view_of(server_url, namespace, run_id).signals


def test_the_step_that_took_it_is_printed(tmp_path: Path, server_url: str, namespace: str, run_id: str) -> None:
    async def work() -> None:
        async with MobStorage.open(server_url, namespace=namespace) as storage:
            fleet, stop = Fleet(storage, TWO, {}), asyncio.Event()
            working = asyncio.create_task(fleet.work(stop=stop))
            words = ("signal", run_id, "stop", "--wait", "--url", server_url, "--namespace", namespace)
            taken = await asyncio.to_thread(redis_mob, tmp_path, *words)
            assert json.loads(taken.out)["step_id"] == "b", taken.err
            assert taken.err == "sent, and taken by step b\n"
            await fleet.cancel(run_id)
            await fleet.wait(run_id)
            over = await asyncio.to_thread(redis_mob, tmp_path, *words)
            assert over.status == 1
            assert "is over: no step of it will take the signal 'stop'" in over.err
            stop.set()
            await working

    asyncio.run(work())
