"""`redis-mob retention`, `prune` and `stats`: what they print, and how they end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from redis_mob.models.run_status import MobRunStatus
from redis_mob.storage import MobStorage
from tests.cli.command import Ended, redis_mob
from tests.operations.test_retention import Aged, created

Command = Callable[..., Ended]
NOTHING = {
    "flow": None,
    "completed": None,
    "failed": None,
    "canceled": None,
    "keep_key": None,
    "events": None,
    "max_runs": None,
    "max_events": None,
}


@pytest.fixture
def command(tmp_path: Path, server_url: str, namespace: str) -> Command:
    return lambda *words: redis_mob(tmp_path, *words, "--url", server_url, "--namespace", namespace)


@pytest.fixture
def runs(server_url: str, namespace: str) -> None:
    async def make() -> None:
        async with MobStorage.open(server_url, namespace=namespace) as storage:
            over = [Aged("a", MobRunStatus.COMPLETED, hours, 0) for hours in (9, 8, 7)]
            await created(storage, *over, Aged("b", MobRunStatus.FAILED, 6, 0), Aged("b", MobRunStatus.RUNNING, 5, 0))

    asyncio.run(make())


def test_a_policy_is_set_field_by_field_shown_and_cleared(command: Command) -> None:
    assert command("retention").out == "there is no policy: everything is kept\n"
    first = command("retention", "set", "--completed", "7d", "--max-runs", "100")
    assert (first.status, first.err) == (0, "")
    assert first.out.splitlines() == [
        "MOB  COMPLETED  FAILED  CANCELED  MAX RUNS  EVENTS",
        "all         7d       -         -       100       -",
    ]
    own = command("retention", "set", "--mob", "a", "--failed", "90m").out.splitlines()
    assert own[1:] == [
        "all others         7d       -         -       100       -",
        "a                   -     90m         -         -",
    ]
    command("retention", "set", "--max-runs", "none", "--events", "1w", "--canceled", "30s")
    told = [json.loads(line) for line in command("retention", "--json").out.splitlines()]
    assert told == [
        {"mob": None, **NOTHING, "completed": 604800.0, "canceled": 30.0, "events": 604800.0},
        {"mob": "a", **NOTHING, "failed": 5400.0},
    ]
    of_flow = command("retention", "set", "--mob", "a", "--flow", "f", "--completed", "1d", "--keep-key", "2d")
    assert of_flow.out.splitlines() == [
        "MOB         FLOW  COMPLETED  FAILED  CANCELED  MAX RUNS  KEEP KEY  EVENTS",
        "all others               7d       -       30s         -         -      7d",
        "a                         -     90m         -         -         -",
        "a           f            1d       -         -         -        2d",
    ]
    of_events = command("retention", "set", "--max-events", "1000").out.splitlines()
    assert of_events[:2] == [
        "MOB         FLOW  COMPLETED  FAILED  CANCELED  MAX RUNS  KEEP KEY  EVENTS  MAX EVENTS",
        "all others               7d       -       30s         -         -      7d        1000",
    ]
    assert len(command("retention", "show", "--mob", "a").out.splitlines()) == 3
    assert len(command("retention", "show", "--mob", "a", "--flow", "f").out.splitlines()) == 2
    assert command("retention", "clear", "--mob", "a", "--flow", "f").status == 0
    assert command("retention", "show", "--mob", "a", "--flow", "f").out == "flow f of mob a has no policy of its own\n"
    assert command("retention", "clear", "--mob", "a").status == 0
    again = command("retention", "clear", "--mob", "a")
    assert (again.status, again.out, again.err) == (1, "", "there is no such policy\n")
    assert command("retention", "show", "--mob", "a").out == "mob a has no policy of its own\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["set"], "nothing is to be set"),
        (["set", "--completed", "soon"], "--completed is no age: 'soon'; write it like 7d, 12h or 90s"),
        (["set", "--failed", "999999w"], "--failed is no age"),
        (["set", "--max-runs", "-1"], "--max-runs is no number: '-1'"),
        (["set", "--max-events", "many"], "--max-events is no number: 'many'"),
        (["set", "--mob", "a", "--events", "7d"], "bounds events, whose log is that of all mobs"),
        (["show", "--completed", "7d"], "`redis-mob retention set` changes them"),
        (["set", "--flow", "f", "--completed", "7d"], "--flow needs --mob"),
        (["sett"], "'sett' is not one of"),
    ],
    ids=str,
)
def test_bad_policies_are_usage_errors(command: Command, words: list[str], told: str) -> None:
    done = command("retention", *words)
    assert (done.status, done.out) == (2, "")
    assert told in done.err


@pytest.mark.usefixtures("runs")
def test_a_prune_tells_what_goes_and_deletes_it(command: Command) -> None:
    unbounded = command("prune")
    assert (unbounded.status, unbounded.out) == (1, "deleted: 0 runs (0 completed, 0 failed, 0 canceled), 0 events\n")
    assert unbounded.err == "everything is kept: set a policy with redis-mob retention set\n"
    command("retention", "set", "--completed", "90m", "--failed", "30d")
    dry = command("prune", "--dry-run")
    assert (dry.status, dry.err) == (0, "")
    assert dry.out == "would be deleted: 3 runs (3 completed, 0 failed, 0 canceled), 0 events\n"
    some = command("prune", "--most", "1").out.splitlines()
    assert some == ["deleted: 1 run (1 completed, 0 failed, 0 canceled), 0 events", "more is to go: do it again"]
    rest = json.loads(command("prune", "--json").out)
    assert (rest["completed"], rest["is_complete"], rest["is_dry_run"]) == (2, True, False)
    assert json.loads(command("count", "--json").out)["total"] == 2


@pytest.mark.usefixtures("runs")
def test_a_policy_can_be_tried_before_it_is_set(command: Command) -> None:
    tried = command("retention", "set", "--completed", "1h", "--dry-run")
    assert (tried.status, tried.err) == (0, "")
    assert tried.out == "would be deleted: 3 runs (3 completed, 0 failed, 0 canceled), 0 events\n"
    assert command("retention").out == "there is no policy: everything is kept\n"
    command("retention", "set", "--mob", "a", "--max-runs", "2")
    assert "1 run (1 completed" in command("retention", "set", "--mob", "a", "--failed", "1h", "--dry-run").out
    flow = command("retention", "set", "--mob", "b", "--flow", "no", "--max-runs", "0", "--dry-run", "--json")
    assert json.loads(flow.out)["completed"] == 1  # that of mob a
    refused = command("retention", "--dry-run")
    assert (refused.status, refused.err) == (2, "error: retention show has no --dry-run: `set` has\n")


DECLARING = """
[mob]
id = "a"

