"""Programs as handlers: real ones, which are started, fed, bounded and killed."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from redis_mob import MobRunStatus, PreviousFailure, StepContext, StepFailed, StepProfile, ValidationError
from redis_mob.handlers import command
from redis_mob.models.base import json_text
from redis_mob.models.message import InlineImageBlock, TextBlock
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import until
from tests.fleet.flows import mob, step
from tests.fleet.working import run_flow
from tests.handlers.contexts import context

Handler = Callable[[StepContext], Any]


def python(program: str, *arguments: str, **options: Any) -> Handler:
    """A handler that runs a program in Python."""
    return command(
        [sys.executable, "-S", "-c", f"import json, os, signal, sys, time\n{program}", *arguments], **options
    )


async def failure_of(handler: Handler, ctx: StepContext | None = None) -> StepFailed:
    with pytest.raises(StepFailed) as caught:
        await handler(ctx or context())
    return caught.value


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_program_reads_the_step_as_json_and_answers_in_json() -> None:
    before = PreviousFailure("too short", "StepFailed", {"words": 3})
    message = (TextBlock(text="look"), InlineImageBlock(media_type="image/png", source="inline", data="AAAA"))
    told = await python("print(sys.stdin.read())")(
        context(iteration=2, attempt=3, message=message, previous_failure=before, params={"näme": "Ada"})
    )
    assert told == {
        "mob_id": "mob",
        "flow_id": "flow",
        "run_id": "11111111-2222-3333-4444-555555555555",
        "step_id": "step",
        "iteration": 2,
        "role": "role",
        "member": "role-1",
        "attempt": 3,
        "message": [
            {"type": "text", "text": "look"},
            {"type": "image", "media_type": "image/png", "source": "inline", "data": "AAAA"},
        ],
        "params": {"näme": "Ada"},
        "outputs": {"before": {"role-1": 1}},
        "idempotency_key": "the-key",
        "fencing_token": 7,
        "deadline": "2030-01-02T03:04:05+00:00",
        "previous_failure": {"reason": "too short", "error_class": "StepFailed", "detail": {"words": 3}},
    }


async def test_a_program_is_told_of_an_item_where_there_is_one() -> None:
    told = await python("print(sys.stdin.read())")(context(item=None, index=2, items=3))
    assert (told["item"], told["index"], told["items"]) == (None, 2, 3)


async def test_a_program_may_read_the_message_alone_and_answer_in_text() -> None:
    handler = python("sys.stdout.write(sys.stdin.read().upper())", stdin="message", stdout="text")
    assert await handler(context(message="größer")) == "GRÖSSER"


@pytest.mark.parametrize(("stdout", "answer"), [("json", None), ("text", "")])
async def test_a_program_that_writes_nothing_answers_null_or_an_empty_text(stdout: str, answer: object) -> None:
    assert await python("", stdout=stdout)(context()) == answer


async def test_a_program_need_not_read_what_it_is_told() -> None:
    large = "x" * 1_000_000
    assert await python("os.close(0); print(1)")(context(params=large)) == 1


async def test_what_is_told_and_what_is_answered_may_be_larger_than_a_pipe() -> None:
    large = "x" * 900_000
    told = await python("data = json.load(sys.stdin); print(json.dumps(data['params']))")(context(params=large))
    assert told == large


async def test_arguments_are_handed_on_as_they_are_without_a_shell() -> None:
    arguments = ("$HOME", "a b", "; exit 3", "*")
    assert await python("print(json.dumps(sys.argv[1:]))", *arguments)(context()) == list(arguments)


async def test_a_program_gets_no_variable_of_the_worker_that_may_be_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_MOB_URL", "redis://:secret@host")
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("LC_TIME", "C")
    monkeypatch.setenv("HOME", "/home/of-worker")
    env = await python("print(json.dumps(dict(os.environ)))", env={"GIVEN": "yes", "HOME": "/given"})(context())
    assert "secret" not in json_text(env)
    assert (env["GIVEN"], env["HOME"], env["LC_TIME"]) == ("yes", "/given", "C")
    assert env["PATH"] == os.environ["PATH"]


async def test_a_program_works_in_the_folder_that_is_given(tmp_path: Path) -> None:
    assert await python("print(json.dumps(os.getcwd()))", cwd=tmp_path)(context()) == str(tmp_path)


async def test_an_exit_status_fails_the_attempt_with_the_end_of_standard_error() -> None:
    failure = await failure_of(python("print('first\\nno such table', file=sys.stderr); sys.exit(3)"))
    assert failure.reason == f"program {sys.executable!r} ended with exit status 3: 'no such table'"
    assert failure.retryable
    assert failure.detail == {"exit_status": 3, "stderr": "first\nno such table\n"}


async def test_a_signal_that_ends_a_program_is_named() -> None:
    failure = await failure_of(python("os.kill(os.getpid(), signal.SIGSEGV)"))
    assert failure.reason == f"program {sys.executable!r} was ended by signal 11 (SIGSEGV)"
    assert failure.retryable


async def test_after_some_exit_statuses_there_is_no_further_attempt() -> None:
    assert not (await failure_of(python("sys.exit(65)", no_retry=[65]))).retryable
    assert (await failure_of(python("sys.exit(66)", no_retry=[65]))).retryable


@pytest.mark.parametrize("character", ["x", "\u0001", "ü", "\n"])
async def test_of_a_long_standard_error_the_end_is_kept(character: str) -> None:
    program = f"sys.stderr.write({character!r} * 400_000 + 'the end'); sys.exit(1)"
    failure = await failure_of(python(program, env={"PYTHONIOENCODING": "utf-8"}))
    kept = failure.detail["stderr"]
    assert kept.endswith(f"{character}the end")
    assert 1500 < len(json_text(failure.detail).encode()) <= 16 * 1024


@pytest.mark.parametrize("program", ["no-such-program", "./no-such-file", "/"])
async def test_a_program_that_is_not_there_is_not_tried_again(program: str) -> None:
    failure = await failure_of(command([program]))
    assert failure.reason.startswith(f"program {program!r} cannot be started: ")
    assert not failure.retryable


async def test_a_file_that_is_no_program_is_not_tried_again(tmp_path: Path) -> None:
    (file := tmp_path / "data").write_bytes(b"\0\0\0\0")
    file.chmod(0o755)
    failure = await failure_of(command([str(file)]))
    assert failure.reason.endswith("cannot be started: Exec format error")
    assert not failure.retryable


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    failure = await failure_of(command(["true"], cwd=tmp_path / "gone"))
    assert (
        failure.reason == f"working directory {str(tmp_path / 'gone')!r} cannot be started: No such file or directory"
    )
    assert not failure.retryable


async def test_an_answer_that_is_no_json_is_shown_and_tried_again() -> None:
    failure = await failure_of(python("print('Hello,', 'x' * 1000); print('why', file=sys.stderr)"))
    assert failure.reason.startswith(f"program {sys.executable!r} wrote to standard output what is no JSON: b'Hello, x")
    assert len(failure.reason) < 600
    assert failure.retryable
    assert failure.detail == {"exit_status": 0, "stderr": "why\n"}


async def test_a_text_that_is_no_utf8_fails_the_attempt() -> None:
    failure = await failure_of(python("os.write(1, b'\\xff')", stdout="text"))
    assert "is no UTF-8" in failure.reason


async def test_json_that_is_nested_without_end_fails_the_attempt() -> None:
    assert "is no JSON" in (await failure_of(python("print('[' * 100_000)"))).reason


async def test_an_endless_answer_is_cut_off_and_not_tried_again() -> None:
    failure = await failure_of(
        python("while True: sys.stdout.write('x' * 100_000)"),
        context(profile=StepProfile(max_output_bytes=50_000)),
    )
    assert "wrote more than 50,000 bytes to standard output" in failure.reason
    assert not failure.retryable


async def test_the_bound_of_the_answer_may_be_given_with_the_handler() -> None:
    assert await python("print('12345', end='')", max_output_bytes=5)(context()) == 12345
    assert "more than 4 bytes" in (await failure_of(python("print('12345')", max_output_bytes=4))).reason


async def test_what_a_program_leaves_running_is_killed_and_holds_nothing_up(tmp_path: Path) -> None:
    """The process in the background has both pipes open, and would keep their readers waiting."""
    handler = python("pid = os.fork()\nif not pid: time.sleep(600)\nprint(pid)")
    pid = await handler(context())
    await until(lambda: not is_alive(pid))


def pids_in(file: Path) -> list[int]:
    """The ids that a program has written; none until the line is complete."""
    line = file.read_text() if file.exists() else ""
    return [int(pid) for pid in line.split()] if line.endswith("\n") else []


async def started(handler: Handler, file: Path, ctx: StepContext | None = None) -> tuple[asyncio.Task[Any], list[int]]:
    """The call of a handler whose program has written the ids of its processes to a file."""
    calling = asyncio.ensure_future(handler(ctx or context()))
    await until(lambda: pids_in(file))
    return calling, pids_in(file)


TWO_PROCESSES = """
child = os.fork()
if not child:
    time.sleep(600)
