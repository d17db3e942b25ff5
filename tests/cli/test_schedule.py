"""The commands about schedules: what they store, show and refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command import Ended, redis_mob

Command = Callable[..., Ended]

FLOWS = """
[mob]
id = "digests"

[profiles.writer]
model = "none"

[flows.daily.steps.write]
role = "writer"
message = "write"
"""


@pytest.fixture
def command(tmp_path: Path, server_url: str, namespace: str) -> Command:
    (tmp_path / "flows.toml").write_text(FLOWS)
    place = ("--url", server_url, "--namespace", namespace)
    return lambda *words: redis_mob(tmp_path, *words, *place, TZ="UTC")


def test_a_schedule_is_made_listed_shown_paused_resumed_and_deleted(command: Command) -> None:
    when = ("--cron", "0 9 * * MON-FRI", "--timezone", "Europe/Berlin")
    create = ("schedule", "create", "flows.toml", "--name", "morning", *when, "--params", '{"a": 1}')
    made = command(*create)
    assert (made.status, made.err) == (0, "")
    header, row = made.out.splitlines()
    assert header.split() == ["NAME", "MOB", "FLOW", "WHEN", "NEXT", "LAST", "FIRED"]
    assert row.startswith("morning  digests  daily  0 9 * * MON-FRI Europe/Berlin  20")
    assert row.endswith("-         0")
    assert command(*create).out == made.out
    assert command("schedule", "list").out == made.out
    shown = command("schedule", "show", "morning", "--count", "2")
    assert shown.status == 0
    assert 'params    {"a":1}' in shown.out
    assert [line.split()[-2] for line in shown.out.splitlines()[-2:]] == ["09:00:00", "09:00:00"]
    paused = command("schedule", "pause", "morning", "--json")
    assert json.loads(paused.out)["paused"] is True
    assert "  paused  " in command("schedule", "list").out
    assert command("schedule", "resume", "morning").out == made.out
    assert command("schedule", "delete", "morning").out == "schedule 'morning' is deleted\n"
    assert command("schedule", "list").out == "no schedules\n"
    assert command("schedule", "list", "--json").out == ""


def test_what_cannot_be_meant_is_refused_in_one_line(command: Command) -> None:
    create = ("schedule", "create", "flows.toml", "--name", "s")
    assert command(*create, "--every", "5m").status == 0
    for words, told in [
        ((*create, "--every", "6m"), "there is a schedule 's' already, with another every: replace it with --replace"),
        ((*create, "--every", "0.5s"), "every must be at least 1 s, not 0:00:00.500000"),
        ((*create, "--every", "often"), "--every 'often' is no length of time: write it like 30s, 5m, 2h or 1d"),
        ((*create,), "schedule 's': give it either cron or every"),
        ((*create, "--cron", "0 25 * * *"), "cron '0 25 * * *': its hour is wrong, '25': write 0-23"),
        ((*create, "--cron", "0 9 30 2 *"), "cron '0 9 30 2 *' is never due: no day within fifty years is like that"),
        ((*create, "--cron", "0 9 * * *", "--timezone", "Berlin"), "there is no time zone 'Berlin'; did you mean"),
        ((*create, "--every", "5m", "--ends-at", "soon"), "--ends-at is no time: 'soon'"),
        ((*create, "--every", "5m", "--flow", "other"), "--flow 'other': there is no such flow"),
        (("schedule", "show", "t"), "schedule 't' does not exist; nearest: 's'"),
        (("schedule", "pause", "t"), "schedule 't' does not exist; nearest: 's'"),
        (("schedule", "delete", "t"), "schedule 't' does not exist; nearest: 's'"),
    ]:
        refused = command(*words)
        assert (refused.status, refused.out) == (2, ""), refused.err
        assert refused.err.startswith(f"error: {told}"), refused.err
        assert refused.err.count("\n") == 1
    assert command(*create, "--every", "6m", "--replace").status == 0


def test_the_flow_is_an_argument_as_of_start(command: Command) -> None:
    create = ("schedule", "create", "flows.toml")
    assert command(*create, "daily", "--name", "s", "--every", "5m").status == 0
    assert command(*create, "daily", "--flow", "daily", "--name", "s", "--every", "5m").status == 0
    for words, told in (
        (("weekly",), "error: FLOW 'weekly': there is no such flow; mob 'digests' has: 'daily'"),
        (("daily", "--flow", "weekly"), "error: FLOW 'daily' and --flow 'weekly' are two flows: name one"),
    ):
        refused = command(*create, *words, "--name", "s", "--every", "5m")
        assert (refused.status, refused.err) == (2, f"{told}\n")
