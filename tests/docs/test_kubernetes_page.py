"""The worker of docs/how-to/kubernetes.md leaves as the page says, and its deployment fits it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from redis_mob import Mob, step
from redis_mob.fleet.fleet import DRAIN_TIMEOUT
from redis_mob.sync import Fleet, MobStorage
from tests.docs.pages import ROOT, blocks, write_files

PAGE = ROOT / "docs" / "how-to" / "kubernetes.md"


@pytest.fixture
def container() -> dict[str, Any]:
    return pod()["containers"][0]


def pod() -> dict[str, Any]:
    [deployment] = [block for block in blocks(PAGE) if block.language == "yaml"]
    return yaml.safe_load(deployment.text)["spec"]["template"]["spec"]


@pytest.fixture
def worker(tmp_path: Path, server_url: str, container: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """The worker of the page, started as in its container."""
    write_files(PAGE, tmp_path)
    environment = {**os.environ, "REDIS_MOB_URL": server_url, "ALIVE_FILE": str(tmp_path / "alive")}
    program, *arguments = container["command"]
    assert program == "python"
    with subprocess.Popen([sys.executable, *arguments], cwd=tmp_path, env=environment) as process:
        yield process
        process.kill()


def test_a_worker_that_gets_sigterm_ends_what_it_executes(
    worker: subprocess.Popen[bytes], server_url: str, tmp_path: Path, container: dict[str, Any]
) -> None:
    invoices = Mob("invoices")
    invoices.role("render")
    invoices.flow("invoice", [step("render", timeout=60)])
    with MobStorage.open(server_url, namespace="invoices") as storage:
        fleet = Fleet(storage, invoices)
        run_id = fleet.start("invoice", {"order": 7})
        assert fleet.get(run_id, "state", timeout=60) == "at work"
        probe = {**os.environ, "ALIVE_FILE": str(tmp_path / "alive")}
        assert subprocess.run(container["livenessProbe"]["exec"]["command"], env=probe, check=False).returncode == 0
        worker.send_signal(signal.SIGTERM)
        assert fleet.wait(run_id, timeout=60).output("render", str) == "invoice of order 7"
    assert worker.wait(60) == 0


def test_the_probe_fails_where_nothing_shows_life(tmp_path: Path, container: dict[str, Any]) -> None:
    (old := tmp_path / "old").touch()
    os.utime(old, (0, 0))
    command = container["livenessProbe"]["exec"]["command"]
    for file in (old, tmp_path / "missing"):
        probe = {**os.environ, "ALIVE_FILE": str(file)}
        assert subprocess.run(command, env=probe, capture_output=True, check=False).returncode == 1


def test_a_pod_has_longer_than_its_worker_may_take() -> None:
    assert pod()["terminationGracePeriodSeconds"] > DRAIN_TIMEOUT.total_seconds()
