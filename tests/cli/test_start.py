"""`redis-mob start`: a run for the workers of a shared server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command import Command, Ended, redis_mob

MOB = """
[mob]
id = "hello"

[profiles]
greeter = { model = "none" }

[flows.hello.steps.greet]
role = "greeter"
message = "greet {{ params.name }}"
timeout_ms = 30000

[flows.other.steps.greet]
role = "greeter"
message = "greet"
"""

HANDLER = """
def greet(ctx):
    if ctx.params == {"name": "absent"}:
        raise ValueError("there is no one")
    return "Hello, " + ctx.params["name"]
"""


@pytest.fixture
def command(tmp_path: Path, server_url: str, namespace: str) -> Callable[..., Ended]:
    (tmp_path / "hello.toml").write_text(MOB)
    (tmp_path / "greeting.py").write_text(HANDLER)
    return lambda *words: redis_mob(tmp_path, *words, "--url", server_url, "--namespace", namespace)


def test_it_prints_the_id_of_a_run_that_waits_for_workers(command: Callable[..., Ended]) -> None:
    done = command("start", "hello.toml", "hello", "--params", '{"name": "Ada"}', "--key", "one", "--priority", "3")
    assert (done.status, done.err) == (0, "")
    run_id = done.out.strip()
    again = command("start", "hello.toml", "hello", "--params", '{"name": "Ada"}', "--key", "one", "--json")
    assert json.loads(again.out) == {"run_id": run_id}
    told = json.loads(command("show", run_id, "--json").out)
    assert (told["status"], told["flow_id"], told["priority"]) == ("pending", "hello", 3)


def test_a_run_gets_attributes_and_a_summary(command: Callable[..., Ended]) -> None:
    words = ("--attribute", "customer=acme", "--attribute", "size=3", "--summary", "first")
    run_id = command("start", "hello.toml", "hello", "--params", '{"name": "Ada"}', *words).out.strip()
    [line] = command("ls", "--attribute", "customer=acme", "--json").out.splitlines()
    found = json.loads(line)
    assert (found["run_id"], found["summary"]) == (run_id, "first")
    assert found["attributes"] == {"customer": "acme", "size": "3"}
    refused = command("start", "hello.toml", "hello", "--attribute", "customer")
    assert (refused.status, refused.out) == (2, "")
    assert "--attribute: 'customer' has no value" in refused.err


def test_a_later_run_begins_later(command: Callable[..., Ended]) -> None:
    run_id = command("start", "hello.toml", "other", "--at", "2h", "--release", "r1").out.strip()
    told = json.loads(command("show", run_id, "--json").out)
    assert told["begins_at"] > told["now"]
    assert told["release"] == "r1"


def test_starts_under_a_debounce_key_are_one_run(command: Callable[..., Ended]) -> None:
    words = ("start", "hello.toml", "other", "--debounce-key", "k", "--debounce", "1h", "--debounce-most", "2h")
    ids = {command(*words, "--params", f'{{"n": {n}}}').out for n in range(2)}
    [run_id] = {run_id.strip() for run_id in ids}
    told = json.loads(command("show", run_id, "--json").out)
    assert told["status"] == "pending"
    assert told["begins_at"] > told["now"]


@pytest.mark.parametrize(("name", "status"), [("Ada", 0), ("absent", 1)])
def test_it_waits_for_the_end_that_workers_bring(
    command: Callable[..., Ended], tmp_path: Path, server_url: str, namespace: str, name: str, status: int
) -> None:
    words = ("worker", "hello.toml", "--handler", "greeting:greet", "--url", server_url, "--namespace", namespace)
    params = json.dumps({"name": name})
    with Command(tmp_path, *words) as worker:
        done = command("start", "hello.toml", "hello", "--params", params, "--wait", "--json")
        assert done.status == status, done.err
        told = json.loads(done.out)
        if name == "Ada":
            assert told["outputs"] == {"greet": {"greeter-1": "Hello, Ada"}}
            shown = command("start", "hello.toml", "hello", "--params", params, "--wait")
            assert '"Hello, Ada"' in shown.err
        else:
            assert "there is no one" in told["failures"][0]["reason"]
        assert worker.pid


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("hello.toml",), "FLOW is missing"),
        (("hello.toml", "nope"), "FLOW 'nope': there is no such flow"),
        (("nothing.toml", "hello"), "nothing.toml"),
        (("hello.toml", "hello", "--params", "{"), "--params"),
        (("hello.toml", "hello", "--at", "soon"), "--at is no time"),
        (("hello.toml", "hello", "--priority", "64"), "priority must be from -63 to 63"),
        (("hello.toml", "hello", "--members", "absent=2"), "absent"),
        (("hello.toml", "hello", "--debounce", "5s"), "debounce needs a debounce_key"),
        (("hello.toml", "hello", "--debounce-key", "k"), "debounce_key needs debounce"),
        (("hello.toml", "hello", "--debounce-key", "k", "--debounce", "soon"), "--debounce 'soon' is no length"),
        (("hello.toml", "hello", "--debounce-key", "k", "--debounce", "5s", "--at", "2h"), "at or debounce, not both"),
        (("hello.toml", "hello", "--debounce-key", "k", "--debounce", "5s", "--key", "k"), "not both"),
    ],
)
def test_bad_input_is_refused(command: Callable[..., Ended], words: tuple[str, ...], reason: str) -> None:
    done = command("start", *words)
    assert (done.status, done.out) == (2, "")
    assert reason in done.err


def test_a_private_server_is_no_place_for_it(tmp_path: Path) -> None:
    (tmp_path / "hello.toml").write_text(MOB)
    done = redis_mob(tmp_path, "start", "hello.toml", "hello")
    assert done.status == 2
    assert "name the one that is meant with --url" in done.err


def test_a_release_that_no_live_worker_has_is_noted(command: Callable[..., Ended]) -> None:
    done = command("start", "hello.toml", "hello", "--release", "blue")
    assert (done.status, len(done.out.split())) == (0, 1)
    assert done.err == "note: no live worker of mob 'hello' has release 'blue'\n"
