"""The topologies of docker-compose.yml. `make test-docker` runs these tests; `make test` leaves them out."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.docker.compose import URLS, Services, services

collect_ignore_glob = [] if os.environ.get("REDIS_MOB_DOCKER") else ["test_*.py"]

_images: dict[str, str] = {}


@pytest.fixture(scope="module", params=URLS)
def topology(request: pytest.FixtureRequest) -> Iterator[Services]:
    """Each profile in turn, from start to end."""
    with services(request.param) as started:
        _images[started.profile] = started.image
        yield started


@pytest.fixture
def url(topology: Services) -> str:
    """The URL of the topology."""
    return URLS[topology.profile]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the tests ran against: it is not always the image that docker-compose.yml names."""
    for profile, image in _images.items():
        terminalreporter.write_line(f"{profile} ran {image}")
