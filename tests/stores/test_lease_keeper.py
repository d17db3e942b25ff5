"""The keeper of leases: when it renews, when it stops, and what it is told."""

# pyright: reportPrivateUsage=false
# There is one keeper for each process, which only the module that starts it can name.

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from redis_mob.codec.schedule import encode_worker
from redis_mob.connection.calls.client import Client, connect
from redis_mob.contracts import ExecutionStore
from redis_mob.models.worker import LiveWorker
from redis_mob.storage import MobStorage
from redis_mob.stores import keeper_process, lease_keeper, worker_lease
from redis_mob.stores.keeper_process import KeptLease
from redis_mob.stores.lease_keeper import Watched, runs, state_of
from redis_mob.stores.lease_renewal import WorkerLease
from redis_mob.stores.worker_lease import kept_alive
from redis_mob.testing.samples.driven_runs import a_worker
from redis_mob.testing.waiting import LONG, until
from tests.support.servers import server

LEASE = timedelta(seconds=2)
AN_HOUR = 3_600_000
WORKER = a_worker("one")


@pytest.fixture(autouse=True)
def own_keeper(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A keeper for the test alone."""
    keeper = keeper_process._KeeperProcess()
    monkeypatch.setattr(keeper_process, "_keeper", keeper)
    yield
    keeper.end()


def lease_at(url: str, namespace: str, milliseconds: int, pause: float = 0.05) -> WorkerLease:
    return WorkerLease(url, namespace, encode_worker(WORKER), milliseconds, pause)


def nowhere(milliseconds: int = AN_HOUR) -> WorkerLease:
    """A lease that nothing renews."""
    return lease_at("redis://:s3cret@127.0.0.1:1/0", "default", milliseconds)


def keeper_id() -> int:
    process = keeper_process._keeper._process
    assert process is not None
    return process.pid


def children_of(process: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def is_gone(process: int) -> bool:
    return state_of(process) in ("", "Z")


async def at_last(executions: ExecutionStore, holds: Callable[[tuple[LiveWorker, ...]], bool]) -> None:
    async with asyncio.timeout(LONG):
        while not holds(await executions.workers()):  # noqa: ASYNC110 - it is another process that we wait for
            await asyncio.sleep(0.01)


def test_a_lease_is_late_when_half_of_it_has_passed_since_its_thread_renewed_it() -> None:
    lease = Watched(seconds=3.0, renewed_at=100.0)
    assert [lease.is_late(now) for now in (100.0, 101.4, 101.5, 110.0)] == [False, False, True, True]
    lease.renewed(101.0)
    assert [lease.is_late(now) for now in (102.4, 102.5)] == [False, True]


def test_a_renewal_that_is_told_late_counts_from_when_it_was() -> None:
    lease = Watched(seconds=3.0, renewed_at=101.0)
    lease.renewed(100.0)
    assert lease.is_late(102.5)


def test_a_lease_need_not_be_looked_at_before_it_is_late_and_then_ten_times_in_its_length() -> None:
    lease = Watched(seconds=3.0, renewed_at=100.0)
    assert [lease.pause(now) for now in (100.0, 101.25, 101.5, 110.0)] == [1.5, 0.25, 0.3, 0.3]


def test_a_fork_that_fails_is_made_again_at_once_at_first_and_then_after_growing_pauses() -> None:
    lease, now, pauses = Watched(seconds=10.0, renewed_at=100.0), 105.0, list[float]()
    for _ in range(12):
        assert lease.may_be_tried(now)
        lease.failed(now)
        failed = now
        while not lease.may_be_tried(now):
            now += lease.pause(now)
        pauses.append(now - failed)
    assert pauses == [0, 0, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]
    lease.renewed(now)  # the thread is back, and the next time it is silent is another story
    lease.failed(now)
    assert lease.may_be_tried(now)


async def test_forks_that_cannot_start_are_told_the_owner_once_with_the_reason(
    server_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept, other = KeptLease(lease_at(server_url, namespace, 2000)), KeptLease(nowhere())
    with monkeypatch.context() as context:
        context.setattr(sys, "path", [path for path in sys.path if "site-packages" not in path])
        kept.renewed(monotonic())

    def told() -> list[str]:
        other.renewed(monotonic())
        return [record.getMessage() for record in caplog.records if record.name == keeper_process.__name__]

    await until(told)
    kept.renewed(monotonic())  # it is late once more, and its forks fail again
    keeper = keeper_id()
    await until(lambda: children_of(keeper))
    await until(lambda: not children_of(keeper))
    [text] = told()
    assert text.startswith("a process that renews the lease of a worker while a handler holds the interpreter failed")
    assert "(ModuleNotFoundError: No module named '" in text


@pytest.mark.parametrize(("state", "expected"), [*((state, True) for state in "RSDI"), *((s, False) for s in "TtZX")])
def test_what_is_stopped_or_has_ended_does_not_run(state: str, expected: bool) -> None:
    assert runs(state) is expected


def test_the_state_of_a_process_is_read_from_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        for platform in (sys.platform, "darwin"):  # which is asked by `ps`, as every system may be
            monkeypatch.setattr(sys, "platform", platform)
            sleeper.send_signal(signal.SIGSTOP)
            while runs(state_of(sleeper.pid)):
                pass
            sleeper.send_signal(signal.SIGCONT)
            while not runs(state_of(sleeper.pid)):
                pass
        sleeper.kill()
    assert not runs(state_of(sleeper.pid))


async def test_a_lease_is_kept_without_its_thread_and_no_longer_than_that_is_silent_or_the_lease_is_over(
    server_url: str, namespace: str
) -> None:
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        executions, milliseconds = storage.executions, round(LEASE.total_seconds() * 1000)
        await executions.join_workers(WORKER, LEASE)
        kept = KeptLease(lease_at(server_url, namespace, milliseconds))
        kept.renewed(monotonic())
        first = (await executions.workers())[0].expires_at
        await at_last(executions, lambda live: live[0].expires_at >= first + 2 * LEASE)
        [fork] = children_of(keeper_id())
        kept.renewed(monotonic())  # the thread is back
        await until(lambda: fork not in children_of(keeper_id()))
        await until(lambda: children_of(keeper_id()))  # it is silent again
        kept.end()
        await until(lambda: not children_of(keeper_id()))
        await at_last(executions, lambda live: not live)


async def test_a_lease_that_is_lost_is_given_up(server_url: str, namespace: str) -> None:
    async with MobStorage.open(server_url, namespace=namespace) as storage:  # where it was never known
        kept = KeptLease(lease_at(server_url, namespace, 2000))
        kept.renewed(monotonic())
        await until(lambda: children_of(keeper_id()))
        await until(lambda: not children_of(keeper_id()))
        assert await storage.executions.workers() == ()


@pytest.fixture
async def quiet() -> AsyncIterator[Client]:
    """A connection to a server that serves this test alone."""
    with server() as url:
        client = await connect(url)
        yield client
        await client.aclose()


async def counted(client: Client, section: str, name: str) -> int:
    info: bytes = await client.router.request("INFO", section)
    [line] = [line for line in info.decode().splitlines() if line.startswith(f"{name}:")]
    return int(line.partition(":")[2].partition(",")[0].removeprefix("calls="))


async def test_a_thread_that_renews_has_the_only_connection_and_sends_the_only_commands(
    quiet: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewals: list[float] = []

    class Counted(KeptLease):
        def renewed(self, at: float) -> None:
            renewals.append(at)
            super().renewed(at)

    monkeypatch.setattr(worker_lease, "KeptLease", Counted)
    async with MobStorage.open(quiet.url, namespace=namespace) as storage:
        await storage.executions.join_workers(WORKER, timedelta(hours=1))
        connections = await counted(quiet, "stats", "total_connections_received")
        async with kept_alive(lease_at(quiet.url, namespace, AN_HOUR), lambda: None):
            before, first = await counted(quiet, "commandstats", "cmdstat_evalsha"), len(renewals)
            await until(lambda: len(renewals) >= first + 20)
            commands = await counted(quiet, "commandstats", "cmdstat_evalsha") - before
            told = len(renewals) - first
            assert not is_gone(keeper_id())
            assert not children_of(keeper_id())
        assert await counted(quiet, "stats", "total_connections_received") == connections + 1
        assert told - 2 <= commands <= told + 3, "one opens the namespace, and some may be under way"


async def test_a_keeper_outlives_the_signals_that_are_meant_for_its_owner(server_url: str, namespace: str) -> None:
    KeptLease(nowhere()).renewed(monotonic())
    process = keeper_id()
    await until(lambda: ignores(process))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(process, number)
    KeptLease(lease_at(server_url, namespace, 2000)).renewed(monotonic())
    await until(lambda: children_of(process))
    assert os.getsid(process) != os.getsid(0)


def ignores(process: int) -> bool:
    status = Path(f"/proc/{process}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("SigIgn:")]
    mask = int(line.split()[1], 16)
    return all(mask >> (number - 1) & 1 for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))


def test_a_password_is_neither_among_the_arguments_of_the_keeper_nor_in_its_environment() -> None:
    KeptLease(nowhere()).renewed(monotonic())
    for part in ("cmdline", "environ"):
        assert b"s3cret" not in Path(f"/proc/{keeper_id()}/{part}").read_bytes()


def test_all_leases_of_a_process_have_one_keeper() -> None:
    KeptLease(nowhere()).renewed(monotonic())
    first = keeper_id()
    KeptLease(nowhere(AN_HOUR + 1)).renewed(monotonic())
    assert keeper_id() == first


def test_a_lease_that_is_too_short_to_be_kept_starts_no_keeper() -> None:
    kept = KeptLease(nowhere(1999))
    kept.renewed(monotonic())
    kept.end()
    assert keeper_process._keeper._process is None


def test_a_renewal_that_is_told_after_the_end_does_not_begin_anew() -> None:
    kept = KeptLease(nowhere())
    kept.end()
    kept.renewed(monotonic())
    assert keeper_process._keeper._process is None


@pytest.mark.parametrize("executable", ["", "/nonexistent/python"])
async def test_a_keeper_that_cannot_be_started_is_told_once_and_threads_renew_alone(
    server_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, executable: str
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    async with MobStorage.open(server_url, namespace=namespace) as storage:
        await storage.executions.join_workers(WORKER, timedelta(seconds=2))
        first = (await storage.executions.workers())[0].expires_at
        async with kept_alive(lease_at(server_url, namespace, AN_HOUR), lambda: None):
            await at_last(storage.executions, lambda live: live[0].expires_at > first)
    [told] = [record for record in caplog.records if record.name == keeper_process.__name__]
    assert told.levelno == logging.WARNING
    assert told.getMessage().startswith("cannot start the process that keeps the leases of workers (")


def test_a_keeper_that_was_killed_is_started_again_twice(caplog: pytest.LogCaptureFixture) -> None:
    kept = KeptLease(nowhere())
    for _ in range(keeper_process.MOST_STARTS):
        kept.renewed(monotonic())
        process = keeper_process._keeper._process
        assert process is not None
        process.kill()
        process.wait()
        kept.renewed(monotonic())
    kept.renewed(monotonic())
    assert keeper_process._keeper._process is None
    told = [record.getMessage() for record in caplog.records]
    assert [text.rpartition("; ")[2] for text in told] == [
        *["the next renewal starts another one"] * (keeper_process.MOST_STARTS - 1),
        "no further one is started",
    ]
    assert all("exit status -9" in text for text in told)


FORKS = """
    import os, sys, time
    from redis_mob.stores import keeper_process
    from redis_mob.stores.keeper_process import KeptLease
    from redis_mob.stores.lease_renewal import WorkerLease

    kept = KeptLease(WorkerLease("redis://localhost:1/0", "default", b"worker", 3_600_000, 1.0))
    kept.renewed(time.monotonic())
    first = keeper_process._keeper._process.pid
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0
        kept.renewed(time.monotonic())
        assert keeper_process._keeper._process.pid == first
        print(first)
    else:
        assert keeper_process._keeper._process is None
        kept.renewed(time.monotonic())
        assert keeper_process._keeper._process.pid != first
        print(keeper_process._keeper._process.pid)
"""


async def test_a_forked_process_has_a_keeper_of_its_own_and_both_end_with_their_owners() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", textwrap.dedent(FORKS)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    keepers = [int(line) for line in output.split()]
    assert len(set(keepers)) == 2
    await until(lambda: all(map(is_gone, keepers)))


INHERITED = """
    import os, signal, subprocess, time
    from redis_mob.stores import keeper_process
    from redis_mob.stores.keeper_process import KeptLease
    from redis_mob.stores.lease_renewal import WorkerLease

    KeptLease(WorkerLease("redis://localhost:1/0", "default", b"worker", 2_000, 1.0)).renewed(time.monotonic())
    number = keeper_process._keeper._link.fileno()
    subprocess.Popen(["sleep", "600"], pass_fds=[number], stdout=subprocess.DEVNULL)
    print(keeper_process._keeper._process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_a_keeper_ends_although_another_process_has_inherited_its_link() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(INHERITED)), stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    keeper = int(await process.stdout.readline())
    assert await process.wait() == -signal.SIGKILL
    try:
        await until(lambda: is_gone(keeper))
    finally:
        os.killpg(process.pid, signal.SIGKILL)


def test_the_keeper_starts_with_the_standard_library_alone() -> None:
    program = "import sys; import lease_keeper; print(sorted(m for m in sys.modules if m.split('.')[0] in OTHERS))"
    program = program.replace("OTHERS", "('redis', 'redis_mob', 'pydantic', 'asyncio')")
    folder = str(Path(lease_keeper.__file__).parent)
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
