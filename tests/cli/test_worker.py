"""`redis-mob worker`: what it serves, how it shows that it is well, and how it ends."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from redis_mob.cli.serving import LOOKS_FOR_GARBAGE, PYTHONS_OWN
from redis_mob.fleet.fleet import Fleet
from redis_mob.models.definition import MobDefinition
from redis_mob.models.run import MobRun
from redis_mob.storage import MobStorage
from tests.cli.command import IMPATIENT, Command, redis_mob, wait_until
from tests.cli.conftest import FLOWS
from tests.support.servers import server

OFFICE = MobDefinition.from_toml(FLOWS)


def working(
    project: Path, handler: str, url: str, namespace: str, *options: str, program: Sequence[str] | None = None
) -> Command:
    words = ("worker", "flows.toml", "--handler", f"handlers:{handler}", "--url", url, "--namespace", namespace)
    return Command(project, *words, *options, program=program)


def start(url: str, namespace: str, flow: str = "one", **options: Any) -> str:
    async def started() -> str:
        async with MobStorage.open(url, namespace=namespace) as storage:
            return await Fleet(storage, OFFICE).start(flow, {"numbers": [1, 2]}, **options)

    return asyncio.run(started())


def over(url: str, namespace: str, run_id: str) -> MobRun:
    async def waited() -> MobRun:
        async with MobStorage.open(url, namespace=namespace) as storage:
            return await Fleet(storage, OFFICE).wait(run_id)

    return asyncio.run(waited())


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def asked(port: int) -> tuple[int, dict[str, Any]]:
    """The status that the port answers with, 0 if it does not, and what it says."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)
    except OSError:
        return 0, {}


def test_it_shows_that_it_is_well_until_it_has_drained(project: Path, server_url: str, namespace: str) -> None:
    alive, port = project / "alive", free_port()
    alive.touch()  # an earlier process left it
    options = ("--health-file", str(alive), "--health-port", str(port), "--lease", "1")
    with working(project, "wait_for_the_word", server_url, namespace, *options) as command:
        run_id = start(server_url, namespace)
        wait_until((project / "begun").exists)
        wait_until(lambda: asked(port)[0] == 200)
        said = asked(port)[1]
        assert (said["status"], said["namespace"]) == ("ok", namespace)
        assert str(command.pid) in said["worker"]
        touched = alive.stat().st_mtime_ns
        wait_until(lambda: alive.stat().st_mtime_ns > touched)
        command.signal(signal.SIGTERM)
        wait_until(lambda: asked(port)[0] == 503)
        assert asked(port)[1]["status"] == "draining"
        assert alive.exists(), "a worker that drains is no dead one"
        (project / "word").touch()
        ended = command.end(at_once=False)
    assert ended.status == 0, ended.err
    assert not alive.exists()
    assert over(server_url, namespace, run_id).root_step_outputs == {"work": {"clerk-1": 1}}
    begins, *_, ends = ended.err.splitlines()
    assert (
        f"-{command.pid} serves mob 'office' (all roles), 16 steps at a time, in namespace '{namespace}' at " in begins
    )
    assert f"-{command.pid} has drained in " in ends


def test_what_it_has_loaded_is_out_of_the_sight_of_the_garbage_collector(
    project: Path, server_url: str, namespace: str
) -> None:
    with (project / "handlers.py").open("a") as handlers:
        handlers.write("\n\ndef kept(ctx):\n    import gc\n    return [gc.get_freeze_count(), *gc.get_threshold()]\n")
    with working(project, "kept", server_url, namespace) as command:
        outputs = over(server_url, namespace, start(server_url, namespace)).root_step_outputs
        command.signal(signal.SIGTERM)
        assert command.end(at_once=False).status == 0
    kept, *thresholds = outputs["work"]["clerk-1"]
    assert kept > 10_000
    assert tuple(thresholds) == LOOKS_FOR_GARBAGE != PYTHONS_OWN


def test_what_does_not_end_in_time_is_handed_back(project: Path, server_url: str, namespace: str) -> None:
    with working(project, "wait_for_the_word", server_url, namespace, "--drain-timeout", "0") as command:
        run_id = start(server_url, namespace)
        wait_until((project / "begun").exists)
        command.signal(signal.SIGINT)
        ended = command.end(at_once=False)
    assert ended.status == 0, ended.err
    assert "1 execution has not ended in time; it is handed back" in ended.err
    (project / "word").touch()
    with working(project, "wait_for_the_word", server_url, namespace) as command:
        assert over(server_url, namespace, run_id).root_step_outputs == {"work": {"clerk-1": 1}}
        command.signal(signal.SIGTERM)
        assert command.end(at_once=False).status == 0


