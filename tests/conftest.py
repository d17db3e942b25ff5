"""Fixtures of all tests: one embedded server per test process, a namespace per test."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from redis_mob.connection.calls.client import Client, connect
from redis_mob.connection.calls.keys import Keys
from redis_mob.connection.embedded.server import EmbeddedServer
from redis_mob.testing.servers.cluster import Cluster, run_cluster
from tests.conformance.gaps import is_known_gap
from tests.support.examples import examples
from tests.support.servers import redis7_program, server

# how fast examples are made is a matter of what the machine does beside it
settings.register_profile(
    "examples",
    settings(),
    max_examples=examples(settings().max_examples),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("examples")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Half as many again as there are processors: tests wait for servers and processes as long as they compute."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # xdist reads it
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return (3 * processors + 1) // 2


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Browser tests run by themselves, in one process: the fleet behind their page goes on all the time, and others
    would see its connections, threads and warnings."""
    is_of_browser = collection_path == Path(__file__).parent / "ui" / "browser"
    return True if is_of_browser and "PYTEST_XDIST_WORKER" in os.environ else None


def pytest_collection_finish() -> None:
    """Let the garbage collector leave alone what stays until the end: a gigabyte of tests, which it would walk through
    again and again."""
    gc.collect()
    gc.freeze()


class ForgottenExceptions(logging.Handler):
    """What asyncio logs of exceptions that nothing has awaited, when their task or future is collected."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message alone: the exception would hold the frames of the test."""
        message = record.getMessage()
        is_cancelled = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
        if "was never retrieved" in message and not is_cancelled:
            self.said.append(message + (f": {record.exc_info[1]!r}" if record.exc_info else ""))


@pytest.fixture(scope="session")
def forgotten() -> Iterator[ForgottenExceptions]:
    """Listens to asyncio's log while tests run."""
    handler = ForgottenExceptions()
    logging.getLogger("asyncio").addHandler(handler)
    yield handler
    logging.getLogger("asyncio").removeHandler(handler)


@pytest.fixture(autouse=True)
def no_exception_is_forgotten(forgotten: ForgottenExceptions) -> Iterator[None]:
    """An exception of a task that nothing awaits fails the test in which it comes to light, or the next one."""
    yield
    said, forgotten.said = forgotten.said, []
    assert not said


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With REDIS_MOB_NO_SKIPS set, a test that is left out counts as failed: a merge has to run them all.

    The gaps of the backends under the conformance suite are known, and listed.
    """
    report = yield
    left_out = report.skipped and not hasattr(report, "wasxfail") and not is_known_gap(str(report.longrepr))
    if left_out and os.environ.get("REDIS_MOB_NO_SKIPS"):
        report.outcome = "failed"
        report.longrepr = f"left out although REDIS_MOB_NO_SKIPS is set: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which order it was: with -q the header, where pytest-randomly says it, is not shown."""
    if (seed := config.getoption("randomly_seed", None)) is not None:
        terminalreporter.write_line(f"random order: --randomly-seed={seed}")


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The URL of a real, empty server that all tests of this process share."""
    with asyncio.Runner() as runner:
        server = runner.run(EmbeddedServer.start())
        yield server.url
        runner.run(server.aclose())


@pytest.fixture(scope="session")
def redis7_url() -> Iterator[str]:
    """The URL of a server run by the `redis-server` on PATH; skips where there is none."""
    with server(program=redis7_program()) as url:
        yield url


@pytest.fixture(scope="session")
def valkey_cluster() -> Iterator[Cluster]:
    """A Redis Cluster of three Valkey servers that all tests of this process share; they leave its slots covered."""
    with run_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def cluster_url(valkey_cluster: Cluster) -> str:
    """The URL of that Cluster, with all its nodes."""
    return valkey_cluster.url


@pytest.fixture
def namespace() -> str:
    """The name of a namespace that no other test uses."""
    return f"test-{uuid4().hex}"


@pytest.fixture
async def connection(server_url: str) -> AsyncIterator[Client]:
    """A connection to the shared server, closed after the test."""
    opened = await connect(server_url)
    try:
        yield opened
    finally:
        await opened.aclose()


@pytest.fixture
async def keys(connection: Client, namespace: str) -> Keys:
    """The keys of the test's namespace, which is open."""
    return await connection.open_namespace(namespace)
