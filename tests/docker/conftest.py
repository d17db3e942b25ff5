"""Servers in containers, alone and in the topologies of docker-compose.yml. `make test` leaves these tests out."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from redis_mob.testing.containers import DEFAULT_IMAGE, storage_url
from tests.conformance.conftest import pytest_itemcollected
from tests.docker.compose import URLS, Topology, topology_of
from tests.docker.image import obtain

__all__ = ["pytest_itemcollected", "storage_url"]

collect_ignore_glob = [] if os.environ.get("REDIS_MOB_DOCKER") else ["test_*.py"]

_ran: dict[str, str] = {}


@pytest.fixture(scope="session")
def server_image() -> str:
    """The image that `make test-image IMAGE=...` names, and no other one then; else one that can be had."""
    return os.environ.get("REDIS_MOB_SERVER_IMAGE") or obtain(DEFAULT_IMAGE)


@pytest.fixture(scope="module", params=URLS)
def topology(request: pytest.FixtureRequest) -> Iterator[Topology]:
    """Each profile in turn, from start to end."""
    with topology_of(request.param) as started:
        _ran[started.profile] = started.image
        yield started


@pytest.fixture
def url(topology: Topology) -> str:
    """The URL of the topology."""
    return URLS[topology.profile]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the tests ran against: it is not always the image that docker-compose.yml names."""
    for profile, image in _ran.items():
        terminalreporter.write_line(f"{profile} ran {image}")