with open({file!r}, "w") as told:
    told.write(f"{{os.getpid()}} {{child}}\\n")
time.sleep(600)
"""


async def test_a_cancelled_program_ends_with_all_that_it_has_started(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    calling, pids = await started(python(TWO_PROCESSES.format(file=str(file))), file)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    await until(lambda: not any(map(is_alive, pids)))


async def test_a_program_may_clean_up_when_it_is_cancelled(tmp_path: Path) -> None:
    file, cleaned = tmp_path / "pids", tmp_path / "cleaned"
    program = f"""
def clean(*_):
    open({str(cleaned)!r}, "w").close()
    sys.exit()
signal.signal(signal.SIGTERM, clean)
with open({str(file)!r}, "w") as told: told.write(f"{{os.getpid()}}\\n")
time.sleep(600)
"""
    calling, _ = await started(python(program, grace=4), file)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert cleaned.exists()


async def test_a_program_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    program = "signal.signal(signal.SIGTERM, signal.SIG_IGN)" + TWO_PROCESSES.format(file=str(file))
    calling, pids = await started(python(program, grace=0.05), file)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    await until(lambda: not any(map(is_alive, pids)))


async def test_a_program_is_ended_at_the_deadline_of_its_step(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    handler = python(TWO_PROCESSES.format(file=str(file)))
    async with MobStorage.open("memory:", namespace=str(tmp_path)) as storage:
        run = await run_flow(storage, mob({"a": step(timeout_ms=1500)}), handler)
    [failure] = run.failure_ledger
    assert failure.reason == "timeout after 1500ms"
    assert not any(map(is_alive, pids_in(file)))


async def test_a_flow_of_programs_hands_outputs_on_and_tells_what_failed(tmp_path: Path) -> None:
    first = python("""
