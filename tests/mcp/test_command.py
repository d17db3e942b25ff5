"""`redis-mob mcp`: over real standard input and output, and real HTTP, by the client of the official package."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx2
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitRequestParams, ElicitResult

from redis_mob.models.run_status import MobRunStatus
from redis_mob.operations.fleet_admin import FleetAdmin
from redis_mob.storage import MobStorage
from redis_mob.testing.waiting import LONG
from tests.cli.command import ROOT, Command, redis_mob
from tests.mcp.offices import DEFINITION, told, working

TOKEN = "a-token-of-the-test"  # noqa: S105 - of this test alone


@pytest.fixture
def options(tmp_path: Path, server_url: str, namespace: str) -> tuple[str, ...]:
    (tmp_path / "office.toml").write_text(DEFINITION)
    return ("mcp", "office.toml", "--url", server_url, "--namespace", namespace, "--answer", "--wait", str(int(LONG)))


async def mail(client: Client) -> str:
    """Send a mail by the flow that asks before, and give what it says in the end."""
    asking = told(await client.call_tool("mail", {}))
    assert asking["status"] == "input_required"
    answer = {"run_id": asking["run_id"], "ask_id": asking["asks"][0]["ask_id"], "approve": True}
    ended = told(await client.call_tool("answer_ask", answer))
    assert ended["status"] == "completed"
    return ended["outputs"]["send"]["sender-1"]


SENT = "an MCP client (mcp) sends: Dear Ann"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_drives_a_flow_over_standard_input_and_output(
    tmp_path: Path, storage: MobStorage, options: tuple[str, ...], mode: str
) -> None:
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "redis_mob", *options], env={"PYTHONPATH": str(ROOT)}, cwd=tmp_path
    )
    async with working(storage), Client(server, mode=mode) as client:
        assert await mail(client) == SENT


@contextmanager
def served(tmp_path: Path, *options: str) -> Generator[tuple[Command, str]]:
    """The command with HTTP on a free port, and its URL."""
    with Command(tmp_path, *options) as command:
        line = command.line_of_stderr()
        assert line.startswith("serving MCP at http://"), line + command.end().err
        yield command, line.split()[-1]


@asynccontextmanager
async def client_at(url: str, mode: str, **headers: str) -> AsyncGenerator[Client]:
    async with (
        httpx2.AsyncClient(headers=headers, timeout=LONG) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_drives_a_flow_over_http(
    tmp_path: Path, storage: MobStorage, options: tuple[str, ...], mode: str
) -> None:
    with served(tmp_path, *options, "--http", "127.0.0.1:0") as (command, url):
        async with working(storage), client_at(url, mode) as client:
            assert await mail(client) == SENT
        command.signal(signal.SIGTERM)
        assert command.end() == (0, "", "")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_forms_are_shown_over_http_and_calls_under_way_end_with_the_process(
    tmp_path: Path, storage: MobStorage, options: tuple[str, ...], mode: str
) -> None:
    forms: list[str] = []

    async def fill_in(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        forms.append(params.message)
        return ElicitResult(action="accept", content={"decision": "approve"})

    with served(tmp_path, *options, "--http", "127.0.0.1:0") as (command, url):
        async with working(storage), httpx2.AsyncClient(timeout=LONG) as http:
            transport = streamable_http_client(url, http_client=http)
            async with Client(transport, mode=mode, elicitation_callback=fill_in) as client:
                ended = told(await client.call_tool("mail", {}))
                calling = asyncio.create_task(client.call_tool("sleep", {}))
                await until_running(storage)
                command.signal(signal.SIGTERM)
                with pytest.raises(MCPError):
                    await calling
                assert (await asyncio.to_thread(command.end)).status == 0
            [run] = (await FleetAdmin(storage).runs(flow_id="sleep")).runs
            assert run.status is MobRunStatus.RUNNING, "it goes on without the server"
            await FleetAdmin(storage).terminate(run.run_id)
    assert ended["outputs"] == {"send": {"sender-1": SENT}}
    assert forms == ['Step send of flow mail asks: send\n\n"Dear Ann"']


async def until_running(storage: MobStorage) -> None:
    """Return when the flow that sleeps is under way."""
    async with asyncio.timeout(LONG), storage.executions.listen() as wake_up:
        while not (await FleetAdmin(storage).runs(flow_id="sleep", statuses=[MobRunStatus.RUNNING])).runs:
            await wake_up.wait(0.05)


async def test_a_token_is_needed_where_one_was_given(
    tmp_path: Path, storage: MobStorage, options: tuple[str, ...]
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    with served(tmp_path, *options, "--http", "127.0.0.1:0", "--token-file", "token") as (_command, url):
        async with httpx2.AsyncClient() as http:
            for headers in ({}, {"authorization": "Bearer another-token-of-it"}, {"authorization": f"Basic {TOKEN}"}):
                assert (await http.post(url, json={}, headers=headers)).status_code == 401
        async with working(storage), client_at(url, "auto", authorization=f"Bearer {TOKEN}") as client:
            assert await mail(client) == SENT


async def test_a_page_of_another_host_reaches_nothing(
    tmp_path: Path, storage: MobStorage, options: tuple[str, ...]
) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    with served(tmp_path, *options, "--http", "127.0.0.1:0") as (_command, url):
        async with httpx2.AsyncClient() as http:
            assert (await http.post(url, json=call, headers={"host": "evil.example"})).status_code == 421
            assert (await http.post(url, json=call, headers={"origin": "http://evil.example"})).status_code == 403
    assert (await FleetAdmin(storage).runs()).runs == ()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("http", [(), ("--http", "127.0.0.1:0")])
def test_a_signal_ends_it_well(
    tmp_path: Path, options: tuple[str, ...], number: signal.Signals, http: tuple[str, ...]
) -> None:
    with Command(tmp_path, *options, *http, program=("-c", WITH_OPEN_STDIN)) as command:
        assert command.line_of_stderr().startswith("serving MCP" if http else "ready")
        command.signal(number)
        assert command.end() == (0, "", "")


WITH_OPEN_STDIN = """
import os, sys
reading, writing = os.pipe()
os.dup2(reading, 0)  # a client that neither sends nor leaves
if "--http" not in sys.argv:
    import redis_mob.mcp.serving as serving
    serve = serving.serve_stdio

    async def told(*args):
        print("ready", file=sys.stderr, flush=True)
        await serve(*args)

    serving.serve_stdio = told
