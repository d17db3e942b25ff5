"""The services of docker-compose.yml, run by whichever Compose is installed, from whichever image can be had."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from redis_mob.testing.waiting import LONG
from tests.docker.image import make_image
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

_PROJECT = "redis-mob-test"
_IMAGE = "VALKEY_IMAGE"
_STATE = "{{.Name}} {{.State.Status}} {{.State.ExitCode}} {{if .State.Health}}{{.State.Health.Status}}{{end}}"


class Services:
    """The containers of one profile; `image` says what they were made from."""

    def __init__(self, profile: str, command: list[str]) -> None:
        self.profile = profile
        self.image = os.environ.get(_IMAGE) or _image_for(profile, command)
        self._command = [*command, "-p", _PROJECT, "--profile", profile]

    def compose(self, *arguments: str) -> str:
        """What a command of Compose writes; an error with its words if it fails."""
        return _output([*self._command, *arguments], **{_IMAGE: self.image})

    def wait_until_ready(self) -> None:
        """Wait until all health checks pass, and those that were to end have ended well."""
        deadline = time.monotonic() + 3 * LONG
        while not all(map(_is_ready, states := self._states())):
            assert time.monotonic() < deadline, f"{states}\n{self.compose('logs', '--tail=20')}"
            time.sleep(0.1)

    def _states(self) -> list[str]:
        listed = _output(["docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={_PROJECT}"])
        return _output(["docker", "inspect", "--format", _STATE, *listed.split()]).splitlines()


@contextmanager
def services(profile: str) -> Iterator[Services]:
    """What a profile runs, ready, until the block ends; nothing is left of it then. Skips where it cannot run."""
    if (failure := _failure(["docker", "info"])) is not None:
        pytest.skip(f"no Docker daemon answers: {failure}")
    if profile == "tls" and not CERTIFICATES.exists():
        _output(["sh", str(ROOT / "docker" / "certificates.sh")])
    started = Services(profile, _compose_command())
    try:
        started.compose("up", "-d")
        started.wait_until_ready()
        yield started
    finally:
        started.compose("down", "-v", "-t", "1")


def _compose_command() -> list[str]:
    for command in (["docker", "compose"], ["docker-compose"]):
        if _failure([*command, "version"]) is None:
            return command
    pytest.skip("there is neither `docker compose` nor `docker-compose`")


def _image_for(profile: str, command: list[str]) -> str:
    """The image that docker-compose.yml names, or where that cannot be had, one made of this machine's programs."""
    named = re.search(r"image: (\S+)", _output([*command, "--profile", profile, "config"]))
    assert named, "docker-compose.yml names no image"
    if any(_failure(["docker", *words, named[1]]) is None for words in (["image", "inspect"], ["pull"])):
        return named[1]
    made = f"redis-mob-test/{'tls' if profile == 'tls' else 'plain'}"
    try:
        make_image(made, redis7_program() if profile == "tls" else None)  # the server of `embedded:` has no TLS
    except FileNotFoundError as error:
        pytest.skip(f"no registry has {named[1]}, and {error}")
    return made


def _output(command: list[str], **environment: str) -> str:
    ended = _run(command, **environment)
    assert ended.returncode == 0, f"{' '.join(command)}\n{ended.stdout}{ended.stderr}"
    return ended.stdout


def _failure(command: list[str]) -> str | None:
    """The last words of a command that fails, None for one that does not."""
    if shutil.which(command[0]) is None:
        return f"there is no {command[0]} on PATH"
    ended = _run(command)
    return None if ended.returncode == 0 else (ended.stderr.strip().splitlines() or ["no reason given"])[-1]


def _run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, env=inherited, capture_output=True, text=True, check=False)


def _is_ready(state: str) -> bool:
    _, status, exit_code, *health = state.split()
    return (status, exit_code) == ("exited", "0") or (status == "running" and health in ([], ["healthy"]))
