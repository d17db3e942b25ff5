"""`redis-mob doctor`: what it prints, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from redis_mob.admin.doctor.examination import Examination
from redis_mob.admin.doctor.finding import Finding, Severity
from redis_mob.cli.doctor import as_text, is_healthy
from tests.cli.command import redis_mob
from tests.support.servers import server

PASSWORD = "hush"  # noqa: S105


@pytest.fixture(scope="module")
def good_url() -> Iterator[str]:
    """A server with nothing to complain of but that dead hosts are never noticed."""
    with server(
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--maxmemory",
        "512mb",
        "--requirepass",
        PASSWORD,
        "--tcp-keepalive",
        "0",
    ) as url:
        yield url.replace("unix://", f"unix://:{PASSWORD}@")


def test_errors_decide_how_it_ends(tmp_path: Path, good_url: str) -> None:
    """Warnings do so if they are to."""
    for options, status in (((), 0), (("--strict",), 1), (("--durability", "replicas:1"), 1)):
        ended = redis_mob(tmp_path, "doctor", "--url", good_url, *options)
        assert ended.status == status, ended
        assert "tcp-keepalive 0" in ended.out
        assert PASSWORD not in ended.out + ended.err


def test_all_of_it_is_one_json_object(tmp_path: Path, good_url: str) -> None:
    ended = redis_mob(tmp_path, "doctor", "--json", "--namespace", "n", "--durability", "fsync", REDIS_MOB_URL=good_url)
    assert (ended.status, ended.err) == (0, "")
    told = json.loads(ended.out)
    assert told["server"] == good_url.replace(PASSWORD, "***")
    assert (told["namespace"], told["durability"], told["errors"]) == ("n", "fsync", 0)
    assert told["growth"] == {"keys_seen": 0, "keys_of_server": 0, "not_permitted": [], "kinds": []}
    [warning] = [finding for finding in told["findings"] if finding["change"] == "tcp-keepalive 300"]
    assert warning == {
        "check": "idle connections",
        "severity": "warning",
        "found": "tcp-keepalive 0: connections of hosts that vanished stay for ever",
        "matters": "A connection that is closed or dead is only noticed when it is needed.",
        "change": "tcp-keepalive 300",
        "server": told["server"],
    }


def test_without_a_server_the_embedded_one_is_looked_at(tmp_path: Path) -> None:
    ended = redis_mob(tmp_path, "doctor")
    assert ended.status == 0, ended
    assert ended.out.startswith("embedded:\n")
    assert "-> embedded:/path/to/dir" in ended.out


@pytest.mark.parametrize(
    ("options", "status", "told"),
    [
        pytest.param(("--durability", "disk"), 2, "durability 'disk': write memory, fsync, or replicas:N", id="usage"),
        pytest.param(("--namespace", "a b"), 2, "'a b' is no name for a namespace", id="namespace"),
        pytest.param(("--url", "memory:"), 3, "it has no server to look at", id="memory"),
        pytest.param(("--url", "redis://:hush@127.0.0.1:1"), 3, "cannot use redis://:***@127.0.0.1:1/0", id="refused"),
    ],
)
def test_what_cannot_be_examined(tmp_path: Path, options: tuple[str, ...], status: int, told: str) -> None:
    ended = redis_mob(tmp_path, "doctor", *options)
    assert (ended.status, ended.out) == (status, "")
    assert told in ended.err


def examination(*severities: Severity) -> Examination:
    found = [
        Finding(f"check {n}", severity, "found\x1b[31m", "why", "setting", "here")
        for n, severity in enumerate(severities)
    ]
    return Examination("here", "n", "memory", found)


def test_the_worst_comes_first_and_says_why() -> None:
    text = as_text(examination(Severity.OK, Severity.WARNING, Severity.NOTE, Severity.ERROR), coloured=False)
    assert text.splitlines() == [
        "here",
        r"error   check 3: found\x1b[31m",
        "        why",
        "        -> setting",
        r"warning check 1: found\x1b[31m",
        "        why",
        "        -> setting",
        r"note    check 2: found\x1b[31m",
        "        -> setting",
        r"ok      check 0: found\x1b[31m",
        "        -> setting",
        "1 error, 1 warning",
    ]


def test_a_terminal_gets_colours_and_nothing_that_the_server_wrote_for_it() -> None:
    text = as_text(examination(Severity.ERROR), coloured=True)
    assert "\x1b[1;31merror" in text
    assert "found\x1b" not in text


@pytest.mark.parametrize(
    ("severity", "healthy", "strictly"),
    [
        (Severity.OK, True, True),
        (Severity.NOTE, True, True),
        (Severity.WARNING, True, False),
        (Severity.ERROR, False, False),
    ],
)
def test_notes_never_count(severity: Severity, healthy: bool, strictly: bool) -> None:
    found = examination(severity)
    assert (is_healthy(found, strict=False), is_healthy(found, strict=True)) == (healthy, strictly)