told = json.load(sys.stdin)
if told["attempt"] == 1:
    sys.exit("not yet")
print(json.dumps({"before": told["previous_failure"]["detail"]}))
""")
    second = python("print(json.dumps(json.load(sys.stdin)['outputs']))")
    definition = mob({"a": step(retry={"first": 0}), "b": step("a", role="other")}, limits={"max_step_retries": 1})
    async with MobStorage.open("memory:", namespace=str(tmp_path)) as storage:
        run = await run_flow(storage, definition, {"worker": first, "other": second})
    assert run.status is MobRunStatus.COMPLETED, run.failure_ledger
    answer = {"worker-1": {"before": {"exit_status": 1, "stderr": "not yet\n"}}}
    assert run.root_step_outputs["b"] == {"other-1": {"a": answer}}


def test_a_variable_that_is_no_text_is_refused_without_its_value() -> None:
    env: Any = {"TOKEN": 123456}
    with pytest.raises(ValidationError, match=r"^env: the value of 'TOKEN' must be a text, not a int$"):
        command(["prog"], env=env)


def test_a_handler_shows_its_program_and_no_variable() -> None:
    assert repr(command(["prog", "-v"], env={"TOKEN": "secret"})) == "command(['prog', '-v'])"


BAD: list[tuple[Any, dict[str, Any]]] = [
    ("prog arg", {}),
    ([], {}),
    ([""], {}),
    (["a\0b"], {}),
    ([1], {}),
    (["a"], {"stdin": "yaml"}),
    (["a"], {"stdout": "yaml"}),
    (["a"], {"grace": -1}),
    (["a"], {"grace": 5}),
    (["a"], {"grace": "1"}),
    (["a"], {"env": {"A": "x\0"}}),
    (["a"], {"env": {"A": 1}}),
    (["a"], {"max_output_bytes": -1}),
]


@pytest.mark.parametrize(("program", "options"), BAD)
def test_arguments_that_make_no_sense_are_refused(program: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        command(program, **options)


KEY = 'sk-"abc\\def-1234567890'

TELLS_OF_ITS_KEY = {
    "as it is": "key = os.environ['API_KEY']",
    "as JSON": "key = json.dumps(os.environ['API_KEY'])",
    "as Python": "key = repr(os.environ['API_KEY'])",
    "in a URL": "import urllib.parse; key = urllib.parse.quote(os.environ['API_KEY'], safe='')",
    "as base64": "import base64; key = base64.b64encode(os.environ['API_KEY'].encode()).decode()",
}


@pytest.mark.parametrize("spelled", TELLS_OF_ITS_KEY.values(), ids=TELLS_OF_ITS_KEY.keys())
@pytest.mark.parametrize(
    "fails",
    [
        "sys.stderr.write('cannot log in with ' + key); sys.exit(3)",
        "print('bad ' + key)",
        "print(key, file=sys.stderr, flush=True); print('x' * 3_000_000)",
        "sys.stdout.buffer.write(b'\\xff' + key.encode()); sys.stdout.flush()",
    ],
    ids=["stderr", "no-json", "too-long", "no-utf8"],
)
async def test_no_failure_shows_a_variable(spelled: str, fails: str) -> None:
    failure = await failure_of(python(f"{spelled}\n{fails}", env={"API_KEY": KEY}))
    told = failure.reason + json_text(failure.detail)
    assert "abc" not in told
    assert "%22" not in told
    assert base64.b64encode(KEY.encode()).decode().rstrip("=") not in told
    assert "…" in told or "..." in told


@pytest.mark.parametrize("cut", range(16 * 1024 - 40, 16 * 1024 + 40, 7))
async def test_no_part_of_a_variable_is_left_where_standard_error_is_cut_off(cut: int) -> None:
    value = "0123456789abcdefghijklmnopqrstuvwxyz"
    program = f"sys.stderr.write('x' * 50_000 + os.environ['API_KEY'] + '#' * {cut}); sys.exit(3)"
    failure = await failure_of(python(program, env={"API_KEY": value}))
    told = failure.reason + failure.detail["stderr"]
    assert not [piece for n in range(len(value) - 3) if (piece := value[n : n + 4]) in told]
    assert "###" in failure.detail["stderr"]


async def test_the_password_in_a_variable_and_the_lines_of_a_key_are_hidden_too() -> None:
    env = {
        "DSN": "postgres://me:pass%2Fword@host/db",
        "PEM": "-----BEGIN-----\nMIIEvQIBADANBgkqhkiG9w0B\n-----END-----",
    }
    program = "print('pass/word', 'pass%2Fword', os.environ['PEM'].splitlines()[1], file=sys.stderr); sys.exit(1)"
    failure = await failure_of(python(program, env=env))
    assert failure.detail["stderr"] == "… … …\n"


async def test_variables_that_are_short_or_that_every_program_has_are_not_hidden() -> None:
    program = "print('step 1 of 10 in /home/me', file=sys.stderr); sys.exit(1)"
    failure = await failure_of(python(program, env={"DEBUG": "1", "HOME": "/home/me", "EMPTY": ""}))
    assert failure.detail["stderr"] == "step 1 of 10 in /home/me\n"


async def test_a_handler_that_is_shown_shows_no_variable() -> None:
    assert repr(command(["run", "--key=" + KEY, KEY], env={"API_KEY": KEY})) == "command(['run', '--key=…', '…'])"
    failure = await failure_of(command(["/no/such/" + KEY], env={"API_KEY": KEY}))
    assert failure.reason == "program '/no/such/…' cannot be started: No such file or directory"


async def test_a_daemon_that_has_left_its_group_is_not_waited_for(tmp_path: Path) -> None:
    program = (
        f"import subprocess\ndaemon = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(daemon.pid))\n"
        "sys.stdout.write('x' * 400_000); sys.stderr.write('said')"
    )
    try:
        async with asyncio.timeout(60):
            assert await python(program, stdout="text")(context()) == "x" * 400_000
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


async def test_a_daemon_that_goes_on_writing_is_not_waited_for(tmp_path: Path) -> None:
    program = (
        "import subprocess\ndaemon = subprocess.Popen(['sh', '-c', 'while echo more >&2; do :; done'], "
        f"start_new_session=True)\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(daemon.pid))\nprint(1)"
    )
    try:
        async with asyncio.timeout(60):
            assert await python(program)(context()) == 1
    finally:
        with suppress(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "statuses": ({"no_retry": 5}, "no_retry must be a list, not a value of type int"),
    "a status": ({"no_retry": ["a"]}, r"no_retry\[0\] must be an integer, not 'a'"),
    "folder": ({"cwd": 5}, "cwd must be the path of a folder, not 5"),
    "variable": (
        {"env": {"A=B": "secret"}},
        "env: the name of a variable must not be empty or have a '=', as 'A=B' has",
    ),
    "no variable": ({"env": {"": "secret"}}, "env: the name of a variable must not be empty"),
    "variables": ({"env": 5}, "env must be a Mapping, not a value of type int"),
    "grace": ({"grace": "2"}, "grace must be from 0 to 4 seconds, not '2'"),
}


@pytest.mark.parametrize(("options", "problem"), WRONG.values(), ids=WRONG.keys())
def test_options_that_make_no_sense_are_refused_where_they_are_given(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem) as caught:
        command(["true"], **options)
    assert "secret" not in str(caught.value)


def test_an_argument_with_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"program\[1\] '\\udc80' cannot be stored: surrogates not allowed"):
        command(["true", "\udc80"])
