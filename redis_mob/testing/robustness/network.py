"""A network of its own for a server, which root can cut: in both directions, or in one of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from random import SystemRandom


class Network:
    """A link to a network namespace. `command` runs a program there, where it has this `address`."""

    def __init__(self, number: int) -> None:
        self._name = f"rm{number}"
        self._here, self._there = f"rmh{number}", f"rms{number}"
        net, low = f"10.213.{number // 64}", number % 64 * 4
        self._client, self.address = f"{net}.{low + 1}", f"{net}.{low + 2}"

    @property
    def command(self) -> list[str]:
        """What stands before a command that is to run there."""
        return [_ip(), "netns", "exec", self._name]

    def make(self) -> None:
        """Make the namespace and the link to it."""
        _run("netns", "add", self._name)
        _run("link", "add", self._here, "type", "veth", "peer", "name", self._there, "netns", self._name)
        _run("address", "add", f"{self._client}/30", "dev", self._here)
        _run("link", "set", self._here, "up")
        _run("-n", self._name, "address", "add", f"{self.address}/30", "dev", self._there)
        _run("-n", self._name, "link", "set", self._there, "up")
        _run("-n", self._name, "link", "set", "lo", "up")

    def remove(self) -> None:
        """Remove both; what runs there goes on without a network."""
        _run("netns", "delete", self._name, check=False)
        _run("link", "delete", self._here, check=False)

    def cut(self, *, requests: bool, replies: bool) -> None:
        """Let no packet pass to the server, or none from it: packets vanish, and no side is told."""
        if requests:
            _run("route", "add", "blackhole", f"{self.address}/32")
        if replies:
            _run("-n", self._name, "route", "add", "blackhole", f"{self._client}/32")

    def heal(self) -> None:
        """Let all packets pass again."""
        _run("route", "delete", "blackhole", f"{self.address}/32", check=False)
        _run("-n", self._name, "route", "delete", "blackhole", f"{self._client}/32", check=False)


@contextmanager
def network() -> Generator[Network]:
    """A network of its own until the block ends; only root can make one."""
    made = Network(SystemRandom().randrange(256 * 64))
    try:
        made.make()
        yield made
    finally:
        made.remove()


@cache
def missing() -> str:
    """Why no network can be made here; empty if it can."""
    if os.geteuid():
        return "only root can make a network namespace"
    if shutil.which("ip") is None:
        return "there is no program ip (Debian: apt-get install iproute2)"
    try:
        with network():
            return ""
    except subprocess.CalledProcessError:
        return "this system lets no network namespace be made"


def _ip() -> str:
    return shutil.which("ip") or "ip"


def _run(*words: str, check: bool = True) -> None:
    subprocess.run([_ip(), *words], check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