from redis_mob.cli import main
sys.argv[0] = "redis-mob"
main()
"""


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--http", "0.0.0.0:0"), "others reach this address, and could start flows: give --token-file"),
        (("--http", "example.org:80"), "others reach this address"),
        (("--http", "8765"), "write HOST:PORT, as in 127.0.0.1:8765"),
        (("--http", "127.0.0.1:70000"), "write HOST:PORT"),
        (("--http", "0.0.0.0:0", "--token-file", "token"), "name the host as clients do, with --allowed-host"),
        (("--http", "127.0.0.1:0", "--token-file", "short"), "--token-file: a token is 16 characters or more"),
        (("--http", "127.0.0.1:0", "--token-file", "gone"), "--token-file 'gone': No such file or directory"),
        (("--http", "192.0.2.1:1", "--token-file", "token"), "--http 192.0.2.1:1 cannot be used"),
        (("--token-file", "token"), "--token-file and --allowed-host are for HTTP: give --http HOST:PORT"),
    ],
)
def test_options_that_would_open_the_server_are_refused(
    tmp_path: Path, options: tuple[str, ...], words: tuple[str, ...], why: str
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "short").write_text("hunter2")
    ended = redis_mob(tmp_path, *options, *words)
    assert (ended.status, ended.out) == (2, "")
    assert why in ended.err
    assert TOKEN not in ended.err
    assert "hunter2" not in ended.err


def test_without_flows_there_is_nothing_to_answer(tmp_path: Path, server_url: str) -> None:
    ended = redis_mob(tmp_path, "mcp", "--answer", "--url", server_url)
    assert (ended.status, ended.err) == (
        2,
        "error: --flow, --answer and --members are about the flows of FILE, which is missing\n",
    )


def test_it_ends_when_its_client_leaves(tmp_path: Path, options: tuple[str, ...]) -> None:
    assert redis_mob(tmp_path, *options) == (0, "", "")  # standard input is at its end


def test_a_flow_that_the_mob_does_not_have_is_refused(tmp_path: Path, options: tuple[str, ...]) -> None:
    ended = redis_mob(tmp_path, *options, "--flow", "male")
    assert ended.status == 2
    assert "mob 'office' has no flow 'male'" in ended.err
    assert "did you mean 'mail'?" in ended.err


def test_without_the_package_it_says_what_to_install(tmp_path: Path, options: tuple[str, ...]) -> None:
    without = "import sys; sys.modules['mcp'] = None; from redis_mob.cli import main; sys.argv[0] = 'redis-mob'; main()"
    with Command(tmp_path, *options, program=("-c", without)) as command:
        ended = command.end()
    assert (ended.status, ended.err) == (
        2,
        "error: redis-mob mcp needs mcp, which is not installed: pip install 'redis-mob[mcp]'\n",
    )