@pytest.mark.parametrize("handler", ["wait_for_ever", "block_the_loop"])
def test_a_second_signal_ends_it_at_once(project: Path, server_url: str, namespace: str, handler: str) -> None:
    """Also while a handler keeps the event loop from turning."""
    with (project / "handlers.py").open("a") as handlers:
        handlers.write(
            "\n\nasync def block_the_loop(ctx):\n    Path('begun').touch()\n"
            "    while True:\n        time.sleep(0.05)  # a signal just before a long call waits for that\n"
        )
    alive = project / "alive"
    with working(project, handler, server_url, namespace, "--health-file", str(alive)) as command:
        start(server_url, namespace)
        wait_until((project / "begun").exists)
        command.signal(signal.SIGTERM)
        if handler == "wait_for_ever":
            wait_until(lambda: "takes nothing new" in command.line_of_stderr())
        command.signal(signal.SIGTERM if handler == "wait_for_ever" else signal.SIGINT)
        ended = command.end(at_once=False)
    assert ended.status == 1, ended.err
    assert not alive.exists()


def test_it_serves_the_roles_and_the_release_that_it_is_told(project: Path, server_url: str, namespace: str) -> None:
    clerk = ("--roles", "clerk", "--release", "new")
    judge = ("--roles", "judge", "--release", "new")
    run_id = start(server_url, namespace, "two", release="new")
    with working(project, "ROLES", server_url, namespace, *clerk) as first:
        wait_until(lambda: "(role 'clerk'), release 'new'" in first.line_of_stderr())
        with working(project, "ROLES", server_url, namespace, *judge) as second:
            assert over(server_url, namespace, run_id).status == "completed"
            for command in (first, second):
                command.signal(signal.SIGTERM)
                assert command.end(at_once=False).status == 0


def test_a_mob_in_python_brings_its_handlers(tmp_path: Path, server_url: str, namespace: str) -> None:
    (tmp_path / "hello.py").write_text(
        "from redis_mob import Mob, step\nmob = Mob('office')\n@mob.handler\ndef greet() -> str:\n    return 'hi'\n"
        "mob.flow('only', [step('greet')])\n"
    )
    with Command(tmp_path, "worker", "hello:mob", "--url", server_url, "--namespace", namespace) as command:
        wait_until(lambda: "serves mob 'office' (role 'greet')" in command.line_of_stderr())
        command.signal(signal.SIGTERM)
        assert command.end(at_once=False).status == 0


def test_what_it_cannot_use_is_told(project: Path, server_url: str) -> None:
    place, usual = ("--url", server_url), ("--handler", "handlers:ONLY_CLERKS")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for options, status, told in (
            ((), 2, "--handler is missing"),
            ((*usual, "--roles", "boss"), 2, "--roles 'boss': mob 'office' has no such role; it has: 'clerk', 'judge'"),
            ((*usual, "--roles", "judge"), 2, "--roles 'judge': no handler is for it; there are handlers for 'clerk'"),
            ((*usual, "--health-file", "/nowhere/alive"), 2, "--health-file /nowhere/alive: No such file or directory"),
            ((*usual, "--health-port", "0"), 2, "--health-port 0: give a number from 1 to 65535"),
            ((*usual, "--health-port", port), 2, f"--health-port {port}: cannot listen on 127.0.0.1: "),
            ((*usual, "--url", "redis://127.0.0.1:1"), 3, "cannot use redis://127.0.0.1:1/0"),
        ):
            refused = redis_mob(project, "worker", "flows.toml", *place, *options)
            assert (refused.status, refused.out) == (status, ""), refused.err
            assert told in refused.err
            assert "Traceback" not in refused.err


def test_it_gives_up_a_server_that_stays_away(project: Path) -> None:
    port = free_port()
    with server() as url:
        options = ("--health-port", str(port), "--lease", "0.5")
        command = working(project, "answer", url, "default", *options, program=IMPATIENT)
        wait_until(lambda: asked(port)[0] == 200)
    with command:  # the server has ended
        wait_until(lambda: asked(port) == (503, {**asked(port)[1], "status": "its lease is not confirmed"}))
        ended = command.end(at_once=False)
    assert ended.status == 3, ended.err
    assert ended.err.splitlines()[-1].startswith("error: ")


def test_its_handlers_have_the_conversation_of_their_run(project: Path, server_url: str, namespace: str) -> None:
    """Also a run that waits for its turn when the worker begins."""
    ids = [start(server_url, namespace, conversation="c") for _ in range(2)]
    with working(project, "talk", server_url, namespace) as command:
        ended = [over(server_url, namespace, run_id) for run_id in ids]
        command.signal(signal.SIGTERM)
        assert command.end(at_once=False).status == 0
    assert [list(run.root_step_outputs["work"].values()) for run in ended] == [[1], [2]]
