"""The commands that pause and resume, and those that steer all runs which options choose."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from redis_mob.fleet.fleet import Fleet
from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from tests.cli.command import ROOT, Ended, redis_mob
from tests.fleet.flows import FLOW, mob, step

LONG = mob({"a": step(timeout_ms=600_000)})
UNKNOWN = "0191a6a0-0000-4000-8000-000000000001"

Command = Callable[..., Ended]


@pytest.fixture
def command(tmp_path: Path, server_url: str, namespace: str) -> Command:
    return lambda *words: redis_mob(tmp_path, *words, "--url", server_url, "--namespace", namespace)


@pytest.fixture
def in_storage(server_url: str, namespace: str) -> Callable[[Callable[[MobStorage], Any]], Any]:
    def opened_for(act: Callable[[MobStorage], Any]) -> Any:
        async def opened() -> Any:
            async with MobStorage.open(server_url, namespace=namespace) as storage:
                return await act(storage)

        return asyncio.run(opened())

    return opened_for


@pytest.fixture
def runs(in_storage: Any) -> list[str]:
    async def start(storage: MobStorage) -> list[str]:
        fleet = Fleet(storage, LONG, {})
        return [await fleet.start(FLOW, {"number": number}) for number in range(7)]

    return in_storage(start)


def statuses(in_storage: Any) -> dict[str, MobRunStatus]:
    async def read(storage: MobStorage) -> dict[str, MobRunStatus]:
        return {run.run_id: run.status async for run in FleetAdmin(storage).all_runs()}

    return in_storage(read)


def test_a_run_is_paused_seen_and_resumed(command: Command, runs: list[str]) -> None:
    done = command("pause", runs[0], "--reason", "the model is down")
    assert (done.status, done.out) == (0, f"run {runs[0]}: paused\n")
    [line] = [line for line in command("ls").out.splitlines() if line.startswith(runs[0])]
    assert "pending ||" in line
    assert line.endswith("paused: run")
    shown = command("show", runs[0]).out
    assert "pending paused" in shown
    assert "waits: it is paused since " in shown
    assert "the model is down" in shown
    again = command("pause", runs[0])
    assert again.status == 1
    assert "the run is paused already" in again.err
    assert command("resume", runs[0]).out == f"run {runs[0]}: resumed\n"
    assert command("resume", runs[0]).status == 1
    assert "||" not in command("ls").out


@pytest.mark.parametrize("flow", [(), ("--flow", FLOW)], ids=["mob", "flow"])
def test_a_mob_and_a_flow_are_paused_as_a_whole(command: Command, runs: list[str], flow: tuple[str, ...]) -> None:
    done = command("pause", "--mob", "mob", *flow)
    assert done.status == 0
    assert done.out.endswith("mob 'mob': paused: 0 running, 7 pending\n")
    assert command("ls").out.count("pending ||") == len(runs)
    assert command("pause", "--mob", "mob", *flow, "--json").status == 1
    assert command("resume", "--mob", "mob", *flow).status == 0
    assert command("resume", "--mob", "mob", *flow).status == 1


def test_each_run_of_a_mob_can_be_paused_by_itself(command: Command, runs: list[str]) -> None:
    done = command("pause", "--mob", "mob", "--each", "--yes")
    assert (done.status, done.out.count(": paused\n")) == (0, len(runs))
    assert "7 runs are chosen:" in done.err
    assert "  and 2 more" in done.err
    assert command("resume", "--mob", "mob").status == 1
    done = command("resume", "--mob", "mob", "--each", "--yes", "--json")
    assert {json.loads(line)["run_id"] for line in done.out.splitlines()} == set(runs)
    assert "no run is chosen" in command("resume", "--status", "pending", "--yes").err


def test_what_is_chosen_is_shown_and_left_alone_with_dry_run(
    command: Command, runs: list[str], in_storage: Any
) -> None:
    done = command("cancel", "--status", "pending", "--text", '"number":3', "--dry-run")
    assert done.status == 0
    assert done.err.splitlines() == ["1 run is chosen:", f"  {runs[3]}  pending  mob  flow"]
    assert json.loads(command("cancel", "--mob", "mob", "--dry-run", "--json").out) == {"runs": len(runs)}
    assert set(statuses(in_storage).values()) == {MobRunStatus.PENDING}


def test_without_a_person_nothing_is_done_unless_yes_is_said(
    command: Command, runs: list[str], in_storage: Any
) -> None:
    for name in ("cancel", "terminate"):
        refused = command(name, "--mob", "mob")
        assert (refused.status, refused.out) == (2, "")
        assert "give --yes" in refused.err
    assert set(statuses(in_storage).values()) == {MobRunStatus.PENDING}
    done = command("cancel", "--mob", "mob", "--yes", "--json")
    assert done.status == 0
    told = [json.loads(line) for line in done.out.splitlines()]
    assert told == [{"run_id": run_id, "done": True} for run_id in reversed(runs)]
    assert set(statuses(in_storage).values()) == {MobRunStatus.CANCELED}


def test_runs_that_are_over_are_chosen_for_deletion_alone(command: Command, runs: list[str], in_storage: Any) -> None:
    command("terminate", *runs[:2], "--yes")
    done = command("delete", "--mob", "mob", "--yes")
    assert (done.status, done.out.count(": deleted\n")) == (0, 2)
    assert set(statuses(in_storage)) == set(runs[2:])
    done = command("delete", "--mob", "mob", "--yes", "--status", "pending")
    assert (done.status, done.out.count("is not over")) == (1, 5)
    assert command("delete", "--mob", "mob", "--yes", "--cancel").status == 0
    assert statuses(in_storage) == {}
    assert "no run is chosen" in command("delete", "--mob", "mob", "--yes", "--cancel").err


def test_a_person_is_asked(tmp_path: Path, server_url: str, namespace: str, runs: list[str], in_storage: Any) -> None:
    def answered(answer: bytes) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        words = ("cancel", "--mob", "mob", "--url", server_url, "--namespace", namespace)
        with subprocess.Popen(
            [sys.executable, "-m", "redis_mob", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            os.write(ours, answer)
            _, told = process.communicate()
        os.close(theirs)
        os.close(ours)
        return process.returncode, told.decode()

    status, told = answered(b"n\n")
    assert status == 1
    assert "Cancel 7 runs? [y/N]" in told
    assert set(statuses(in_storage).values()) == {MobRunStatus.PENDING}
    assert answered(b"y\n")[0] == 0
    assert set(statuses(in_storage).values()) == {MobRunStatus.CANCELED}
    assert len(runs) == 7


@pytest.mark.parametrize("name", ["pause", "resume"])
def test_a_flow_as_a_whole_is_that_of_a_mob(command: Command, name: str) -> None:
    done = command(name, "--flow", "flow")
    assert (done.status, done.out) == (2, "")
    assert "add its --mob for the flow as a whole" in done.err


@pytest.mark.parametrize("name", ["cancel", "terminate", "delete", "pause", "resume"])
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "no run is named"),
        ((UNKNOWN, "--mob", "mob"), "not both"),
        ((UNKNOWN, "--dry-run"), "these runs have ids"),
        ((UNKNOWN, "--yes"), "does not exist"),
        (("--status", "resting"), "--status 'resting'"),
        (("--since", "yesterday"), "--since is no time"),
    ],
)
def test_bad_input_is_refused(command: Command, name: str, words: tuple[str, ...], reason: str) -> None:
    done = command(name, *words)
    assert (done.status, done.out) == (2, "")
    assert reason in done.err


def test_a_mistyped_mob_or_flow_is_noted_with_the_nearest_one(command: Command, runs: list[str]) -> None:
    assert runs
    for words, note in (
        (("pause", "--mob", "mbo"), "mob 'mbo'; nearest: 'mob'"),
        (("pause", "--mob", "mob", "--flow", "flwo"), "flow 'flwo' of mob 'mob'; nearest: 'flow'"),
        (("resume", "--mob", "mob", "--flow", "lfow"), "flow 'lfow' of mob 'mob'; nearest: 'flow'"),
        (("cancel", "--flow", "flwo", "--dry-run"), "flow 'flwo'; nearest: 'flow'"),
        (("ls", "--mob", "mbo"), "mob 'mbo'; nearest: 'mob'"),
    ):
        assert f"note: no run here is of {note}" in command(*words).err.splitlines(), words
    assert "note" not in command("ls", "--mob", "mob", "--status", "failed").err
