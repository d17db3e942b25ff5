"""`redis-mob definitions`, `releases`, `move`, `verify`, `export` and `import`: what they print, and how they end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from redis_mob.codec.definitions import digests_of
from redis_mob.fleet.fleet import Fleet
from redis_mob.models.definition import MobDefinition
from redis_mob.storage import MobStorage
from tests.cli.command import Here, redis_mob
from tests.fleet.flows import FLOW, mob, step
from tests.fleet.working import run_flow

ONE = mob({"a": step()})


@pytest.fixture
def runs(server_url: str, namespace: str) -> tuple[str, str]:
    """A run that is over, and one of a release that waits."""

    async def make() -> tuple[str, str]:
        async with MobStorage.open(server_url, namespace=namespace) as storage:
            over = await run_flow(storage, ONE, lambda _: {"text": "\x1b[31m"})
            return over.run_id, await Fleet(storage, ONE).start(FLOW, release="v1")

    return asyncio.run(make())


def test_definitions_are_listed_and_shown(here: Here, runs: tuple[str, str]) -> None:
    assert len(runs) == 2
    digest = digests_of(ONE)[0]
    listed = here("definitions")
    assert listed.status == 0, listed.err
    header, line = listed.out.splitlines()
    assert header.split()[:3] == ["DEFINITION", "MOB", "FLOWS"]
    assert line.split()[:8] == [digest[:12], "mob", FLOW, "1", "0", "1", "0", "0"]
    assert line.endswith("no worker is made for it")
    told = json.loads(here("definitions", "--json").out)
    assert (told["digest"], told["runs"]["completed"], told["schedules"]) == (digest, 1, [])
    assert MobDefinition.from_toml(here("definitions", "show", digest[:6]).out) == ONE
    assert MobDefinition.model_validate_json(here("definitions", "show", digest, "--json").out) == ONE
    for words in (("definitions", "show"), ("definitions", "list", digest), ("definitions", "show", "xyz")):
        assert here(*words).status == 2


def test_releases_are_told_and_runs_moved(here: Here, runs: tuple[str, str]) -> None:
    _, waits = runs
    assert [line.split()[0] for line in here("releases").out.splitlines()] == ["RELEASE", "(none)", "v1"]
    assert here("releases", "v1").status == 1
    drained = here("releases", "v0", "--json")
    assert (drained.status, json.loads(drained.out)["drained"]) == (0, True)
    refused = here("move", waits[:8], "--release", "v2")
    assert (refused.status, refused.out) == (1, "")
    assert "no worker of release 'v2' is alive" in refused.err
    moved = here("move", waits[:8], "--release", "v2", "--force")
    assert (moved.status, moved.out) == (0, f"run {waits}: is for release v2\n")
    assert here("releases", "v1").status == 0
    assert here("move", waits, "--no-release", "--force").out == f"run {waits}: is for any release\n"
    assert here("move", waits).status == 2
    over = here("move", runs[0], "--release", "v2", "--json")
    assert (over.status, json.loads(over.out)["done"]) == (1, False)


def test_runs_are_verified(here: Here, runs: tuple[str, str]) -> None:
    over, waits = runs
    told = here("verify", over[:8], waits)
    assert told.status == 0, told.err
    first, second = told.out.splitlines()
    assert first == f"run {over}: agrees with its inputs"
    assert second.startswith(f"run {waits}: agrees")
    assert here("verify", "--all").out == "2 runs verified, 0 differ\n"
    assert json.loads(here("verify", "--all", "--status", "completed", "--json").out)["run_id"] == over
    for words in (("verify",), ("verify", over, "--all"), ("verify", over, "--mob", "m"), ("verify", "0" * 8)):
        assert here(*words).status == 2


def test_runs_are_taken_elsewhere(
    tmp_path: Path, here: Here, server_url: str, namespace: str, runs: tuple[str, str]
) -> None:
    over, waits = runs
    there = Here(tmp_path, server_url, f"{namespace}-copy")
    written = here("export", over[:8], waits)
    assert (written.status, written.err) == (0, "2 runs exported\n")
    assert len([json.loads(line) for line in written.out.splitlines()]) == 5
    assert here("export", "--all", "--output", "-").out == written.out
    assert here("export", "--all", "--output", "runs.jsonl").status == 0
    assert (tmp_path / "runs.jsonl").read_text() == written.out
    assert here("export", "--all", "--output", "runs.jsonl").status == 1
    half = there("import", "runs.jsonl")
    assert (half.status, half.out) == (1, f"run {over}: imported\n")
    assert "1 run imported\nerror: line 4" in half.err
    rest = there("import", "runs.jsonl", "--include-unfinished", "--skip-existing", "--json")
    assert rest.status == 0, rest.err
    assert [json.loads(line)["imported"] for line in rest.out.splitlines()] == [False, True]
    assert there("export", "--all").out == written.out
    for words in (("import", "absent"), ("import", "."), ("export",), ("export", over, "--all")):
        assert there(*words).status == 2


@pytest.mark.parametrize(
    ("shell", "words", "wanted"),
    [
        ("bash", {"COMP_WORDS": "redis-mob ver", "COMP_CWORD": "1"}, "verify"),
        ("bash", {"COMP_WORDS": "redis-mob move --rel", "COMP_CWORD": "2"}, "--release"),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "redis-mob ver"}, "verify"),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "redis-mob move --rel"}, "--release"),
        ("fish", {"_TYPER_COMPLETE_ARGS": "redis-mob ver", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}, "verify"),
        (
            "fish",
            {"_TYPER_COMPLETE_ARGS": "redis-mob move --rel", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
            "--release",
        ),
    ],
)
def test_shells_complete_commands_and_options(tmp_path: Path, shell: str, words: dict[str, str], wanted: str) -> None:
    told = redis_mob(tmp_path, _REDIS_MOB_COMPLETE=f"complete_{shell}", **words)
    assert wanted in told.out, told.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_a_shell_needs_is_shown(tmp_path: Path, shell: str) -> None:
    told = redis_mob(tmp_path, _REDIS_MOB_COMPLETE=f"source_{shell}")
    assert "_REDIS_MOB_COMPLETE" in told.out, told.err
