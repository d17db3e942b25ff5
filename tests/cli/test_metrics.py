"""`redis-mob metrics`, and the metrics of a worker process (contract: metrics-1, metrics-4, metrics-5)."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from redis_mob.connection.embedded.server_process import find_server
from tests.cli.command import IMPATIENT, Command, redis_mob, wait_until
from tests.cli.test_worker import free_port, over, start, working

TOKEN = "a-token-of-the-test"  # noqa: S105 - of nothing else


class Told(NamedTuple):
    """How a port answers: 0 if it does not."""

    status: int
    text: str = ""
    content_type: str = ""


def told(url: str, **headers: str) -> Told:
    try:
        answer = httpx.get(url, headers=headers, timeout=30)
    except httpx.TransportError:
        return Told(0)
    return Told(answer.status_code, answer.text, answer.headers.get("WWW-Authenticate", answer.headers["Content-Type"]))


@contextmanager
def serving(directory: Path, url: str, *options: str, impatient: bool = False) -> Generator[tuple[Command, str]]:
    """The command, and the address where it says that metrics are."""
    words = ("metrics", "--url", url, "--port", "0", *options)
    with Command(directory, *words, program=IMPATIENT if impatient else None) as command:
        said = ""
        while " at http" not in said:
            said = command.line_of_stderr()
            assert said, "it has ended"
        yield command, said.strip().rpartition(" at ")[2]


def test_it_answers_prometheus_until_it_is_told_to_end(project: Path, server_url: str, namespace: str) -> None:
    with working(project, "add", server_url, namespace) as worker:
        over(server_url, namespace, start(server_url, namespace))
        with serving(project, server_url, "--namespace", namespace) as (command, address):
            found = told(address)
            assert (found.status, found.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
            assert 'redis_mob_run_count{status="completed"} 1.0\n' in found.text
            assert 'redis_mob_queue_workers{mob="office",release="",role="clerk"} 1.0\n' in found.text
            assert 'redis_mob_worker_count{release=""} 1.0\n' in found.text
            openly = told(address, Accept="application/openmetrics-text;version=1.0.0")
            assert openly.content_type.startswith("application/openmetrics-text; version=1.0.0")
            assert openly.text.endswith("# EOF\n")
            assert told(address.replace("/metrics", "/healthz")).text == '{"status":"ok"}\n'
            assert told(address.replace("/metrics", "/")).status == 404
            command.signal(signal.SIGTERM)
            ended = command.end()
            assert (ended.status, ended.out) == (0, "")
        worker.signal(signal.SIGTERM)
        assert worker.end(at_once=False).status == 0


def test_a_namespace_that_is_created_later_is_told(project: Path, server_url: str, namespace: str) -> None:
    with serving(project, server_url, "--namespace", namespace) as (command, address):
        assert 'redis_mob_run_count{status="pending"} 0.0\n' in told(address).text
        start(server_url, namespace)
        wait_until(lambda: 'redis_mob_run_count{status="pending"} 1.0\n' in told(address).text)
        command.signal(signal.SIGINT)
        assert command.end().status == 0


def test_it_goes_on_while_the_server_is_away(project: Path, tmp_path: Path) -> None:
    def begun() -> subprocess.Popen[bytes]:
        words = ("--port", "0", "--unixsocket", str(tmp_path / "s"), "--dir", str(tmp_path), "--appendonly", "yes")
        return subprocess.Popen([str(find_server()), *words, "--save", ""], stdout=subprocess.DEVNULL)

    def has_begun() -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(tmp_path / "s")) == 0

    server = begun()
    try:
        wait_until(has_begun)
        url = f"unix://{tmp_path}/s"
        start(url, "default")
        with serving(project, url, impatient=True) as (command, address):
            assert "redis_mob_up 1.0\n" in told(address).text
            server.terminate()
            server.wait()
            wait_until(lambda: "redis_mob_up 0.0\n" in told(address).text)
            assert "redis_mob_run_count" not in told(address).text
            assert told(address.replace("/metrics", "/healthz")) == Told(
                200, '{"status":"ok, without the server"}\n', "application/json"
            )
            server = begun()
            wait_until(lambda: 'redis_mob_run_count{status="pending"} 1.0\n' in told(address).text)
            command.signal(signal.SIGTERM)
            ended = command.end()
        assert ended.status == 0
        assert "namespace 'default' cannot be read: " in ended.err
        assert "namespace 'default' can be read again" in ended.err
        assert "Traceback" not in ended.err
    finally:
        server.kill()
        server.wait()


def test_a_token_is_demanded_where_one_is_given(project: Path, server_url: str) -> None:
    (project / "token").write_text(f"{TOKEN}\n")
    with serving(project, server_url, "--token-file", "token", "--host", "0.0.0.0") as (command, address):  # noqa: S104
        address = address.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        assert told(address) == Told(401, "", "Bearer")
        assert told(address, Authorization=f"Bearer {TOKEN}x").status == 401
        assert told(address, Authorization=f"Basic {TOKEN}").status == 401
        assert told(address, Authorization=f"Bearer {TOKEN}").status == 200
        assert told(address.replace("/metrics", "/healthz")).status == 200
        command.signal(signal.SIGTERM)
        ended = command.end()
    assert ended.status == 0
    assert TOKEN not in ended.err


def test_what_it_cannot_use_is_told(project: Path, server_url: str) -> None:
    (project / "short").write_text("secret")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for options, status, said in (
            (("--port", port), 2, f"--port {port}: cannot listen on 127.0.0.1: "),
            (("--port", "65536"), 2, "--port 65536: give a number from 0 to 65535"),
            (("--host", "no.such.host.invalid", "--token-file", "long"), 2, "cannot listen on no.such.host.invalid: "),
            (("--host", "0.0.0.0"), 2, "--host '0.0.0.0': others reach this address"),  # noqa: S104
            (("--token-file", "short"), 2, "--token-file: a token is 16 characters or more"),
            (("--token-file", "none"), 2, "--token-file 'none': No such file or directory"),
            (("--url", "memory:"), 3, "memory:: no other process has runs there"),
            (("--url", "redis://127.0.0.1:1"), 3, "cannot use redis://127.0.0.1:1/0"),
        ):
            (project / "long").write_text(TOKEN)
            refused = redis_mob(project, "metrics", "--url", server_url, *options)
            assert (refused.status, refused.out) == (status, ""), refused.err
            assert said in refused.err
            assert "Traceback" not in refused.err
            assert "secret" not in refused.err


@pytest.mark.parametrize(
    "words", [("metrics",), ("worker", "flows.toml", "--handler", "handlers:add", "--metrics-port", "9464")]
)
def test_a_missing_extra_is_named(project: Path, server_url: str, words: tuple[str, ...]) -> None:
    hidden = ("-c", "import sys; sys.modules['prometheus_client'] = None; from redis_mob.cli import main; main()")
    with Command(project, *words, "--url", server_url, program=hidden) as command:
        ended = command.end()
    assert ended.status == 2
    assert "needs prometheus_client" in ended.err
    assert "pip install 'redis-mob[metrics]'" in ended.err


COUNTING = """
from opentelemetry import metrics
from prometheus_client import Counter

