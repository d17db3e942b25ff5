"""`redis-mob run` from start to end, with the embedded server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from redis_mob import __version__
from redis_mob.testing.servers.raw_client import client_of
from tests.cli.command import MODULE, Command, Ended, redis_mob
from tests.cli.conftest import HANDLERS
from tests.support.servers import server


def run(project: Path, flow: str, handler: str, *options: str, **environment: str) -> Ended:
    return redis_mob(
        project, "run", "flows.toml", "--flow", flow, "--handler", f"handlers:{handler}", *options, **environment
    )


FAILURES = ("failures", "failures_left_out")

GREETING = """
[mob]
id = "office"

[profiles]
clerk = {{ model = "none" }}

[flows.one]
strict = {strict}

[flows.one.steps.work]
role = "clerk"
message = "Greet {{{{ params.name }}}}"
"""


def line_of(text: str) -> int:
    """In which line of the handlers this stands."""
    return next(number for number, line in enumerate(HANDLERS.splitlines(), 1) if text in line)


def result(ended: Ended) -> dict[str, Any]:
    assert ended.out.count("\n") == 1, "with --json, standard output is one line"
    return json.loads(ended.out)


def test_json_is_one_object_on_standard_output(project: Path) -> None:
    ended = run(project, "two", "ROLES", "--workers", "2", "--json", "--params", '{"numbers": [1, 2, 39]}')
    assert ended.status == 0, ended.err
    found = result(ended)
    assert list(found) == [
        "run_id",
        "status",
        "outputs",
        "loop_outputs",
        "steps",
        *FAILURES,
        "warnings",
        "events",
        "seconds",
    ]
    assert found["status"] == "completed"
    assert found["outputs"] == {"sum": 42, "check": {"judge-1": True}}
    assert found["loop_outputs"] == {}
    assert found["steps"] == {"sum": "completed", "check": "completed"}
    assert (found["failures"], found["failures_left_out"]) == ([], 0)
    assert found["warnings"] == []
    # flow_started, flow_completed; for each of two steps dispatched, target completed, completed
    assert found["events"] == 8
    assert found["seconds"] > 0
    assert re.fullmatch(r"[0-9a-f-]{36}", found["run_id"])


def test_without_json_standard_output_is_empty_and_the_summary_tells(project: Path) -> None:
    ended = run(project, "one", "answer", "--params", '{"a": "ä"}')
    assert (ended.status, ended.out) == (0, "")
    assert 'work: {"clerk-1":{"member":"clerk-1","params":{"a":"ä"}}}' in ended.err.splitlines()
    assert re.search(r"^run [0-9a-f-]{36} completed in \d+\.\d s$", ended.err, re.MULTILINE)


def test_piped_standard_error_has_plain_lines_without_styles(project: Path) -> None:
    ended = run(project, "two", "ROLES", "--params", '{"numbers": []}', FORCE_COLOR="1", TTY_COMPATIBLE="1")
    assert ended.status == 0
    assert "\x1b" not in ended.err
    lines = [line.split(" ", 1)[1] for line in ended.err.splitlines() if re.match(r"\d\d:\d\d:\d\d ", line)]
    assert re.fullmatch(r"run [0-9a-f-]{36} of flow two", lines[0])
    assert [line for line in lines if "running" not in line][1:] == [
        "step sum[clerk-1] completed attempt 1",
        "step sum completed",
        "step check[judge-1] completed attempt 1",
        "step check completed",
    ]


def test_members_work_side_by_side(project: Path) -> None:
    ended = run(project, "one", "answer", "--workers", "2", "--members", "clerk=3", "--json", "--params", "7")
    assert result(ended)["outputs"]["work"] == {
        f"clerk-{number}": {"member": f"clerk-{number}", "params": 7} for number in (1, 2, 3)
    }


def test_writes_are_as_safe_as_asked_in_all_processes(project: Path) -> None:
    with server("--appendonly", "yes") as url, client_of(url) as client:
        ended = run(project, "two", "ROLES", "--params", '{"numbers": []}', "--durability", "fsync", "--url", url)
        assert ended.status == 0, ended.err
        assert client.info("commandstats")["cmdstat_waitaof"]["calls"] > 0


def test_iterations_of_loops_are_told_apart(project: Path) -> None:
    ended = run(project, "rounds", "count_rounds", "--json")
    assert result(ended)["loop_outputs"] == {"polishing": [{"polish": 1}, {"polish": 2}]}
    assert "step polish iteration 2 completed" in ended.err
    assert "polishing, iteration 2, polish: 2" in ended.err


def test_what_handlers_print_goes_to_standard_error(project: Path) -> None:
    ended = run(project, "one", "chatter", "--json")
    assert result(ended)["status"] == "completed"
    assert "worker 1: loud" in ended.err.splitlines()
    assert 'worker 1: ["fatal", "no report"]' in ended.err.splitlines()


def test_what_the_library_warns_of_in_a_worker_is_told(project: Path) -> None:
    ended = run(project, "one", "warn", "--json")
    assert result(ended)["status"] == "completed"
    told = [line.partition(" ")[2] for line in ended.err.splitlines() if "the disk" in line]
    assert told == ["the disk is full"]


def test_a_message_that_names_what_does_not_exist_is_told_at_once_and_in_the_end(project: Path) -> None:
    (project / "flows.toml").write_text(GREETING.format(strict="false"))
    ended = run(project, "one", "answer", "--json", "--params", '{"naem": 1}')
    what = "step 'work': its message has null for {{ params.name }}, which did not exist"
    warning = f"{what}; with strict = true the step fails"
    assert result(ended)["warnings"] == [warning]
    assert [line for line in ended.err.splitlines() if line.endswith(warning)][-1] == f"warning: {warning}"
    assert len([line for line in ended.err.splitlines() if line.endswith(warning)]) == 2


def test_such_a_step_fails_where_it_is_strict(project: Path) -> None:
    (project / "flows.toml").write_text(GREETING.format(strict="true"))
    ended = run(project, "one", "answer", "--json", "--params", '{"naem": 1}')
    assert ended.status == 1
    assert result(ended)["warnings"] == []
    assert "failed: step work: its message names what does not exist: {{ params.name }}; " in ended.err


def test_unknown_keys_of_a_file_are_told_and_are_an_error_with_strict(project: Path) -> None:
    text = (project / "flows.toml").read_text()
    (project / "flows.toml").write_text("\ufeff" + text.replace('depends_on = ["sum"]', 'depend_on = ["sum"]'))
    ended = run(project, "one", "answer", "--json")
    assert ended.status == 2
    told = "flows.two.steps.check.depend_on: there is no such key (nearest: 'depends_on'); it is ignored"
    assert f"warning: flows.toml: {told}" in ended.err
    assert "{{ steps.sum }}: nothing says that step 'sum' runs before: let this step depend on it" in ended.err
    (project / "flows.toml").write_text("\ufeff" + text + "[limit]\nmax_step_retries = 1\n")
    told = "limit: there is no such key (nearest: 'limits')"
    ended = run(project, "one", "answer", "--json")
    assert ended.status == 0
    assert f"warning: flows.toml: {told}; it is ignored" in ended.err.splitlines()
    ended = run(project, "one", "answer", "--json", "--strict")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.splitlines() == [f"error: flows.toml: {told}"]


def test_with_strict_what_validation_warns_of_is_an_error(project: Path) -> None:
    text = (project / "flows.toml").read_text()
    (project / "flows.toml").write_text(
        text + '[flows.x.steps.a]\nrole = "clerk"\nmessage = "m"\ndepends_on_mode = "any"\n'
    )
    assert run(project, "one", "answer").status == 0
    ended = run(project, "one", "answer", "--strict")
    assert ended.status == 2
    assert "[branch_join_without_branch] flows.x.steps.a.depends_on_mode" in ended.err


def test_a_module_that_prints_while_it_is_imported_spares_standard_output(project: Path) -> None:
    (project / "loud.py").write_text("print('hello')\ndef answer(ctx): return 1\n")
    ended = redis_mob(project, "run", "flows.toml", "--flow", "one", "--handler", "loud:answer", "--json")
    assert result(ended)["status"] == "completed"
    assert "hello" in ended.err


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        pytest.param(
            "refuse",
            {
                "reason": "the forms are missing",
                "exception": "StepFailed",
                "detail": "form 27b",
                "at": f"handlers.py:{line_of('the forms are')} in refuse",
            },
            id="step_failed",
        ),
        pytest.param(
            "break_down",
            {
                "reason": "ValueError: no more\nink",
                "exception": "ValueError",
                "detail": None,
                "at": f"handlers.py:{line_of('no more')} in break_down",
            },
            id="exception",
        ),
    ],
)
def test_a_failing_handler_fails_the_run_with_its_message(project: Path, handler: str, told: dict[str, Any]) -> None:
    ended = run(project, "one", handler, "--json")
    assert ended.status == 1
    assert {**result(ended), "run_id": "", "seconds": 0} == {
        "run_id": "",
        "status": "failed",
        "outputs": {},
        "loop_outputs": {},
        "steps": {"work": "failed"},
        "failures": [{"step": "work", "member": "clerk-1", "item": None, "iteration": [], "attempt": 1, **told}],
        "failures_left_out": 0,
        "warnings": [],
        "events": result(ended)["events"],
        "seconds": 0,
    }
    detail = f" ({told['detail']})" if told["detail"] else ""
    line = f"failed: step work[clerk-1]: {told['reason']}{detail}, at {told['at']}"
    assert line.replace("\n", "\\n") in ended.err.splitlines()
    assert "Traceback" not in ended.err


def test_a_huge_reason_is_told_once_and_bounded(project: Path) -> None:
    ended = run(project, "one", "drone", "--json")
    assert ended.status == 1
    assert len(ended.err) < 4000
    [summary] = [line for line in ended.err.splitlines() if line.startswith("failed: ")]
    assert summary.startswith(r"failed: step work[clerk-1]: the page says\nxxx")
    assert re.search(r"… \(4,000,014 characters, [\d,]+ kept\), at handlers.py:\d+ in drone$", summary)
    shown = [line for line in ended.err.splitlines() if "the page says" in line and line != summary]
    assert len(shown) == 1, "the attempt, as it failed"
    assert len(shown[0]) < 300


def test_the_same_idempotency_key_is_the_same_run(project: Path, server_url: str, namespace: str) -> None:
    place = ("--url", server_url, "--namespace", namespace, "--idempotency-key", "build-1", "--json")
    first = run(project, "one", "answer", *place)
    again = run(project, "one", "answer", *place)
    assert first.status == again.status == 0
    assert result(again) == result(first)


def test_the_url_may_come_from_the_environment(project: Path, server_url: str, namespace: str) -> None:
    ended = run(project, "one", "answer", "--namespace", namespace, "--json", REDIS_MOB_URL=server_url)
    assert result(ended)["status"] == "completed"


def test_modules_of_the_working_directory_hide_none_of_the_library(project: Path) -> None:
    for name in ("logging", "asyncio", "typing", "redis", "uuid"):
        (project / f"{name}.py").write_text("raise RuntimeError('the wrong module')")
    (project / "plain.py").write_text("def answer(ctx): return 1\n")
    # As the console script starts it: the working directory is not on the path.
    program = ("-P", "-c", "from redis_mob.cli import main; main()")
    args = ("run", "flows.toml", "--flow", "one", "--handler", "plain:answer")
    with Command(project, *args, program=program) as command:
        assert command.end().status == 0


def test_version_and_help(tmp_path: Path) -> None:
    with Command(tmp_path, "--version", program=MODULE) as command:
        assert command.end() == (0, f"redis-mob {__version__}\n", "")
    help_text = redis_mob(tmp_path, "run", "--help")
    assert help_text.status == 0
    assert "--idempotency-key" in help_text.out
