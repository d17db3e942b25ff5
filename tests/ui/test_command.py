"""`redis-mob ui`: over real HTTP, in a process of its own."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from redis_mob.cli import ui
from redis_mob.cli.ui import UiOptions, settings_of
from redis_mob.errors import ValidationError
from redis_mob.security.sealing import SealKey
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from redis_mob.ui.settings import UiSettings
from tests.cli.command import ROOT, Command, redis_mob
from tests.ui.served import OPERATE_TOKEN, READ_TOKEN

TOKEN_LINES = f"read rosa {READ_TOKEN}\noperate olga {OPERATE_TOKEN}\n"


@contextmanager
def serving(tmp_path: Path, *options: str) -> Generator[tuple[Command, str]]:
    """The command on a free port, and its URL."""
    with Command(tmp_path, "ui", "--port", "0", *options) as command:
        line = command.line_of_stderr()
        assert line.startswith("serving the page at http://"), line + command.end().err
        yield command, line.split()[-1].rstrip("/")


def options_of(**given: object) -> UiOptions:
    """Options as the command line gives them, all others as without any."""
    plain: dict[str, object] = {
        "host": "127.0.0.1",
        "port": 0,
        "token_file": None,
        "proxy_header": None,
        "proxy_addresses": (),
        "roles_header": None,
        "operate_role": "operate",
        "operators": (),
        "allowed_hosts": (),
        "url": None,
        "namespace": "default",
        "seal_keys": None,
    }
    return UiOptions(**{**plain, **given})  # pyright: ignore[reportArgumentType]


async def test_it_serves_until_it_is_told_to_end(tmp_path: Path, storage: MobStorage, server_url: str) -> None:
    place = ("--url", server_url, "--namespace", storage.namespace)
    with serving(tmp_path, *place) as (command, url):
        async with httpx.AsyncClient(base_url=url, timeout=LONG) as client:
            assert (await client.get("/api/overview")).json()["runs"]["running"] == 0
            assert (await client.get("/api/session")).json()["namespace"] == storage.namespace
            async with client.stream("GET", "/api/live") as answer:  # a tab that is open does not hold it up
                async for line in answer.aiter_lines():
                    if line == "event: hello":
                        break
                command.signal(signal.SIGTERM)
                ended = command.end()
    assert ended.status in (0, -signal.SIGTERM)
    assert "Traceback" not in ended.err


async def test_a_namespace_that_comes_later_is_shown_then(tmp_path: Path, server_url: str, namespace: str) -> None:
    """See contract: ui-13."""
    with serving(tmp_path, "--url", server_url, "--namespace", namespace) as (command, url):
        assert f"there is no namespace '{namespace}'" in command.line_of_stderr()
        async with httpx.AsyncClient(base_url=url, timeout=LONG) as client:
            answer = await client.get("/api/runs")
            assert answer.status_code == 503
            assert "there is no namespace" in answer.json()["error"]["message"]
            async with MobStorage.open(server_url, namespace=namespace):
                while (answer := await client.get("/api/runs")).status_code == 503:
                    pass
            assert answer.json()["runs"] == []


async def test_without_a_server_the_page_is_served_and_says_so(tmp_path: Path) -> None:
    with serving(tmp_path, "--url", "redis://127.0.0.1:1") as (command, url):
        assert "the page says so" in command.line_of_stderr()
        async with httpx.AsyncClient(base_url=url, timeout=LONG) as client:
            answer = await client.get("/api/overview")
            assert (answer.status_code, answer.json()["error"]["kind"]) == (503, "StorageUnavailableError")
            assert (await client.get("/healthz")).status_code == 200
            async with client.stream("GET", "/api/live") as live:
                async for line in live.aiter_lines():
                    if line.startswith("event: "):
                        assert line == "event: trouble"
                        break


async def test_with_tokens_people_log_in(tmp_path: Path, storage: MobStorage, server_url: str) -> None:
    (tmp_path / "tokens").write_text(TOKEN_LINES)
    place = ("--url", server_url, "--namespace", storage.namespace)
    with serving(tmp_path, *place, "--token-file", "tokens", "--host", "127.0.0.1") as (command, url):
        async with httpx.AsyncClient(base_url=url, timeout=LONG) as client:
            assert (await client.get("/api/runs")).status_code == 401
            assert (await client.post("/login", json={"token": "a-wrong-token-of-19"})).status_code == 401
            assert (await client.post("/login", json={"token": READ_TOKEN})).status_code == 200
            assert (await client.get("/api/runs")).status_code == 200
            assert (await client.get("/api/runs", headers={"Host": "evil.example"})).status_code == 403
        command.signal(signal.SIGTERM)
        told = command.end().err
    assert "login refused" in told
    assert "login of 'rosa'" in told
    assert READ_TOKEN not in told


def test_a_port_in_use_is_named(tmp_path: Path, server_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = redis_mob(tmp_path, "ui", "--port", port, "--url", server_url)
    assert ended.status == 2
    assert f"--host 127.0.0.1 --port {port} cannot be used: Address already in use; name a free port" in ended.err


async def test_a_seal_key_that_is_missing_ends_it(tmp_path: Path, server_url: str, namespace: str) -> None:
    key = SealKey.generate("first")
    async with MobStorage.open(server_url, namespace=namespace, seal_key=key):
        pass
    ended = await asyncio.to_thread(redis_mob, tmp_path, "ui", "--url", server_url, "--namespace", namespace)
    assert ended.status == 3
    assert "seal key 'first'" in ended.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--host", "0.0.0.0"), "give --token-file"),  # noqa: S104 - refused
        (("--token-file", "none"), "--token-file 'none': No such file"),
        (("--token-file", "short"), "short, line 1: a token is 16 characters"),
        (("--operator", "ada"), "give --proxy-header"),
        (("--proxy-header", "X-User", "--proxy-address", "10.0.0.0/33"), "--proxy-address"),
        (("--proxy-header", "X-User", "--token-file", "tokens"), "both given"),
        (("--port", "70000"), "65535"),
        (("--url", "memory:"), "no other process has a fleet there"),
        (("--namespace", "a b"), "a b"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    (tmp_path / "tokens").write_text(TOKEN_LINES)
    (tmp_path / "short").write_text("read rosa secret")
    ended = redis_mob(tmp_path, "ui", "--port", "0", "--url", "redis://127.0.0.1:1", *options)
    assert ended.status in (2, 3)
    assert words in ended.err
    assert "secret" not in ended.err


def test_tokens_come_from_a_file_or_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tokens").write_text(TOKEN_LINES)
    file = str(tmp_path / "tokens")
    assert [known.user.name for known in settings_of(options_of(token_file=file)).tokens] == ["rosa", "olga"]
    monkeypatch.setenv("REDIS_MOB_UI_OPERATE_TOKEN", OPERATE_TOKEN)
    assert [known.user.name for known in settings_of(options_of()).tokens] == ["operator"]
    with pytest.raises(ValidationError, match="one of them"):
        settings_of(options_of(token_file=file))


def test_options_of_a_proxy_become_what_is_believed_of_it() -> None:
    settings = settings_of(
        options_of(
            host="10.0.0.5",
            proxy_header="X-User",
            proxy_addresses=("10.0.0.1",),
            roles_header="X-Groups",
            operators=("root",),
            allowed_hosts=("Page.Example.org",),
        )
    )
    assert settings.proxy is not None
    assert (settings.proxy.header, settings.proxy.roles_header) == ("X-User", "X-Groups")
    assert settings.proxy.operators == {"root"}
    assert [str(network) for network in settings.proxy.addresses] == ["10.0.0.1/32"]
    assert settings.allowed_hosts == ("page.example.org",)


def test_a_machine_that_knows_no_name_of_its_user_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise OSError("no name")

    monkeypatch.setattr(ui.getpass, "getuser", unknown)
    assert settings_of(options_of()).local_user == UiSettings().local_user


def test_without_the_extra_it_says_what_to_install() -> None:
    program = (
        "import sys\nsys.modules['uvicorn'] = None\nfrom redis_mob.cli import main\n"
        "sys.argv = ['redis-mob', 'ui', '--url', 'redis://127.0.0.1:1']\nmain()"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode == 2
    assert "pip install 'redis-mob[ui]'" in ended.stderr
