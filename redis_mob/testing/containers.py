"""A Valkey or Redis server in a container, for tests on a machine with Docker.

In `conftest.py`:

    pytest_plugins = ["redis_mob.testing.containers"]

A test that takes the fixture `storage_url` gets the URL of a server that all tests of its process share, and opens a
namespace of its own there. The fixture `server_image` names the image; override it to test another server or version:

    @pytest.fixture(scope="session")
    def server_image() -> str:
        return "redis:8-alpine"

Without pytest's fixtures, `server_container` does the same. Needs `pip install redis-mob[containers]`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

from redis_mob.errors import StorageUnavailableError

DEFAULT_IMAGE = "valkey/valkey:8-alpine"
"""The image that is run when no other one is named."""

PORT = 6379
"""Where the server listens within its container."""

_POLL = 0.1
"""Seconds between two looks at the container's log. testcontainers waits a whole second otherwise."""


@contextmanager
def server_container(image: str = DEFAULT_IMAGE) -> Generator[str]:
    """Run a server of this image until the block ends, and yield its storage URL; it starts empty and keeps nothing.

    The image is pulled if it is not there. Its entry point has to pass settings on to the server, as those of the
    official images of Valkey and Redis do. The URL is good for all that a server without a password is: other
    processes of this machine may use it too.
    Raises StorageUnavailableError if the package testcontainers, a Docker daemon or the image is missing, or if the
    server does not start.
    """
    # Imported late: the package is an extra, and importing it takes a third of a second.
    try:
        from docker.errors import DockerException
        from testcontainers.core.container import DockerContainer
        from testcontainers.core.wait_strategies import LogMessageWaitStrategy
    except ImportError as error:
        raise StorageUnavailableError(
            "a server in a container needs testcontainers: `pip install 'redis-mob[containers]'`"
        ) from error
    ready = LogMessageWaitStrategy("Ready to accept connections").with_poll_interval(_POLL)
    try:
        container = DockerContainer(image)
    except DockerException as error:
        raise StorageUnavailableError(
            f"a server in a container needs a Docker daemon that answers: start one, or set DOCKER_HOST ({error})"
        ) from error
    # Nothing is stored in the container, so that no snapshot has to be written when it ends.
    container = container.with_command(["--save", ""]).with_exposed_ports(PORT).waiting_for(ready)
    try:
        try:
            container.start()
            url = f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(PORT)}"
        except (DockerException, RuntimeError, TimeoutError) as error:
            raise StorageUnavailableError(f"cannot run a server of the image {image!r}: {error}") from error
        yield url
    finally:
        container.stop()


@pytest.fixture(scope="session")
def server_image() -> str:
    """The image of the server behind `storage_url`: override this fixture to choose another one."""
    return DEFAULT_IMAGE


@pytest.fixture(scope="session")
def storage_url(server_image: str) -> Iterator[str]:
    """The URL of a server in a container that all tests of this process share; it ends with them."""
    with server_container(server_image) as url:
        yield url
