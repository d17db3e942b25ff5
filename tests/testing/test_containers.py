"""What is said where a server in a container cannot be had. `make test-docker` shows that it can be had elsewhere."""

from __future__ import annotations

import sys

import pytest

from redis_mob.errors import StorageUnavailableError
from redis_mob.testing.containers import server_container


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "testcontainers.core.container", None)
    with pytest.raises(StorageUnavailableError, match=r"pip install 'redis-mob\[containers\]'"), server_container():
        pass


def test_without_a_docker_daemon_the_error_says_what_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(StorageUnavailableError, match="Docker daemon that answers"), server_container():
        pass