[profiles]
worker = { model = "none" }

[flows.flow.steps.one]
role = "worker"
message = "Do it"

[retention]
completed = "90m"

[retention.flows.flow]
completed = "470m"
"""


@pytest.mark.usefixtures("runs")
def test_what_a_file_declares_is_applied(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mob.toml").write_text(DECLARING)
    command("retention", "set", "--mob", "a", "--failed", "1d")
    tried = command("retention", "apply", "mob.toml", "--dry-run")
    assert (tried.status, tried.err) == (0, "")
    assert tried.out == "would be deleted: 2 runs (2 completed, 0 failed, 0 canceled), 0 events\n"
    assert len(command("retention").out.splitlines()) == 2
    done = command("retention", "apply", "mob.toml")
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines() == [
        "MOB  FLOW  COMPLETED  FAILED  CANCELED  MAX RUNS  EVENTS",
        "a                90m       -         -         -",
        "a    flow       470m       -         -         -",
    ]
    assert command("retention").out == done.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["apply"], "retention apply needs FILE"),
        (["apply", "mob.toml", "--mob", "a", "--max-runs", "5"], "retention apply takes no --mob, --max-runs"),
        (["apply", "plain.toml"], "plain.toml declares no retention: write a table [retention]"),
        (["apply", "bad.toml"], "bad.toml: retention.complete: there is no such key (nearest: 'completed')"),
        (["apply", "gone.toml"], "gone.toml: cannot be read"),
        (["set", "mob.toml", "--max-runs", "5"], "retention set takes no FILE ('mob.toml')"),
    ],
    ids=str,
)
def test_what_cannot_be_applied(command: Command, tmp_path: Path, words: list[str], told: str) -> None:
    (tmp_path / "mob.toml").write_text(DECLARING)
    (tmp_path / "plain.toml").write_text(DECLARING.partition("[retention]")[0])
    (tmp_path / "bad.toml").write_text(DECLARING.replace("completed", "complete"))
    done = command("retention", *words)
    assert (done.status, done.out) == (2, "")
    assert told in done.err


def test_the_workers_of_a_run_set_what_its_file_declares(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mob.toml").write_text(DECLARING)
    (tmp_path / "handlers.py").write_text("def do(ctx): return 1\n")
    ran = command("run", "mob.toml", "--handler", "handlers:do")
    assert ran.status == 0, ran
    assert len(command("retention", "show", "--mob", "a").out.splitlines()) == 3


@pytest.mark.usefixtures("runs")
def test_the_doctor_says_what_grows_and_what_bounds_it(command: Command) -> None:
    """The contract is operations-90."""
    told = json.loads(command("doctor", "--json").out)["growth"]
    [runs] = [one for one in told["kinds"] if one["kind"] == "runs"]
    assert runs["keys"] > 5
    assert runs["bytes"] > 100
    assert (runs["bound"], runs["change"]) == (
        None,
        "redis-mob retention set --completed 7d --failed 30d --canceled 7d",
    )
    command("retention", "set", "--completed", "7d")
    [line] = [one for one in command("doctor").out.splitlines() if one.startswith("runs ")]
    assert line.endswith("  completed 7d")


@pytest.mark.usefixtures("runs")
def test_stats_show_what_there_is(command: Command) -> None:
    shown = command("stats")
    assert (shown.status, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert lines[0].split() == ["WHAT", "NUMBER", "MEMORY", "BOUNDED", "BY"]
    assert lines[1].startswith("runs that are over ")
    assert lines[1].endswith("nothing")
    assert "runs: 0 pending, 1 running, 3 completed, 1 failed, 0 canceled" in lines
    told = json.loads(command("stats", "--json").out)
    assert told["runs"]["completed"] == 3
    assert told["bytes_of_a_run"] > 100
    assert [one["number"] for one in told["grows"]] == [4, 1, 0, 0, 0]
