"""Bad input and a bad storage end in one clear message and the right exit status, and leave nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import Ended, redis_mob
from tests.support.servers import server

USAGE, STORAGE = 2, 3

GOOD = {"--flow": "one", "--handler": "handlers:answer"}


def run_with(project: Path, *options: str, file: str = "flows.toml", without: str = "", **environment: str) -> Ended:
    """Run with options that are right but for these."""
    given = {name: value for name, value in GOOD.items() if name not in options and name != without}
    return redis_mob(
        project, "run", file, *(part for option in given.items() for part in option), *options, **environment
    )


def assert_refused(ended: Ended, status: int, *told: str) -> None:
    assert ended.status == status, ended.err
    assert ended.out == ""
    assert "Traceback" not in ended.err
    for text in told:
        assert text in ended.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        pytest.param(("--flow", "tow"), "--flow 'tow': there is no such flow; mob 'office' has: 'one'", id="flow"),
        pytest.param(("--workers", "0"), "--workers 0: give a number from 1 to 256", id="no_workers"),
        pytest.param(("--lease", "0"), "--lease 0: give a number from 0.1 to 3600", id="lease"),
        pytest.param(("--params", "{1}"), "--params is no JSON: Expecting property name", id="params"),
        pytest.param(("--members", "clerk"), "--members 'clerk': write role=N", id="members"),
        pytest.param(("--members", "boss=2"), "no role 'boss'; it has: 'clerk', 'judge'", id="members_role"),
        pytest.param(("--namespace", "a b"), "'a b'", id="namespace"),
        pytest.param(
            ("--durability", "disk"), "durability 'disk': write memory, fsync, or replicas:N", id="durability"
        ),
        pytest.param(("--handler", "nowhere:f"), "there is no module 'nowhere'", id="handler_module"),
        pytest.param(("--nonsense",), "No such option: --nonsense", id="option"),
    ],
)
def test_bad_options(project: Path, options: tuple[str, ...], told: str) -> None:
    assert_refused(run_with(project, *options), USAGE, told)


def test_without_a_flow_the_known_ones_are_named(project: Path) -> None:
    assert_refused(
        run_with(project, without="--flow"), USAGE, "--flow is missing; mob 'office' has: 'one', 'rounds', 'two'"
    )


def test_without_a_handler_the_message_says_how_to_write_one(project: Path) -> None:
    ended = run_with(project, without="--handler")
    assert_refused(ended, USAGE, "def answer(ctx):", "--handler handlers:answer")


def test_the_handler_in_that_message_works(project: Path) -> None:
    advice = run_with(project, without="--handler").err
    code = "\n".join(line[4:] for line in advice.splitlines() if line.startswith("    "))
    (project / "handlers.py").write_text(code)
    assert run_with(project).status == 0


def test_every_role_of_the_flow_needs_a_handler(project: Path) -> None:
    ended = run_with(project, "--flow", "two", "--handler", "handlers:ONLY_CLERKS")
    assert_refused(ended, USAGE, "no handler for role 'judge'", "there are handlers for 'clerk'")


def test_an_exception_while_importing_is_told_with_its_place(project: Path) -> None:
    (project / "handlers.py").write_text("import os\n\nlimit = int('many')\n")
    ended = run_with(project)
    assert_refused(ended, USAGE, "ValueError: invalid literal", f"({project}/handlers.py:3)")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(None, "flows.toml: cannot be read: No such file or directory", id="missing"),
        pytest.param("[mob", "flows.toml: no valid TOML", id="no_toml"),
        pytest.param("[mob]\n", "id", id="no_id"),
    ],
)
def test_bad_files(project: Path, content: str | None, told: str) -> None:
    file = project / "flows.toml"
    file.unlink() if content is None else file.write_text(content)
    assert_refused(run_with(project), USAGE, told)


def test_all_diagnostics_of_a_definition_are_listed(project: Path) -> None:
    text = (project / "flows.toml").read_text()
    text = text.replace('depends_on = ["sum"]', 'depends_on = ["nothing"]').replace('role = "judge"', 'role = "ghost"')
    (project / "flows.toml").write_text(text)
    ended = run_with(project)
    assert_refused(ended, USAGE, "flows.toml: the definition of mob 'office' is not valid", "'nothing'", "'ghost'")
    assert sum(line.startswith("error[") for line in ended.err.splitlines()) >= 2


@pytest.mark.parametrize(
    ("url", "told"),
    [
        pytest.param("http://localhost", "no supported kind of storage", id="scheme"),
        pytest.param("redis://:hush@127.0.0.1:1/0", "redis://:***@127.0.0.1:1/0", id="refused"),
        pytest.param("unix:///nowhere/redis.sock", "unix:///nowhere/redis.sock", id="no_socket"),
        pytest.param("embedded:/dev/null/data", "cannot keep data in /dev/null/data", id="directory"),
    ],
)
def test_storage_that_cannot_be_opened(project: Path, url: str, told: str) -> None:
    ended = run_with(project, "--url", url)
    assert_refused(ended, STORAGE, told)
    assert ended.err.count("\n") == 1
    assert "hush" not in ended.err


def test_a_wrong_password_is_told_and_not_shown(project: Path) -> None:
    with server("--requirepass", "right") as url:
        address = url.removeprefix("unix://")
        ended = run_with(project, "--url", f"unix://:hush@{address}")
    assert_refused(ended, STORAGE, "password")
    assert "hush" not in ended.err


def test_a_password_never_stands_on_a_command_line(project: Path) -> None:
    (project / "handlers.py").write_text(
        "import os\n"
        "from pathlib import Path\n"
        "def answer(ctx):\n"
        "    me = Path(f'/proc/{os.getpid()}')\n"
        "    return (me / 'cmdline').read_text() + (me / 'environ').read_text()\n"
    )
    with server("--requirepass", "right") as url:
        ended = run_with(project, "--json", REDIS_MOB_URL="")
        known = run_with(project, "--json", "--url", f"unix://:right@{url.removeprefix('unix://')}")
    assert ended.status == known.status == 0
    assert "redis_mob.cli.worker" in known.out
    assert "right" not in known.out
