"""The profiles of docker-compose.yml, run by Compose from an image that can be had."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from testcontainers.compose import DockerCompose

from redis_mob.connection.embedded.server_process import find_server
from redis_mob.testing.containers import DEFAULT_IMAGE
from tests.docker.image import obtain
from tests.support.servers import redis7_program

ROOT = Path(__file__).resolve().parent.parent.parent
CERTIFICATES = ROOT / "docker" / "certificates"

URLS = {
    "single": "redis://127.0.0.1:6379",
    "sentinel": "redis+sentinel://127.0.0.1:26379,127.0.0.1:26380,127.0.0.1:26381/fleet",
    "cluster": "redis+cluster://127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003",
    "tls": f"rediss://127.0.0.1:6380?ca={CERTIFICATES}/ca.pem"
    f"&cert={CERTIFICATES}/client.pem&key={CERTIFICATES}/client.key",
}
"""The URL of what each profile runs."""

_IMAGE = "VALKEY_IMAGE"


class Topology:
    """The running containers of one profile; `image` says what they were made from."""

    def __init__(self, profile: str, image: str, compose: DockerCompose) -> None:
        self.profile = profile
        self.image = image
        self._compose = compose

    def kill(self, service: str) -> None:
        """Kill the server of a service, as a power cut does."""
        self._do("kill", service)

    def start(self, service: str) -> None:
        """Start it again, with the data that it has left."""
        self._do("start", service)

    def _do(self, *arguments: str) -> None:
        subprocess.run([*self._compose.docker_compose_command(), *arguments], cwd=ROOT, capture_output=True, check=True)


@contextmanager
def topology_of(profile: str) -> Generator[Topology]:
    """What a profile runs, healthy, until the block ends; nothing is left of it then. Skips where it cannot run."""
    _need_compose()
    if profile == "tls" and not CERTIFICATES.exists():
        subprocess.run(["sh", ROOT / "docker" / "certificates.sh"], check=True)
    # The server of `embedded:`, of which an image is made where no registry is reached, has no TLS.
    image = os.environ.get(_IMAGE) or obtain(DEFAULT_IMAGE, redis7_program if profile == "tls" else find_server)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(_IMAGE, image)
        environment.setenv("COMPOSE_PROJECT_NAME", "redis-mob-test")
        with DockerCompose(ROOT, profiles=[profile]) as compose:
            yield Topology(profile, image, compose)


def _need_compose() -> None:
    if shutil.which("docker") is None:
        pytest.skip("there is no docker on PATH")
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            pytest.skip(f"`{' '.join(command)}` fails: {ended.stderr.strip()}")