OWN = Counter("letters", "Letters that were sent.")
COUNTER = metrics.get_meter("handlers").create_counter("letter.read", "{letter}")


def count(ctx):
    OWN.inc()
    COUNTER.add(2)
    return 1
"""

WITH_A_PROVIDER = """
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider

metrics.set_meter_provider(MeterProvider(metric_readers=[PrometheusMetricReader(prefix="mine")]))
"""


@pytest.mark.parametrize("has_provider", [False, True])
def test_a_worker_tells_what_is_counted_in_its_process(
    project: Path, server_url: str, namespace: str, has_provider: bool
) -> None:
    (project / "counting.py").write_text(COUNTING + (WITH_A_PROVIDER if has_provider else ""))
    port, run_id = free_port(), start(server_url, namespace)
    words = ("worker", "flows.toml", "--handler", "counting:count", "--url", server_url, "--namespace", namespace)
    with Command(project, *words, "--metrics-port", str(port), program=("-m", "redis_mob")) as command:
        over(server_url, namespace, run_id)
        found = told(f"http://127.0.0.1:{port}/metrics").text
        assert "letters_total 1.0\n" in found
        assert ("mine_letter_read_total{" if has_provider else "\nletter_read_total 2.0\n") in found
        assert "process_cpu_seconds_total" in found
        assert told(f"http://127.0.0.1:{port}/").status == 200
        command.signal(signal.SIGTERM)
        ended = command.end(at_once=False)
    assert ended.status == 0, ended.err
    assert ("have set up OpenTelemetry" in ended.err) is has_provider


def test_one_port_tells_both_whether_a_worker_is_well_and_its_metrics(
    project: Path, server_url: str, namespace: str
) -> None:
    port, other = str(free_port()), str(free_port())
    (project / "token").write_text(TOKEN)
    for health, metrics in ((port, port), (port, other)):
        options = ("--health-port", health, "--metrics-port", metrics, "--metrics-token-file", "token")
        with working(project, "add", server_url, namespace, *options, program=("-m", "redis_mob")) as command:
            wait_until(lambda health=health: told(f"http://127.0.0.1:{health}/").status == 200)
            assert told(f"http://127.0.0.1:{metrics}/metrics").status == 401
            found = told(f"http://127.0.0.1:{metrics}/metrics", Authorization=f"Bearer {TOKEN}")
            assert "process_cpu_seconds_total" in found.text
            if health != metrics:
                assert told(f"http://127.0.0.1:{health}/metrics").content_type == "application/json"
            command.signal(signal.SIGTERM)
            assert command.end(at_once=False).status == 0


def test_what_a_worker_cannot_use_for_metrics_is_told(project: Path, server_url: str) -> None:
    usual = ("worker", "flows.toml", "--handler", "handlers:add", "--url", server_url)
    for options, said in (
        (("--metrics-port", "0"), "--metrics-port 0: give a number from 1 to 65535"),
        (("--metrics-port", "9464", "--metrics-host", "::"), "--metrics-host '::': others reach this address"),
        (("--metrics-token-file", "flows.toml"), "--metrics-token-file is for --metrics-port, which is missing"),
    ):
        refused = redis_mob(project, *usual, *options)
        assert (refused.status, refused.out) == (2, ""), refused.err
        assert said in refused.err
