"""`redis-mob ls` and `redis-mob count`: what they print, and how they end."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from redis_mob.cli.moments import parse_moment
from redis_mob.cli.run_list import ListedRuns, page_lines
from redis_mob.cli.words import duration_text
from redis_mob.errors import ValidationError
from redis_mob.models import MobRun, MobRunStatus
from redis_mob.models.run_summary import RunPage, RunSummary
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.compound import scene
from redis_mob.testing.samples.states import NOON, failure_entry
from tests.cli.command import Ended, redis_mob

STATUSES = [MobRunStatus.COMPLETED, MobRunStatus.FAILED, MobRunStatus.RUNNING]


@pytest.fixture
def runs(server_url: str, namespace: str) -> list[MobRun]:
    """Three runs, the newest first."""
    made = [
        scene(
            run_id=f"{number}191a6a0-0000-4000-8000-00000000000a",
            mob_id="mob \x1b[31m",
            flow_id=f"flow-{number}",
            status=status,
            created_at=NOON + timedelta(hours=number),
            failure_ledger=[failure_entry("build", "no space\nleft")] if status is MobRunStatus.FAILED else [],
            activation_params={"topic": f"Topic {number}"},
        )
        for number, status in enumerate(STATUSES)
    ]

    async def create() -> None:
        async with MobStorage.open(server_url, namespace=namespace) as storage:
            for run in made:
                await storage.runs.create_run(run)

    asyncio.run(create())
    return made[::-1]


def ended(directory: Path, server_url: str, namespace: str, *words: str) -> Ended:
    return redis_mob(directory, *words, "--url", server_url, "--namespace", namespace)


def test_runs_are_listed(tmp_path: Path, server_url: str, namespace: str, runs: list[MobRun]) -> None:
    for command in ("ls", "list"):
        told = ended(tmp_path, server_url, namespace, command, "--limit", "2")
        assert told.status == 0, told.err
        header, *lines = told.out.splitlines()
        assert header.split() == ["RUN", "STATUS", "CREATED", "TOOK", "MOB", "FLOW"]
        assert [line.split()[0] for line in lines] == [run.run_id for run in runs[:2]]
        assert lines[1].endswith("step build: no space")
        assert "\x1b" not in told.out
        assert "mob \\x1b[31m" in told.out
        assert told.err == "there are more: --after 2\n"
    rest = ended(tmp_path, server_url, namespace, "ls", "--after", "2", "--json")
    [line] = rest.out.splitlines()
    assert json.loads(line)["run_id"] == runs[2].run_id
    assert rest.err == ""


def test_conditions(tmp_path: Path, server_url: str, namespace: str, runs: list[MobRun]) -> None:
    for words, wanted in (
        (("--status", "failed", "--status", "RUNNING"), runs[:2]),
        (("--flow", "flow-0"), runs[2:]),
        (("--since", (NOON + timedelta(hours=1)).isoformat(), "--until", "1s"), runs[:2]),
        (("--text", "topic 1"), runs[1:2]),
        (("--mob", "another"), []),
    ):
        told = ended(tmp_path, server_url, namespace, "ls", "--json", *words)
        assert (told.status, told.err) == (0, "")
        assert [json.loads(line)["run_id"] for line in told.out.splitlines()] == [run.run_id for run in wanted]
    paged = ended(tmp_path, server_url, namespace, "ls", "--json", "--limit", "1").out.splitlines()
    assert json.loads(paged[-1]) == {"next": "3"}
    assert ended(tmp_path, server_url, namespace, "ls", "--mob", "another") == Ended(0, "", "no runs\n")


def test_runs_are_counted(tmp_path: Path, server_url: str, namespace: str, runs: list[MobRun]) -> None:
    assert len(runs) == len(STATUSES)
    told = ended(tmp_path, server_url, namespace, "count")
    assert told.status == 0, told.err
    counts = [line.split() for line in told.out.splitlines()]
    numbers = [["pending", "0"], ["running", "1"], ["completed", "1"], ["failed", "1"], ["canceled", "0"]]
    assert counts == [*numbers, ["total", "3"]]
    one = ended(tmp_path, server_url, namespace, "count", "--status", "failed", "--text", "TOPIC", "--json")
    assert json.loads(one.out) == {"failed": 1, "total": 1}


def test_what_is_refused(tmp_path: Path, server_url: str, namespace: str) -> None:
    for words, message in (
        (("ls", "--status", "dead"), "error: --status 'dead': a run is pending, running, completed, failed, canceled"),
        (("ls", "--since", "yesterday"), "error: --since is no time: 'yesterday'; write it like 2026-11-29T08:00"),
        (("count", "--until", "9" * 20 + "d"), "error: --until is no time"),
        (("ls", "--after", "x"), "error: after must be the `next` of a page of runs, not 'x'"),
        (("ls", "--limit", "0"), "--limit"),
    ):
        refused = ended(tmp_path, server_url, namespace, *words)
        assert refused.status == 2, refused.err
        assert message in refused.err
    away = redis_mob(tmp_path, "ls", "--url", "unix:///no/such.sock")
    assert away.status == 3, away.err


def test_moments_and_durations() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert parse_moment("--since", "2h", now) == now - timedelta(hours=2)
    assert parse_moment("--since", "2026-01-01T00:00Z", now) == now
    assert parse_moment("--since", None, now) is None
    for wrong in ("", "h", "2y", "-1h", "999999w", "0001-01-01T00:00+14:00"):
        with pytest.raises(ValidationError, match="--since is no time"):
            parse_moment("--since", wrong, now)
    texts = [duration_text(seconds) for seconds in (0, 0.035, 1.25, 10, 59.97, 60, 200, 3600, 190_000, -1, None)]
    assert texts == ["0 s", "35 ms", "1.2 s", "10 s", "1 m", "1 m", "3 m 20 s", "1 h", "2 d 4 h", "0 s", "-"]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_list_fits_a_terminal(width: int) -> None:
    summary = RunSummary(
        run_id="0191a6a0-0000-4000-8000-00000000000a",
        mob_id="a mob with a name that is long, as names of mobs may be",
        flow_id="flow",
        status=MobRunStatus.FAILED,
        created_at=NOON,
        completed_at=NOON + timedelta(days=3),
        failed_step="build",
        failure="no space left " * 20,
    )
    listed = ListedRuns(RunPage(runs=(summary, summary), now=NOON))
    header, *lines = [line.plain for line in page_lines(listed, width)]
    assert all(len(line) <= width for line in (header, *lines))
    assert lines[0].startswith("0191a6a0")
    assert "failed" in lines[0]
    assert "3 d" in lines[0]
    assert lines[1].startswith("  step build: no space")
    assert len(lines) == 4
    short = summary.model_copy(update={"failure": "no space"})
    rows = [line.plain for line in page_lines(ListedRuns(RunPage(runs=(short,), now=NOON)), width)]
    assert len(rows) == (2 if width == 200 else 3)
