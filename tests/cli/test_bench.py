"""`redis-mob bench`: what it prints and writes, how it ends, and that nothing is left on the server."""

from __future__ import annotations

import inspect
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from redis_mob.bench.runner import ROUNDS, SECONDS
from redis_mob.cli.commands.bench import bench
from tests.cli.command import IMPATIENT, Command, redis_mob, wait_until
from tests.support.servers import server

SHORT = ("--scenarios", "session, config.get", "--seconds", "0.02", "--rounds", "2")


@pytest.fixture(scope="module")
def own_url() -> Iterator[str]:
    """A server of these tests alone."""
    with server() as url:
        yield url


@pytest.fixture
def admin(own_url: str) -> Iterator[Redis]:
    """What the server of these tests is looked at with; it is empty before and after each test."""
    with Redis.from_url(own_url) as client:  # pyright: ignore[reportUnknownMemberType]
        yield client
        assert client.keys() == []  # pyright: ignore[reportUnknownMemberType]


@pytest.mark.usefixtures("admin")
def test_it_prints_tables_and_ends_with_a_sentence(tmp_path: Path, own_url: str) -> None:
    ended = redis_mob(tmp_path, "bench", *SHORT, "--url", own_url)
    assert ended.status == 0, ended
    assert "cas_grant_node_slot[50]" in ended.out
    assert "config.get" in ended.out
    assert "config.put" not in ended.out
    last = ended.out.splitlines()[-1]
    assert last.startswith("this server does ")
    assert "; p99 " in last
    assert ended.err.splitlines() == [
        "session: what it costs that a call whose reply is lost can be sent again",
        "config: config documents",
    ]


def test_it_writes_json_a_page_and_plots_that_the_page_shows(tmp_path: Path) -> None:
    files = ("--json", "f.json", "--markdown", "page.md", "--plots", "plots")
    ended = redis_mob(tmp_path, "bench", *SHORT, *files)
    assert ended.status == 0, ended
    told = json.loads((tmp_path / "f.json").read_text())
    assert [group["name"] for group in told["groups"]] == ["session", "config"]
    assert {"cpu", "cores", "python", "load"} <= told["machine"].keys()
    page = (tmp_path / "page.md").read_text()
    assert "](plots/session.svg)" in page
    assert (tmp_path / "plots" / "session.svg").read_text().count("<svg") == 1
    again = redis_mob(tmp_path, "bench", *SHORT, "--against", "f.json")
    assert again.status in {0, 1}, again
    assert ("slower: " in again.out) == (again.status == 1)


def made_faster(told: dict[str, Any], group: str) -> dict[str, Any]:
    """The same report, as if the scenarios of this group had taken a millionth of their time, beyond all noise."""
    [found] = [one for one in told["groups"] if one["name"] == group]
    for result in found["results"]:
        if not result["is_baseline"]:
            result["rounds"] = {name: [value / 1e6 for value in values] for name, values in result["rounds"].items()}
    return told


def test_what_has_become_slower_is_told_when_it_showed_itself_again(tmp_path: Path) -> None:
    short = ("--scenarios", "session", *SHORT[2:])
    assert redis_mob(tmp_path, "bench", *short, "--json", "f.json").status == 0
    file = tmp_path / "f.json"
    file.write_text(json.dumps(made_faster(json.loads(file.read_text()), "session")))
    ended = redis_mob(tmp_path, "bench", *short, "--against", "f.json")
    assert ended.status == 1, ended
    assert "slower: session: cas_grant_node_slot[50] takes " in ended.out
    assert ended.err.count("measured again, since it looks slower: session") == 2
    nothing_common = redis_mob(tmp_path, "bench", "--scenarios", "delivery", "--seconds", "0.02", "--against", "f.json")
    assert nothing_common.status == 2
    assert "no ratio of what was measured" in nothing_common.err


@pytest.mark.parametrize(
    ("options", "status", "told"),
    [
        pytest.param(("--scenarios", "run"), 2, "no scenario is called 'run'; groups and scenarios: ", id="name"),
        pytest.param(("--seconds", "0"), 2, "--seconds 0: give a number above 0", id="seconds"),
        pytest.param(("--seconds", "nan"), 2, "--seconds nan: give a number above 0", id="no number"),
        pytest.param(("--rounds", "0"), 2, "--rounds 0: give a number from 1", id="rounds"),
        pytest.param(("--json", "nowhere/f.json"), 2, "there is no directory nowhere", id="json"),
        pytest.param(("--markdown", "nowhere/f.md"), 2, "there is no directory nowhere", id="markdown"),
        pytest.param(("--against", "f.json"), 2, "f.json", id="against"),
        pytest.param(("--durability", "disk"), 2, "durability 'disk': write memory, fsync", id="durability"),
        pytest.param(("--peers",), 2, "peers are measured in a checkout", id="peers"),
        pytest.param(("--url", "memory:"), 3, "it has no server to measure", id="memory"),
        pytest.param(("--url", "redis://:hush@127.0.0.1:1"), 3, "cannot use redis://:***@127.0.0.1:1/0", id="refused"),
    ],
)
def test_bad_input_is_told_before_anything_is_measured(
    tmp_path: Path, options: tuple[str, ...], status: int, told: str
) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__init__.py").touch()  # found before that of this checkout, and has no peers
    ended = redis_mob(tmp_path, "bench", *options)
    assert (ended.status, ended.out) == (status, "")
    assert told in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_leaves_no_key(tmp_path: Path, own_url: str, admin: Redis, number: signal.Signals) -> None:
    with Command(tmp_path, "bench", "--scenarios", "append", "--seconds", "600", "--url", own_url) as command:
        wait_until(lambda: admin.keys("{rm:bench-*"))  # pyright: ignore[reportUnknownMemberType]
        command.signal(number)
        ended = command.end()
    assert ended.status == 1, ended
    assert ended.err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in ended.err


def test_a_server_that_is_lost_is_told_with_what_is_left_there(tmp_path: Path) -> None:
    arguments = ("bench", "--scenarios", "append", "--seconds", "600")
    with (
        server() as url,
        Redis.from_url(url) as client,  # pyright: ignore[reportUnknownMemberType]
        Command(tmp_path, *arguments, "--url", url, program=IMPATIENT) as command,
    ):
        wait_until(lambda: client.keys("{rm:bench-*"))  # pyright: ignore[reportUnknownMemberType]
        client.shutdown(nosave=True)  # pyright: ignore[reportUnknownMemberType]
        ended = command.end()
    assert ended.status == 3, ended
    assert "are left on the server" in ended.err
    assert "Traceback" not in ended.err


def test_the_options_have_the_defaults_of_the_library() -> None:
    options = inspect.signature(bench).parameters
    assert (options["seconds"].default, options["rounds"].default) == (SECONDS, ROUNDS)
